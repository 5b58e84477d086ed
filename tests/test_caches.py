"""What the caches deploy does on each release, and what its options refuse."""

from __future__ import annotations

from typing import Any

import pytest

from deploys.caches import CachesOptions, caches
from deploys.docker import DockerOptions
from deploys.goenv import GoenvOptions, goenv
from deploys.options import problems
from deploys.release import RELEASES
from deploys.service_options import ServiceOptions
from facts.release import ElRelease
from facts.unit import UNITS
from operations.caches import PROGRAM
from tests.answers import Answers
from tests.plan import Plan, plan, text

OPTIONS: dict[str, Any] = {
    "places": {
        "build": {
            "path": "/srv/go-build",
            "owner": "ci",
            "kind": "go-build",
            "max_age": "2d",
            "tmpfs": {"size": "25%", "cap": "3G"},
        },
        "modules": {
            "path": "/srv/modules",
            "owner": "ci",
            "kind": "go-modules",
            "max_size": "20G",
            "mode": "750",
        },
        "npm": {"path": "/srv/npm", "owner": "node"},
    },
    "buildkit": {"max_age": "14d", "max_size": "10G"},
    "schedule": "Mon,Thu 03:30",
}
MOUNT = r"srv-go\x2dbuild.mount"
UNTMPFS = rf"untmpfs {MOUNT} /srv/go-build elforge-cache-build.service"
TIMERS = ["elforge-cache-build", "elforge-cache-modules", "elforge-buildkit"]
IN_MEMORY = "990 985 tmpfs 786432 700000 4096 full local 64768 26214400 2621440 4096 0 rw - -"
DIRECTORIES = {
    "/srv/go-build": "ci ci 700",
    "/srv/modules": "ci ci 750",
    "/srv/npm": "node node 700",
}
USERS = {"ci": "ci", "node": "node"}


def planned(answers: Answers, **options: Any) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())

    def deploy() -> None:
        caches(CachesOptions.model_validate(options), RELEASES[answers.major], machine)

    return plan(deploy, answers)


def converged(major: int = 9, **more: Any) -> Answers:
    """Return a host that has all of OPTIONS."""
    files = planned(Answers(major, groups=USERS), **OPTIONS).files
    units = {
        MOUNT: "loaded active enabled",
        **{f"{each}.timer": "loaded active enabled" for each in TIMERS},
        **{f"{each}.service": "loaded inactive static" for each in TIMERS},
    }
    found = {
        "files": files,
        "modes": {PROGRAM: "755"},
        "units": units,
        "directories": DIRECTORIES,
        "groups": USERS,
        "places": {"/srv/go-build": IN_MEMORY},
    }
    return Answers(major, **{**found, **more})


def commands(answers: Answers, **options: Any) -> list[str]:
    """Return what would run, without the content of files."""
    steps = planned(answers, **options).steps
    return [command.split("\n")[0] for step in steps for command in step.commands]


def said(**options: Any) -> list[str]:
    given = {f"caches_{name}": value for name, value in options.items()}
    return [line.removeprefix("h: caches_") for line in problems("h", given, [CachesOptions])]


def place(**more: Any) -> dict[str, Any]:
    return {"places": {"go": {"path": "/srv/go", "owner": "ci", **more}}}


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    golden(f"el{major}/caches_fresh", text(planned(Answers(major, groups=USERS), **OPTIONS).steps))


@pytest.mark.parametrize("major", RELEASES)
def test_converged_host_changes_nothing(major):
    assert commands(converged(major), **OPTIONS) == []


def test_all_is_given_back_and_what_is_in_memory_goes_to_disk():
    gone = commands(converged(), state="absent")
    assert (gone[0], gone[-1]) == (UNTMPFS, f"absent {PROGRAM} no yes ''")
    assert "service elforge-cache-modules.timer disable stop" in gone
    assert f"absent {UNITS}/elforge-buildkit.service no no 'systemctl daemon-reload; " in " ".join(gone)
    assert not [line for line in gone if "/srv/modules" in line or "/srv/npm" in line]
    assert commands(Answers(9), state="absent") == []


def test_without_an_option_nothing_is_done_and_nothing_asked():
    assert planned(Answers(9)) == Plan([], 0, {}, {})


def test_one_that_is_declared_no_longer_goes_alone():
    less = {**OPTIONS, "places": {name: each for name, each in OPTIONS["places"].items() if name != "build"}}
    gone = commands(converged(), **less)
    assert [line.split(" ")[:2] for line in gone] == [
        ["untmpfs", MOUNT],
        ["service", "elforge-cache-build.timer"],
        ["absent", f"{UNITS}/elforge-cache-build.timer"],
        ["service", "elforge-cache-build.service"],
        ["absent", f"{UNITS}/elforge-cache-build.service"],
    ]


