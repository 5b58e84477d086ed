"""Packages, repositories, keys and locks: rpm decides what is there, yum or dnf is only asked to change it.

pyinfra's own dnf.packages asks the repositories what is installed: a network call per package, and a
wrong answer once a repository has moved on (pyinfra 3.10.0, facts/rpm.py).
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from itertools import pairwise, zip_longest
from typing import Literal, NamedTuple

from pyinfra import host
from pyinfra.api import OperationValueError

from facts.files import Contents
from facts.rpm import Answer, Dependents, KeyState, Rpm, Rpms
from operations import files
from operations.script import Commands, operation, refuse, script, unreadable

Manager = Literal["yum", "dnf"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
# What ``packages`` takes: name, name-version or NVRA, or name=version with globs; an epoch before a version.
SPEC = (
    r"^[A-Za-z0-9][A-Za-z0-9._+-]*"
    r"(-\d+:[A-Za-z0-9][A-Za-z0-9._+~^-]*|=(\d+:)?[A-Za-z0-9][A-Za-z0-9._+~^*-]*)?$"
)
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
# How long another package manager may hold its lock, and how much /usr and /var must have free.
LOCK_SECONDS, FREE_MEGABYTES = 300, 300
# yum installs an older one of these beside the newer one (yum.conf(5), installonlypkgs), and downgrades none.
_BESIDE = ("kernel", "kernel-debug", "kernel-debug-devel", "kernel-devel")


class Spec(NamedTuple):
    """
    ``name``, ``name-version`` and NVRA as rpm reads them, or ``name=version`` with globs.

    The epoch is only compared, never asked for: rpm before 4.15 and yum 3 do not find ``name-epoch:version``,
    and a version stands in a repository under one epoch only.
    """

    query: str
    version: str
    epoch: str = ""

    @property
    def package(self) -> str:
        """How yum and dnf spell it."""
        return f"{self.query}-{self.version}" if self.version else self.query

    def readings(self) -> list[tuple[str, str]]:
        """
        Return what may be its name and version.

        ``Spec("git-2.47-1.el7", "").readings()`` returns ``[("git", "2.47-1.el7"), ("git-2.47", "1.el7")]``.
        """
        if self.version:
            return [(self.query, self.version)]
        cuts = [match.start() for match in re.finditer(r"-(?=\d[^-]*(-\d[^-]*)?$)", self.query)]
        return [(self.query[:cut], self.query[cut + 1 :]) for cut in cuts]

    def matches(self, rpm: Rpm) -> bool:
        """Tell whether an installed package is what the spec asks for."""
        full = f"{rpm.version}-{rpm.release}"
        if self.version:
            same = rpm.name == self.query and any(fnmatchcase(v, self.version) for v in (rpm.version, full))
        else:
            same = self.query.removesuffix(f".{rpm.arch}") in (
                rpm.name,
                f"{rpm.name}-{rpm.version}",
                f"{rpm.name}-{full}",
            )
        return same and int(self.epoch or rpm.epoch) == rpm.epoch


@operation
def packages(
    specs: list[str],
    *,
    manager: Manager,
    present: bool = True,
    repositories: list[str] | None = None,
    locks: str = "",
    lock_seconds: int = LOCK_SECONDS,
    free_megabytes: int = FREE_MEGABYTES,
) -> Commands:
    """
    Install, change to a version, or remove packages, from one rpm query.

    + specs: ``name``, ``name-version``, NVRA, or ``name=version`` where the version may hold globs; an epoch
      may stand before the version
    + manager: the release's package manager
    + present: whether the packages should be installed
    + repositories: glob patterns of repository ids; no other repository is asked
    + locks: the versionlock plugin's file; our own locks of what is about to change are lifted for that long,
      somebody else's are refused
    + lock_seconds: how long another package manager may keep us waiting
    + free_megabytes: what /usr and /var must have free before anything is installed

    **Example:**

    .. code:: python

        rpm.packages(name="Install Docker", specs=["docker-ce=26.1.*"], manager="dnf")
    """
    wanted = [_spec(text) for text in specs]
    # yum is told which way to go, so what is there instead has to be known.
    names = [name for spec in wanted for name, _ in spec.readings()] if manager == "yum" and present else []
    answer = _rpms(list(dict.fromkeys([*(spec.query for spec in wanted), *names])))
    changes = [spec for spec in wanted if _satisfied(spec, answer) != present]
    if not changes:
        host.noop(f"{', '.join(specs)}: already {'installed' if present else 'absent'}")
        return
    free = _without_our_locks(locks, [spec.query for spec in changes])
    lifted = "" if free is None else locks
    words = [str(lock_seconds), str(free_megabytes), " ".join(repositories or []), lifted]
    verbs = _verbs(changes, answer, manager, present)
    # Ended in the middle, a transaction leaves packages twice: that bound is for one that hangs.
    yield script("packages", manager, *words, *verbs, content=free, seconds=lock_seconds + 7200)


@operation
def removable(names: list[str]) -> Commands:
    """
    Refuse to go on while a package that is not in ``names`` needs one that is; change nothing.

    + names: the packages that are about to be removed together

    **Example:**

    .. code:: python

        rpm.removable(name="See that nothing else needs Docker", names=["docker-ce", "containerd.io"])
    """
    found = host.get_fact(Dependents, names=names)
    if found is None:
        unreadable("the rpm database")
    if found:
        refuse(f"not removed, other packages depend on it: {'; '.join(found)}")
    else:
        host.noop(f"nothing else needs {', '.join(names)}")
    yield from ()  # it only looks


@operation
def repository(
    repo: str,
    *,
    title: str,
    baseurl: list[str],
    gpgkey: str,
    enabled: bool = True,
) -> Commands:
    """
    Write a repository file of our own, with signatures checked and no variable for the release.

    ``$releasever`` is ``7Server`` on RHEL 7 and may be pinned to a minor, which gives a 404.

    + repo: its id
    + title: its name for people
    + baseurl: where it is; several are mirrors of each other
    + gpgkey: URL of the key that signs its packages
    + enabled: whether it is asked when nobody names it

    **Example:**

    .. code:: python

        rpm.repository(
            name="Add Docker's repository",
            repo="docker-ce-stable",
            title="Docker CE stable",
            baseurl=["https://download.docker.com/linux/centos/9/$basearch/stable"],
            gpgkey="file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker",
        )
    """
    if not _NAME.fullmatch(repo):
        raise OperationValueError(f"not a repository id: {repo!r}")
    lines = [
        "# Managed by elforge.",
        f"[{repo}]",
        f"name={title}",
        "baseurl=" + "\n        ".join(baseurl),
        f"enabled={int(enabled)}",
        "gpgcheck=1",
        f"gpgkey={gpgkey}",
        # Left out, a mirror that is down would read as "no such package".
        "skip_if_unavailable=0",
    ]
    content = "\n".join(lines) + "\n"
    yield from files.put._inner(path=repository_file(repo), content=content)


def repository_file(repo: str) -> str:
    """Return the path of the file that ``repository`` writes for this id."""
    return f"/etc/yum.repos.d/{repo}.repo"


@operation
def key(url: str, fingerprint: str, path: str, *, present: bool = True) -> Commands:
    """
    Trust a package signing key, after its fingerprint was seen to be the expected one.

    + url: where to get it
    + fingerprint: 40 (or 64) upper-case hexadecimal digits, without spaces
    + path: where the key file is kept, below ``/etc/pki/rpm-gpg``
    + present: whether it should be trusted

    **Example:**

    .. code:: python

        rpm.key(
            name="Trust Docker's key",
            url="https://download.docker.com/linux/centos/gpg",
            fingerprint="060A61C51B558A7F742B77AAC52FEB6B621E9F35",
            path="/etc/pki/rpm-gpg/RPM-GPG-KEY-docker",
        )
    """
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise OperationValueError(f"not a fingerprint of 40 upper-case hexadecimal digits: {fingerprint!r}")
    found = host.get_fact(KeyState, path=path) or unreadable("the list of trusted keys")
    # A file that somebody has replaced is no longer the one that was seen to hold the key.
    stored = found.verified == f"{fingerprint} {found.file}" if present else bool(found.file)
    states = {fingerprint[-8:].lower() in found.trusted, stored}
    if states == {present}:
        host.noop(f"key {fingerprint} is already {'trusted' if present else 'not trusted'}")
    elif present:
        yield script("key", url, fingerprint, path)
    else:
        yield script("unkey", fingerprint[-8:].lower(), path)


@operation
def versionlock(specs: list[str], *, manager: Manager, path: str, present: bool = True) -> Commands:
    """
    Lock packages to the versions installed, in the file of the versionlock plugin; other locks stay.

    The plugin's own command loads the repositories' metadata: it needs the network to change nothing.

    + specs: what ``packages`` was told to install
    + manager: the release's package manager; yum and dnf spell a lock differently
    + path: the plugin's file
    + present: whether the packages should be locked

    **Example:**

    .. code:: python

        rpm.versionlock(
            name="Lock Docker",
            specs=["docker-ce=26.1.*"],
            manager="dnf",
            path="/etc/dnf/plugins/versionlock.list",
        )
    """
    wanted = [_spec(text) for text in specs]
    answer = _rpms([spec.query for spec in wanted])
    # A plan is made before the package is there; its lock, whatever it will say, is then a new one.
    coming = [Rpm(spec.query, 0, spec.version, "?", "") for spec in wanted if not _satisfied(spec, answer)]
    rpms = [*answer.installed, *coming] if present else []
    lines = _locks(path)
    locks = [_LOCK[manager].format(rpm=rpm) for rpm in rpms]
    names = [spec.query for spec in wanted]
    after = locked(lines, locks, names) if present else unlocked(lines, names)
    if after == lines:
        host.noop(f"{path}: {', '.join(specs)} already {'locked' if present else 'not locked'}")
    else:
        yield from files.put._inner(path=path, content=_joined(after))


def locked(lines: list[str], locks: list[str], names: list[str]) -> list[str]:
    """
    Return the lines of a versionlock file with ``locks`` as our only locks of ``names``.

    Each of ours stands below a comment that says so, for ``unlocked`` to find; other people's stay.
    """
    after = unlocked(lines, names) + [line for lock in locks for line in (_OURS, lock)]
    return lines if sorted(after) == sorted(lines) else after  # somebody else's locks may follow ours


def unlocked(lines: list[str], names: list[str]) -> list[str]:
    """
    Return the lines of a versionlock file without our locks of ``names``.

    ``unlocked(["# elforge:", "git-0:2.47.3-1.el9.*", "git-0:2.43.0-1.el9.*"], ["git"])`` returns
    ``["git-0:2.43.0-1.el9.*"]``. A comment of ours with nothing below it goes, too: it would claim what
    moves up there.
    """
    lines = [line for line, below in pairwise([*lines, _OURS]) if not line == below == _OURS]
    pairs = pairwise(["", *lines, ""])
    ours = [above == _OURS and _locks_one(line, names) for above, line in pairs]
    return [line for line, own in zip(lines, pairwise(ours), strict=True) if not any(own)]


_OURS = "# elforge:"
# How each plugin writes a lock (yum-utils plugins/versionlock, dnf-plugins-core plugins/versionlock.py).
_LOCK = {
    "yum": "{rpm.epoch}:{rpm.name}-{rpm.version}-{rpm.release}.*",
    "dnf": "{rpm.name}-{rpm.epoch}:{rpm.version}-{rpm.release}.*",
}


def _locks_one(line: str, names: list[str]) -> bool:
    name = "|".join(map(re.escape, names))
    return re.fullmatch(rf"(\d+:)?({name})-(\d+:)?[^-]+-[^-]+", line.strip()) is not None


def _without_our_locks(path: str, names: list[str]) -> str | None:
    """Return the text of the lock file without our locks of ``names``, None when it holds none."""
    lines = _locks(path) if path else []
    free = unlocked(lines, names)
    if theirs := [line for line in free if _locks_one(line, names)]:
        refuse(f"{path}: {', '.join(theirs)} is in the way, and is not elforge's; take it out if it may go")
    return None if free == lines else _joined(free)


def _locks(path: str) -> list[str]:
    found = host.get_fact(Contents, paths=[path])
    return (found[path] or "").splitlines() if found else unreadable(path)


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _spec(text: str) -> Spec:
    if not re.fullmatch(SPEC, text):
        raise OperationValueError(f"not a package: {text!r}")
    match = re.search(r"[-=](\d+):", text)
    epoch = match[1] if match else ""
    query, _, version = text.replace(f"{epoch}:", "", 1).partition("=")
    return Spec(query, version, epoch)


def _rpms(queries: list[str]) -> Answer:
    return host.get_fact(Rpms, queries=queries) or unreadable("the rpm database")


def _satisfied(spec: Spec, answer: Answer) -> bool:
    if spec.query in answer.missing:
        return False
    return not (spec.version or spec.epoch) or any(spec.matches(rpm) for rpm in answer.installed)


def _verbs(changes: list[Spec], answer: Answer, manager: Manager, present: bool) -> list[str]:
    """Return ``[verb, package..., verb, package...]``; yum, unlike dnf, installs no older version."""
    if not present:
        return ["remove", *(spec.package for spec in changes)]
    lower = [spec for spec in changes if manager == "yum" and _is_downgrade(spec, answer)]
    verbs = {"install": [spec for spec in changes if spec not in lower], "downgrade": lower}
    return [
        word for verb, group in verbs.items() if group for word in (verb, *(spec.package for spec in group))
    ]


def _is_downgrade(spec: Spec, answer: Answer) -> bool:
    return any(
        _is_older(version, int(spec.epoch or rpm.epoch), rpm)
        for name, version in spec.readings()
        for rpm in answer.installed
        if rpm.name == name and name not in _BESIDE
    )


def _is_older(wanted: str, epoch: int, rpm: Rpm) -> bool:
    version, _, release = wanted.partition("-")
    order = epoch - rpm.epoch or compare(version.split("*")[0], rpm.version)
    return order < 0 or (order == 0 and compare(release.split("*")[0] or rpm.release, rpm.release) < 0)


def compare(left: str, right: str) -> int:
    """
    Compare two rpm versions: negative, zero or positive, as ``rpmvercmp`` does without ``~`` and ``^``.

    ``compare("26.1.5", "28.5.2")`` is negative. Source: rpm's rpmio/rpmvercmp.c.
    """
    mine, theirs = ([_rank(part) for part in re.findall(r"[0-9]+|[a-zA-Z]+", text)] for text in (left, right))
    for one, other in zip_longest(mine, theirs, fillvalue=(0, 0, "")):
        if one != other:
            return 1 if one > other else -1
    return 0


def _rank(part: str) -> tuple[int, int, str]:
    """Numbers are newer than letters, and letters than nothing."""
    return (2, int(part), "") if part.isdigit() else (1, 0, part)
