"""Measure in turns what it costs to make build hosts, and to find that there is nothing to do.

    python -m bench [--hosts 1,10] [--rounds 5]

Lab hosts are stand-ins (docs/lab.md), so that ratios count: seconds are this machine's. Counts are asserted,
times never: a second run changes nothing, elforge asks each host once, and all end states are the same.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import lab.hosts
from bench import contenders
from bench.contenders import CONTENDERS, LOCK, Contender
from bench.cost import ROOT, Command, Cost, Failed, cost
from bench.fleet import Fleet, reached
from bench.report import Aim, Row, Rows, Scenario, table, verdict
from bench.state import differences, state
from lab.hosts import Host
from lab.system import LabError, progress

RESULTS = ROOT / "bench" / "results.md"
WAYS = {"LAN": 0.0, "50 ms": 0.05}
# What hosts are named after: short, since their network interfaces are.
LETTERS = {"elforge": "e", "ansible": "a", "pyinfra": "p"}
PYTHON, TRUE, _, OURS, _, STOCK, _, ANSIBLE = (each.title for each in CONTENDERS)
AIMS = (
    Aim(1, "LAN", [OURS], [PYTHON, TRUE], most=2),
    Aim(1, "LAN", [ANSIBLE], [OURS], least=8),
    Aim(1, "LAN", [STOCK], [OURS], least=3),
    Aim(1, "50 ms", [ANSIBLE], [OURS], least=10),
)


class Runs(NamedTuple):
    """The hosts of one scenario by who made them, and where runs keep things."""

    fleets: dict[str, Fleet]
    scratch: Path

    def of(self, contender: Contender, *, again: bool) -> Cost:
        """Run a contender once; ``again``: it must find nothing to do."""
        took, stdout, _ = cost(contender.command(self.fleets[contender.makes], self.scratch))
        changes = contender.changes(stdout) if contender.changes else 0
        progress(f"{contender.title}: {took.wall:.2f} s, CPU {took.cpu:.2f} s, {changes} changes")
        if again != (changes == 0):
            raise Failed(f"{contender.title} made {changes} changes: {stdout[-4000:]}")
        return took


def main() -> int:
    """Measure all scenarios and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--hosts", default="1,10", metavar="N,N", help="how many at once; 1,10 takes an hour")
    parser.add_argument(
        "--rounds", default=5, type=int, help="second runs of each, of which the median counts"
    )
    arguments = parser.parse_args()
    load = os.getloadavg()[1]
    try:
        counts = sorted({int(each) for each in arguments.hosts.split(",")})
        contenders.peers()
        found = {each: rows for count in counts for each, rows in measured(count, arguments.rounds)}
    except (LabError, Failed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = page(found, arguments.rounds, load)
    RESULTS.write_text(text)
    print(text)
    return 0


def measured(count: int, rounds: int) -> Iterator[tuple[Scenario, Rows]]:
    """Yield what so many hosts cost, near and far; then the hosts go."""
    names = {maker: [f"el9-{letter}{n}" for n in range(1, count + 1)] for maker, letter in LETTERS.items()}
    every = [name for each in names.values() for name in each]
    lab.hosts.up(every)
    try:
        for way, seconds in WAYS.items():
            scenario = Scenario(count, way)
            progress(f"{scenario}:")
            with ExitStack() as stack:
                fleets = {maker: stack.enter_context(reached(each, seconds)) for maker, each in names.items()}
                scratch = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", dir="/tmp")))
                rows = in_turns(Runs(fleets, scratch), rounds, makes=count == 1 or not seconds)
                if not seconds:
                    for each in fleets.values():
                        accepted(each, scratch)
                yield scenario, rows
    finally:
        lab.hosts.down(every, purge=True)


def in_turns(runs: Runs, rounds: int, *, makes: bool) -> Rows:
    """Return what each contender costs; a busy moment of this machine hits all of them."""
    first = {each.title: from_nothing(runs, each) for each in CONTENDERS if makes and each.changes}
    for each in reversed(CONTENDERS):  # who learns, learns, before it is known what there is to ask
        runs.of(each, again=True)
    check(runs)
    second: dict[str, list[Cost]] = {each.title: [] for each in CONTENDERS}
    for _ in range(rounds):
        for each in CONTENDERS:
            second[each.title].append(runs.of(each, again=True))
    return {title: Row(first.get(title), costs) for title, costs in second.items()}


def from_nothing(runs: Runs, contender: Contender) -> Cost:
    """Return what it costs to make hosts of pristine ones."""
    lab.hosts.reset([place.name for place in runs.fleets[contender.makes].places])
    return runs.of(contender, again=False)


def check(runs: Runs) -> None:
    """See that elforge asks once, and that all end states are the same."""
    fleet = runs.fleets["elforge"]
    _, _, said = cost(contenders.elforge(fleet, runs.scratch, program=("-m", "tests.count")))
    if (execs := int(re.findall(r"commands sent: (\d+)", said)[0])) != len(fleet.places):
        raise Failed(f"elforge sent {execs} commands to {len(fleet.places)} hosts")
    expected = state(Host(fleet.places[0].name))
    for maker, each in runs.fleets.items():
        if found := differences(expected, state(Host(each.places[0].name))):
            raise Failed(f"elforge and {maker} differ: {found}")


def accepted(fleet: Fleet, scratch: Path) -> None:
    """Run the acceptance tests on the first host of a fleet."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/acceptance"]
    env = contenders.elforge(fleet._replace(places=fleet.places[:1]), scratch).env
    _, said, _ = cost(Command([*words, "--inventory", "bench/inventory.py"], env))
    progress(f"{fleet.places[0].name}: {said.splitlines()[-1]}")


def page(found: dict[Scenario, Rows], rounds: int, load: float) -> str:
    """Return the whole page; ``load`` is what others did on this machine when it began."""
    head = f"""\
# elforge and others

`make bench` on {date.today()}: {machine()}, load average {load:.1f} when it began; {", ".join(versions())}.
Stand-ins for CentOS Stream 9, on the same machine. What is compared, and how:
[docs/connector.md](../docs/connector.md#beside-others).
A second run finds nothing to do; median of {rounds}, taken in turns. In brackets: how many times elforge's.
"""
    verdicts = [line for aim in AIMS if (line := verdict(aim, found))]
    tables = [table(scenario, rows) for scenario, rows in found.items()]
    return "\n".join([head, *tables, "## Aims of second runs", "", *verdicts, ""])


def machine() -> str:
    """Return what this machine is, in a few words."""
    memory = int(re.findall(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())[0]) / 2**20
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def versions() -> list[str]:
    """Return what was measured: our own parts, and those of the peers."""
    own = [f"pyinfra {version('pyinfra')}", f"Python {platform.python_version()}"]
    names = ("ansible-core", "mitogen")
    pins = dict(re.findall(r"^([a-z-]+)==([^ ;\\]+)", LOCK.read_text(), re.MULTILINE))
    openssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.split(",")[0].split()[0]
    return [*(f"{name} {pins[name]}" for name in names), *own, openssh.replace("_", " ")]


if __name__ == "__main__":
    sys.exit(main())
