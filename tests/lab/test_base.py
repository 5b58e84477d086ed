"""EPEL on a real host, from the lab's mirror."""

from __future__ import annotations

import lab.hosts
from lab.hosts import Host
from tests.runner import converge

EPEL = {"base_epel": True, "base_packages": ["jq"]}
DEPLOY = "tests/lab/base_deploy.py"


def test_a_package_out_of_epel():
    name = "el9-epel"
    lab.hosts.reset([name])
    host = Host(name)
    converge(name, deploy=DEPLOY, data=EPEL)
    assert host.ssh("rpm -q jq && dnf -q repolist | grep -w elforge-epel").returncode == 0
    assert host.ssh("rpm -e jq", user="root").returncode == 0
    assert converge(name, deploy=DEPLOY, data=EPEL).changed == {(name, "Base | Install packages")}
    lab.hosts.down([name])
