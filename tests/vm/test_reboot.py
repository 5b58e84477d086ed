"""A reboot: what was declared is there again by itself, and the next run finds nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.hosts import Host
from tests.figures import FIGURES
from tests.runner import pyinfra, root
from tests.vm.permissive import permissive

NAME = "vm9-reboot"
DATA: dict[str, Any] = {
    "firewall_running": True,
    "firewall_zones": {"public": {"ports": ["9000-9010/tcp"]}},
    "firewall_docker_allow": ["192.0.2.0/24"],
    "selinux_ports": {"15601-15605/tcp": "http_port_t"},
    "selinux_booleans": {"httpd_can_network_connect": True},
    "go_method": "binary",
    "goenv_proxy": ["https://proxy.example.org", "direct"],
}
# What is asked for in the deploys' own words, and what the kernel and other programs say of it.
SAID = (
    "systemctl is-active firewalld docker elforge-docker-user; firewall-cmd --list-ports; "
    "docker info -f '{{.Driver}}'; docker run --rm box /usr/bin/busybox echo container; "
    "iptables -S DOCKER-USER; iptables -S DOCKER-ELFORGE; "
    "semanage port -lC -n; getsebool httpd_can_network_connect; "
    "bash -lc 'go version; go env GOPROXY'; readlink -f /usr/local/go; "
    "findmnt -n -o TARGET,FSTYPE,OPTIONS /; findmnt -n -o TARGET,FSTYPE /tmp"
)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    yield from permissive(NAME)


def test_what_was_declared_outlives_a_reboot(host):
    done = pyinfra(NAME, data=DATA, seconds=1800)
    assert done.code == 0, done.output
    root(host, "tar -C / -c usr/bin/busybox | docker import - box")
    before = root(host, SAID)
    assert "9000-9010/tcp" in before
    boot = root(host, "cat /proc/sys/kernel/random/boot_id")
    host.down()
    host.up()
    assert root(host, "cat /proc/sys/kernel/random/boot_id") != boot
    assert root(host, "systemctl is-system-running --wait || systemctl --failed --no-legend") == "running"
    assert root(host, SAID) == before
    again = pyinfra(NAME, data=DATA, seconds=1800)
    assert (again.code, again.changed) == (0, set()), again.output
    FIGURES.append(f"{NAME}: {len(before.splitlines())} things the same after a reboot")
