"""The program that cuts caches back, in a real shell, on caches as go and others leave them."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from operations.script import program

HOUR, DAY = 3600, 86400


def run(folder: Path, *args: object, env: dict[str, str] | None = None, fails: bool = False) -> str:
    """Let the program look after a cache and return what it said."""
    text = program("cache")
    if env:
        text = text.replace("PATH=/usr/sbin", f"PATH={env['PATH']}:/usr/sbin")
    (folder / "program").write_text(text)
    done = subprocess.run(
        ["sh", str(folder / "program"), *map(str, args)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode != 0) == fails, done.stderr
    assert fails or not done.stderr
    return done.stdout


def made(path: Path, age: int, kib: int = 4, accessed: int | None = None) -> Path:
    """Make a file that was used last so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(kib * 1024))
    now = time.time()
    os.utime(path, (now - (age if accessed is None else accessed), now - age))
    return path


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def seen(folder: Path, options: str) -> dict[str, str]:
    """Return an environment in which caches are mounted with some options, for those who name one in full."""
    return bin_with(
        folder, "findmnt", f"for each; do :; done\ncase $each in /*) echo {options} ;; *) exit 1 ;; esac"
    )


def bin_with(folder: Path, name: str, text: str) -> dict[str, str]:
    """Return an environment with a program of that name."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / "bin" / name).chmod(0o755)
    return {"PATH": str(folder / "bin")}


# GOCACHE


def entry(cache: Path, digit: str, suffix: str, age: int, kib: int = 100) -> Path:
    return made(cache / (digit * 2) / f"{digit * 64}-{suffix}", age, kib)


@pytest.fixture
def gocache(tmp_path: Path) -> Path:
    cache = tmp_path / "cache"
    for number, digit in enumerate("0123456789"):
        entry(cache, digit, "d", 3 * HOUR + number * HOUR)
    made(cache / "trim.txt", 90 * DAY)
    made(cache / "README", 90 * DAY)
    made(cache / "fuzz/pkg/FuzzX/corpus-d", 90 * DAY)
    made(cache / "00/not ours", 90 * DAY)
    made(cache / "00/not-ours-d", 90 * DAY)
    return cache


KEPT = {"trim.txt", "README", "fuzz/pkg/FuzzX/corpus-d", "00/not ours", "00/not-ours-d"}


def digits(cache: Path) -> str:
    found = left(cache)
    assert found >= KEPT
    return "".join(sorted(name[0] for name in found - KEPT))


def test_without_a_bound_everything_stays(tmp_path, gocache):
    run(tmp_path, "go-build", gocache, 0, 0)
    assert digits(gocache) == "0123456789"


def test_what_was_used_longest_ago_goes_first(tmp_path, gocache):
    said = run(tmp_path, "go-build", gocache, 450, 0)
    assert digits(gocache) == "0123"
    assert said == f"{gocache}: 1000 KiB before, 400 KiB now\n"


def test_what_is_old_goes_always(tmp_path, gocache):
    run(tmp_path, "go-build", gocache, 0, 6 * HOUR - 60)
    assert digits(gocache) == "012"
    run(tmp_path, "go-build", gocache, 10_000, 5 * HOUR - 60)
    assert digits(gocache) == "01"


def test_what_a_build_may_be_using_never_goes(tmp_path, gocache):
    entry(gocache, "f", "a", HOUR, 300)
    said = run(tmp_path, "go-build", gocache, 100, HOUR // 2)
    assert digits(gocache) == "f"
    assert said.splitlines()[1] == f"<4>{gocache}: 300 KiB are more than 100: all of it may be in use"


def test_an_executable_counts_and_goes_with_its_directory(tmp_path, gocache):
    """Since Go 1.24: HASH-d is a directory, whose own time is what go renews."""
    for digit, age in (("a", 30 * HOUR), ("b", 4 * HOUR)):
        folder = entry(gocache, digit, "a", age).parent / f"{digit * 64}-d"
        made(folder / "tool", 90 * DAY, 500)
        os.utime(folder, (time.time() - age,) * 2)
    run(tmp_path, "go-build", gocache, 850, 0)
    assert digits(gocache) == "01bb"
    assert not (gocache / "aa" / f"{'a' * 64}-d").exists()


def test_an_executable_that_go_removes_meanwhile_counts_for_nothing(tmp_path, gocache):
    for digit in "ab":
        made(gocache / (digit * 2) / f"{digit * 64}-d" / "tool", 4 * HOUR, 500)
    once = f"[ -e {tmp_path}/gone ] || {{ : >{tmp_path}/gone; exit 1; }}"
    env = bin_with(tmp_path, "du", f'{once}\nexec /usr/bin/du "$@"')
    said = run(tmp_path, "go-build", gocache, 9000, 0, env=env)
    assert int(said.split()[1]) in range(1500, 1520)
    assert digits(gocache) == "0123456789ab"


@pytest.mark.parametrize("kind", ["go-build", "go-modules", "plain"])
def test_what_cannot_be_looked_at_keeps_nothing_else(tmp_path, gocache, kind):
    """A file that somebody removes meanwhile makes find fail when it has done all else."""
    version(gocache, "example.com/a", "v1.0.0", 30 * HOUR)
    env = bin_with(tmp_path, "find", '/usr/bin/find "$@"; exit 1')
    said = run(
        tmp_path, kind, gocache, 0, 4 * HOUR - 60 if kind == "go-build" else 27 * HOUR, env=env, fails=True
    )
    assert " KiB now" in said
    if kind == "go-build":
        assert len(list(gocache.glob("*/*-d"))) == 2
    elif kind == "go-modules":
        assert modules(gocache, 1) == []
    else:
        assert not (gocache / "trim.txt").exists()


def test_a_share_of_the_file_system(tmp_path, gocache):
    run(tmp_path, "go-build", gocache, "75%", 0)
    assert digits(gocache) == "0123456789"


def test_no_link_leads_out_of_the_cache(tmp_path, gocache):
    precious = made(tmp_path / "precious" / f"{'0' * 64}-d", 90 * DAY)
    (gocache / "cc").symlink_to(precious.parent)
    link = gocache / "dd" / f"{'d' * 64}-d"
    link.parent.mkdir()
    link.symlink_to(precious.parent)
    os.utime(link, (0, 0), follow_symlinks=False)
    run(tmp_path, "go-build", gocache, 1, 3 * HOUR)
    assert precious.exists()


# GOMODCACHE


def version(cache: Path, module: str, name: str, age: int, kib: int = 100) -> Path:
    """Make a version of a module as go leaves it: directories without the right to write."""
    download = cache / "cache/download" / module / "@v"
    for suffix in ("info", "mod", "lock", "zip", "ziphash"):
        made(download / f"{name}.{suffix}", age, kib // 2 if suffix == "zip" else 0)
    folder = cache / f"{module}@{name}"
    made(folder / "sub dir/a b\nc.go", age, kib // 2)
    for each in (folder / "sub dir/a b\nc.go", folder / "sub dir", folder):
        each.chmod(0o555)
    return folder


@pytest.fixture
def modcache(tmp_path: Path) -> Path:
    cache = tmp_path / "mod"
    for number, module in enumerate(["example.com/a", "example.com/!big/b", "example.com/a/v2"]):
        version(cache, module, f"v{number}.0.0+incompatible", (30 + number) * HOUR)
    made(cache / "cache/vcs/1234/HEAD", 90 * DAY)
    made(cache / "cache/lock", 90 * DAY)
    return cache


def modules(cache: Path, known: int = 3) -> list[str]:
    """Return the versions that are there; none is there in part."""
    zips = {str(p.relative_to(cache / "cache/download")) for p in cache.rglob("*.zip")}
    hashes = {str(p.relative_to(cache / "cache/download"))[:-4] for p in cache.rglob("*.ziphash")}
    folders = {str(p.relative_to(cache)) for p in cache.rglob("*@v[0-9]*") if p.is_dir()}
    assert zips == hashes
    assert folders == {each.replace("/@v/", "@").removesuffix(".zip") for each in zips}
    assert len(list(cache.rglob("*.mod"))) == known, "go knows it still"
    return sorted(folders)


def test_versions_go_as_a_whole(tmp_path, modcache):
    assert len(modules(modcache)) == 3
    run(tmp_path, "go-modules", modcache, 150, 0)
    assert modules(modcache) == ["example.com/a@v0.0.0+incompatible"]
    run(tmp_path, "go-modules", modcache, 0, 29 * HOUR)
    assert modules(modcache) == []
    assert (modcache / "cache/vcs/1234/HEAD").exists()


def test_a_version_that_was_read_lately_stays(tmp_path, modcache):
    read = modcache / "cache/download/example.com/a/v2/@v/v2.0.0+incompatible.ziphash"
    os.utime(read, (time.time() - 27 * HOUR, read.stat().st_mtime))
    run(tmp_path, "go-modules", modcache, 150, 0)
    assert modules(modcache) == ["example.com/a/v2@v2.0.0+incompatible"]
    os.utime(read, (time.time() - 25 * HOUR, read.stat().st_mtime))
    run(tmp_path, "go-modules", modcache, 1, HOUR)
    assert modules(modcache) == ["example.com/a/v2@v2.0.0+incompatible"], "relatime: it may be in use"


@pytest.mark.parametrize(("options", "count"), [("rw,relatime", 3), ("rw,noatime", 3), ("rw,nosuid", 0)])
def test_where_each_access_shows_two_hours_are_enough(tmp_path, modcache, options, count):
    for each in modcache.rglob("*.ziphash"):
        os.utime(each, (time.time() - 3 * HOUR,) * 2)
    run(tmp_path, "go-modules", modcache, 1, HOUR, env=seen(tmp_path, options))
    assert len(modules(modcache)) == count


def test_a_version_that_go_is_at_stays(tmp_path, modcache):
    lock = modcache / "cache/download/example.com/a/@v/v0.0.0+incompatible.lock"
    with subprocess.Popen(["flock", str(lock), "sh", "-c", "echo; read x"], stdin=-1, stdout=-1) as holder:
        holder.stdout.readline()
        run(tmp_path, "go-modules", modcache, 1, HOUR)
        assert modules(modcache) == ["example.com/a@v0.0.0+incompatible"]
        holder.communicate(b"\n")


def test_what_a_killed_run_left_goes(tmp_path, modcache):
    folder = version(modcache, "example.com/killed", "v1.0.0", DAY)
    folder.chmod(0o755)
    folder.rename(f"{folder}.tmp-elforge")
    for each in modcache.rglob("killed/@v/*"):
        each.unlink()
    run(tmp_path, "go-modules", modcache, 0, 0)
    assert len(modules(modcache)) == 3
    assert not list(modcache.rglob("*.tmp-elforge"))


@pytest.mark.parametrize(
    "line", ['rm -f "$1.zip"', 'mv -T "$dir', 'rm -f "$1.ziphash"', 'sweep "$dir', 'rm -rf "$1"']
)
def test_killed_before_any_step_the_next_look_finds_what_is_left(tmp_path, modcache, line):
    text = program("cache")
    (at,) = [each for each in text.splitlines() if line in each]
    (tmp_path / "killed").write_text(text.replace(at, "kill -9 0"))
    subprocess.run(
        ["sh", str(tmp_path / "killed"), "go-modules", str(modcache), "0", str(29 * HOUR)],
        start_new_session=True,
    )
    assert (modcache / "example.com/a@v0.0.0+incompatible").exists() or list(modcache.rglob("*.tmp-elforge"))
    run(tmp_path, "go-modules", modcache, 0, 29 * HOUR)
    assert modules(modcache) == []
    assert not list(modcache.rglob("*.tmp-elforge"))


def test_an_empty_cache_is_none(tmp_path):
    (tmp_path / "new").mkdir()
    for kind in ("go-build", "go-modules", "plain"):
        assert run(tmp_path, kind, tmp_path / "new", 10, DAY).endswith("0 KiB before, 0 KiB now\n")
    assert run(tmp_path, "plain", tmp_path / "none", 10, DAY, fails=True) == ""


# Any other


def test_names_may_be_anything(tmp_path):
    cache = tmp_path / "plain"
    for number, name in enumerate(["new one", "a\nb", "-rf", "*", "$(x)/\\n 'q'"]):
        made(cache / name, (27 + number) * HOUR, 100)
    run(tmp_path, "plain", cache, 250, 0)
    assert left(cache) == {"new one", "a\nb"}


def test_what_is_read_is_used(tmp_path):
    cache = tmp_path / "plain"
    made(cache / "read", 9 * DAY, 100, accessed=27 * HOUR)
    made(cache / "written", 28 * HOUR, 100, accessed=9 * DAY)
    made(cache / "neither", 29 * HOUR, 100)
    run(tmp_path, "plain", cache, 250, 0)
    assert left(cache) == {"read", "written"}


def test_what_relatime_may_not_have_seen_in_use_stays(tmp_path):
    """A file that was read five minutes ago may show yesterday's time."""
    cache = tmp_path / "plain"
    made(cache / "busy", 25 * HOUR, 100)
    run(tmp_path, "plain", cache, 1, 3 * HOUR, env=seen(tmp_path, "rw,relatime"))
    assert left(cache) == {"busy"}
    run(tmp_path, "plain", cache, 1, 3 * HOUR, env=seen(tmp_path, "rw,nosuid"))
    assert left(cache) == set()


