"""What runs on the host already: podman, older Dockers, containers."""

from __future__ import annotations

import socket
from typing import Any

from lab.hosts import Host
from tests.drill import BARE, OLD, converged, on, refused
from tests.runner import pyinfra, root

BASE, FIREWALL = "tests/faults/deploy_base.py", "tests/firewall/deploy_firewall.py"
REMOVE = {"docker_conflicts": "remove"}
UPGRADE = {"docker_version": "28.5"}
PODMAN = "/var/lib/containers/storage"
VOLUME = "/var/lib/docker/volumes/v/_data/file"


def install(host: Host, *packages: str) -> None:
    """Install packages of the distribution, as its owner did before we came."""
    repaired = pyinfra(host.name, deploy=BASE)
    assert repaired.code == 0, repaired.output
    root(host, f"yum -y install {' '.join(packages)}")


def run_container(host: Host) -> str:
    root(host, "tar -C / -c usr/bin/busybox | docker import - box")
    return root(host, "docker run -d --name keep box /usr/bin/busybox sleep 100000")


def opened(port: int) -> dict[str, Any]:
    return {"firewall_zones": {"public": {"ports": [f"{port}/tcp"]}}}


def running(host: Host) -> str:
    return root(host, "docker ps --no-trunc -q")


@on("el8-e", start=BARE)
def test_h29_podman_is_refused_with_what_would_go_and_removed_on_demand(host: Host) -> None:
    install(host, "podman", "buildah", "podman-docker")
    root(host, f"mkdir -p {PODMAN}/overlay; echo kept > {PODMAN}/overlay/layer")
    # The lab's podman runs nothing; what looks after a container is known by its name.
    root(
        host,
        "cp /usr/bin/sleep /root/conmon; (/root/conmon 1000 >/dev/null 2>&1 </dev/null & echo $! >/root/pid)",
    )
    stop = "1 running containers would stop"
    refused(host, "buildah, podman, podman-docker, runc", stop, PODMAN, "docker_conflicts = 'remove'")
    refused(host, stop, "docker_allow_restart = True", data=REMOVE)
    root(host, "kill $(cat /root/pid)")
    converged(host, data=REMOVE)
    assert root(host, f"cat {PODMAN}/overlay/layer") == "kept"
    assert "not installed" in root(host, "rpm -q podman || true")


@on("el9-e", start=BARE)
def test_h29_podman_without_runc_may_stay(host: Host) -> None:
    install(host, "podman", "buildah")
    converged(host)
    root(host, "rpm -q podman buildah docker-ce")


@on("el7-e", start=BARE)
def test_h30_an_older_docker_goes_and_its_data_stays(host: Host) -> None:
    install(host, "docker", "docker-client", "docker-common")
    root(host, f"mkdir -p {VOLUME.rpartition('/')[0]}; echo precious > {VOLUME}")
    before = root(host, f"stat -c '%i %a %U' {VOLUME}; sha256sum {VOLUME}")
    refused(host, "docker, docker-client, docker-common", "/var/lib/docker", "would stay")
    converged(host, data=REMOVE)
    assert root(host, f"stat -c '%i %a %U' {VOLUME}; sha256sum {VOLUME}") == before
    root(host, "docker info")


@on("el8-e", start=BARE)
def test_h31_a_disabled_module_that_hides_a_dependency_is_named(host: Host) -> None:
    assert pyinfra(host.name, deploy=BASE).code == 0
    root(host, "dnf -y module disable container-tools")
    refused(host, "container-selinux", untouched=False)
    assert root(host, "rpm -q docker-ce || true") == "package docker-ce is not installed"
    root(host, "dnf -y module reset container-tools")
    converged(host)


@on("el8-e", start=BARE)
def test_h31_an_enabled_module_neither_hides_docker_nor_is_changed(host: Host) -> None:
    install(host, "@container-tools")
    modules = root(host, "cat /etc/dnf/modules.d/*")
    refused(host, "podman", "runc")
    converged(host, data=REMOVE)
    assert root(host, "cat /etc/dnf/modules.d/*") == modules


@on("el9-e", start=OLD)
def test_h32_an_upgrade_under_running_containers_is_refused_without_live_restore(host: Host) -> None:
    container = run_container(host)
    refused(host, "1 running containers would stop", "docker_allow_restart = True", data=UPGRADE)
    assert running(host) == container
    converged(host, data={**UPGRADE, "docker_allow_restart": True})
    assert "28.5" in root(host, "docker version -f '{{.Server.Version}}'")


@on("el9-e", start=OLD)
def test_h32_live_restore_keeps_containers_where_docker_says_that_it_does(host: Host) -> None:
    """Through a restart, but not into another line of engines, nor through a change of the network."""
    container = run_container(host)
    data = {"docker_version": "26.1", "docker_live_restore": True}
    converged(host, data=data)
    data["docker_log_driver"] = "local"
    converged(host, data=data)
    assert running(host) == container
    refused(host, "1 running containers would stop", data={**data, "docker_bip": "10.201.0.1/24"})
    refused(host, "1 running containers would stop", data={**data, "docker_version": "28.5"})
    assert running(host) == container


@on("el7-e")
def test_h36_rules_that_dockerd_does_not_add_again_come_back(host: Host) -> None:
    """firewalld that starts after dockerd, on the iptables backend: dockerd does not hear of its reloads."""
    root(host, "sed -i s/^FirewallBackend=.*/FirewallBackend=iptables/ /etc/firewalld/firewalld.conf")
    root(host, "systemctl stop firewalld; systemctl restart docker")
    serve = "while :; do echo hello | /usr/bin/busybox nc -l -p 80; done"
    root(host, "tar -C / -c usr/bin/busybox | docker import - box")
    root(host, f"docker run -d -p 8088:80 box /usr/bin/busybox sh -c '{serve}'")
    converged(host, deploy=FIREWALL, data={**opened(8080), "firewall_running": True})
    rules = "iptables-save -t nat | grep -e '--dport 8088' -e 'MASQUERADE' -e '-j DOCKER' | sort"
    before = root(host, rules)
    assert before.count("\n") > 2
    converged(host, deploy=FIREWALL, data=opened(8081))
    assert root(host, rules) == before
    with socket.create_connection((host.address, 8088), timeout=5) as client:
        assert client.recv(9) == b"hello\n"
