"""What every part of the lab needs from the machine: where state lives, commands, locks, progress."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
STARTED = time.monotonic()

TOOLS = (
    "systemd-nspawn",
    "mmdebstrap",
    "rpmbuild",
    "rpmsign",
    "createrepo_c",
    "modifyrepo_c",
    "gpg",
    "openssl",
    "git",
    "ip",
    "ssh",
    "ssh-keygen",
    "dpkg-deb",
    "apt-get",
)


class LabError(Exception):
    """Something the person at the terminal has to know; shown as one message."""


def state_dir() -> Path:
    """Return the directory that holds everything the lab builds and keeps."""
    return Path(os.environ.get("ELFORGE_LAB_DIR") or "/var/lib/elforge-lab").absolute()


def known_hosts() -> Path:
    """Return the known_hosts file that lists every lab host."""
    return state_dir() / "known_hosts"


def progress(message: str) -> None:
    """Say what is being done, with the seconds since the start, on stderr."""
    print(f"[{time.monotonic() - STARTED:6.1f}s] {message}", file=sys.stderr, flush=True)


def check_machine() -> None:
    """Refuse to go on without root or without the tools the lab is made of."""
    if os.geteuid() != 0:
        raise LabError("the lab mounts file systems and boots containers: run it as root")
    # What is written here becomes the hosts' file systems, whatever the caller's umask.
    os.umask(0o022)
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        debian, el = ((PACKAGE / name).read_text().split() for name in ("packages.txt", "packages-el.txt"))
        raise LabError(
            f"not installed: {', '.join(missing)}\n"
            f"  Debian or Ubuntu: apt-get install {' '.join(debian)}\n"
            f"  EL: dnf install {' '.join(el)}"
        )


def run(
    *command: str | Path,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end and return its output; failure raises with the end of what it said."""
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        cwd=cwd,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise LabError(f"{' '.join(str(word) for word in command)[:200]}: exit {done.returncode}\n{said}")
    return done.stdout


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Keep other lab processes, and other threads of this one, out of one part of the lab."""
    folder = state_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def fingerprint(*inputs: str | Path) -> str:
    """Return a short hash over texts, files and directory trees."""
    digest = hashlib.sha256()
    for item in inputs:
        if isinstance(item, str):
            digest.update(item.encode() + b"\0")
            continue
        files = sorted(path for path in item.rglob("*") if path.is_file()) if item.is_dir() else [item]
        for path in files:
            if path.suffix != ".pyc":
                digest.update(f"{path.relative_to(item.parent)} {path.stat().st_mode:o}\0".encode())
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in one step, so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.rename(path)


def remove(path: Path) -> None:
    """Remove a tree, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def unmount_below(folder: Path) -> None:
    """Unmount whatever is mounted at or below a directory."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted(points, reverse=True):
        if point == str(folder) or point.startswith(f"{folder}/"):
            run("umount", "--lazy", point)


@contextmanager
def building(name: str) -> Iterator[Path]:
    """Give an empty directory to build in, of this process alone; it is removed in the end."""
    fresh = state_dir() / "building" / f"{name}.{os.getpid()}"
    remove(fresh)
    fresh.mkdir(parents=True)
    try:
        yield fresh
    finally:
        unmount_below(fresh)
        remove(fresh)


def clear_killed_builds() -> None:
    """Remove the building directories of dead processes, as far as their orphans let go of them."""
    for folder in (state_dir() / "building").glob("*.*"):
        pid = folder.suffix.removeprefix(".")
        if not (pid.isdecimal() and process_start(int(pid))):
            unmount_below(folder)
            shutil.rmtree(folder, ignore_errors=True)


def put_in_place(fresh: Path, final: Path) -> None:
    """Rename a complete directory to its final name; what had that name before is removed."""
    final.parent.mkdir(parents=True, exist_ok=True)
    retired = fresh.with_name("retired")
    if final.exists():
        final.rename(retired)
    fresh.rename(final)
    remove(retired)


def process_start(pid: int) -> str | None:
    """Return when a process started, in kernel ticks: with the pid it names one process for good."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
