"""A user's ~/.netrc, compared on the host: nothing that is derived from a password leaves it."""

from __future__ import annotations

import shlex

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, unframed

# First line of a file that is elforge's as a whole. No word of it means anything to who reads a netrc file.
MARK = "# Written by elforge from goenv_credentials: whatever else is put in here gets lost."
STATES = ("no user", "no home", "absent", "foreign", "unreadable", "same", "differs")
# Run as the user, in a directory where the user can put links and pipes; links are not followed.
_LOOK = (
    'cd "$1" 2>/dev/null || { echo no home; exit; }; '
    "if test -L .netrc; then echo foreign; elif ! test -e .netrc; then echo absent; "
    "elif ! test -f .netrc; then echo foreign; elif ! test -r .netrc; then echo unreadable; "
    'elif test "$(head -n 1 .netrc)" != "$2"; then echo foreign; '
    'elif test "$(base64 -d | sha256sum)" = "$(sha256sum < .netrc)" && test "$(stat -c %a .netrc)" = 600; '
    "then echo same; else echo differs; fi"
)


class Netrc(FactBase[str]):
    """
    Return how the .netrc of ``user`` compares with the content on stdin (base64); one of ``STATES``.

    A digest would do for a guess at a weak password, in argv and in pyinfra's debug output alike.
    """

    def command(self, user: str) -> str:
        name, look, mark = map(shlex.quote, (user, _LOOK, MARK))
        return framed(
            f"home=$(getent passwd {name} | cut -d : -f 6); "
            f'if test -z "$home"; then echo no user; '
            f'else runuser -u {name} -- sh -c {look} look "$home" {mark}; fi'
        )

    def process(self, output: list[str]) -> str:
        match unframed(output):
            case [state] if state in STATES:
                return state
            case lines:
                raise FactProcessError(f"not the state of a netrc file: {lines!r}")
