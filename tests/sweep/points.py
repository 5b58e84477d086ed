"""Where the crash sweep's hosts die."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from tests.sweep.scenarios import Scenario

# Killed before the command is sent, its connection broken 0.3 s after that, killed after its answer.
HOW = ("before", "close", "after")


class Point(NamedTuple):
    """Where a run dies."""

    scenario: str
    at: int
    how: str


# Points of one scenario: a run dies at the first, the run that makes up for it at the second.
Chain = tuple[Point, ...]
# Of a sample, as many deaths as one restored host goes through: restoring and comparing cost most.
DEATHS = 8


class Recorded(NamedTuple):
    """What an undisturbed run of a scenario did, and left."""

    scenario: Scenario
    actions: list[str]
    wanted: dict[str, str]


def points(known: dict[str, list[Recorded]], whole: bool) -> dict[str, list[Point]]:
    """Return where each host is to die: everywhere, or at a sample."""
    groups: dict[str, dict[str, list[str]]] = {}
    for name, each in known.items():
        for scenario, actions, _ in each:
            group = scenario.name if scenario.shared else f"{name} {scenario.name}"
            groups.setdefault(group, {})[name] = actions
    found: dict[str, list[Point]] = {name: [] for name in known}
    for group, actions in groups.items():
        for name, at, how in everywhere(actions) if whole else sample(actions):
            found[name].append(Point(group.split()[-1], at, how))
    return found


def chains(points: list[Point], whole: bool) -> list[Chain]:
    """Return the points of each scenario in chains, those of a sample far apart in a few, else one by one."""
    found: list[Chain] = []
    for scenario in dict.fromkeys(point.scenario for point in points):
        own = sorted(point for point in points if point.scenario == scenario)
        count = len(own) if whole else -(-len(own) // DEATHS)
        found += [tuple(own[first::count]) for first in range(count)]
    return found


def where(actions: list[str], point: Point, last: Point | None) -> dict[str, str]:
    """
    Return what tells tests/sweep/crash.py to die at a point.

    + actions: of an undisturbed run, in words
    + last: where the run before it died; this run goes on from there. A change whose connection broke may be
      made once more: then a later one in the same words is one too early.
    """
    done = last.at - (last.how == "before") if last else 0
    action = actions[point.at - 1]
    nth = actions[done : point.at].count(action)
    return {"CRASH_ACTION": action, "CRASH_AT": str(nth), "CRASH_HOW": point.how}


def everywhere(actions: dict[str, list[str]]) -> list[tuple[str, int, str]]:
    """Return each action of each host, with each way of dying."""
    return [(name, at, how) for name in actions for at in range(1, len(actions[name]) + 1) for how in HOW]


def sample(actions: dict[str, list[str]]) -> list[tuple[str, int, str]]:
    """
    Return each kind of action once, hosts and ways of dying taking turns; `make sweep` takes all of them.

    What follows upon its like, such as one repository's file upon another's, is of one kind.

    + actions: of each host, in words
    """
    holders: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for name, lines in actions.items():
        seen: Counter[str] = Counter()
        last = ""
        for at, kind in enumerate(map(_kind, lines), 1):
            if kind != last:
                seen[kind] += 1
                holders.setdefault((kind, seen[kind]), []).append((name, at))
            last = kind
    return [
        (*each[number % len(each)], HOW[(number + number // len(HOW)) % len(HOW)])
        for number, each in enumerate(holders.values())
    ]


def _kind(action: str) -> str:
    """Return ``put /etc/yum.repos.d`` for the action ``put /etc/yum.repos.d/centos.repo root root 644``."""
    program, _, rest = action.partition(" ")
    word = rest.partition(" ")[0]
    return f"{program} {word.rpartition('/')[0] or word}"
