"""Go built on EL7 with a software collection's compilers, which it then has for its own."""

from __future__ import annotations

import pytest

import lab.hosts
from tests.golang.test_go import CGO, DEPLOY
from tests.runner import converge, root
from tests.toolchain.test_go_build import BOOTSTRAP, LONG, SOURCE


@pytest.mark.long
def test_a_collections_compilers_are_those_of_the_toolchain() -> None:
    (host,) = lab.hosts.reset(["el7-gocollection"])
    data = {
        "base_scl": True,
        "go_versions": [SOURCE],
        "go_method": "source",
        "go_bootstrap": BOOTSTRAP,
        "go_collection": "devtoolset-11",
    }
    converge(host.name, deploy=DEPLOY, data=data, seconds=LONG)
    assert host.ssh("rpm -q gcc").returncode, "the release's own compiler was not asked for"
    tools = "/opt/rh/devtoolset-11/root/usr/bin"
    assert root(host, "go env CC CXX").split() == [f"{tools}/gcc", f"{tools}/g++"]
    program = f"cat > /tmp/x.go <<'GO'\n{CGO}GO\ncd /tmp && CGO_ENABLED=1 go run x.go 2>&1"
    assert host.ssh(program).stdout.strip() == "42"
    lab.hosts.down([host.name])
