"""Caches on real hosts: timers that cut them back, tmpfs that outlive a boot, and nothing lost on the way."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

import lab.hosts
from deploys.release import RELEASES
from lab.hosts import Host
from tests.runner import Run, apply, converge, pyinfra, root
from tests.tree import difference, tree

pytestmark = pytest.mark.alike("el9")

DEPLOY = "tests/service/deploy_caches.py"
MEMORY, DISK = "/srv/ci/in-memory", "/srv/ci/disk"
UNIT = r"srv-ci-in\x2dmemory.mount"
PLACES = ("/etc/systemd", "/etc/elforge", "/usr/local")
CRASHING = ("tests/sweep/crash.py",)
# What a host had there before it had caches.
BEFORE: dict[str, dict[str, str]] = {}


def data(size: str | None = "16M", **options: Any) -> dict[str, Any]:
    """Return the data of a host with a cache in memory, or on disk without a size, and one on disk."""
    memory = {"path": MEMORY, "owner": "ci", **({"tmpfs": {"size": size}} if size else {})}
    disk = {"path": DISK, "owner": "ci", "max_size": "1M", "max_age": "7d", "mode": "755"}
    return {"caches_places": {"memory": memory, "disk": disk}, **options}


def run(host: Host, size: str | None = "16M", **options: Any) -> Run:
    return pyinfra(host.name, deploy=DEPLOY, data=data(size, **options))


def user(host: Host, command: str) -> str:
    """Run shell as the caches' owner; it has to succeed."""
    return root(host, f"runuser -u ci -- sh -c {shlex.quote(command)}")


def cut_back(host: Host, name: str) -> str:
    """Let the timer's service run, and return what it said."""
    root(host, f"systemctl start elforge-cache-{name}.service")
    return root(host, f"journalctl -b -u elforge-cache-{name}.service -o cat | grep 'KiB' | tail -n 2")


def mounted(host: Host) -> str:
    """Return what is mounted in memory, and its size."""
    return " ".join(host.ssh(f"findmnt -n -o FSTYPE,SIZE {MEMORY}", user="root", shared=True).stdout.split())


