"""Users and groups, by name; nothing walks through /etc/passwd."""

from __future__ import annotations

import shlex

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, paired, unframed


class LoginGroup(FactBase[str]):
    """Return the name of the group that ``user`` logs in with, "" for a user that does not exist."""

    def command(self, user: str) -> str:
        return framed(f"id -gn -- {shlex.quote(user)} 2>/dev/null || echo")

    def process(self, output: list[str]) -> str:
        match unframed(output):
            case [group]:
                return group
            case lines:
                raise FactProcessError(f"not the login group of a user: {lines!r}")


class Users(FactBase[dict[str, list[str] | None]]):
    """Return the groups of each of ``users``, None for a user that does not exist."""

    def command(self, users: list[str]) -> str:
        self._users = users
        names = " ".join(map(shlex.quote, users))
        return framed(f'for user in {names}; do id -nG -- "$user" 2>/dev/null || echo; done')

    def process(self, output: list[str]) -> dict[str, list[str] | None]:
        return {user: line.split() or None for user, line in paired(self._users, unframed(output))}
