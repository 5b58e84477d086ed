"""Every change to a host is one of the scripts in ``operations/sh``, sent as one remote command.

A script waits for the command of an earlier run that is still at work, is bounded in time, and is
atomic by itself or safe to repeat: a run killed anywhere can be started again.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import shlex
from collections.abc import Callable, Generator, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any, Never, ParamSpec
from weakref import WeakKeyDictionary

from pyinfra import logger, state
from pyinfra.api import OperationError, QuoteString, StringCommand
from pyinfra.api import operation as pyinfra_operation
from pyinfra.api.arguments import ConnectorArguments
from pyinfra.api.host import Host
from pyinfra.api.operation import PyinfraOperation
from pyinfra.api.state import State
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host

P = ParamSpec("P")

Commands = Generator[StringCommand, None, None]

_SH = Path(__file__).parent / "sh"
# Nothing but a package transaction or a download has any business taking longer. On top comes the wait for
# the command of an earlier run (``lock`` in operations/sh/common.sh).
SECONDS, LOCK_SECONDS = 900, 600


class Stdin:
    """Content for the stdin of a fact, as base64, since pyinfra takes only lines of text.

    pyinfra 3.10.0 prints the arguments of facts, ``_stdin`` among them (api/facts.py): this has no repr
    of its content. It reads by ``readlines`` (connectors/util.py) what is an iterable (api/arguments.py).
    """

    def __init__(self, content: str) -> None:
        self._line = base64.b64encode(_bytes(content)).decode()

    def readlines(self) -> list[str]:
        """Return all of it, each time that it is asked for."""
        return [self._line]

    def __iter__(self) -> Iterator[str]:
        return iter(self.readlines())


class Script(StringCommand):
    """One of the scripts in ``operations/sh`` with its arguments; see ``script``."""

    def __init__(
        self, name: str, args: tuple[str, ...], content: str | None, seconds: int, progress: bool
    ) -> None:
        """Send ``content`` as base64, since pyinfra's stdin takes only lines of text."""
        text = QuoteString(_text(name))
        bound = str(seconds + LOCK_SECONDS)
        words = ("timeout", "-k", "10", bound, "sh", "-c", text, name, *map(QuoteString, args))
        if content is None:
            super().__init__(*words)
        else:
            super().__init__(*words, _stdin=base64.b64encode(_bytes(content)).decode())
        self.name, self.args, self.content, self.progress = name, args, content, progress

    def execute(self, state: State, host: Host, connector_arguments: ConnectorArguments) -> Any:
        """Run it, and show what it prints where it says how far it is, without -v too."""
        if not self.progress:
            return super().execute(state, host, connector_arguments)
        arguments = {**connector_arguments, **self.connector_arguments}
        done, output = host.run_shell_command(
            self, print_output=True, print_input=state.print_input, **arguments
        )
        return done, output if state.print_output else CommandOutput([])  # else a failure is shown twice


def script(
    name: str, *args: str, content: str | None = None, seconds: int = SECONDS, progress: bool = False
) -> Script:
    """
    Return the remote command that runs ``operations/sh/<name>.sh``.

    + name: which script
    + args: its positional parameters, each one quoted word
    + content: what it reads on stdin
    + seconds: after which the host itself ends its work
    + progress: whether what it prints is shown while it works

    ``script("link", "/usr/local/go", "/opt/go1.27.3")``
    """
    return Script(name, args, content, seconds, progress)


def snippet(name: str, *args: str) -> str:
    """Return shell that runs a script within another one; without ``args`` its own text, for ``sh -c``."""
    text = _lines(name)
    return shlex.join(["sh", "-c", text, name, *args]) if args else text


def program(name: str) -> str:
    """Return a script as a program that stays on a host."""
    return f"#!/bin/sh\n# Written by elforge.\n{snippet(name)}"


def sha256(content: str) -> str:
    """Return the lower-case hexadecimal SHA-256 of a text in UTF-8."""
    return hashlib.sha256(_bytes(content)).hexdigest()


def _bytes(content: str) -> bytes:
    """A host's file may hold bytes that are no UTF-8; what facts read is written back as it was."""
    return content.encode(errors="surrogateescape")


def operation(function: Callable[P, Commands]) -> PyinfraOperation[P]:
    """
    Make a pyinfra operation of a generator of commands.

    When it raises OperationError while the plan is made, the run ends before anything has changed on any
    host. Later an exception would end the run on every host (pyinfra 3.10.0, api/operations.py), so
    then it becomes a command that fails with the message, on its own host.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Commands:
        try:
            yield from function(*args, **kwargs)
        except OperationError as error:
            if not state.is_executing:
                raise
            failure = QuoteString('echo "$1" >&2; exit 1')
            yield StringCommand("sh", "-c", failure, "refuse", QuoteString(str(error)))

    return pyinfra_operation()(guarded)


def refuse(message: str) -> Never:
    """Raise OperationError: the state of the host, or what was asked for, does not allow to go on."""
    raise OperationError(message)


_said: WeakKeyDictionary[Host, set[str]] = WeakKeyDictionary()


def warn(message: str) -> None:
    """Warn the user of something on the host, once a run: with the plan, or under -y when its turn comes."""
    tell(message, logging.WARNING)


def tell(message: str, level: int = logging.INFO) -> None:
    """Tell the user something about the host, once a run, as ``warn`` does."""
    seen = _said.setdefault(ctx_host.get(), set())
    if message not in seen:
        seen.add(message)
        logger.log(level, f"{ctx_host.get().print_prefix}{message}")


def unreadable(what: str) -> Never:
    """Raise OperationError: a state that cannot be read is never taken for an absent one."""
    raise OperationError(f"{what} cannot be read")


@cache
def _text(name: str) -> str:
    uses = re.findall(r"^# uses: (\w+)$", (_SH / f"{name}.sh").read_text(), re.MULTILINE)
    return "".join(map(_lines, ("common", *uses, name)))


def _lines(name: str) -> str:
    lines = (_SH / f"{name}.sh").read_text().splitlines()
    return "".join(f"{line}\n" for line in lines if line.strip() and not line.lstrip().startswith("# "))
