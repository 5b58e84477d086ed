"""What a command costs here: seconds, and CPU time of it and of all that it starts."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from lab import cgroup

ROOT = Path(__file__).parent.parent


class Command(NamedTuple):
    """A program with its arguments, what it finds in its environment beside ours, and where it runs."""

    words: Sequence[str]
    env: Mapping[str, str] = {}
    folder: Path = ROOT


class Cost(NamedTuple):
    """What a command took, in seconds."""

    wall: float
    cpu: float


class Failed(Exception):
    """A command that should have succeeded."""


def cost(command: Command) -> tuple[Cost, str, str]:
    """
    Run a command and return what it took and what it printed, on stdout and on stderr.

    Afterwards nothing of it is left: no connection that stays for the next one, which would not find it an
    hour later. Raises Failed.
    """
    group = cgroup.root() / f"elforge-bench-{os.getpid()}"
    cgroup.create(group)
    try:
        # Files, since a connection that stays would keep a pipe open.
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            started = time.monotonic()
            done = subprocess.run(
                cgroup.entering(group, *command.words),
                cwd=command.folder,
                env={**os.environ, **command.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            took = Cost(time.monotonic() - started, cgroup.cpu_seconds(group))
            for file in (out, err):
                file.seek(0)
            said = out.read(), err.read()
    finally:
        cgroup.kill(group)
    if done.returncode:
        raise Failed(f"exit {done.returncode}: {shlex.join(command.words)}\n{''.join(said)[-4000:]}")
    return took, *said
