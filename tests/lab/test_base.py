"""EPEL and the software collections on real hosts, from the lab's mirror."""

from __future__ import annotations

import pytest

import lab.hosts
from tests.runner import converge, root

DEPLOY = "tests/lab/base_deploy.py"


@pytest.mark.parametrize(
    ("name", "option", "package"),
    [("el9-epel", "base_epel", "jq"), ("el7-scl", "base_scl", "devtoolset-11-gcc")],
)
def test_a_package_out_of_a_repository_that_is_added(name, option, package):
    (host,) = lab.hosts.reset([name])
    wanted = {option: True, "base_packages": [package]}
    converge(name, deploy=DEPLOY, data=wanted)
    repository = option.replace("base_", "elforge-")
    root(host, f"rpm -q {package} && yum -q repolist | grep -w {repository}")
    root(host, f"rpm -e {package}")
    assert converge(name, deploy=DEPLOY, data=wanted).changed == {(name, "Base | Install packages")}
    lab.hosts.down([name])
