"""What the crash sweep puts its hosts through."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class Scenario(NamedTuple):
    """A run that is killed everywhere: from which snapshot of which host, and with what."""

    name: str
    start: str
    data: dict[str, Any]
    deploy: str = "deploy.py"
    # Whether hosts that go through one of this name share what dies in a sample.
    shared: bool = False


RELEASES = (7, 8, 9)
# A change of options on a converged host: settings, a drop-in, and on el9 the engine itself, downwards.
CHANGE: dict[int, dict[str, Any]] = {
    7: {"docker_debug": True, "docker_users": ["ops"], "docker_builder_max_used_space": "5GB"},
    8: {"docker_hosts": ["fd://", "unix:///run/docker-2.sock"], "docker_log_driver": "local"},
    9: {"docker_version": "26.1", "docker_builder_max_used_space": "5GB", "base_packages": ["make"]},
}
# The firewall under its guard, with what SELinux is to know of the same port.
GUARDED: dict[str, Any] = {
    "firewall_zones": {
        "inside": {"services": ["ssh"], "ports": ["8080-8089/tcp"], "sources": ["198.51.100.0/24"]},
        "public": {"rich_rules": ["rule family=ipv4 source address=192.0.2.0/24 service name=http accept"]},
    },
    "firewall_default_zone": "inside",
    "selinux_ports": {"15601/tcp": "http_port_t"},
}
# A release with each backend of firewalld.
BACKENDS = (7, 9)
CACHE = {"path": "/srv/cache", "owner": "ops", "max_size": "32M"}
SERVICES = "tests/sweep/deploy_service.py"


def service(program: Path) -> dict[str, Any]:
    """Return the data of a service behind a port, with the journal, the kernel and a cache bounded."""
    app = {
        "version": "1.0",
        "file": str(program),
        "arguments": ["-listen", ":8080"],
        "probe": "http://127.0.0.1:8080/healthz",
        "ports": ["8080/tcp"],
        "open": True,
    }
    return {
        "service_apps": {"app": app},
        "journald_storage": "persistent",
        "journald_max_use": "32M",
        "kernel_sysctl": {"net.ipv4.ip_default_ttl": 63},
        "caches_places": {"ci": CACHE},
    }


def release(program: Path) -> dict[str, Any]:
    """Return another release of it with other units and no port, other bounds, and the cache in memory."""
    data = service(program)
    app = {**data["service_apps"]["app"], "version": "1.1", "probe_seconds": 5, "environment": {"GOGC": "50"}}
    del app["ports"], app["open"]
    cache = {**CACHE, "tmpfs": {"size": "64M"}}
    return {
        **data,
        "service_apps": {"app": app},
        "journald_max_use": "48M",
        "kernel_sysctl": {},
        "caches_places": {"ci": cache},
    }


REMOVAL: dict[str, Any] = {
    "service_apps": {"app": {"state": "absent"}},
    "journald_state": "absent",
    "kernel_state": "absent",
    "caches_state": "absent",
}


# Go's binaries: another default, an old one that goes, a policy; and all of it taken back.
GO = "tests/golang/go_deploy.py"
BINARY = {"go_versions": ["1.26.6"], "go_cgo": False}
UPGRADE = {
    **BINARY,
    "go_versions": ["1.27.3"],
    "go_prune": True,
    "goenv_private": ["git.example.com/*"],
    "goenv_tmpdir": "/srv/go/tmp",
}
GONE = {"go_state": "absent", "goenv_state": "absent"}


def scenarios(program: Path) -> dict[str, list[Scenario]]:
    """Return what each host is put through; the outcome of its first run is a snapshot for the others."""
    guarded = {major: [Scenario("firewall", "converged", GUARDED, shared=True)] for major in BACKENDS}
    docker = {
        f"el{major}-sweep": [
            Scenario("bare", "bare", {}, shared=True),
            Scenario("change", "converged", CHANGE[major]),
            *guarded.get(major, []),
        ]
        for major in RELEASES
    }
    services = [
        Scenario("service", "bare", service(program), SERVICES),
        Scenario("release", "converged", release(program), SERVICES),
        Scenario("removal", "converged", REMOVAL, SERVICES),
    ]
    docker["el8-sweep"].append(Scenario("removal", "converged", {"docker_state": "absent"}))
    # The long build is killed in tests/toolchain/test_go_build.py.
    go = [
        Scenario("go", "bare", BINARY, GO),
        Scenario("upgrade", "converged", UPGRADE, GO),
        Scenario("gone", "converged", GONE, GO),
    ]
    return {**docker, "el9-servicesweep": services, "el9-gosweep": go}
