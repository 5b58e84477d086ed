"""Kill the control process, or its connection, around every change of deploy.py; run again; compare.

Stock pyinfra converges at 20 of 44 such points. Here each must: same files, packages, units, and the
settings that the engine has loaded, and a third run has nothing left to do.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import lab.hosts
from lab.hosts import Host
from tests.figures import FIGURES
from tests.runner import pyinfra
from tests.tree import difference, tree

CRASHING = ("tests/sweep/crash.py",)
RELEASES = (7, 8, 9)
# A change of options on a converged host: settings, a drop-in, and on el9 the engine itself, downwards.
CHANGE: dict[int, dict[str, Any]] = {
    7: {"docker_debug": True, "docker_users": ["ops"], "docker_builder_max_used_space": "5GB"},
    8: {"docker_hosts": ["fd://", "unix:///run/docker-2.sock"], "docker_log_driver": "local"},
    9: {"docker_version": "26.1", "docker_builder_max_used_space": "5GB", "base_packages": ["make"]},
}
# What the engine says that it works with, not what a file says that it should.
LOADED = (
    "docker buildx inspect default | grep -v -i status; docker info --format '{{json .}}' | tr ',' '\\n'"
    " | grep -E 'ServerVersion|LoggingDriver|Debug|CgroupDriver'"
    "; systemctl show -p ActiveState,UnitFileState docker.service docker.socket containerd.service firewalld"
    "; rpm -qa | sort; id ops; find /run/elforge -type f ! -name packages.log | sort"
)


class Point(NamedTuple):
    """Where a run dies."""

    scenario: str
    at: int
    how: str


class Outcome(NamedTuple):
    """What a point left behind after one more run; empty when it converged."""

    point: Point
    wrong: str


def state(host: Host) -> dict[str, str]:
    """Return all that must be the same in the end."""
    said = host.ssh("sh", "-c", f'"{LOADED}"', user="root")
    found = {**tree(host), "loaded": said.stdout}
    # Engine 20.10 makes up an identity at its first start.
    found.pop("/etc/docker/key.json", None)
    return found


def sweep(major: int, whole: bool, log: Path) -> list[Outcome]:
    """Crash one release's host at every point of both scenarios, or at a sample of them."""
    host = Host(f"el{major}-sweep")
    lab.hosts.reset([host.name])
    host.snapshot("bare")
    outcomes = []
    for scenario, data in (("bare", {}), ("change", CHANGE[major])):
        before, log_file = scenario if scenario == "bare" else "converged", log / f"{host.name}.{scenario}"
        run = pyinfra(host.name, program=CRASHING, env={"CRASH_LOG": str(log_file)}, data=data)
        assert run.code == 0, run.output
        wanted = state(host)
        if scenario == "bare":
            host.snapshot("converged")
        actions = len(log_file.read_text().splitlines())
        points = [
            Point(scenario, at, how) for at in range(1, actions + 1) for how in ("before", "close", "after")
        ]
        for point in points if whole else sample(points):
            host.restore(before)
            outcomes.append(Outcome(point, crash(host, point, data, wanted)))
            print(
                f"{host.name} {point.scenario} {point.at} {point.how}: {outcomes[-1].wrong or 'converged'}"[
                    :300
                ]
            )
        host.restore("converged")
    return outcomes


def sample(points: list[Point]) -> list[Point]:
    """After one action is before the next: take either, and the broken connection at every action."""
    return [
        point for point in points if point.how == "close" or (point.how == "before") == (point.at % 2 == 1)
    ]


def crash(host: Host, point: Point, data: dict[str, Any], wanted: dict[str, str]) -> str:
    """Die at a point, run again, and return what is wrong then."""
    env = {"CRASH_AT": str(point.at), "CRASH_HOW": point.how}
    died = pyinfra(host.name, program=CRASHING, env=env, data=data)
    if died.code != -9:
        return f"did not die: {died.output}"
    again = pyinfra(host.name, data=data)
    if again.code:
        return f"the next run failed: {again.output}"
    if wrong := difference(wanted, state(host)):
        return f"differs: {wrong}"
    third = pyinfra(host.name, data=data, dry=True)
    return f"a third run would change {third.changed}" if third.changed or third.code else ""


def test_every_crash_point_converges(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    whole = request.config.getoption("--whole-sweep")
    lab.hosts.up([f"el{major}-sweep" for major in RELEASES])
    with ThreadPoolExecutor(len(RELEASES)) as pool:
        results = dict(
            zip(RELEASES, pool.map(lambda major: sweep(major, whole, tmp_path), RELEASES), strict=True)
        )
    lab.hosts.down([f"el{major}-sweep" for major in RELEASES])
    outcomes = [(major, *outcome) for major, found in results.items() for outcome in found]
    bad = [outcome for outcome in outcomes if outcome[-1]]
    FIGURES.append(f"crash points converged {len(outcomes) - len(bad)}/{len(outcomes)}")
    assert not bad, "\n\n".join(f"el{major} {point}: {wrong[:3000]}" for major, point, wrong in bad)


def test_sample_covers_every_action() -> None:
    points = [Point("bare", at, how) for at in range(1, 6) for how in ("before", "close", "after")]
    assert {point.at for point in sample(points)} == {1, 2, 3, 4, 5}
