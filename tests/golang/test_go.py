"""Go on real hosts: downloads, a build, and what is called go from everywhere."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

import lab.hosts
from lab.hosts import Host
from tests.runner import apply, converge, pyinfra, root

pytestmark = pytest.mark.alike("el7")

DEPLOY = "tests/golang/go_deploy.py"
OLD, NEW = "1.26.6", "1.27.3"
PREFIX = "/usr/local/go-toolchains"
# A program that asks for C: there is no net or os/user in it that could do without.
CGO = 'package main\n\n// #include <stdlib.h>\nimport "C"\n\nfunc main() { println(int(C.abs(-42))) }\n'


def changes(name: str, **data: object) -> set[str]:
    """Apply to a host, as predicted, and return the names of what changed."""
    run = apply(name, deploy=DEPLOY, data=data)
    assert run.code == 0, run.output
    return {operation.removeprefix("Go | ") for _, operation in run.changed}


def starts_no_go(host: Host, versions: list[str]) -> None:
    """See a second run get by where no program of a toolchain can be started."""
    root(host, f"mount --bind {PREFIX} {PREFIX}; mount -o remount,bind,noexec {PREFIX}")
    assert "ermission denied" in root(host, f"{PREFIX}/go{OLD}/bin/go version 2>&1 || true")
    run = pyinfra(host.name, deploy=DEPLOY, data={"go_versions": versions})
    assert (run.code, run.changed) == (0, set()), run.output
    root(host, f"umount {PREFIX}")


@pytest.mark.parametrize("name", ["el7-go", "el9-go"])
def test_two_versions_side_by_side_and_all_of_it_removed(name):
    (host,) = lab.hosts.reset([name])
    before = root(host, "find /usr/local /usr/bin /etc/alternatives /etc/profile.d | sort")
    converge(name, deploy=DEPLOY, data={"go_versions": [NEW, OLD]})
    assert root(host, "go version") == f"go version go{NEW} linux/amd64"
    said = root(host, f"{PREFIX}/go{OLD}/bin/go version")
    assert said == f"go version go{OLD} linux/amd64"

    starts_no_go(host, [NEW, OLD])

    assert changes(name, go_versions=[NEW, OLD], go_default=OLD) == {"Choose the default Go"}
    assert root(host, "go version") == f"go version go{OLD} linux/amd64"
    assert changes(name, go_versions=[OLD], go_prune=True) == {"Remove other toolchains"}
    assert root(host, f"ls {PREFIX}") == f"go{OLD}"

    removal = {"go_state": "absent"}
    converge(name, deploy=DEPLOY, data=removal)
    gone = root(host, "find /usr/local /usr/bin /etc/alternatives /etc/profile.d | sort")
    assert set(gone.splitlines()) - set(before.splitlines()) <= {"/usr/bin/gcc", "/usr/bin/cc"}
    assert set(before.splitlines()) - set(gone.splitlines()) == set()
    lab.hosts.down([name])


def until(version: str, loop: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what each build of a loop says, to the first one by a version."""
    for line in loop.stdout or ():
        yield line
        if line == f"go{version}\n":
            return
    raise AssertionError("the loop has ended")


def test_h27_a_build_loop_sees_no_failure_while_a_version_comes_and_the_default_changes():
    name = "el8-goloop"
    (host,) = lab.hosts.reset([name])
    versions = {"go_versions": [NEW, OLD], "go_cgo": False}
    converge(name, deploy=DEPLOY, data={**versions, "go_versions": [OLD]})
    loop = (
        "mkdir -p work && cd work && n=0; while ! test -e stop; do n=$((n + 1)); printf "
        "'package main\\nimport \"runtime\"\\nfunc main() { print(%s, runtime.Version()) }\\n' $n > x.go; "
        "if go build -o x x.go && said=$(./x 2>&1); then echo ${said#$n}; else echo failed; fi; "
        "sleep 0.2; done"
    )
    with subprocess.Popen(host.ssh_command(loop), stdout=subprocess.PIPE, text=True) as running:
        said = [*until(OLD, running)]
        assert f"Install Go {NEW}" in changes(name, **versions)
        said += until(NEW, running)
        for default in (OLD, NEW, OLD):
            assert changes(name, **versions, go_default=default) == {"Choose the default Go"}
            said += until(default, running)
        host.ssh("touch work/stop")
        said += running.communicate(timeout=60)[0].splitlines(keepends=True)
    assert {*said} == {f"go{NEW}\n", f"go{OLD}\n"}, said
    lab.hosts.down([name])


def test_a_distributions_go_does_not_shadow_ours():
    name = "el9-godistro"
    (host,) = lab.hosts.reset([name])
    converge(name, deploy=DEPLOY, data={"go_versions": [NEW], "go_cgo": False, "base_packages": ["golang"]})
    ours = f"go version go{NEW} linux/amd64"
    ways = {
        "root": root(host, "go version"),
        "ssh command": host.ssh("go version").stdout.strip(),
        "login shell": host.ssh("bash -lc 'go version'").stdout.strip(),
        "sudo": host.ssh("sudo -u nobody go version").stdout.strip(),
        "systemd": root(host, "systemd-run --quiet --wait --pipe env HOME=/root go version"),
        "cron": root(host, "env -i HOME=/root PATH=/usr/bin:/bin sh -c 'go version'"),
    }
    assert ways == dict.fromkeys(ways, ours)
    apply(name, deploy=DEPLOY, data={"go_state": "absent"})
    assert "Red Hat" in root(host, "go version"), "the distribution's own takes over again"
    lab.hosts.down([name])


def test_a_manual_installation_is_refused_and_moved_on_demand():
    name = "el8-gomanual"
    (host,) = lab.hosts.reset([name])
    root(host, "mkdir -p /usr/local/go/bin && echo mine > /usr/local/go/VERSION")
    asked = {"go_versions": [NEW], "go_cgo": False}
    refused = pyinfra(name, deploy=DEPLOY, data=asked, dry=True)
    assert refused.code
    said = "/usr/local/go is a directory that elforge did not make; go_take_over = True moves it"
    assert said in refused.output, refused.output
    converge(name, deploy=DEPLOY, data={**asked, "go_take_over": True})
    assert root(host, "cat /usr/local/go.before-elforge/VERSION; go version").splitlines() == [
        "mine",
        f"go version go{NEW} linux/amd64",
    ]
    lab.hosts.down([name])
