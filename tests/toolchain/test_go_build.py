"""Go built from source on a real host: killed on the way, and handed on to the other releases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Self

import pytest

import lab.hosts
from lab.hosts import Host
from tests.forks import ROOT
from tests.golang.test_go import CGO, DEPLOY
from tests.runner import INVENTORY, converge, pyinfra, requests, root, until

SOURCE, BOOTSTRAP = "1.27.1", "1.24.11"
NAME = f"go{SOURCE}-source"
BUILDER, OTHERS = "el9-gobuild", ("el7-gobuild", "el8-gobuild")
# Seconds that nothing here takes; a build needs three minutes of two cores, and is not alone.
LONG = 3600
DATA = {
    "go_versions": [SOURCE],
    "go_method": "source",
    "go_bootstrap": BOOTSTRAP,
    "go_build_host": BUILDER,
}


class Started:
    """A run of pyinfra in the background, which dies when told to, or else with its test."""

    def __init__(self, host: Host) -> None:
        asked = {"names": [host.name], "user": "ops", "data": DATA}
        self.host = host
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pyinfra", "-y", INVENTORY, DEPLOY],
            cwd=ROOT,
            env={**os.environ, "PYINFRA_PROGRESS": "off", "ELFORGE_TEST": json.dumps(asked)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def until(self, text: str, seconds: int = LONG) -> None:
        """Wait for a line of the build's log."""
        deadline = time.monotonic() + seconds
        log = f"cat /var/lib/elforge/go/{NAME}.log"
        while text not in self.host.ssh(log, user="root", shared=True).stdout:
            assert self.process.poll() is None, self.process.stderr.read() if self.process.stderr else ""
            assert time.monotonic() < deadline, f"{text!r} did not come"
            time.sleep(1)

    def kill(self) -> None:
        """End the control side, and it alone."""
        self.process.kill()
        self.process.wait()


def nothing_in_place(host: Host) -> bool:
    return "absent" in root(
        host, f"test -e /usr/local/go-toolchains/{NAME} -o -e /usr/local/go || echo absent"
    )


@pytest.fixture(scope="module")
def builder() -> Host:
    lab.hosts.reset([BUILDER])
    return Host(BUILDER)


def test_h26_a_build_that_was_killed_is_made_up_for(builder: Host) -> None:
    with Started(builder) as cut:
        cut.until("Building Go cmd/dist")
        builder.crash()
    builder.up()
    assert nothing_in_place(builder)

    before = requests(builder, f" GET /go/dl/go{SOURCE}.src.tar.gz 200 ")
    with Started(builder) as starved:
        starved.until("Building Go toolchain1")
        # All of it: a compiler that is left over, or was started meanwhile, holds the log open to its end.
        root(builder, "while pkill -KILL -u elforge-go; do :; done")
        said = starved.process.communicate(timeout=LONG)[1]
    assert starved.process.returncode != 0
    assert f"{NAME}: make.bash was killed; was it the memory (go_build_memory)?; " in said, said
    assert nothing_in_place(builder)
    assert root(builder, "find /usr/local/go-toolchains -mindepth 1") == ""
    assert requests(builder, f" GET /go/dl/go{SOURCE}.src.tar.gz 200 ") == before, (
        "what was downloaded is not downloaded again"
    )

    root(builder, f"rm /var/lib/elforge/go/{NAME}.log")  # says what is waited for
    with Started(builder) as orphan:
        orphan.until("Building Go toolchain1")
    until(lambda: root(builder, "flock -n /run/elforge/lock true || echo busy") != "busy", LONG, every=5)
    assert not nothing_in_place(builder), "the build of the run that was killed went on"
    log = root(builder, f"grep -c 'Building Go cmd/dist' /var/lib/elforge/go/{NAME}.log")
    assert log == "1", "the build of the run that was killed went on, there was no other"


def test_one_build_serves_every_release(builder: Host) -> None:
    """The build host's part is not over when the others' begins: it has yet to pack."""
    lab.hosts.reset(OTHERS)
    hosts = [builder, *map(Host, OTHERS)]
    before = [requests(host, f" GET /go/dl/go{SOURCE}.src.tar.gz 200 ") for host in hosts]
    converge(BUILDER, *OTHERS, deploy=DEPLOY, data=DATA, seconds=LONG)
    assert [requests(host, f" GET /go/dl/go{SOURCE}.src.tar.gz 200 ") for host in hosts] == before
    manifests = set()
    for host in hosts:
        program = f"cat > /tmp/x.go <<'GO'\n{CGO}GO\ncd /tmp && CGO_ENABLED=1 go run x.go 2>&1"
        assert host.ssh(program).stdout.strip() == "42", host.name
        assert root(host, "go env CGO_ENABLED GOVERSION").split() == ["1", f"go{SOURCE}"]
        manifests.add(root(host, f"cat /usr/local/go-toolchains/{NAME}/elforge.sha256 | sha256sum"))
    assert len(manifests) == 1, "all have the same toolchain, to the byte"


def test_a_toolchain_that_was_damaged_comes_again(builder: Host) -> None:
    victim = Host(OTHERS[0])
    root(victim, f"rm /usr/local/go-toolchains/{NAME}/bin/go")
    run = pyinfra(BUILDER, victim.name, deploy=DEPLOY, data=DATA, seconds=LONG)
    assert run.changed == {(victim.name, f"Go | Get Go {SOURCE}")}, run.output
    assert root(victim, "go version") == f"go version go{SOURCE} linux/amd64"


def test_the_builder_has_to_be_in_the_run_when_something_is_to_be_done(builder: Host) -> None:
    victim = OTHERS[1]
    idle = pyinfra(victim, deploy=DEPLOY, data={**DATA, "go_build_host": victim}, dry=True)
    assert idle.code == 0
    alone = pyinfra(victim, deploy=DEPLOY, data=DATA)
    assert (alone.code, alone.changed) == (1, set())
    assert f"there is no host {BUILDER} in the inventory" in alone.output
    lab.hosts.down([BUILDER, *OTHERS])
