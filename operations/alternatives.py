"""Which program a name in /usr/bin stands for, by update-alternatives(8)."""

from __future__ import annotations

from typing import NamedTuple

from pyinfra import host

from facts.files import Contents, Path, Paths
from operations.script import Commands, operation, refuse, script, unreadable

FOLDER = "/etc/alternatives"
# Where chkconfig's and Debian's update-alternatives keep what is on offer for a name.
_OFFERS = ("/var/lib/alternatives", "/var/lib/dpkg/alternatives")


class Alternative(NamedTuple):
    """A name of the alternatives system, the link that users call, and the program behind it."""

    name: str
    link: str
    path: str


@operation
def chosen(first: Alternative, follower: Alternative, *, present: bool = True) -> Commands:
    """
    Let a link and its follower stand for our programs, whatever a package offers under these names.

    + first: the one that is chosen
    + follower: goes with it
    + present: False no longer offers them, and another alternative takes over

    **Example:**

    .. code:: python

        alternatives.chosen(
            name="Let every PATH find Go",
            first=Alternative("go", "/usr/bin/go", "/usr/local/go/bin/go"),
            follower=Alternative("gofmt", "/usr/bin/gofmt", "/usr/local/go/bin/gofmt"),
        )
    """
    if not present:
        yield from _withdrawn(first)
        return
    both = (first, follower)
    paths = [path for each in both for path in (each.link, f"{FOLDER}/{each.name}")]
    states = host.get_fact(Paths, paths=paths) or unreadable(first.link)
    ours = {each: states[f"{FOLDER}/{each.name}"] == Path("link", target=each.path) for each in both}
    linked = {each: states[each.link] == Path("link", target=f"{FOLDER}/{each.name}") for each in both}
    for each in both:
        if not linked[each] and states[each.link].kind != "absent":
            refuse(f"{each.link} is no link of the alternatives system: remove its package, or move it away")
    if all(ours.values()) and all(linked.values()):
        host.noop(f"{first.link} already stands for {first.path}")
    else:
        yield script("alternatives", *first, *follower)


def _withdrawn(alternative: Alternative) -> Commands:
    """Take an alternative back, whether it is the chosen one or not."""
    paths = [f"{folder}/{alternative.name}" for folder in _OFFERS]
    texts = host.get_fact(Contents, paths=paths)
    if texts is None:
        unreadable(FOLDER)
    if any(alternative.path in (text or "").splitlines() for text in texts.values()):
        yield script("unalternatives", alternative.name, alternative.path)
    else:
        host.noop(f"{alternative.link} is already not ours")
