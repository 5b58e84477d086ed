"""Kernel settings on real hosts; lab hosts share their kernel, so only what is each host's own is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import lab.hosts
from deploys.release import RELEASES
from lab.hosts import Host
from tests.runner import apply, converge, pyinfra, root

pytestmark = pytest.mark.alike("el9")

DEPLOY = "tests/service/deploy_kernel.py"
# Of the network namespace that the host has to itself.
KEY = "net.ipv4.ip_default_ttl"
DATA = {
    "kernel_sysctl": {KEY: 63, "net.ipv4.ping_group_range": "0 100"},
    "kernel_limits": [{"domain": "ops", "item": "nofile", "value": 4096}],
}


@pytest.fixture(scope="module", params=RELEASES, ids=lambda major: f"el{major}")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    name = f"el{request.param}-kernel"
    (each,) = lab.hosts.reset([name])
    converge(name, deploy=DEPLOY, data=DATA)
    yield each
    lab.hosts.down([name])


def test_the_kernel_has_what_is_declared(host: Host) -> None:
    assert root(host, f"sysctl -n {KEY}") == "63"
    assert root(host, "cat /proc/sys/net/ipv4/ping_group_range").split() == ["0", "100"]


def test_what_somebody_has_changed_is_set_again(host: Host) -> None:
    root(host, f"sysctl -w {KEY}=40")
    done = apply(host.name, deploy=DEPLOY, data=DATA)
    assert [name for _, name in done.changed] == ["Kernel | Set the kernel's settings"]
    assert root(host, f"sysctl -n {KEY}") == "63"


def test_what_the_kernel_refuses_changes_nothing(host: Host) -> None:
    before = root(host, "sha256sum /etc/sysctl.d/elforge.conf")
    data = {**DATA, "kernel_sysctl": {KEY: 62, "net.ipv4.ping_group_range": "100 x"}}
    done = apply(host.name, deploy=DEPLOY, data=data)
    assert done.code != 0
    assert "the kernel does not take what is declared" in done.output
    assert root(host, f"sysctl -n {KEY}") == "63"
    assert root(host, "sha256sum /etc/sysctl.d/elforge.conf") == before


def test_a_login_has_its_limit(host: Host) -> None:
    assert host.ssh("ulimit -n", user="ops").stdout.strip() == "4096"


def test_a_module_that_is_no_module_is_refused_in_the_plan(host: Host) -> None:
    done = pyinfra(host.name, dry=True, deploy=DEPLOY, data={"kernel_modules": ["no_such_module"]})
    assert done.code != 0
    assert "this kernel has no no_such_module" in done.output
