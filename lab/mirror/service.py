"""A server of the lab's own, in the background: started once, known by its identity, ended with the lab."""

import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lab import network
from lab.mirror import server
from lab.system import LabError, fingerprint, lock, process_start, state_dir, write


@dataclass(frozen=True)
class Service:
    """
    One server: a script of its own, run as ``script ADDRESS PORT IDENTITY ARGUMENTS...``.

    ``name`` is that of its pid file and of its log; ``ca`` is who signed its certificate, if it speaks TLS.
    """

    name: str
    script: Path
    port: int
    arguments: tuple[str, ...]
    ca: Path | None = None

    def serve(self) -> None:
        """Start the server unless it answers."""
        with lock("network"):
            network.ensure_bridge()
            if self._answers():
                return
            end(self.name)
            process = self._start()
            write(_pid_file(self.name), f"{process.pid} {process_start(process.pid)}\n")
            self._wait(process)

    @property
    def _identity(self) -> str:
        """What tells our running server from a stranger, and from one started by older code."""
        return fingerprint(self.script, *self.arguments)

    def _start(self) -> subprocess.Popen[bytes]:
        where = (network.gateway(), str(self.port), self._identity, *self.arguments)
        with open(access_log(), "ab") as requests, open(self._errors, "ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-I", str(self.script), *where],
                stdin=subprocess.DEVNULL,
                stdout=requests,
                stderr=errors,
                start_new_session=True,
            )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 10
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the lab's {self.name} does not start: see {self._errors}")
            time.sleep(0.05)

    @property
    def _errors(self) -> Path:
        return state_dir() / f"{self.name}.log"

    def _answers(self) -> bool:
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        handlers = (urllib.request.HTTPSHandler(context=context),) if context else ()
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
        url = f"{'https' if context else 'http'}://{network.gateway()}:{self.port}"
        try:
            with direct.open(url + server.IDENTITY_PATH, timeout=2) as answer:
                return bool(answer.read().decode() == self._identity)
        except OSError:
            return False


def access_log() -> Path:
    """Return the file to which every server appends its requests."""
    return state_dir() / "access.log"


def end(name: str) -> None:
    """End a server, if it runs."""
    try:
        pid, start = _pid_file(name).read_text().split()
    except (OSError, ValueError):
        return
    if process_start(int(pid)) == start:
        os.kill(int(pid), signal.SIGTERM)
        while process_start(int(pid)) == start:
            time.sleep(0.01)
    _pid_file(name).unlink()


def _pid_file(name: str) -> Path:
    return state_dir() / f"{name}.pid"
