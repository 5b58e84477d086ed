"""Versions, specs and versionlock files, without a host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyinfra.api import OperationValueError

from facts.rpm import Answer, Rpm
from operations import script
from operations.rpm import _LOCK, Spec, _satisfied, _spec, _verbs, compare, locked, unlocked
from tests.shell import run_script

CE = Rpm("docker-ce", 3, "26.1.5", "1.el9", "x86_64")
KERNEL = Rpm("kernel", 0, "3.10.0", "1160.119.1.el7", "x86_64")
LIB = Rpm("lib-1", 0, "2", "1.el9", "noarch")  # a name that ends like a version


# As rpm's own rpmvercmp orders them (rpm 4.11 to 6, tests/rpmvercmp.at), without ~ and ^.
@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("1.0", "1.0", 0),
        ("1.0", "2.0", -1),
        ("2.0.1", "2.0", 1),
        ("9.0", "10.0", -1),
        ("26.1.5", "28.5.2", -1),
        ("28.10.0", "28.2.0", 1),
        ("2.0.1a", "2.0.1", 1),
        ("5.5p1", "5.5p10", -1),
        ("10xyz", "10.1xyz", -1),
        ("xyz10", "xyz10.1", -1),
        ("xyz.4", "8", -1),
        ("5.5p2", "5.6p1", -1),
        ("6.0.rc1", "6.0", 1),
        ("10b2", "10a1", 1),
        ("1.0aa", "1.0a", 1),
        ("1.0_1", "1.0.1", 0),
        ("", "1", -1),
    ],
)
def test_compare(left, right, order):
    assert compare(left, right) == order
    assert compare(right, left) == -order


@pytest.mark.parametrize(("left", "right"), [("1.05", "1.5"), ("10.0001", "10.1"), ("01.2", "1.2")])
def test_leading_zeros_do_not_count(left, right):
    assert (compare(left, right), compare(right, left)) == (0, 0)


NUMBERS = st.integers(0, 40).map(str)
VERSIONS = st.lists(NUMBERS | st.sampled_from(["a", "rc", "el"]), max_size=4).map(".".join)


@given(VERSIONS, VERSIONS)
def test_compare_is_antisymmetric(left, right):
    assert compare(left, right) == -compare(right, left)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_compare_is_transitive(one, two, three):
    low, middle, high = sorted(
        (one, two, three), key=lambda text: [compare(text, x) for x in (one, two, three)]
    )
    assert compare(low, high) <= 0
    assert not (compare(low, middle) > 0 and compare(middle, high) > 0)


@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=4), st.lists(st.integers(0, 99), min_size=1, max_size=4)
)
def test_numbers_compare_as_numbers(left, right):
    order = (left > right) - (left < right)
    assert compare(".".join(map(str, left)), ".".join(map(str, right))) == order


# Specs


@pytest.mark.parametrize(
    ("text", "query", "version", "package"),
    [
        ("git", "git", "", "git"),
        ("docker-ce=26.1.5", "docker-ce", "26.1.5", "docker-ce-26.1.5"),
        ("docker-ce=26.1.*", "docker-ce", "26.1.*", "docker-ce-26.1.*"),
        ("docker-ce=26.1.5-1.el9", "docker-ce", "26.1.5-1.el9", "docker-ce-26.1.5-1.el9"),
        ("git-2.47.1-1.el9.x86_64", "git-2.47.1-1.el9.x86_64", "", "git-2.47.1-1.el9.x86_64"),
        ("libstdc++", "libstdc++", "", "libstdc++"),
        ("go=1.27~rc1^git", "go", "1.27~rc1^git", "go-1.27~rc1^git"),
    ],
)
def test_spec(text, query, version, package):
    assert _spec(text) == Spec(query, version)
    assert _spec(text).package == package


@pytest.mark.parametrize(
    ("text", "spec", "package"),
    [
        ("docker-ce=3:26.1.*", Spec("docker-ce", "26.1.*", "3"), "docker-ce-26.1.*"),
        ("git-0:2.47.1-1.el7", Spec("git-2.47.1-1.el7", "", "0"), "git-2.47.1-1.el7"),
        ("docker-ce-3:26.1.5-1.el9.x86_64", Spec("docker-ce-26.1.5-1.el9.x86_64", "", "3"),
         "docker-ce-26.1.5-1.el9.x86_64"),
    ],
)  # fmt: skip
def test_an_epoch_is_compared_and_not_asked_for(text, spec, package):
    assert (_spec(text), _spec(text).package) == (spec, package)
    found = Answer(installed=[CE])
    assert _satisfied(spec, found) is (spec.query != "git-2.47.1-1.el7")
    assert not _satisfied(spec._replace(epoch="2"), found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-y",
        "--nogpgcheck",
        "git git",
        "git;id",
        "$(id)",
        "`id`",
        "git\n",
        "git=",
        "=1",
        "git=-1",
        "git=1 2",
        "git=1=2",
        "git=:1",
        "git=1:",
        "git=1:2:3",
        "git=a:1",
        "1:git-2-1",
        "git:1",
        "git-0:2.*",
        "a/b",
        "@development",
        "git>1",
        "*",
    ],
)
def test_spec_refuses(text):
    with pytest.raises(OperationValueError, match="not a package"):
        _spec(text)


@pytest.mark.parametrize(
    ("version", "matches"),
    [
        ("26.1.5", True),
        ("26.1.*", True),
        ("26.*", True),
        ("26.1.5-1.el9", True),
        ("26.1.5-*", True),
        ("26.1", False),
        ("26.1.4", False),
        ("6.1.5", False),
        ("26.1.5-2.el9", False),
        ("26.10.*", False),
    ],
)
def test_matches(version, matches):
    assert Spec("docker-ce", version).matches(CE) is matches
    assert Spec("docker-ce-cli", version).matches(CE) is False


@pytest.mark.parametrize(
    ("spec", "manager", "verbs"),
    [
        ("docker-ce=28.5.2", "yum", ["install", "docker-ce-28.5.2"]),
        ("docker-ce=20.10.24", "yum", ["downgrade", "docker-ce-20.10.24"]),
        ("docker-ce=20.10.24", "dnf", ["install", "docker-ce-20.10.24"]),
        ("docker-ce=26.0.*", "yum", ["downgrade", "docker-ce-26.0.*"]),
        ("docker-ce=26.2.*", "yum", ["install", "docker-ce-26.2.*"]),
        ("docker-ce", "yum", ["install", "docker-ce"]),
        ("git=1", "yum", ["install", "git-1"]),
        ("docker-ce=26.1.5-0.el9", "yum", ["downgrade", "docker-ce-26.1.5-0.el9"]),
        ("docker-ce=26.1.5-2.el9", "yum", ["install", "docker-ce-26.1.5-2.el9"]),
        ("docker-ce=26.1.5-*.el8", "yum", ["install", "docker-ce-26.1.5-*.el8"]),
        ("docker-ce-20.10.24", "yum", ["downgrade", "docker-ce-20.10.24"]),
        ("docker-ce-20.10.24", "dnf", ["install", "docker-ce-20.10.24"]),
        ("docker-ce-28.5.2", "yum", ["install", "docker-ce-28.5.2"]),
        ("docker-ce-26.1.5-0.el9", "yum", ["downgrade", "docker-ce-26.1.5-0.el9"]),
        ("docker-ce-26.1.5-0.el9.x86_64", "yum", ["downgrade", "docker-ce-26.1.5-0.el9.x86_64"]),
        ("docker-ce-26.1.5-2.el9.x86_64", "yum", ["install", "docker-ce-26.1.5-2.el9.x86_64"]),
        ("docker-ce-3:26.1.5-0.el9.x86_64", "yum", ["downgrade", "docker-ce-26.1.5-0.el9.x86_64"]),
        ("docker-ce-2:28.5.2-1.el9.x86_64", "yum", ["downgrade", "docker-ce-28.5.2-1.el9.x86_64"]),
        ("docker-ce=4:20.10.24", "yum", ["install", "docker-ce-20.10.24"]),
        ("docker-ce-cli-20.10.24", "yum", ["install", "docker-ce-cli-20.10.24"]),
        ("kernel-3.10.0-1160.el7.x86_64", "yum", ["install", "kernel-3.10.0-1160.el7.x86_64"]),
        ("kernel=3.10.0-1160.el7", "yum", ["install", "kernel-3.10.0-1160.el7"]),
        ("lib-1-1.el9", "yum", ["downgrade", "lib-1-1.el9"]),
    ],
)
def test_verbs(spec, manager, verbs):
    assert _verbs([_spec(spec)], Answer(installed=[CE, KERNEL, LIB]), manager, True) == verbs


def test_each_verb_comes_once():
    specs = [_spec(text) for text in ("git", "docker-ce=20.10.24", "xz")]
    assert _verbs(specs, Answer(installed=[CE]), "yum", True) == [
        "install",
        "git",
        "xz",
        "downgrade",
        "docker-ce-20.10.24",
    ]
    assert _verbs(specs, Answer(installed=[CE]), "yum", False) == [
        "remove",
        "git",
        "docker-ce-20.10.24",
        "xz",
    ]


# Locks


@pytest.mark.parametrize(
    ("manager", "lock"), [("yum", "3:docker-ce-26.1.5-1.el9.*"), ("dnf", "docker-ce-3:26.1.5-1.el9.*")]
)
def test_how_each_manager_spells_a_lock(manager, lock):
    assert _LOCK[manager].format(rpm=CE) == lock
    assert locked(["# elforge:", lock], [], ["docker-ce"]) == []


OURS, OLD, NEW = "# elforge:", "docker-ce-3:20.10.24-3.el9.*", "docker-ce-3:26.1.5-1.el9.*"
GIT, CLI = "git-0:2-1.*", "docker-ce-cli-1:26.1.5-1.el9.*"


@pytest.mark.parametrize(
    ("lines", "locks", "names", "after"),
    [
        ([], [NEW], ["docker-ce"], [OURS, NEW]),
        ([OLD], [NEW], ["docker-ce"], [OLD, OURS, NEW]),
        ([OURS, OLD, GIT], [NEW], ["docker-ce"], [GIT, OURS, NEW]),
        ([GIT, NEW], [], ["docker-ce"], [GIT, NEW]),
        ([GIT, OURS, NEW], [], ["docker-ce"], [GIT]),
        ([CLI], [], ["docker-ce"], [CLI]),
        (
            ["# docker-ce-3:26.1.5-1.el9.*", "", "!docker-ce-3:29.0.0-1.el9.*"],
            [],
            ["docker-ce"],
            ["# docker-ce-3:26.1.5-1.el9.*", "", "!docker-ce-3:29.0.0-1.el9.*"],
        ),
        ([OURS, "  docker-ce-26.1.5-1.el9.*  "], [], ["docker-ce"], []),
        ([NEW, GIT], [NEW], ["docker-ce"], [NEW, GIT, OURS, NEW]),
        # What is as it should be stays where it is, whatever somebody else wrote below it.
        ([OURS, NEW, GIT], [NEW], ["docker-ce"], [OURS, NEW, GIT]),
        ([OURS, NEW, OURS, GIT], [GIT], ["git"], [OURS, NEW, OURS, GIT]),
        (["libstdcxx-0:1-1.*"], [], ["libstdc.."], ["libstdcxx-0:1-1.*"]),
    ],
)
def test_locked(lines, locks, names, after):
    assert locked(lines, locks, names) == after


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        ([OURS, NEW, GIT], [GIT]),
        ([OURS, NEW, OURS, CLI], [OURS, CLI]),
        ([NEW], [NEW]),
        ([OURS, NEW, OLD], [OLD]),
        # Our line was deleted by hand: what follows its comment is not ours.
        ([OURS, GIT], [OURS, GIT]),
        # A comment of ours above nothing would claim what moves up there.
        ([OURS], []),
        ([OURS, OURS, NEW, OLD], [OLD]),
        ([], []),
    ],
)
def test_unlocked_takes_nothing_but_ours(lines, after):
    assert unlocked(lines, ["docker-ce"]) == after


LOCKS = st.sampled_from(
    [
        f"{name}-{epoch}:{version}-1.el9.*"
        for name in ("docker-ce", "docker-ce-cli", "git")
        for epoch in (0, 3)
        for version in ("26.1.5", "28.5.2")
    ]
    + ["# comment", "", OURS]
)


@given(
    st.lists(LOCKS, max_size=6),
    st.lists(LOCKS.filter(lambda line: line.startswith("docker-ce-3")), max_size=1),
)
def test_locked_twice_is_locked_once(lines, locks):
    once = locked(lines, locks, ["docker-ce"])
    assert locked(once, locks, ["docker-ce"]) == once
    theirs = unlocked(lines, ["docker-ce"])
    assert sorted(once) == sorted([*theirs, *(line for lock in locks for line in (OURS, lock))])
    assert [line for line in once if "git" in line] == [line for line in lines if "git" in line]
    assert sorted(unlocked(once, ["docker-ce"])) == sorted(theirs)


@given(st.lists(LOCKS, max_size=6))
def test_two_that_lock_in_one_file_leave_each_other_alone(lines):
    both = locked(locked(lines, [NEW], ["docker-ce"]), [GIT], ["git"])
    assert locked(both, [NEW], ["docker-ce"]) == both
    assert locked(both, [GIT], ["git"]) == both


KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
PROGRAMS = {
    "curl": f"for file; do [ \"$last\" = -o ] && printf -- '{KEY}' >$file; last=$file; done; exit 0",
    "gpg": "printf 'pub:::::::\\nfpr:::::::::0A1B:\\n'",
    "rpm": "exit 0",
}


def test_what_a_key_file_was_when_it_was_verified_is_noted_until_it_goes(tmp_path):
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\nlast=\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    file, noted = tmp_path / "pki/KEY", tmp_path / "state/keys/KEY"

    def run(name: str, *args: str) -> int:
        text = script._text(name).replace("PATH=/usr", f"PATH={tmp_path}/bin:/usr")
        return run_script(tmp_path, text, *args, str(file)).returncode

    assert run("key", "https://d/gpg", "0A1C") == 1
    assert not noted.exists()
    assert run("key", "https://d/gpg", "0A1B") == 0
    assert file.read_text() == KEY
    assert noted.read_text() == f"0A1B {script.sha256(KEY)}\n"
    assert run("unkey", "0a1b") == 0
    assert not file.exists()
    assert not noted.exists()
