"""Kill the control process, or its connection, around every change of deploy.py; run again; compare.

Stock pyinfra converges at 20 of 44 such points. Here each must: same files, packages, units, and the
settings that the engine has loaded, and a third run has nothing left to do.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

import pytest

import lab.hosts
from lab import fixture
from lab.hosts import Host
from tests.figures import FIGURES
from tests.program import compiled
from tests.runner import Run, pyinfra
from tests.sweep.scenarios import Scenario, scenarios
from tests.tree import written

CRASHING = ("tests/sweep/crash.py",)
# What the engine says that it works with, not what a file says that it should.
LOADED = (
    "docker buildx inspect default | grep -v -i status; docker info --format '{{json .}}' | tr ',' '\\n'"
    " | grep -E 'ServerVersion|LoggingDriver|Debug|CgroupDriver'"
    "; systemctl show -p ActiveState,UnitFileState docker.service docker.socket containerd.service firewalld"
    "; firewall-cmd --list-all-zones; firewall-cmd --get-default-zone"
    # Whether a probe is looking right now is nobody's difference.
    "; systemctl list-units --all --plain --no-legend 'elforge-*' 'app*' | cut -d ' ' -f 1"
    "; systemctl show -p Id,ActiveState,UnitFileState app.service app-probe.timer elforge-cache-ci.timer"
    "; curl -s 127.0.0.1:8080/version; sysctl net.ipv4.ip_default_ttl; systemctl is-active systemd-journald"
    "; findmnt -n -o TARGET,FSTYPE,OPTIONS /srv/cache"
    "; find /opt /srv -printf '%p %y %m %u:%g %s %l\\n' | sort"
    "; rpm -qa | sort; id ops; find /run/elforge -type f ! -name packages.log | sort"
)
# An identity that engine 20.10 makes up at its first start; the times of a release's files.
UNIQUE = (
    "/etc/docker/key.json",
    "/var/lib/elforge/service/app/seal",
    *(f"/opt/app/releases/{version}/elforge.record" for version in ("1.0", "1.1")),
)
# Killed before the command is sent, its connection broken while it runs, killed after its answer.
HOW = ("before", "close", "after")


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
    found = {**written(host), "loaded": said.stdout}
    for path in UNIQUE:
        found.pop(path, None)
    return found


def sweep(name: str, planned: list[Scenario], whole: bool, log: Path) -> list[Outcome]:
    """Crash a host at every point of its scenarios, or at a sample of them."""
    host = Host(name)
    lab.hosts.reset([name])
    host.snapshot("bare")
    outcomes = []
    for number, scenario in enumerate(planned):
        log_file = log / f"{name}.{scenario.name}"
        run = runs(host, scenario, {"CRASH_LOG": str(log_file)})
        assert run.code == 0, run.output
        wanted = state(host)
        if not number:
            host.snapshot("converged")
        actions = len(log_file.read_text().splitlines())
        points = [Point(scenario.name, at, how) for at in range(1, actions + 1) for how in HOW]
        for point in points if whole else sample(points, scenario.turn, scenario.of):
            host.restore(scenario.start)
            wrong = crash(host, scenario, point, wanted)
            outcomes.append(Outcome(point, wrong))
            print(f"{name} {point.scenario} {point.at} {point.how}: {wrong or 'converged'}"[:300])
        host.restore("converged")
    return outcomes


def changed_lines(wanted: dict[str, str], found: dict[str, str]) -> str:
    """Return the lines that differ in two states, with what they are of."""
    texts = [
        [f"{of}: {line}" for of in sorted(each) for line in each[of].splitlines()] for each in (wanted, found)
    ]
    return "\n".join(unified_diff(*texts, "wanted", "found", n=0, lineterm=""))


def runs(host: Host, scenario: Scenario, env: dict[str, str] | None = None, dry: bool = False) -> Run:
    """Run a scenario's deploy; with ``env``, in the program that crashes."""
    options = {"program": CRASHING, "env": env} if env else {}
    return pyinfra(host.name, deploy=scenario.deploy, data=scenario.data, dry=dry, **options)


def sample(points: list[Point], turn: int = 0, of: int = 1) -> list[Point]:
    """
    Each action of a host's part dies once, ways of dying taking turns; `make sweep` takes all, everywhere.

    + turn, of: which part, of how many
    """
    mine = [point for point in points if point.at % of == turn]
    return [point for point in mine if HOW[point.at // of % len(HOW)] == point.how]


def crash(host: Host, scenario: Scenario, point: Point, wanted: dict[str, str]) -> str:
    """Die at a point, run again, and return what is wrong then."""
    died = runs(host, scenario, {"CRASH_AT": str(point.at), "CRASH_HOW": point.how})
    if died.code != -9:
        return f"did not die: {died.output}"
    again = runs(host, scenario)
    if again.code:
        return f"the next run failed: {again.output}"
    if wrong := changed_lines(wanted, state(host)):
        return f"differs:\n{wrong}"
    third = runs(host, scenario, dry=True)
    return f"a third run would change {third.changed}" if third.changed or third.code else ""


def test_every_crash_point_converges(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    whole = request.config.getoption("--whole-sweep")
    planned = scenarios(compiled(tmp_path, fixture.SOURCE, version="1.0"))
    lab.hosts.up(planned)
    with ThreadPoolExecutor(len(planned)) as pool:
        found = list(pool.map(lambda name: sweep(name, planned[name], whole, tmp_path), planned))
    lab.hosts.down(planned)
    outcomes = [(name, *outcome) for name, each in zip(planned, found, strict=True) for outcome in each]
    bad = [outcome for outcome in outcomes if outcome[-1]]
    FIGURES.append(f"crash points converged {len(outcomes) - len(bad)}/{len(outcomes)}")
    assert not bad, "\n\n".join(f"{name} {point}: {wrong[:3000]}" for name, point, wrong in bad)


def test_sample_covers_every_action() -> None:
    points = [Point("bare", at, how) for at in range(1, 10) for how in HOW]
    assert [point.at for point in sample(points)] == [*range(1, 10)]
    shares = [sample(points, turn, 3) for turn in range(3)]
    assert sorted(point.at for share in shares for point in share) == [*range(1, 10)]
    assert [{point.how for point in share} for share in shares] == [{*HOW}] * 3