def test_from_memory_to_disk():
    build = {**OPTIONS["places"]["build"], "tmpfs": None}
    changed = commands(converged(), **{**OPTIONS, "places": {**OPTIONS["places"], "build": build}})
    assert changed[0] == UNTMPFS
    assert [line.split(" ")[:2] for line in changed[1:]] == [["put", f"{UNITS}/elforge-cache-build.service"]]


@pytest.mark.parametrize(
    "beneath",
    [
        "full local 64768 26214400 2621440 4096 0 rw - -",
        "empty local 64768 26214400 2621440 4096 0 rw whole -",
    ],
)
def test_what_is_beneath_a_tmpfs_is_named(caplog, beneath):
    planned(Answers(9, groups=USERS, places={"/srv/go-build": f"990 985 - 0 0 0 {beneath}"}), **OPTIONS)
    assert (
        "caches_places.build: what is in /srv/go-build stays there, out of sight beneath the" in caplog.text
    )


def test_a_timer_in_memory_has_a_limit_below_the_tmpfs():
    files = planned(Answers(9, groups=USERS), **OPTIONS).files
    service = files[f"{UNITS}/elforge-cache-build.service"]
    assert f"ExecStart=/bin/sh {PROGRAM} go-build /srv/go-build 75%% 172800\n" in service
    assert "\nConditionPathIsMountPoint=/srv/go-build\n" in service, "not what the disk beneath has"
    assert "Condition" not in files[f"{UNITS}/elforge-cache-modules.service"]
    assert f"{UNITS}/elforge-cache-npm.timer" not in files


def test_what_is_somebody_elses_is_not_taken_over():
    """Neither a database nor what an owner of before has left: a timer would remove it by its age."""
    theirs = {**DIRECTORIES, "/srv/npm": "postgres postgres 700"}
    with pytest.raises(Exception, match="/srv/npm belongs to postgres, not to node: choose another name"):
        commands(converged(directories=theirs), **OPTIONS)


# Options


