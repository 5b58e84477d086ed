"""The package mirror: what is on it, and the server that hands it out."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from lab import network
from lab.mirror import build, golang, server
from lab.system import LabError, fingerprint, lock, process_start, state_dir, write

_PORT = 8080
_DOWN_PORT = 8081


def mirror_url() -> str:
    """Return the mirror's URL after making sure that it is built and served."""
    build.ensure()
    serve()
    return url()


def url() -> str:
    """Return the mirror's URL, served or not."""
    return f"http://{network.gateway()}:{_PORT}"


def down_url() -> str:
    """Return the URL of a mirror that is down: nothing listens there."""
    return f"http://{network.gateway()}:{_DOWN_PORT}"


def files_dir() -> Path:
    """Return the directory behind ``<mirror>/files/``; tests may put there what they like."""
    folder = state_dir() / "files"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def access_log() -> Path:
    """Return the file with one line per request: time, client, method, path, status, bytes."""
    return state_dir() / "access.log"


def serve() -> None:
    """Start the server unless it answers."""
    with lock("network"):
        network.ensure_bridge()
        if _answers():
            return
        _end_server()
        process = _start_server()
        write(_pid_file(), f"{process.pid} {process_start(process.pid)}\n")
        _wait_for_answer(process)


def _start_server() -> subprocess.Popen[bytes]:
    where = (network.gateway(), str(_PORT), _identity(), *_trees())
    with open(access_log(), "ab") as log, open(state_dir() / "server.log", "ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-I", server.__file__, *where],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=errors,
            start_new_session=True,
        )


def _wait_for_answer(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while not _answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"the mirror's server does not start: see {state_dir() / 'server.log'}")
        time.sleep(0.05)


def stop_server() -> None:
    """End the server, if it runs."""
    with lock("network"):
        _end_server()


def _end_server() -> None:
    try:
        pid, start = _pid_file().read_text().split()
    except (OSError, ValueError):
        return
    if process_start(int(pid)) == start:
        os.kill(int(pid), signal.SIGTERM)
        while process_start(int(pid)) == start:
            time.sleep(0.01)
    _pid_file().unlink()


def _pid_file() -> Path:
    return state_dir() / "server.pid"


def _trees() -> tuple[str, ...]:
    named = {"files": files_dir(), **golang.trees()}
    return (str(build.tree()), *(f"{name}={root}" for name, root in named.items()))


def _identity() -> str:
    """Return what tells our running server from a stranger, and from one started by older code."""
    return f"{build.tree()} {fingerprint(Path(server.__file__), *_trees())}"


def _answers() -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url() + server.IDENTITY_PATH, timeout=2) as answer:
            return bool(answer.read().decode() == _identity())
    except OSError:
        return False
