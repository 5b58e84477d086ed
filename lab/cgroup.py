"""The control group of each lab host: how the lab finds and ends what belongs to a host."""

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

from lab.system import LabError

_CONTROLLERS = "+cpu +cpuset +io +memory +pids"


def root() -> Path:
    """Return where control groups (version 2) are mounted on this machine."""
    hybrid = Path("/sys/fs/cgroup/unified")
    return hybrid if (hybrid / "cgroup.procs").exists() else Path("/sys/fs/cgroup")


def create(group: Path) -> None:
    """Create a host's group."""
    if not (root() / "cgroup.procs").exists():
        raise LabError("this machine has no cgroup v2 hierarchy at /sys/fs/cgroup or /sys/fs/cgroup/unified")
    group.mkdir(exist_ok=True)
    # A machine that runs cgroup v1 beside v2 has no controllers here, and the hosts then do without limits.
    with suppress(OSError):
        (root() / "cgroup.subtree_control").write_text(_CONTROLLERS)


def entering(group: Path, *command: str) -> list[str]:
    """Return the command line of a program that lives in the group, with all that it becomes."""
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command]


def cpu_seconds(group: Path) -> float:
    """Return the CPU time that the group has used."""
    return int(re.findall(r"usage_usec (\d+)", (group / "cpu.stat").read_text())[0]) / 1e6


def populated(group: Path) -> bool:
    """Return whether any process lives in the group or below."""
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except OSError:
        return False


def first_pid(group: Path) -> int | None:
    """Return this machine's pid of the PID 1 of the host in the group."""
    try:
        pids = (group / "payload" / "init.scope" / "cgroup.procs").read_text().split()
    except OSError:
        return None
    return int(pids[0]) if pids else None


def kill(group: Path) -> None:
    """Kill everything in the group and remove it."""
    # On a busy disk a process that writes cannot be killed before it is done.
    deadline = time.monotonic() + 120
    while populated(group):
        if time.monotonic() > deadline:
            raise LabError(f"processes in {group} cannot be killed")
        for pid in _pids(group):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    for folder in reversed(_tree(group)):
        with suppress(FileNotFoundError):
            folder.rmdir()


def _pids(group: Path) -> list[int]:
    found: list[int] = []
    for folder in _tree(group):
        with suppress(OSError):
            found += [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    return found


def _tree(group: Path) -> list[Path]:
    """Return a group and those below it; unlike Path.rglob, os.walk lives with groups that vanish."""
    return [Path(folder) for folder, _, _ in os.walk(group)]
