"""Caches that go fills: cut back, it misses nothing and verifies what is left."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

import lab.hosts
from lab import mirror
from lab.hosts import Host
from lab.mirror import golang
from tests.runner import converge, root

DEPLOY = "tests/service/deploy_gocaches.py"
BUILD, MODULES = "/srv/ci/build", "/srv/ci/modules"
GREET = "example.org/greet"


def ci(host: Host, command: str) -> str:
    """Run shell as the user who builds; it has to succeed."""
    return root(host, f"runuser -l ci -c {shlex.quote(command)} 2>&1")


def cut_back(host: Host, name: str) -> None:
    unit = f"elforge-cache-{name}.service"
    root(host, f"systemctl reset-failed {unit}; systemctl start {unit}")  # more often than systemd lets one


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host with Go, and a module that uses another one."""
    (each,) = lab.hosts.reset(["el9-caches"])
    root(each, "useradd -m ci")
    data = {
        "go_versions": ["1.27.3"],
        "go_cgo": False,
        "goenv_proxy": [f"{mirror.url()}/goproxy", "off"],
        "goenv_sumdb": golang.sumdb_verifier(),
        "goenv_allow": {"http": "the lab has no certificates"},
        "goenv_builder": "ci",
        "goenv_cache": BUILD,
        "goenv_modcache": MODULES,
        "caches_places": {
            "build": {
                "path": BUILD,
                "owner": "ci",
                "kind": "go-build",
                "max_age": "2d",
                "tmpfs": {"size": "2G"},
            },
            "modules": {"path": MODULES, "owner": "ci", "kind": "go-modules", "max_age": "14d"},
        },
    }
    converge(each.name, deploy=DEPLOY, data=data)
    ci(
        each,
        f"mkdir m && cd m && go mod init example.org/m && go get {GREET}@v1.1.0 && go list -m -json {GREET}",
    )
    ci(
        each,
        f"cd m && printf 'package main\\nimport _ \"{GREET}\"\\nfunc main() {{}}\\n' >main.go && go build .",
    )
    yield each
    lab.hosts.down([each.name])


def test_go_uses_them(host: Host) -> None:
    assert ci(host, "go env GOCACHE GOMODCACHE").split() == [BUILD, MODULES]
    assert int(root(host, f"ls {BUILD}/*/*-d | wc -l")) > 20
    assert root(host, f"stat -c %a {MODULES}/{GREET}@v1.1.0") == "555"


def test_a_module_that_is_used_stays_and_an_old_one_goes_whole(host: Host) -> None:
    root(host, f"find {MODULES} -exec touch -h -d '20 days ago' {{}} +")
    ci(host, "cd m && go build .")
    cut_back(host, "modules")
    assert root(host, f"ls -d {MODULES}/{GREET}@v1.1.0"), "the build has read what says when it was used"
    root(host, f"find {MODULES} -exec touch -h -d '20 days ago' {{}} +")
    cut_back(host, "modules")
    assert (
        root(host, f"ls -d {MODULES}/{GREET}@v1.1.0 {MODULES}/cache/download/{GREET}/@v/*.zip* || true") == ""
    )
    assert "all modules verified" in ci(host, "cd m && go mod verify")
    assert GREET in ci(host, f"cd m && GOPROXY=off go list -m {GREET}"), "go still knows it"
    ci(host, "cd m && go build . && go mod verify")
    assert root(host, f"stat -c %a {MODULES}/{GREET}@v1.1.0") == "555"


# Each with a flag that has the module compiled anew, and nothing else.
@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ('rm -f "$1.ziphash"', "-B"),
        ('mv -T "$directory"', "-N"),
        ('sweep "$directory.tmp-elforge"', "-l"),
        ('rm -rf "$1"', "-e"),
    ],
)
def test_killed_before_any_step_go_finds_nothing_wrong(host: Host, line: str, flag: str) -> None:
    """The line of the program that is not reached takes the shell that runs it along."""
    program = root(host, "cat /usr/local/libexec/elforge/cache").splitlines()
    (at,) = [number for number, each in enumerate(program) if line in each]
    program[at] = "/home/ci/die"
    for name, text in {"die": "#!/bin/sh\nkill -9 $PPID\n", "killed": "\n".join(program)}.items():
        root(host, f"printf %s {shlex.quote(text)} >/home/ci/{name}; chmod 755 /home/ci/{name}")
    ci(host, "cd m && go build .")
    root(host, f"find {MODULES} -exec touch -h -d '20 days ago' {{}} +")
    assert ci(host, f"sh killed go-modules {MODULES} 0 1209600 || echo died").endswith("died")
    assert "all modules verified" in ci(host, "cd m && go mod verify")
    ci(host, f"cd m && go build -gcflags={GREET}={flag} . && go mod verify")
    cut_back(host, "modules")
    assert root(host, f"find {MODULES} -name '*.tmp-elforge'") == ""
    assert "all modules verified" in ci(host, "cd m && go mod verify")


def test_entries_that_are_old_go_and_the_next_build_makes_them_again(host: Host) -> None:
    ci(host, "cd m && go build .")
    root(
        host,
        f"find {BUILD} -name '*-[ad]' -exec touch -d '3 days ago' {{}} +; touch -d '9 days ago' {BUILD}/RE*",
    )
    ci(host, "cd m && go build .")
    used = int(root(host, f"find {BUILD} -name '*-[ad]' -mmin -5 | wc -l"))
    assert used > 0, "go renews what it uses"
    cut_back(host, "build")
    assert int(root(host, f"ls -d {BUILD}/*/*-[ad] | wc -l")) == used
    assert root(host, f"ls {BUILD}/README {BUILD}/trim.txt")
    ci(host, "cd m && go vet . && go build -a . && go build .")
