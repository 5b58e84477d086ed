"""What differs between the releases: the only place of the lab that knows."""

import re
from dataclasses import dataclass

from lab.system import LabError


@dataclass(frozen=True)
class Engine:
    """One Docker engine: where its programs come from and what upstream's packages ask for."""

    suite: str
    runc_suite: str
    plugin_suite: str
    containerd_floor: str


@dataclass(frozen=True)
class Build:
    """One engine as packaged for one release."""

    engine: str
    release: str


@dataclass(frozen=True)
class Release:
    """One CentOS release and what stands in for it."""

    major: int
    title: str
    suite: str
    manager: str
    stable: tuple[Build, ...]
    test: tuple[Build, ...]
    moved: Build


ENGINES = {
    "20.10": Engine("bookworm", "bookworm", "trixie", "1.4.1"),
    # Debian 13's runc needs a newer glibc than Debian 12 has; all its other programs run there.
    "26.1-old-glibc": Engine("trixie", "bookworm", "trixie", "1.6.24"),
    "26.1": Engine("trixie", "trixie", "trixie", "1.6.24"),
    "28.5": Engine("forky", "forky", "forky", "1.7.27"),
}

RELEASES = {
    7: Release(
        7,
        "CentOS Linux 7.9.2009",
        "bookworm",
        "yum",
        stable=(Build("20.10", "2"), Build("20.10", "3")),
        test=(Build("26.1-old-glibc", "1"),),
        moved=Build("20.10", "4"),
    ),
    8: Release(
        8,
        "CentOS Linux 8.5.2111",
        "trixie",
        "dnf",
        stable=(Build("20.10", "3"), Build("26.1", "1")),
        test=(Build("28.5", "1"),),
        moved=Build("26.1", "2"),
    ),
    9: Release(
        9,
        "CentOS Stream 9",
        "trixie",
        "dnf",
        stable=(Build("26.1", "1"), Build("28.5", "1")),
        test=(Build("28.5", "2"),),
        moved=Build("28.5", "3"),
    ),
}

DEFAULT_HOSTS = tuple(f"el{major}" for major in RELEASES)

_NAME = re.compile(r"el(\d+)(-[a-z0-9][a-z0-9-]{0,40})?")


def of_host(name: str) -> Release:
    """Return the release a host name asks for; ``el9`` and ``el9-anything`` are EL 9."""
    match = _NAME.fullmatch(name)
    if not match or int(match[1]) not in RELEASES:
        allowed = ", ".join(DEFAULT_HOSTS)
        raise LabError(f"{name!r} is not a lab host: use {allowed}, or one of them with -suffix (el9-a)")
    return RELEASES[int(match[1])]
