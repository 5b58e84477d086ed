"""pyinfra that dies at a change: run in place of ``-m pyinfra`` by the crash sweep.

CRASH_AT is its number (0: never), among those that CRASH_ACTION says in words (without: among all).
CRASH_HOW is before, after (kill -9 before the command is sent, or after its answer) or close (the
connection breaks while the command runs). CRASH_LOG gets a line per change, in those words.
"""

import os
import signal
import sys
from pathlib import Path

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import pyinfra.api.facts  # noqa: E402
from pyinfra.connectors.ssh import SSHConnector  # noqa: E402
from pyinfra_cli.main import main  # noqa: E402

AT, HOW, ACTION = int(os.environ.get("CRASH_AT", "0")), *map(os.environ.get, ("CRASH_HOW", "CRASH_ACTION"))
run, get_fact = SSHConnector.run_shell_command, pyinfra.api.facts._get_fact
count, asking = 0, 0


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def crashing(self, command, *args, **kwargs):
    global count
    if asking:
        return run(self, command, *args, **kwargs)
    words = [getattr(command, "name", "sh"), *getattr(command, "args", ())]
    action = " ".join(" ".join(words).split())[:60]
    if log := os.environ.get("CRASH_LOG"):
        with Path(log).open("a") as file:
            file.write(action + "\n")
    alike = ACTION in (None, action)
    count += alike
    if not alike or count != AT:
        return run(self, command, *args, **kwargs)
    if HOW == "before":
        die()
    if HOW == "close":
        gevent.spawn_later(0.3, self.client.get_transport().sock.close)
        gevent.spawn_later(2, die)
    result = run(self, command, *args, **kwargs)
    die()
    return result


def asking_fact(*args, **kwargs):
    global asking
    asking += 1
    try:
        return get_fact(*args, **kwargs)
    finally:
        asking -= 1


SSHConnector.run_shell_command = crashing
pyinfra.api.facts._get_fact = asking_fact
sys.argv[0] = "pyinfra"
main()