@pytest.fixture(scope="module", params=RELEASES, ids=lambda major: f"el{major}")
def machine(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host whose caches have been made."""
    name = f"el{request.param}-caches"
    (each,) = lab.hosts.reset([name])
    # Of EL's package filesystem, which el7's stand-in does not have.
    root(each, "useradd -m ci && mkdir -p /usr/local/libexec")
    BEFORE[name] = tree(each, *PLACES)
    converge(name, deploy=DEPLOY, data=data())
    yield each
    lab.hosts.down([name])


@pytest.fixture
def host(machine: Host) -> Host:
    """The host with caches that are as declared and empty, whatever the test before it has left."""
    clean = f"rm -rf {MEMORY}/* {DISK}/* {MEMORY}.before*"
    root(machine, f"{clean}; umount {MEMORY} 2>/dev/null; {clean}")
    done = run(machine)
    assert done.code == 0, done.output
    return machine


def test_what_is_declared_is_there(host: Host) -> None:
    assert mounted(host) == "tmpfs 16M"
    options = root(host, f"findmnt -n -o OPTIONS {MEMORY}").split(",")
    assert {"rw", "nosuid", "nodev", "mode=700"} <= set(options)
    assert not {"relatime", "noatime", "noexec"} & set(options)
    assert root(host, f"stat -c '%U %a' {MEMORY} {DISK}").splitlines() == ["ci 700", "ci 755"]
    timers = root(host, "systemctl list-timers --no-legend 'elforge-*'")
    assert [name in timers for name in ("elforge-cache-memory.timer", "elforge-cache-disk.timer")] == [
        True
    ] * 2
    assert root(host, "journalctl -b | grep -c 'Unknown \\(lvalue\\|key\\)' || true") == "0"


def test_size_and_age_are_cut_back_by_the_owner(host: Host) -> None:
    for name, age in {
        "new": "27 hours",
        "older": "29 hours",
        "oldest": "30 hours",
        "a b\nc": "8 days",
    }.items():
        file = shlex.quote(f"{DISK}/{name}")
        user(host, f"head -c 400K /dev/zero >{file}; touch -d '{age} ago' {file}")
    said = cut_back(host, "disk")
    assert said == f"{DISK}: 1600 KiB before, 800 KiB now"
    assert root(host, f"ls {DISK}").split() == ["new", "older"]
    shown = root(host, "systemctl show -p User,Nice,IOSchedulingClass elforge-cache-disk.service").split()
    assert {"User=ci", "Nice=19", "IOSchedulingClass=3"} <= set(shown), shown


def test_h69_a_boot_leaves_an_empty_tmpfs_and_nothing_to_do(host: Host) -> None:
    user(host, f"touch {MEMORY}/file {DISK}/file")
    host.down()
    host.up()
    assert mounted(host) == "tmpfs 16M"
    assert root(host, f"ls -A {MEMORY}; stat -c '%U %a' {MEMORY}; ls {DISK}").split() == ["ci", "700", "file"]
    assert "elforge-cache-memory.timer" in root(host, "systemctl list-timers --no-legend")
    assert run(host).changed == set()


def test_a_full_tmpfs_breaks_nothing_but_the_build(host: Host) -> None:
    said = user(
        host,
        f"head -c 12M /dev/zero >{MEMORY}/old; touch -d '1 day ago' {MEMORY}/old; cd {MEMORY}; "
        "cat /dev/zero 2>&1 >more || true",
    )
    assert "No space left on device" in said
    root(host, "echo fine >/root/file && echo fine >/srv/file && logger fine")
    assert run(host).changed == set()
    assert cut_back(host, "memory") == f"{MEMORY}: 16384 KiB before, 4096 KiB now"
    assert root(host, f"ls {MEMORY}") == "more"


def test_another_size_keeps_what_is_in_it(host: Host) -> None:
    user(host, f"head -c 10M /dev/urandom >{MEMORY}/file")
    before = root(host, f"sha256sum {MEMORY}/file; stat -c %i {MEMORY}/file")
    done = apply(host.name, deploy=DEPLOY, data=data("24M"))
    assert [name for _, name in done.changed] == ["Caches | Mount caches in memory"]
    assert mounted(host) == "tmpfs 24M"
    assert "relatime" not in root(host, f"findmnt -n -o OPTIONS {MEMORY}")
    refused = pyinfra(host.name, deploy=DEPLOY, data=data("8M"), dry=True)
    assert "caches_places.memory.tmpfs: 8M is less than what is in it, 10M" in refused.output
    converge(host.name, deploy=DEPLOY, data=data())
    assert root(host, f"sha256sum {MEMORY}/file; stat -c %i {MEMORY}/file") == before


def test_what_somebody_has_unmounted_is_mounted_again(host: Host) -> None:
    root(host, f"umount {MEMORY}")
    done = apply(host.name, deploy=DEPLOY, data=data())
    assert [name for _, name in done.changed] == ["Caches | Mount caches in memory"]
    assert mounted(host) == "tmpfs 16M"


def test_too_little_memory_is_refused_in_one_line(host: Host) -> None:
    done = pyinfra(host.name, deploy=DEPLOY, data=data("90%"), dry=True)
    assert done.code != 0
    assert "are more than half of this host's memory" in done.output


def test_from_memory_to_disk_and_back_nothing_is_lost(host: Host) -> None:
    user(host, f"mkdir {MEMORY}/mod; echo here >'{MEMORY}/mod/a b'; chmod 555 {MEMORY}/mod")
    converge(host.name, deploy=DEPLOY, data=data(None))
    assert mounted(host) == ""
    assert user(host, f"cat {MEMORY}/mod/a*; stat -c '%a %U' {MEMORY} {MEMORY}/mod") == "here\n700 ci\n555 ci"
    assert run(host).code == 0
    assert root(host, f"ls -A {MEMORY}") == ""
    user(host, f"echo newer >{MEMORY}/new")
    assert run(host, None).code == 0
    assert root(host, f"cat {MEMORY}/new {MEMORY}.before/mod/a*") == "newer\nhere"


def test_one_in_use_is_refused_by_name(host: Host) -> None:
    user(host, f"echo here >{MEMORY}/file")
    root(host, f"cd {MEMORY} && systemd-run --unit=holder -p WorkingDirectory={MEMORY} sleep 300")
    try:
        done = run(host, None)
        assert done.code != 0
        assert f"{MEMORY} is in use by sleep (" in done.output, done.output
        assert mounted(host) == "tmpfs 16M"
        user(host, f"echo more >>{MEMORY}/file")
        assert run(host).changed == set()
    finally:
        root(host, "systemctl stop holder")


@pytest.mark.parametrize(
    ("after", "at"),
    # The sweep kills the way into memory, too.
    [(None, 1), *(pytest.param("16M", at, marks=pytest.mark.long) for at in (1, 2))],
)
def test_killed_and_repeated_it_ends_the_same(host: Host, after: str | None, at: int) -> None:
    if not host.name.startswith("el9"):
        pytest.skip("nothing of it depends on the release")
    before = None if after else "16M"
    assert run(host, before).code == 0
    user(host, f"mkdir {MEMORY}/dir; echo here >{MEMORY}/dir/file")
    crash = {"CRASH_AT": str(at), "CRASH_HOW": "close"}
    died = pyinfra(host.name, deploy=DEPLOY, data=data(after), program=CRASHING, env=crash)
    assert died.code != 0
    assert run(host, after).code == 0
    assert run(host, after).changed == set()
    assert mounted(host) == ("tmpfs 16M" if after else "")
    assert root(host, "ls -A /srv/ci").split() == ["disk", "in-memory"]
    if after:
        root(host, f"umount {MEMORY}")
    assert root(host, f"cat {MEMORY}/dir/file") == "here"


def test_all_is_given_back(host: Host) -> None:
    user(host, f"echo here >{MEMORY}/file; echo here >{DISK}/file")
    converge(host.name, deploy=DEPLOY, data={"caches_state": "absent"})
    assert mounted(host) == ""
    assert root(host, f"cat {MEMORY}/file {DISK}/file").split() == ["here", "here"]
    assert difference(BEFORE[host.name], tree(host, *PLACES)) == {}
    assert root(host, "systemctl list-units --all --no-legend 'elforge-*'") == ""
