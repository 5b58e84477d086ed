"""Users and who belongs to a group."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import OperationValueError

from facts.accounts import Users
from operations.script import Commands, operation, refuse, script, unreadable
from pure.accounts import NAME


@operation
def user(name_: str, *, home: str, shell: str = "/sbin/nologin", present: bool = True) -> Commands:
    """
    Make an unprivileged system user with a group of the same name; an existing one is left as it is.

    + name_: the user
    + home: absolute path of the home directory; ``files.directory`` makes it
    + shell: login shell
    + present: False removes the user; what its home holds stays

    **Example:**

    .. code:: python

        accounts.user(name="Make the builder", name_="gobuild", home="/var/lib/gobuild")
    """
    _check(name_)
    there = _groups([name_])[name_] is not None
    if there == present:
        host.noop(f"user {name_} already {'exists' if present else 'does not exist'}")
    elif present:
        yield script("user", name_, home, shell)
    else:
        yield script("nouser", name_)


@operation
def members(group: str, users: list[str], *, present: bool = True) -> Commands:
    """
    Put users into a supplementary group, or take them out of it.

    + group: an existing group, or one that an earlier operation brings
    + users: existing users
    + present: whether they should be members

    **Example:**

    .. code:: python

        accounts.members(name="Let users reach the socket", group="docker", users=["ada"])
    """
    for name in (group, *users):
        _check(name)
    groups = _groups(users) if users else {}
    if unknown := [name for name, found in groups.items() if found is None and present]:
        refuse(f"no such user: {', '.join(unknown)}; create it before it can join {group}")
    changes = [name for name, found in groups.items() if (group in (found or [])) != present]
    if changes:
        yield script("members", group, "-a" if present else "-d", *changes)
    else:
        host.noop(f"group {group}: {', '.join(users) or 'nobody'} already {'in' if present else 'out'}")


def _groups(users: list[str]) -> dict[str, list[str] | None]:
    return host.get_fact(Users, users=users) or unreadable("the list of users")


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise OperationValueError(f"not the name of a user or group: {name!r}")
