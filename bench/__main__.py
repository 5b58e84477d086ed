"""Measure in alternation what a second run of deploy.py costs on a lab host; write bench/results.md.

    python -m bench [ROUNDS]

On stand-ins (docs/lab.md): ratios count, seconds are this machine's.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import lab.hosts
from bench.relay import relay
from lab.hosts import Host
from lab.inventory import GO
from lab.system import known_hosts

NAME = "el9-bench"
ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results.md"
OPTIONS = {"go_versions": [GO]}
LAN, FAR = 0.0, 0.05


class Way(NamedTuple):
    """How a host is reached in a measurement."""

    name: str
    address: str
    port: int
    known: Path

    def pyinfra(self, connector: str) -> list[str]:
        """Run pyinfra as a user does; its start-up counts."""
        data = {
            **OPTIONS,
            "ssh_hostname": self.address,
            "ssh_port": self.port,
            "ssh_known_hosts_file": str(self.known),
        }
        asked = json.dumps({"names": [NAME], "user": "ops", "data": data})
        words = [f"ELFORGE_TEST={asked}", f"ELFORGE_LAB_CONNECTOR={connector}", "PYINFRA_PROGRESS=off"]
        return ["env", *words, sys.executable, "-m", "pyinfra", "-y", "tests/lab_inventory.py", "deploy.py"]

    def ssh(self, command: str) -> list[str]:
        """Run a command by OpenSSH."""
        options = ("BatchMode=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={self.known}")
        words = [word for option in options for word in ("-o", option)]
        login = ["-i", str(Host(NAME).key), "-p", str(self.port), f"ops@{self.address}"]
        return ["ssh", "-F", "none", *words, *login, command]


def main(rounds: int) -> int:
    """Return 0 when all was measured."""
    lab.hosts.up([NAME])
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        with way("LAN", LAN) as near, way("50 ms", FAR) as far:
            for _ in range(2):  # makes it converge, then learns
                measured(near.pyinfra("elforge"))
            found = {each.name: measure(each, rounds) for each in (near, far)}
    text = table(found, rounds)
    RESULTS.write_text(text)
    print(text)
    return 0


@contextmanager
def way(name: str, seconds: float) -> Iterator[Way]:
    """Yield the way to the host, through a relay where that is to be slow."""
    host = Host(NAME)
    if not seconds:
        yield Way(name, host.address, host.port, known_hosts())
        return
    with relay(host.address, host.port, seconds) as port, tempfile.NamedTemporaryFile("w") as file:
        lines = [line.split() for line in known_hosts().read_text().splitlines()]
        kinds = {kind: key for names, kind, key, *_ in lines if host.address in names.split(",")}
        file.write("".join(f"[127.0.0.1]:{port} {kind} {key}\n" for kind, key in kinds.items()))
        file.flush()
        yield Way(name, "127.0.0.1", port, Path(file.name))


def measure(each: Way, rounds: int) -> dict[str, float]:
    """Return the median seconds of each contender; they take turns, so that a busy moment hits all."""
    contenders: dict[str, list[str]] = {
        "Python starts pyinfra": [sys.executable, "-c", "import pyinfra_cli.main"],
        "ssh host true": each.ssh("true"),
        "elforge": each.pyinfra("elforge"),
        "elforge without its connector": each.pyinfra("ssh"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, command in contenders.items():
            seconds[name].append(measured(command))
    return {name: statistics.median(each) for name, each in seconds.items()}


def measured(command: list[str]) -> float:
    """Return the seconds that a command takes; it must succeed."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: {done.stdout}{done.stderr}")
    return time.monotonic() - started


def table(found: dict[str, dict[str, float]], rounds: int) -> str:
    """Return the page: seconds, and how many times elforge's."""
    names = list(found["LAN"])
    rows = [
        f"| {name} | "
        + " | ".join(f"{way[name]:.2f} s ({way[name] / way['elforge']:.1f} x)" for way in found.values())
        for name in names
    ]
    return "\n".join(
        [
            "# A second run of deploy.py on one host",
            "",
            f"`make bench`, on a stand-in for CentOS Stream 9; median of {rounds} rounds, taken in turns.",
            "",
            f"| | {' | '.join(found)} |",
            f"|---|{'---|' * len(found)}",
            *[f"{row} |" for row in rows],
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
