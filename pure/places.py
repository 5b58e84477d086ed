"""Directories that are not for what root installs for everybody."""

from __future__ import annotations

import re

# By their other names, too: /lib is /usr/lib on every release.
_FOREIGN = re.compile(
    r"/(home|root|tmp|var/tmp|dev|proc|sys|run|var/run|var/lock|etc|boot|bin|sbin|lib|lib64)(/|$)"
)


def foreign(path: str) -> str:
    """
    Return what is wrong with a directory as a place for data of ours, ``""`` when nothing is.

    + path: absolute and normal path of the directory

    ``foreign("/home/ci/go")`` returns ``"is the system's, a user's or gone after a boot"``.
    """
    bad = _FOREIGN.match(path) or path.count("/") < 2
    return "is the system's, a user's or gone after a boot" if bad else ""


def overlap(one: str, other: str) -> bool:
    """
    Return whether two directories are the same, or one is in the other.

    + one: absolute and normal path
    + other: the same

    ``overlap("/srv/ci", "/srv/ci/go")`` returns ``True``.
    """
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
