"""A file of the control machine's that a script on the host then makes something of."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyinfra.api import StringCommand
from pyinfra.api.arguments import ConnectorArguments
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.util import CommandOutput, OutputLine

from operations.script import Script, script

# sshd takes these for names of users, and SSSD gives out some of them (ada@corp).
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]*")


class Carried(StringCommand):
    """Sends a file into a directory that only its user and root can enter, and then runs a script on it."""

    def __init__(
        self,
        *shown: str,
        find: Callable[[State], Path],
        folder: str,
        then: Callable[[str], Script],
    ) -> None:
        """
        Show as one line in a plan.

        + shown: that line
        + find: returns the file on the control machine, or raises OSError
        + folder: absolute path of the directory, which is made and belongs to nobody else
        + then: returns what to run, from the file's path on the host
        """
        super().__init__(*shown)
        self.what, self.find, self.folder, self.then = shown[1], find, folder, then

    def execute(self, state: State, host: Host, connector_arguments: ConnectorArguments) -> Any:
        """Return whether it is in place, and what was said on the way."""
        try:
            file = self.find(state)
            done, said = host.run_shell_command("id -un")
            user = said.stdout_lines[-1] if done and said.stdout_lines else ""
            if not _LOGIN.fullmatch(user):
                raise OSError("the host does not say who is logged in")
            done, said = _run(script("incoming", self.folder, user), host, connector_arguments)
            if not done:
                return done, said
            place = f"{self.folder}/{file.name}"
            if not host.put_file(str(file), place):
                raise OSError(f"{file} cannot be sent")
        except OSError as error:
            return False, CommandOutput([OutputLine("stderr", f"{self.what}: {error}")])
        return self.then(place).execute(state, host, connector_arguments)


def _run(command: Script, target: Host, arguments: ConnectorArguments) -> Any:
    return target.run_shell_command(command, **{**arguments, **command.connector_arguments})
