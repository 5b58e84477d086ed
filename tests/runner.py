"""Run pyinfra against lab hosts, the way a user does: its own process, its own command line (forks.py)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lab import mirror
from lab.hosts import Host
from tests import forks

INVENTORY = "tests/lab_inventory.py"


class Run(NamedTuple):
    """What a run of pyinfra said and did."""

    code: int
    changed: set[tuple[str, str]]  # (host, operation), predicted ones for a dry run
    output: str  # what a user saw on stderr


def pyinfra(
    *names: str,
    deploy: str | Sequence[str] = "deploy.py",
    dry: bool = False,
    user: str = "ops",
    program: Sequence[str] = ("-m", "pyinfra"),
    env: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
    seconds: int = 600,
) -> Run:
    """
    Run ``deploy`` against lab hosts and return what happened.

    + names: lab hosts
    + deploy: a file, or an operation with its arguments
    + dry: only predict
    + user: who logs in, ops or root
    + program: arguments of Python in place of pyinfra itself, for tests that kill it
    + data: options for all of these hosts, on top of group_data
    """
    asked = {"names": names, "user": user, "data": data or {}}
    flags = ["--dry", "--json"] if dry else ["-y", "--json"]
    done = forks.run(
        [*program, *flags, INVENTORY, *([deploy] if isinstance(deploy, str) else deploy)],
        {**os.environ, "PYINFRA_PROGRESS": "off", "ELFORGE_TEST": json.dumps(asked), **(env or {})},
        seconds,
    )
    return Run(done.returncode, _changed(done.stdout, dry), done.stderr)


def apply(*names: str, **options: Any) -> Run:
    """Predict, run, and hold the run to its prediction; a failed run is returned as it is."""
    predicted = pyinfra(*names, dry=True, **options)
    assert predicted.code == 0, predicted.output
    done = pyinfra(*names, **options)
    assert done.code or done.changed == predicted.changed, (done.changed ^ predicted.changed, done.output)
    return done


def converge(*names: str, **options: Any) -> Run:
    """Apply, and see that a second run changes nothing; return the first run."""
    first = apply(*names, **options)
    assert first.code == 0, first.output
    second = pyinfra(*names, **options)
    assert (second.code, second.changed) == (0, set()), second.output
    return first


def root(host: Host, command: str) -> str:
    """Run shell as root; it has to succeed. A connection of its own would take 0.2 s of CPU, half a login."""
    done = host.ssh(command, user="root", shared=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def until(what: Callable[[], bool], seconds: float, every: float = 0.2) -> float:
    """Wait until something holds, looking every so many seconds, and return the seconds that it took."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(every)
    return time.monotonic() - started


def requests(host: Host, text: str = "") -> int:
    """Return how many of this host's requests to the mirror hold a text; other hosts ask it, too."""
    lines = mirror.access_log().read_text().splitlines()
    return sum(f" {host.address} " in line and text in line for line in lines)


def _changed(stdout: str, dry: bool) -> set[tuple[str, str]]:
    if not stdout.strip():
        return set()
    report = json.loads(stdout)
    if dry:
        return {(host, each["name"]) for each in report["plan"] for host in each["hosts_with_change"]}
    return {(host, each["name"]) for each in report["results"]["operations"] for host in each["success"]}
