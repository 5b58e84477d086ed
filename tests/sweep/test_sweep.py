"""Kill the control process, or its connection, around every change of deploy.py; run again; compare.

Stock pyinfra converges at 20 of 44 such points. Here each must: same files, packages, units, and the
settings that the engine has loaded, and a third run has nothing left to do.
"""

from __future__ import annotations

import signal
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
from tests.sweep.points import HOW, Chain, Point, Recorded, chains, points, sample, where
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
    "; ss -xlH | tr -s ' ' | cut -d ' ' -f 5 | grep 'docker[^/]*$' | sort"
    # Not on the host's own disk, or not compared.
    "; ls -A /tmp /dev/shm /var/tmp | grep -e elforge -e ^tmp"
    "; find /etc /usr /var/lib /opt /srv -xdev -name '.elforge*'"
    "; find /opt /srv -printf '%p %y %m %u:%g %s %l\\n' | sort"
    "; rpm -qa | sort; id ops; find /run/elforge -type f ! -name packages.log | sort"
)
# An identity that engine 20.10 makes up at its first start; the times of a release's files.
UNIQUE = (
    "/etc/docker/key.json",
    "/var/lib/elforge/service/app/seal",
    *(f"/opt/app/releases/{version}/elforge.record" for version in ("1.0", "1.1")),
)


class Outcome(NamedTuple):
    """What a point left behind after the runs that followed; empty when it converged."""

    point: Point
    wrong: str


def state(host: Host) -> dict[str, str]:
    """Return all that must be the same in the end."""
    said = host.ssh("sh", "-c", f'"{LOADED}"', user="root", shared=True)
    found = {**written(host), "loaded": said.stdout}
    for path in UNIQUE:
        found.pop(path, None)
    return found


def recorded(name: str, planned: list[Scenario], log: Path) -> list[Recorded]:
    """Run each scenario of a host undisturbed; the outcome of the first is a snapshot for the others."""
    host = Host(name)
    lab.hosts.reset([name])
    host.snapshot("bare")
    found = []
    for number, scenario in enumerate(planned):
        if number:
            host.restore(scenario.start)
        log_file = log / f"{name}.{scenario.name}"
        run = runs(host, scenario, {"CRASH_LOG": str(log_file)})
        assert run.code == 0, run.output
        found.append(Recorded(scenario, log_file.read_text().splitlines(), state(host)))
        if not number:
            host.snapshot("converged")
    return found


def sweep(name: str, known: list[Recorded], taken: list[Chain]) -> list[Outcome]:
    """Crash a host at these points of its scenarios; one that a run came past is tried by itself."""
    host = Host(name)
    of = {each.scenario.name: each for each in known}
    outcomes: list[Outcome] = []
    waiting = [*taken]
    while waiting:
        chain = waiting.pop(0)
        undisturbed = of[chain[0].scenario]
        host.restore(undisturbed.scenario.start)
        died, wrong = crash(host, undisturbed, chain)
        done = max(died, 1)
        outcomes += [Outcome(point, wrong) for point in chain[:done]]
        if rest := chain[done:]:
            waiting.append(rest)
        for scenario, at, how in chain[:done]:
            print(f"{name} {scenario} {at} {how}: {wrong or 'converged'}"[:300])
    return outcomes


def changed_lines(wanted: dict[str, str], found: dict[str, str]) -> str:
    """Return the lines that differ in two states, with what they are of."""
    texts = [
        [f"{of}: {line}" for of in sorted(each) for line in each[of].splitlines()] for each in (wanted, found)
    ]
    return "\n".join(unified_diff(*texts, "wanted", "found", n=0, lineterm=""))


def runs(host: Host, scenario: Scenario, env: dict[str, str] | None = None) -> Run:
    """Run a scenario's deploy; with ``env``, in the program that crashes."""
    options = {"program": CRASHING, "env": env} if env else {}
    return pyinfra(host.name, deploy=scenario.deploy, data=scenario.data, **options)


