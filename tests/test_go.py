"""What the go deploy does on each release: fresh, converged, built, delivered, pruned, removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyinfra import host
from pyinfra.api import OperationError

from deploys.go import (
    ALTERNATIVES,
    BUILDER,
    COLLECTIONS,
    HOME,
    LINKS,
    PROFILE,
    UNPACKING,
    GoOptions,
    go,
)
from deploys.release import RELEASES
from facts.go import Toolchain
from facts.release import ElRelease
from operations.go import GO
from tests.answers import Answers
from tests.plan import HOST, Plan, plan, text

ROOT = "/usr/local/go-toolchains"
BUILD1 = "@fake/build1"
BARE = {major: Answers(major) for major in RELEASES}
BOTH = ["1.27.0", "1.26.7"]


def planned(answers: Answers, arch: str = "x86_64", **options: object) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())
    machine = replace(machine, arch=arch)

    def deploy() -> None:
        if host.name == HOST:
            go(GoOptions.model_validate(options), RELEASES[answers.major], machine)

    return plan(deploy, answers, beside=[BUILD1])


def changes(done: Plan) -> dict[str, list[str]]:
    return {step.name.removeprefix("Go | "): step.commands for step in done.steps if step.commands}


def converged(major: int, *versions: str, packed: bool = False, suffix: str = "") -> Answers:
    """Return a host as the deploy leaves it, with the first version as its default."""
    names = {f"go{version}{suffix}": version for version in versions}
    links = {**LINKS, GO: f"{ROOT}/{next(iter(names))}"}
    for each in ALTERNATIVES:
        links |= {each.link: f"/etc/alternatives/{each.name}", f"/etc/alternatives/{each.name}": each.path}
    return replace(
        BARE[major],
        rpms=dict.fromkeys((*UNPACKING, "gcc"), f"0 1.0 1.el{major}"),
        files=planned(BARE[major], versions=list(versions)).files,
        links=links,
        directories={HOME: "root root 700"},
        groups={BUILDER: BUILDER},
        toolchains={ROOT: [Toolchain(name, names[name], True, "", packed) for name in names]},
    )


# Binaries


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    golden(f"el{major}/go_fresh", text(planned(BARE[major], versions=BOTH).steps))


@pytest.mark.parametrize("major", RELEASES)
def test_converged_host_changes_nothing(major):
    assert changes(planned(converged(major, *BOTH), versions=BOTH)) == {}


@pytest.mark.parametrize(("versions", "questions"), [(BOTH[:1], 9), (BOTH, 10), ([*BOTH, "1.25.14"], 11)])
def test_what_a_look_at_a_converged_host_costs(versions, questions):
    """A question is one SSH exec, asked for the plan and again for the run. Lower it here when it sinks."""
    assert planned(converged(9, *versions), versions=versions).asked == questions


def test_plan_is_deterministic():
    assert planned(BARE[9], versions=BOTH) == planned(BARE[9], versions=BOTH)


def test_drifted_host_is_mended():
    found = converged(9, *BOTH)
    found.toolchains[ROOT][1] = replace(found.toolchains[ROOT][1], whole=False)
    del found.rpms["gcc"], found.files[PROFILE]
    found.links |= {GO: f"{ROOT}/go1.26.7", "/etc/alternatives/go": "/usr/lib/golang/bin/go"}
    done = changes(planned(found, versions=BOTH))
    assert list(done) == [
        "Install what Go needs",
        "Install Go 1.26.7",
        "Put Go first in login shells",
        "Choose the default Go",
        "Let every PATH find Go",
    ]


def test_another_default_is_one_flip():
    done = changes(planned(converged(9, *BOTH), versions=BOTH, default="1.26.7"))
    assert done == {"Choose the default Go": [f"default {GO} {ROOT}/go1.26.7 ''"]}


def test_without_cgo_no_compiler_is_asked_for():
    done = changes(planned(BARE[9], versions=BOTH, cgo=False))
    assert done["Install what Go needs"][0].endswith(" install tar gzip")
    assert "  | cgo 0\n  | race no" in done["Install Go 1.27.0"][0]


@pytest.mark.parametrize(("arch", "file"), [("x86_64", "linux-amd64"), ("aarch64", "linux-arm64")])
def test_each_architecture_has_its_own_file(arch, file):
    (command,) = changes(planned(BARE[9], arch, versions=["1.27.0"]))["Install Go 1.27.0"]
    assert f"  | file go1.27.0.{file}.tar.gz " in command


@pytest.mark.parametrize(
    ("arch", "method", "race"),
    [("x86_64", "source", "yes"), ("aarch64", "source", "no"), ("x86_64", "binary", "no")],
)
def test_what_was_built_has_to_find_races_where_it_can(arch, method, race):
    done = changes(planned(BARE[9], arch, versions=["1.27.0"], method=method))
    assert f"  | race {race}" in next(command for (command, *_) in done.values() if "  | race " in command)


def test_a_file_for_another_architecture_is_refused():
    own = {"1.28rc1": {"linux-amd64": {"sha256": "a" * 64}}}
    with pytest.raises(OperationError, match=r"^go_versions: no linux-arm64 of 1\.28rc1 is known"):
        planned(BARE[9], "aarch64", versions=["1.28rc1"], artifacts=own)


# Source


@pytest.mark.parametrize("major", RELEASES)
def test_source(major, golden):
    steps = planned(BARE[major], versions=["1.27.0"], method="source").steps
    golden(f"el{major}/go_source", text([step for step in steps if "Build Go" in step.name]))


def test_a_toolchain_that_is_there_builds():
    (command,) = changes(planned(converged(9, "1.26.7"), versions=["1.27.0"], method="source"))[
        "Build Go 1.27.0"
    ]
    assert f"  | bootstrap {ROOT}/go1.26.7" in command


def test_a_bootstrap_that_was_named_builds_whatever_is_there():
    options = {"versions": ["1.27.0"], "method": "source", "bootstrap": "1.24.6"}
    (command,) = changes(planned(converged(9, "1.26.7"), **options))["Build Go 1.27.0"]
    assert "  | bootstrap go1.24.6.linux-amd64.tar.gz " in command


def test_toolchains_that_differ_have_names_that_differ():
    variants = [
        {},
        {"method": "source"},
        {"method": "source", "cgo": False},
        {"method": "source", "collection": "devtoolset-11"},
    ]
    chosen = [changes(planned(BARE[7], versions=["1.27.0"], **each)) for each in variants]
    assert [each["Choose the default Go"] for each in chosen] == [
        [f"default {GO} {ROOT}/go1.27.0{suffix} ''"]
        for suffix in ("", "-source", "-source-nocgo", "-source-devtoolset-11")
    ]


def test_a_software_collection_brings_its_compiler(golden):
    steps = planned(BARE[7], versions=["1.27.0"], method="source", collection="devtoolset-11").steps
    golden("el7/go_collection", text([step for step in steps if "Install" in step.name]))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, ["git", "gcc", "glibc"]),
        ({"cgo": False}, ["git"]),
        ({"method": "source", "collection": "devtoolset-11"}, ["git", "glibc"]),
    ],
    ids=str,
)
def test_what_is_too_old_is_named_while_a_toolchain_is_to_come(options, named, caplog):
    old = {"git": "1.8.3.1", "gcc": "4.8.5", "glibc": "2.17"}
    found = replace(BARE[7], rpms={name: f"0 {version} 1.el7" for name, version in old.items()})
    planned(found, versions=["1.27.0"], **options)
    assert [name for name in old if f"{name} {old[name]}: " in caplog.text] == named


@pytest.mark.parametrize("whole", [True, False])
def test_a_damaged_toolchain_is_to_come_too(whole, caplog):
    found = converged(7, "1.27.0")
    found.toolchains[ROOT][0] = replace(found.toolchains[ROOT][0], whole=whole)
    found.rpms["gcc"] = "0 4.8.5 1.el7"
    planned(found, versions=["1.27.0"])
    assert ("gcc 4.8.5: " in caplog.text) is not whole


@pytest.mark.parametrize("major", [major for major, known in COLLECTIONS.items() if not known])
def test_a_collection_that_the_release_has_not(major):
    message = rf"^go_collection: EL{major} has no devtoolset-11; its own gcc is new enough$"
    with pytest.raises(OperationError, match=message):
        planned(BARE[major], versions=["1.27.0"], method="source", collection="devtoolset-11")


# One host builds


@pytest.mark.parametrize("major", RELEASES)
@pytest.mark.parametrize(("kind", "build_host"), [("builds", HOST), ("receives", BUILD1)])
def test_one_host_builds_for_the_others(major, kind, build_host, golden):
    steps = planned(BARE[major], versions=["1.27.0"], method="source", build_host=build_host).steps
    golden(f"el{major}/go_{kind}", text([step for step in steps if step.name.endswith((" 1.27.0", "hosts"))]))


@pytest.mark.parametrize("build_host", [HOST, BUILD1])
def test_hosts_that_share_a_build_are_converged(build_host):
    found = converged(9, "1.27.0", packed=build_host == HOST, suffix="-source")
    done = planned(found, versions=["1.27.0"], method="source", build_host=build_host)
    assert changes(done) == {}


def test_a_host_that_has_it_only_packs_it():
    found = converged(9, "1.27.0", suffix="-source")
    done = changes(planned(found, versions=["1.27.0"], method="source", build_host=HOST))
    assert done == {"Pack Go 1.27.0 for other hosts": [f"pack {ROOT} go1.27.0-source"]}


def test_a_builder_that_nobody_knows_is_refused():
    with pytest.raises(OperationError, match=r"^go_build_host: there is no host build9 in the inventory$"):
        planned(BARE[9], versions=["1.27.0"], method="source", build_host="build9")


# What goes


def test_old_toolchains_stay_until_they_are_pruned():
    assert changes(planned(converged(9, *BOTH), versions=BOTH[:1])) == {}
    done = changes(planned(converged(9, *BOTH), versions=BOTH[:1], prune=True))
    assert done == {"Remove other toolchains": [f"prune {ROOT} '' go1.26.7"]}


def test_pruning_a_host_with_nothing_to_prune():
    assert changes(planned(converged(9, *BOTH), versions=BOTH, prune=True)) == {}


@pytest.mark.parametrize("major", RELEASES)
def test_removal(major, golden):
    golden(f"el{major}/go_removed", text(planned(converged(major, *BOTH), state="absent").steps))


@pytest.mark.parametrize("major", RELEASES)
def test_removal_of_nothing(major):
    assert changes(planned(BARE[major], state="absent")) == {}


def test_removal_leaves_what_elforge_did_not_make():
    found = replace(
        BARE[9],
        links={GO: "/opt/go", "/usr/bin/go": "/etc/alternatives/go", "/usr/local/bin/go": "/opt/go/bin/go"},
        toolchains={ROOT: [Toolchain("go1.26.7")]},
    )
    assert changes(planned(found, state="absent")) == {}
