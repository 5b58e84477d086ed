"""What is known about Go's releases: their order, the lock file, which are safe, and what builds which."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploys.go_releases import (
    ARCH,
    BOOTSTRAP,
    KINDS,
    LOCK,
    SAFE,
    SOURCE,
    VERSION,
    bootstrap,
    line,
    locked,
    minimum,
    split,
    unsafe,
)
from deploys.release import ARCHES
from operations.go import Artifact, order

NUMBER = st.integers(0, 40)
LINES = st.builds("{}.{}".format, st.integers(1, 3), NUMBER)
# Up to 1.20 the first release of a line had no third number.
VERSIONS = st.one_of(
    LINES,
    st.builds("{}.{}".format, LINES, st.integers(1, 40)),
    st.builds("{}rc{}".format, LINES, st.integers(1, 20)),
)


# The order of releases


@given(VERSIONS, VERSIONS)
def test_two_releases_that_differ_never_tie(one, other):
    assert (order(one) == order(other)) == (one == other)


@given(st.lists(VERSIONS, unique=True, max_size=8), st.randoms())
def test_the_order_is_total(versions, random):
    shuffled = random.sample(versions, len(versions))
    assert sorted(versions, key=order) == sorted(shuffled, key=order)


@given(LINES, st.integers(1, 9))
def test_candidates_come_before_their_release(line_, number):
    for each in ("rc", "beta"):
        assert order(f"{line_}{each}{number}") < order(line_) < order(f"{line_}.1")


@given(LINES, st.integers(1, 9), st.integers(1, 9))
def test_betas_come_before_candidates(line_, one, other):
    assert order(f"{line_}beta{one}") < order(f"{line_}rc{other}")


@given(LINES, NUMBER, NUMBER)
def test_patches_are_numbers(line_, one, other):
    assert (order(f"{line_}.{one}") < order(f"{line_}.{other}")) == (one < other)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.9", "1.10"),
        ("1.20", "1.20.1"),
        ("1.20.14", "1.21rc2"),
        ("1.21rc2", "1.21.0"),
        ("1.21rc9", "1.21rc10"),
        ("1.27.9", "1.27.10"),
        ("1.99.9", "2.0.0"),
    ],
)
def test_what_text_would_sort_otherwise(older, newer):
    assert order(older) < order(newer)


@given(VERSIONS)
def test_every_release_has_a_line(version):
    assert line(version) == ".".join(re.findall(r"\d+", version)[:2])


# The lock file


def rows() -> list[list[str]]:
    return [row.split() for row in LOCK.read_text().splitlines() if not row.startswith("#")]


def test_every_row_is_a_digest_a_size_and_a_file():
    assert len(rows()) > 200
    for row in rows():
        sha256, size, file = row
        assert re.fullmatch("[0-9a-f]{64}", sha256), row
        assert re.fullmatch("-|[1-9][0-9]*", size), row
        assert f"go{split(file)[0]}.{split(file)[1]}.tar.gz" == file


def test_no_file_and_no_digest_is_there_twice():
    for column in (0, 2):
        assert len({row[column] for row in rows()}) == len(rows())


def test_every_release_has_every_kind_of_file():
    assert [version for version, kinds in locked().items() if kinds.keys() != set(KINDS)] == []


def test_the_newest_release_is_first():
    wanted = sorted(rows(), key=lambda row: KINDS.index(split(row[2])[1]))
    wanted.sort(key=lambda row: order(split(row[2])[0]), reverse=True)
    assert [row[2] for row in rows()] == [row[2] for row in wanted]


def test_the_lock_is_read_as_it_is_written():
    found = [artifact for kinds in locked().values() for artifact in kinds.values()]
    assert [str(artifact).split() for artifact in found] == [[file, sha, size] for sha, size, file in rows()]


def test_an_artifact_as_a_recipe_writes_it():
    assert str(Artifact("a.tar.gz", "f" * 64)) == f"a.tar.gz {'f' * 64} -"
    assert str(Artifact("a.tar.gz", "f" * 64, 7)) == f"a.tar.gz {'f' * 64} 7"


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("go1.27.0.src.tar.gz", ("1.27.0", "src")),
        ("go1.20.linux-amd64.tar.gz", ("1.20", "linux-amd64")),
        ("go1.28rc1.linux-arm64.tar.gz", ("1.28rc1", "linux-arm64")),
    ],
)
def test_version_and_kind_of_a_file(file, parts):
    assert split(file) == parts


@pytest.mark.parametrize(
    "file",
    ["go1.27.0.windows-amd64.zip", "go1.27.0.linux-386.tar.gz", "1.27.0.src.tar.gz", "go1.27.0.src.tar.gz\n"],
)
def test_what_is_no_release_file_for_us(file):
    with pytest.raises(ValueError, match="not the name of a Go release file"):
        split(file)


# The tables


def test_architectures_are_those_of_the_releases():
    assert ARCH.keys() == set(ARCHES)
    assert KINDS == (SOURCE, "linux-amd64", "linux-arm64")


def test_the_tables_hold_versions():
    for each, version in (*BOOTSTRAP.items(), *SAFE.items()):
        assert VERSION.fullmatch(version)
        assert each == line(each)


@pytest.mark.parametrize("version", [each for each in BOOTSTRAP if order(each) >= order("1.22")])
def test_a_line_needs_the_one_two_before_rounded_down_to_even(version):
    """go.dev/doc/install/source, "Install Go compiler binaries for bootstrap"; since 1.22."""
    minor = order(version)[1]
    assert order(minimum(version))[:2] == (1, (minor - 2) // 2 * 2)


def test_what_builds_a_line_is_itself_known():
    assert {version for version in BOOTSTRAP.values() if version not in locked()} == set()


def test_a_safe_release_is_in_the_lock():
    assert set(SAFE.values()) <= locked().keys()
    assert all(line(version) == each for each, version in SAFE.items())


@pytest.mark.parametrize("version", ["1.25.13", "1.25.14", "1.26.6", "1.26.7", "1.27.0", "1.27.1", "1.28rc1"])
def test_safe_releases(version):
    assert unsafe(version) == ""


@pytest.mark.parametrize("version", ["1.17.13", "1.24.13", "1.25.12", "1.26.5", "1.26rc1", "1.27rc1"])
def test_unsafe_releases(version):
    assert unsafe(version) == (
        f"{version} lets a module proxy bypass the checksum database (CVE-2026-56864); "
        "1.25.13, 1.26.6, 1.27.0 do not"
    )


# What builds what


@pytest.mark.parametrize(
    ("version", "builder"),
    [
        ("1.20", "1.17.13"),
        ("1.21.13", "1.17.13"),
        ("1.22.0", "1.20.14"),
        ("1.23.12", "1.20.14"),
        ("1.24.0", "1.22.12"),
        ("1.25.14", "1.22.12"),
        ("1.26.7", "1.24.13"),
        ("1.27rc1", "1.24.13"),
        ("1.27.0", "1.24.13"),
        ("1.28.0", "1.26.7"),
    ],
)
def test_the_newest_patch_of_the_oldest_able_line_builds(version, builder):
    assert bootstrap(version, locked(), None) == builder


def test_the_list_above_covers_the_table():
    (mark,) = test_the_newest_patch_of_the_oldest_able_line_builds.pytestmark
    assert {line(version) for version, _ in mark.args[1]} == BOOTSTRAP.keys()


@pytest.mark.parametrize("wanted", ["1.24.6", "1.25.0", "1.26.7"])
def test_a_builder_that_is_asked_for_is_taken(wanted):
    assert bootstrap("1.27.0", locked(), wanted) == wanted


@pytest.mark.parametrize("wanted", ["1.24.5", "1.22.6", "1.24rc3", "1.9.7"])
def test_h28_a_builder_that_is_too_old_names_the_minimum(wanted):
    with pytest.raises(ValueError, match=rf"^{wanted} cannot build 1\.27\.0, which needs 1\.24\.6 or newer$"):
        bootstrap("1.27.0", locked(), wanted)


@pytest.mark.parametrize("known", [{"1.24.5": KINDS}, {"1.24.7": [SOURCE]}, {"1.26.0": KINDS}, {}])
def test_h28_no_builder_is_known(known):
    files = {version: dict.fromkeys(kinds, Artifact("x", "f" * 64)) for version, kinds in known.items()}
    with pytest.raises(ValueError, match=r"^1\.27\.0 needs 1\.24\.6 or newer to be built, and no such bin"):
        bootstrap("1.27.0", files, None)


@pytest.mark.parametrize("version", ["1.19.13", "1.99.0"])
def test_what_builds_an_unknown_line_is_not_guessed(version):
    with pytest.raises(KeyError):
        bootstrap(version, locked(), None)