def test_what_is_right():
    assert said(**OPTIONS) == said(state="absent") == said(**place()) == []
    assert said(**place(kind="go-build", tmpfs={"size": "2G"}, max_size="1G")) == []
    for schedule in ("hourly", "03:30", "*:00/20", "0,12:15", "Mon,Thu 4:05", "*:15"):
        assert said(schedule=schedule) == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"state": "absent", "schedule": "daily"},
            "state: 'absent' goes with no other option, not with caches_schedule",
        ),
        (
            place(path="/home/ci/x"),
            "places.go.path: /home/ci/x is the system's, a user's or gone after a boot; try /srv/ci/plain",
        ),
        (
            place(path="/usr/local/bin"),
            "places.go.path: /usr/local/bin overlaps /usr, which is no cache; try /srv/ci/plain",
        ),
        (
            place(path="/var/lib"),
            "places.go.path: /var/lib overlaps /var/lib/rpm, which is no cache; try /srv/ci/plain",
        ),
        (
            place(mode="777"),
            "places.go.mode: must be a mode that lets nobody else write, such as 700 or 755 (got '777')",
        ),
        (
            place(max_age="90min"),
            "places.go.max_age: 90min is less than 2h, in which a build may still use what it has used",
        ),
        (
            place(kind="go-build", max_age="6d"),
            "places.go.max_age: 6d: go itself removes what it has not used for 5d",
        ),
        (
            place(tmpfs={"size": "4G", "cap": "8G"}),
            "places.go.tmpfs.cap: is for a share of the memory, and tmpfs.size is a size",
        ),
        (
            place(kind="go-build", tmpfs={"size": "512M"}),
            "places.go.tmpfs: is less than 2G, which go-build needs at least",
        ),
        (
            place(kind="go-build", tmpfs={"size": "50%", "cap": "1G"}),
            "places.go.tmpfs: is less than 2G, which go-build needs at least",
        ),
        (
            place(kind="go-modules", tmpfs={"size": "512M"}),
            "places.go.tmpfs: is less than 1G, which go-modules needs at least",
        ),
        (
            place(tmpfs={"size": "1G"}, max_size="1024M"),
            "places.go.max_size: 1024M is not less than tmpfs, which would be full before anything goes",
        ),
        (
            {
                "places": {
                    "a": {"path": "/srv/a", "owner": "ci"},
                    "b": {"path": "/srv/a/b", "owner": "ci"},
                }
            },
            "places.b.path: /srv/a/b and /srv/a (a) are one in the other",
        ),
        ({"buildkit": {}}, "buildkit: has neither max_size nor max_age"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(options, line):
    assert said(**options) == [line]


@pytest.mark.parametrize(
    "path", ["/lib/modules", "/lib64/x", "/bin/x", "/sbin/x", "/var/run/x", "/var/lock/x"]
)
def test_a_place_of_the_systems_is_one_by_any_name(path):
    (line,) = said(**place(path=path))
    assert f"{path} is the system's, a user's or gone after a boot" in line


@pytest.mark.parametrize(
    "schedule", ["*/2:00", "Mon..Fri 03:00", "25:00", "3:60", "yesterday", "", "03:00:00"]
)
def test_a_schedule_is_one_that_every_systemd_takes(schedule):
    assert said(schedule=schedule)


GOENV = {"cache": "/srv/go", "builder": "ci"}


def among(
    options: dict[str, Any], goenv: dict[str, Any] | None = None, docker: dict[str, Any] | None = None
) -> list[str]:
    models: dict[Any, Any] = {}
    if goenv is not None:
        models[GoenvOptions] = GoenvOptions.model_validate(goenv)
    if docker is not None:
        models[DockerOptions] = DockerOptions.model_validate(docker)
    mine = CachesOptions.model_validate(options)
    return [line.removeprefix("caches_") for line in mine.among("h", {"h": models})]


@pytest.mark.parametrize("path", ["/var/lib/shop", "/var/lib/shop/tmp", "/opt/shop"])
def test_what_an_application_keeps_is_no_cache(path):
    mine = CachesOptions.model_validate(place(path=path))
    shop = ServiceOptions.model_validate({"apps": {"shop": {"version": "1", "file": "/srv/shop"}}})
    (said,) = mine.among("h", {"h": {ServiceOptions: shop}})
    assert said.startswith(f"caches_places.go.path: {path} overlaps /")
    assert said.endswith("/shop, which is of service_apps.shop")


def test_goenv_and_caches_say_the_same():
    assert among(place(kind="go-build"), GOENV) == among(place(), {}) == among(place()) == []
    assert among(place(kind="go-build", path="/srv/other", owner="bob"), GOENV) == []
    for more in (
        {"kind": "plain"},
        {"kind": "go-build", "owner": "bob"},
        {"kind": "go-build", "mode": "755"},
    ):
        assert among(place(**more), GOENV) == [
            "places.go: /srv/go is goenv_cache: it takes kind go-build, owner ci (goenv_builder) and mode 700"
        ]
    assert among(place(kind="go-build", path="/srv/other"), GOENV) == [
        "places.go.path: go does not use it: goenv_cache of ci (goenv_builder) is /srv/go"
    ]


@pytest.mark.parametrize(
    ("goenv", "path"),
    [
        ({"cache": "/srv/go/build", "builder": "ci"}, "/srv/go/build (goenv_cache)"),
        ({"modcache": "/srv/go/sub", "builder": "ci"}, "/srv/go/sub (goenv_modcache)"),
        ({"tmpdir": "/srv/go"}, "/srv/go (goenv_tmpdir)"),
    ],
)
def test_nothing_of_goenvs_is_within_a_cache(goenv, path):
    """A directory of root's that all may write in is no cache, and root makes no directory in a user's."""
    assert among(place(), goenv) == [f"places.go.path: /srv/go and {path} are one in the other"]


def test_a_directory_is_made_once():
    mine = CachesOptions.model_validate(place(kind="go-build"))
    theirs = GoenvOptions.model_validate({**GOENV, "modcache": "/srv/mod"})
    assert theirs.directories == ["/srv/go", "/srv/mod"]
    added = mine.adds(theirs)
    assert isinstance(added, GoenvOptions)
    assert (added.directories, added.cache) == (["/srv/mod"], "/srv/go")
    answers = Answers(9, groups=USERS)
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())
    steps = plan(lambda: goenv(added, RELEASES[9], machine), answers).steps
    assert [step.name for step in steps if "| Make" in step.name] == ["Go environment | Make /srv/mod"]


def test_a_cache_is_not_in_dockers_data():
    assert among(place(), docker={}) == among(place(), docker={"data_root": "/srv/docker"}) == []
    assert among(place(), docker={"data_root": "/srv"}) == [
        "places.go.path: /srv/go overlaps docker_data_root, /srv"
    ]


LIMITS = {"buildkit": {"max_size": "10G"}}


def test_buildkit_needs_docker_and_goes_below_its_own_limit():
    none = ["buildkit: there is no Docker of elforge's on this host"]
    assert among(LIMITS) == among(LIMITS, docker={"state": "absent"}) == none
    assert among(LIMITS, docker={}) == among({"buildkit": {"max_age": "14d"}}, docker={}) == []
    assert among(LIMITS, docker={"builder_max_used_space": "10GB"}) == [
        "buildkit.max_size: 10G has no effect: the engine itself keeps to 10GB "
        "(docker_builder_max_used_space)"
    ]
    assert among(LIMITS, docker={"builder_max_used_space": "10%"}) == []
    assert among(LIMITS, docker={"builder_reserved_space": "15GB"}) == [
        "buildkit.max_size: 10G is less than the 15GB that the engine keeps (docker_builder_reserved_space)"
    ]
