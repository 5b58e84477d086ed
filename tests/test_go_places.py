"""The scripts that flip the default toolchain, pack one, take one in and remove some, run by a real shell."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from operations import script
from tests.shell import run_script


def run(folder: Path, name: str, *args: str) -> str:
    """Run a script that succeeds; return what it said."""
    done = run_script(folder, script._text(name), *args)
    assert done.returncode == 0, done.stderr
    return done.stderr


def refused(folder: Path, name: str, *args: str) -> str:
    done = run_script(folder, script._text(name), *args)
    assert done.returncode == 1
    return done.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make two toolchains."""
    for name in ("go1.26.7", "go1.27.0"):
        (tmp_path / "root" / name / "bin").mkdir(parents=True)
        (tmp_path / "root" / name / "bin" / "go").write_text(f"#!/bin/sh\necho {name}\n")
        (tmp_path / "root" / name / "bin" / "go").chmod(0o755)
        (tmp_path / "root" / name / "elforge.record").write_text("version 1.2.3\n")
    return tmp_path / "root"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# The default


def test_the_default_is_flipped_and_nothing_stays(tmp_path, root):
    link = tmp_path / "local" / "go"
    link.parent.mkdir()
    for name in ("go1.26.7", "go1.27.0", "go1.27.0"):
        run(tmp_path, "default", str(link), str(root / name), "")
        assert link.readlink() == root / name
    assert names(link.parent) == ["go"]


def test_what_a_killed_flip_left_goes(tmp_path, root):
    (tmp_path / "local" / ".elforge.go.AbCdEf").mkdir(parents=True)
    run(tmp_path, "default", str(tmp_path / "local" / "go"), str(root / "go1.27.0"), "")
    assert names(tmp_path / "local") == ["go"]


def test_a_directory_goes_aside(tmp_path, root):
    (tmp_path / "local" / "go" / "bin").mkdir(parents=True)
    link, aside = tmp_path / "local" / "go", tmp_path / "local" / "go.before"
    run(tmp_path, "default", str(link), str(root / "go1.27.0"), str(aside))
    assert link.readlink() == root / "go1.27.0"
    assert names(aside) == ["bin"]


def test_a_directory_in_the_way_stays(tmp_path, root):
    (tmp_path / "local" / "go" / "bin").mkdir(parents=True)
    refused(tmp_path, "default", str(tmp_path / "local" / "go"), str(root / "go1.27.0"), "")
    assert names(tmp_path / "local") == ["go"]
    assert names(tmp_path / "local" / "go") == ["bin"]


def test_what_is_no_toolchain_never_becomes_the_default(tmp_path, root):
    (root / "go1.27.0" / "bin" / "go").unlink()
    run(tmp_path, "default", str(tmp_path / "go"), str(root / "go1.26.7"), "")
    said = refused(tmp_path, "default", str(tmp_path / "go"), str(root / "go1.27.0"), "")
    assert said == f"{root}/go1.27.0: there is no toolchain\n"
    assert (tmp_path / "go").readlink() == root / "go1.26.7"


def test_h27_there_is_always_a_default(tmp_path, root):
    link = tmp_path / "go"
    run(tmp_path, "default", str(link), str(root / "go1.26.7"), "")
    loop = f"while [ ! -e {tmp_path}/stop ]; do {link}/bin/go || exit 1; done"
    with subprocess.Popen(["sh", "-c", loop], stdout=subprocess.PIPE, text=True) as builds:
        for name in ("go1.27.0", "go1.26.7") * 5:
            run(tmp_path, "default", str(link), str(root / name), "")
        (tmp_path / "stop").touch()
        said = builds.communicate()[0].split()
    assert builds.returncode == 0
    assert set(said) == {"go1.26.7", "go1.27.0"}


# An archive for other hosts


def test_an_archive_is_what_upstreams_is_and_anybody_may_read_it(tmp_path, root):
    run(tmp_path, "pack", str(root), "go1.27.0")
    pack, digest = root / "go1.27.0.tar.gz", root / "go1.27.0.tar.gz.sha256"
    assert digest.read_text().strip() == hashlib.sha256(pack.read_bytes()).hexdigest()
    assert {path.stat().st_mode & 0o777 for path in (pack, digest)} == {0o644}
    with tarfile.open(pack) as archive:
        assert sorted(archive.getnames()) == ["go", "go/bin", "go/bin/go", "go/elforge.record"]
    assert not list(root.glob("*.new"))


def test_what_is_not_proven_is_not_packed(tmp_path, root):
    (root / "go1.27.0" / "elforge.record").unlink()
    assert "there is no toolchain to pack" in refused(tmp_path, "pack", str(root), "go1.27.0")
    assert names(root) == ["go1.26.7", "go1.27.0"]


def test_a_place_for_what_comes_in(tmp_path):
    user = Path(tmp_path).owner()
    place = tmp_path / "root" / ".incoming"
    place.mkdir(parents=True)
    (place / "of a killed run").write_text("")
    run(tmp_path, "incoming", str(place), user)
    assert (names(place), place.owner(), place.stat().st_mode & 0o777) == ([], user, 0o700)
    assert names(tmp_path / "root") == [".incoming"]


# What goes


def test_one_of_two_goes(tmp_path, root):
    for name in ("go1.26.7.tar.gz", "go1.26.7.tar.gz.sha256", "go1.27.0.tar.gz"):
        (root / name).write_text("")
    (root / ".build.go1.25.14").mkdir()
    run(tmp_path, "prune", str(root), "", "go1.26.7")
    assert names(root) == ["go1.27.0", "go1.27.0.tar.gz"]


def test_the_root_goes_with_the_last_one(tmp_path, root):
    (root / ".old.go1.27.0").mkdir()
    run(tmp_path, "prune", str(root), "", "go1.26.7", "go1.27.0")
    assert not root.exists()


def test_the_root_stays_with_what_is_not_ours(tmp_path, root):
    (root / "notes").write_text("")
    run(tmp_path, "prune", str(root), "", "go1.26.7", "go1.27.0")
    assert names(root) == ["notes"]


@pytest.mark.skipif(os.getuid() != 0, reason="makes users' files")
def test_what_comes_in_belongs_to_who_logs_in(tmp_path):
    run(tmp_path, "incoming", str(tmp_path / "root" / ".incoming"), "nobody")
    assert (tmp_path / "root" / ".incoming").owner() == "nobody"
    assert (tmp_path / "root").owner() == "root"
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o755
