"""Changes that may cut off the connection that makes them, and last only once a new one has confirmed them.

The script that makes such a change arms a timer on the host (``arm`` in operations/sh/guard.sh) that takes
it back. The operation then yields ``confirmed``: it opens a new connection, as the next run would, and over
it makes the change a lasting one. Nobody confirms a change that shuts the control side out: it goes by
itself.
"""

from __future__ import annotations

import time
from typing import Any

from paramiko import SSHException
from pyinfra.api.arguments import ConnectorArguments
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.util import CommandOutput, OutputLine

from operations.script import Script, script

# For the host to take a change back, after its timer has fired.
GRACE = 60


class Confirmation(Script):
    """A script that is sent over a connection of its own; see ``confirmed``."""

    limit = 0

    def execute(
        self, state: State, host: Host, connector_arguments: ConnectorArguments
    ) -> tuple[bool, CommandOutput]:
        """Try for as long as the timer runs, then until the host has taken the change back."""
        started = time.monotonic()
        while True:
            connector = type(host.connector)(state, host)
            try:
                connector.connect()
                return connector.run_shell_command(
                    self, state.print_output, state.print_input, **connector_arguments
                )
            except (ConnectError, SSHException, OSError, EOFError) as error:
                if time.monotonic() - started > self.limit + GRACE:
                    return False, CommandOutput([OutputLine("stderr", _lost(host, error))])
                time.sleep(1)
            finally:
                _close(connector)


def confirmed(name: str, seconds: int, change: str) -> Confirmation:
    """
    Return the command that makes the change lasting which ``name``'s guard watches.

    + name: of the guard, as the script armed it
    + seconds: that the guard's timer runs
    + change: which one, as the script told the guard

    ``yield script("firewalld", ...); yield confirmed("firewalld", 60, digest)``
    """
    plain = script("confirm", name, change)
    command = Confirmation(plain.name, plain.args, None, GRACE + seconds, progress=False)
    command.limit = seconds
    return command


def _close(connector: Any) -> None:
    """pyinfra's own ``disconnect`` leaves the client open (3.10.0, connectors/ssh.py)."""
    if getattr(connector, "client", None) is not None:
        connector.client.close()


def _lost(host: Host, error: Exception) -> str:
    return f"{host.name} can no longer be reached, although its timer should have brought it back: {error}"