def test_directories_go_once_they_are_old_and_empty(tmp_path):
    cache = tmp_path / "plain"
    made(cache / "old/dir/file", 9 * DAY)
    (cache / "new").mkdir()
    run(tmp_path, "plain", cache, 0, DAY)
    assert {path.name for path in cache.rglob("*")} == {"old", "dir", "new"}, "it has just become empty"
    for each in (cache / "old/dir", cache / "old"):
        os.utime(each, (0, 0))
    run(tmp_path, "plain", cache, 0, DAY)
    assert (cache / "new").is_dir()
    assert not (cache / "old/dir").exists()


# Docker's

DOCKER = """#!/bin/sh
case "$*" in *--help) echo "{0}" ;; *) echo "$BUILDX_BUILDER docker $*" >>{1}/done; echo "Total: 0B" ;; esac
"""


@pytest.mark.parametrize("flag", ["--keep-storage", "--reserved-space"])
@pytest.mark.parametrize("up", [True, False])
def test_dockers_own_words_for_how_much_is_left(tmp_path, flag, up):
    programs = {
        "docker": DOCKER.format(f"  {flag} bytes   Amount", tmp_path),
        "systemctl": f"#!/bin/sh\nexit {0 if up else 3}\n",
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "done").touch()
    run(tmp_path, "buildkit", "docker", 1024, 3600, env={"PATH": str(tmp_path / "bin")})
    run(tmp_path, "buildkit", "docker", 0, 60, env={"PATH": str(tmp_path / "bin")})
    assert (tmp_path / "done").read_text().splitlines() == up * [
        "default docker builder prune --force --all --filter until=3600s",
        f"default docker builder prune --force --all {flag} 1024k",
        "default docker builder prune --force --all --filter until=60s",
    ]