def crash(host: Host, known: Recorded, chain: Chain) -> tuple[int, str]:
    """Die at one point after the other, run again, and return how many it died at, and what is wrong then."""
    scenario, died = known.scenario, 0
    for point, last in zip(chain, (None, *chain), strict=False):
        run = runs(host, scenario, where(known.actions, point, last))
        if run.code != -signal.SIGKILL:
            break
        died += 1
    else:
        run = runs(host, scenario)
    if not died:
        return died, f"did not die: {run.output}"
    if run.code:
        return died, f"the next run failed: {run.output}"
    if wrong := changed_lines(known.wanted, state(host)):
        return died, f"differs:\n{wrong}"
    third = runs(host, scenario)
    return died, f"a third run changed {third.changed}: {third.output}" if third.changed or third.code else ""


def test_every_crash_point_converges(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    whole = request.config.getoption("--whole-sweep")
    planned = scenarios(compiled(tmp_path, fixture.SOURCE, version="1.0"))
    lab.hosts.up(planned)
    with ThreadPoolExecutor(len(planned)) as pool:
        known = dict(
            zip(planned, pool.map(lambda name: recorded(name, planned[name], tmp_path), planned), strict=True)
        )
        taken = points(known, whole)
        found = list(pool.map(lambda name: sweep(name, known[name], chains(taken[name], whole)), planned))
    lab.hosts.down(planned)
    outcomes = [(name, *outcome) for name, each in zip(planned, found, strict=True) for outcome in each]
    bad = [outcome for outcome in outcomes if outcome[-1]]
    FIGURES.append(f"crash points converged {len(outcomes) - len(bad)}/{len(outcomes)}")
    assert len(outcomes) == sum(map(len, taken.values()))
    assert not bad, "\n\n".join(f"{name} {point}: {wrong[:3000]}" for name, point, wrong in bad)


def test_sample_has_each_kind_of_action_once() -> None:
    same = ["put /etc/a root", "put /etc/b root", "key x", "put /etc/c root", "service x start"]
    found = sample({"one": same, "two": same, "three": [*same, "link /usr/bin/x y"]})
    assert sorted(at for _, at, _ in found) == [1, 3, 4, 5, 6]
    assert {name for name, _, _ in found} == {"one", "two", "three"}
    assert ("three", 6) in {(name, at) for name, at, _ in found}
    assert {how for _, _, how in found} == {*HOW}


def test_hosts_share_only_what_they_go_through_alike() -> None:
    own, shared = Scenario("own", "bare", {}), Scenario("all", "bare", {}, shared=True)
    each = [Recorded(own, ["user x"], {}), Recorded(shared, ["key x"], {})]
    found = points({"one": each, "two": each}, whole=False)
    assert [point.scenario for point in found["one"]] == ["own", "all"]
    assert [point.scenario for point in found["two"]] == ["own"]
    assert len(points({"one": each, "two": each}, whole=True)["two"]) == 2 * len(HOW)


def test_a_chain_dies_at_points_far_apart_of_one_scenario() -> None:
    found = chains([Point(name, at, "after") for name in "ab" for at in range(1, 12)], whole=False)
    assert [[point.at for point in chain] for chain in found] == [[1, 3, 5, 7, 9, 11], [2, 4, 6, 8, 10]] * 2
    assert {len(chain) for chain in chains([point for chain in found for point in chain], whole=True)} == {1}


def test_a_run_that_goes_on_counts_from_where_the_last_one_died() -> None:
    actions = ["put a", "start x", "put b", "start x"]
    assert where(actions, Point("s", 4, "close"), None)["CRASH_AT"] == "2"
    assert where(actions, Point("s", 4, "close"), Point("s", 2, "before"))["CRASH_AT"] == "2"
    assert where(actions, Point("s", 4, "close"), Point("s", 2, "after")) == {
        "CRASH_ACTION": "start x",
        "CRASH_AT": "1",
        "CRASH_HOW": "close",
    }
