"""
Runs of pyinfra without their imports: each is a fork of a process that has done them.

They take 0.9 of the 1.3 s of CPU of a run that changes nothing (2026-11), and ``make test`` makes a thousand.
What runs is the same program with the same arguments in a process of its own; the demo, the acceptance, the
benchmarks and the tests of the command line start it whole.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from select import select

# By these names they stay Python's own when gevent patches the modules.
from socket import AF_UNIX, SOCK_SEQPACKET, recv_fds, send_fds, socket, socketpair
from tempfile import TemporaryFile
from threading import Lock
from typing import Any

ROOT = Path(__file__).parent.parent
_MOST = 2**18
_starting = Lock()


def run(words: Sequence[str], env: Mapping[str, str], seconds: float) -> subprocess.CompletedProcess[str]:
    """
    Run ``python *words`` in the project's folder and return what it printed; there is nothing on its stdin.

    + words: ``-m MODULE`` or the path of a program, and the arguments
    + env: all of its environment
    + seconds: after which it is killed, and TimeoutExpired raised
    """
    with _starting:
        server = _server()
    answers, answering = os.pipe()
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err, open(answers, "rb", buffering=0) as said:
        asked = json.dumps({"words": [*words], "env": {**env}})
        send_fds(server, [asked.encode()], [out.fileno(), err.fileno(), answering])
        os.close(answering)
        # Unbuffered: select does not see what a buffer holds, both lines of a program that has ended already.
        pid = int(said.readline())
        if not select([said], [], [], seconds)[0]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, seconds)
        code = int(said.readline())
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


@cache
def _server() -> socket:
    """Start the process that forks, and return the line to it; it ends when that is closed."""
    ours, its = socketpair(AF_UNIX, SOCK_SEQPACKET)
    with its:
        command = [sys.executable, "-m", "tests.forks", str(its.fileno())]
        # What it runs is to see no terminal, neither at its start nor by what was imported.
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[its.fileno()]
        )
    return ours


def _serve(line: socket) -> None:
    # gevent, once the tests have imported it, makes sockets that do not block.
    line.setblocking(True)
    fork = os.fork
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    import_module("pyinfra_cli.main")
    for folder in ("deploys", "connectors"):
        for path in sorted((ROOT / folder).glob("[!_]*.py")):
            import_module(f"{folder}.{path.stem}")
    # Collecting garbage among what was imported takes a forked run a third of its CPU.
    gc.freeze()
    while True:
        asked, fds, *_ = recv_fds(line, _MOST, 3)
        if not asked:
            return
        if not fork():
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if not (pid := fork()):
                return _become(json.loads(asked), fds)
            answering = fds[-1]
            os.write(answering, f"{pid}\n".encode())
            _, status = os.waitpid(pid, 0)
            # Nobody listens any more where its time was over.
            with suppress(BrokenPipeError):
                os.write(answering, f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        for each in fds:
            os.close(each)


def _become(asked: dict[str, Any], fds: list[int]) -> None:
    """Be what was asked for, to the end of this process."""
    for source, target in zip(fds[:2], (1, 2), strict=True):
        os.dup2(source, target)
    for each in fds:
        os.close(each)
    os.environ.clear()
    os.environ.update(asked["env"])
    program, *rest = asked["words"]
    try:
        if program == "-m":
            module, *sys.argv[1:] = rest
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            sys.argv[:] = [program, *rest]
            sys.path[0] = str((ROOT / program).parent)
            runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        # An interpreter takes a fifth of a run's CPU to take itself down.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code)


if __name__ == "__main__":
    _serve(socket(fileno=int(sys.argv[1])))
