"""How pyinfra reaches a lab host, and where it finds what a real host gets from the Internet."""

import os
from typing import Any

from lab import fixture, keys, mirror
from lab.hosts import DEFAULT_USER, Host
from lab.mirror import golang
from lab.system import known_hosts

# "ssh" for pyinfra's own connector: everything has to work with that, too.
CONNECTOR = os.environ.get("ELFORGE_LAB_CONNECTOR", "elforge")
# The newest binary on the lab's mirror.
GO = "1.27.3"


def connection(name: str, *, user: str = DEFAULT_USER) -> tuple[str, dict[str, Any]]:
    """
    Return a lab host as an entry of a pyinfra inventory.

    + name: el7, el8, el9, or one of these with a suffix, such as el9-a
    + user: ops, who becomes root by sudo, or root

    ``docker_hosts = [connection("el9")]``
    """
    host = Host(name)
    return name if CONNECTOR == "ssh" else f"@{CONNECTOR}/{name}", {
        "ssh_hostname": host.address,
        "ssh_port": host.port,
        "ssh_user": user,
        "ssh_key": str(host.key),
        "ssh_known_hosts_file": str(known_hosts()),
        "ssh_strict_host_key_checking": "yes",
        "_sudo": user != "root",
        **mirrors(),
    }


def mirrors() -> dict[str, Any]:
    """Return the options that point the base deploy at the lab's package mirror."""
    url = mirror.url()
    return {
        "base_vault_urls": [f"{url}/vault"],
        "base_stream_urls": [f"{url}/stream"],
        "base_insecure_mirror": True,
        "base_epel_urls": [f"{url}/epel/{{major}}/$basearch"],
        "base_epel_key_url": mirror.distro_key_url(),
        "base_epel_fingerprint": keys.distro_fingerprint(),
        "base_scl_key_url": mirror.distro_key_url(),
        "base_scl_fingerprint": keys.distro_fingerprint(),
    }


def docker() -> dict[str, Any]:
    """Return the options of the group docker_hosts in the lab."""
    return {
        "docker_users": [DEFAULT_USER],
        "docker_repo_url": f"{mirror.url()}/docker/linux",
        "docker_insecure_mirror": True,
        "docker_fingerprint": keys.key_fingerprint(),
    }


def go() -> dict[str, Any]:
    """Return the options of the group go_hosts in the lab."""
    return {
        "go_versions": [GO],
        "go_download_urls": [f"{mirror.url()}/go/dl"],
        "go_insecure_mirror": True,
        "go_artifacts": golang.artifacts(),
    }


def service() -> dict[str, Any]:
    """Return the options of the group service_hosts in the lab: an application to build and run."""
    app = {
        "version": fixture.version(),
        "git": fixture.repository(),
        "ref": fixture.TAG,
        "arguments": ["-listen", ":8080", "-notify"],
        "notify": True,
        "watchdog": 10,
        "probe": "http://127.0.0.1:8080/healthz",
        "ports": ["8080/tcp"],
        "open": True,
        "memory": "256M",
    }
    return {"service_apps": {"app": app}, "service_insecure_mirror": True, "firewall_running": True}
