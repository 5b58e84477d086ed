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
