"""The page of results: pure functions from numbers to Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.cost import Cost

OURS = "elforge"
HEADINGS = ("", "first run", "second run", "control CPU per host, second run")


class Scenario(NamedTuple):
    """How many hosts, and how far they are."""

    hosts: int
    way: str

    def __str__(self) -> str:
        """Return a title."""
        return f"{self.hosts} host{'s' if self.hosts > 1 else ''}, {self.way}"


class Row(NamedTuple):
    """What was measured of one contender: a first run or none, and all second runs."""

    first: Cost | None
    second: Sequence[Cost]

    @property
    def median(self) -> Cost:
        """Return the middle of the second runs, of each number by itself."""
        return Cost(*(statistics.median(each) for each in zip(*self.second, strict=True)))


Rows = Mapping[str, Row]


class Aim(NamedTuple):
    """A ratio that issue 6 asks for: the second runs of some over those of others."""

    hosts: int
    way: str
    over: Sequence[str]
    under: Sequence[str]
    most: float | None = None
    least: float | None = None


def table(scenario: Scenario, rows: Rows) -> str:
    """Return the table of one scenario; each time with its ratio to ours."""
    ours = rows[OURS]
    lines = [f"## {scenario}", "", _line(HEADINGS), "|---|---:|---:|---:|"]
    for title, row in rows.items():
        first = _times(row.first.wall, ours.first.wall) if row.first and ours.first else ""
        second = _times(row.median.wall, ours.median.wall)
        cpu = f"{1000 * row.median.cpu / scenario.hosts:.0f} ms"
        lines.append(_line((title, first, second, cpu)))
    return "\n".join([*lines, ""])


def verdict(aim: Aim, found: Mapping[Scenario, Rows]) -> str:
    """Return a line that says how far an aim was met; none when its scenario was not measured."""
    rows = found.get(Scenario(aim.hosts, aim.way))
    if rows is None:
        return ""
    over, under = (sum(rows[title].median.wall for title in each) for each in (aim.over, aim.under))
    ratio = over / under
    wanted = f"at most {aim.most:g}" if aim.most is not None else f"at least {aim.least:g}"
    met = ratio <= aim.most if aim.most is not None else ratio >= (aim.least or 0)
    what = f"{' + '.join(aim.over)} / {_sum(aim.under)}"
    return f"- {Scenario(aim.hosts, aim.way)}: {what} = {ratio:.1f}, {wanted}: {'yes' if met else '**no**'}"


def _sum(titles: Sequence[str]) -> str:
    return titles[0] if len(titles) == 1 else f"({' + '.join(titles)})"


def _times(seconds: float, ours: float) -> str:
    return f"{seconds:.2f} s ({seconds / ours:.1f} x)"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
