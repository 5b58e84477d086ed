"""Credentials of users for HTTPS hosts, in ~/.netrc: read by the go command, by git and by curl."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import OperationValueError

from facts.files import Entries
from facts.netrc import MARK, Netrc
from operations.script import Commands, Stdin, operation, refuse, script, unreadable
from pure.accounts import NAME
from pure.secrets import reveal

# Whose files are ours: a name per user (operations/sh/netrc.sh).
RECORD = "/var/lib/elforge/netrc"
Login = tuple[str, str, str]
_IN_THE_WAY = {
    "no user": "no such user: {user}; create it before it can have credentials",
    "no home": "user {user} has no home directory that it can enter, so it cannot have a .netrc",
    "unreadable": "the .netrc of {user} cannot be read, not even by {user}",
    "foreign": "the .netrc of {user} is not elforge's; move it away, and its entries to goenv_credentials",
}


@operation
def credentials(logins: dict[str, list[Login]]) -> Commands:
    """
    Write users' ~/.netrc, as a whole and at mode 0600, and take ours away from users who have none any more.

    + logins: per existing user the machine, the login name and the reference to the secret, as
      ``pure.secrets.reveal`` reads it

    **Example:**

    .. code:: python

        netrc.credentials(
            name="Give users their credentials",
            logins={"ci": [("git.example.com", "bot", "env:GIT_TOKEN")]},
        )
    """
    if bad := [user for user in logins if not NAME.fullmatch(user)]:
        raise OperationValueError(f"not the name of a user: {bad[0]!r}")
    written = host.get_fact(Entries, path=RECORD)
    if written is None:
        unreadable(RECORD)
    contents = {user: _content(entries) for user, entries in logins.items()}
    states = {user: _state(user, content) for user, content in contents.items()}
    for user, state in states.items():
        if state in _IN_THE_WAY:
            refuse(_IN_THE_WAY[state].format(user=user))
    changed = [user for user, state in states.items() if state != "same" or user not in written]
    gone = [user for user in written if user not in logins]
    for user in changed:
        yield script("netrc", user, MARK, content=contents[user])
    for user in gone:
        yield script("unnetrc", user, MARK)
    if not changed and not gone:
        host.noop(f"credentials of {', '.join(logins) or 'nobody'} are already as declared")


def _state(user: str, content: str) -> str:
    state: str | None = host.get_fact(Netrc, user=user, _stdin=Stdin(content))
    return state or unreadable(f"the .netrc of {user}")


def _content(entries: list[Login]) -> str:
    """The last line tells a file that arrived whole: a digest of it in argv would be a hint at the secret."""
    lines = [f"machine {machine} login {login} password {reveal(ref)}" for machine, login, ref in entries]
    return "\n".join([MARK, *lines, "# end", ""])
