"""How large a tmpfs becomes on a host, what is refused, and the unit that mounts it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from facts.caches import Caches
from pure.sizes import UNITS
from pure.tmpfs import Tmpfs, in_memory, mount_unit, problems, reserve, text

GIB = UNITS["G"]


def tmpfs(size: str, **more: object) -> Tmpfs:
    return Tmpfs(**{"name": "go", "path": "/srv/go", "owner": "ci", "mode": "700", "size": size, **more})


PATHS = {
    "/srv/ci/go": "srv-ci-go.mount",
    "/srv/go-build": r"srv-go\x2dbuild.mount",
    "/.cache/a.b": r"\x2ecache-a.b.mount",
    "/srv/.cache": "srv-.cache.mount",
    "/srv/a_b:c@d+e": r"srv-a_b:c\x40d\x2be.mount",
}


@pytest.mark.parametrize(("path", "unit"), PATHS.items())
def test_a_mount_unit_has_the_name_of_its_path(path, unit):
    assert mount_unit(path) == unit


@pytest.mark.skipif(not shutil.which("systemd-escape"), reason="systemd-escape is not installed here")
@pytest.mark.parametrize("path", PATHS)
def test_it_is_the_name_that_systemd_gives_it(path):
    said = subprocess.run(
        ["systemd-escape", "--path", "--suffix=mount", path], capture_output=True, text=True, check=True
    )
    assert mount_unit(path) == said.stdout.strip()


@pytest.mark.parametrize(
    ("each", "memory", "size"),
    [
        (tmpfs("4G"), 2 * GIB, 4 * GIB),
        (tmpfs("25%"), 16 * GIB, 4 * GIB),
        (tmpfs("25%", cap="3G"), 16 * GIB, 3 * GIB),
        (tmpfs("25%", cap="5G"), 16 * GIB, 4 * GIB),
        (tmpfs("1%"), GIB, 64 * 2**20),
        (tmpfs("5001K"), GIB, 5056 * 2**10),
        (tmpfs("25%", cap="5001K"), GIB, 5056 * 2**10),
    ],
)
def test_its_size_is_given_or_a_share_with_a_cap(each, memory, size):
    assert in_memory(each, memory) == size


def test_a_share_stays_when_the_kernel_has_a_little_less():
    assert in_memory(tmpfs("25%"), 16_300_000 * 1024) == in_memory(tmpfs("25%"), 16_320_000 * 1024)


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        ([tmpfs("25%", least=2 * GIB)], []),
        ([tmpfs("4G"), tmpfs("4G")], []),
        (
            [tmpfs("10%", least=2 * GIB)],
            [
                "caches_places.go.tmpfs: 10% of this host's 16384M is 1600M, and a build needs 2048M at "
                "least: keep this cache on disk here"
            ],
        ),
        (
            [tmpfs("4G"), tmpfs("26%")],
            [
                "caches_places: tmpfs of 8320M in all are more than half of this host's memory, 16384M",
            ],
        ),
        (
            [tmpfs("25%", max_size="4G")],
            [
                "caches_places.go.max_size: 4G is not less than its tmpfs, 4096M here, which would be full "
                "before anything goes"
            ],
        ),
        ([tmpfs("25%", max_size="3G")], []),
    ],
)
def test_too_little_memory_is_said_in_one_line_each(wanted, lines):
    assert problems(wanted, 16 * GIB) == lines


def test_the_unit():
    said = text(tmpfs("1G", path="/srv/go-build"), GIB, (990, 985), "", 219)
    assert said.splitlines()[1:] == [
        "[Unit]",
        "Description=The cache go in memory, put here by elforge",
        "",
        "[Mount]",
        "What=tmpfs",
        "Where=/srv/go-build",
        "Type=tmpfs",
        "Options=size=1073741824,mode=700,uid=990,gid=985,nosuid,nodev,strictatime",
        "",
        "[Install]",
        "WantedBy=local-fs.target",
    ]
    labelled = text(tmpfs("1G"), GIB, (990, 985), "system_u:object_r:var_t:s0", 252)
    assert "strictatime,rootcontext=system_u:object_r:var_t:s0\n" in labelled


def test_a_disk_keeps_a_twentieth_and_a_gigabyte_at_least():
    assert (reserve(5 * GIB), reserve(100 * GIB)) == (GIB, 5 * GIB)


FINDMNT = """#!/bin/sh
case "$*" in *TARGET*) echo "{}" ;; *) exit 1 ;; esac
"""


@pytest.mark.parametrize(
    ("line", "network"),
    [
        ("/srv nfs4   rw,relatime,vers=4.2", True),
        ("/srv xfs    rw,seclabel,_netdev", True),
        ("/srv fuse.sshfs rw", True),
        ("/srv xfs    rw,seclabel,relatime", False),
        ("/    nfs4   rw,relatime", False),
    ],
)
def test_a_disk_that_needs_the_network_is_known(tmp_path, line, network):
    """That of the host itself is there before all others."""
    (tmp_path / "findmnt").write_text(FINDMNT.format(line))
    (tmp_path / "findmnt").chmod(0o755)
    fact = Caches()
    shell = fact.command([str(tmp_path / "go")], ["root"])
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", shell], env=environment, capture_output=True, text=True, check=True)
    assert fact.process(done.stdout.splitlines()).places[str(tmp_path / "go")].network is network
