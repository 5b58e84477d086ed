"""Files, directories and links: each change is one atomic remote command (``operations/sh``)."""

from __future__ import annotations

import posixpath
import re

from pyinfra import host
from pyinfra.api import OperationValueError

from facts.accounts import LoginGroup
from facts.files import EmptyMount, Path, Paths
from operations.script import Commands, operation, refuse, script, sha256, unreadable
from pure.secrets import masked

_MODE = re.compile(r"[0-7]{3,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Directories of the system itself: never removed with everything in them, never given another owner or mode.
_SYSTEM = {
    *("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc"),
    *("/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var"),
    *("/etc/systemd", "/etc/yum.repos.d", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/local"),
    *("/usr/sbin", "/usr/share", "/var/cache", "/var/lib", "/var/lib/rpm", "/var/log", "/var/tmp"),
}
_YES = {True: "yes", False: "no"}


@operation
def put(
    path: str,
    content: str,
    *,
    user: str = "root",
    group: str = "root",
    mode: str = "644",
    validate: str = "",
    after: str = "",
) -> Commands:
    """
    Write a file, whole or not at all; what it replaces is kept in ``/var/lib/elforge/backup``.

    + path: absolute path of the file; its directory is made when missing
    + content: the text of the file
    + user: owner
    + group: owning group
    + mode: octal, as a string
    + validate: shell that refuses the new file, named ``$1``, before it replaces the old one
    + after: shell that runs once the new file is in place

    **Example:**

    .. code:: python

        files.put(
            name="Let operators use sudo",
            path="/etc/sudoers.d/operators",
            content="%operators ALL=(ALL) NOPASSWD: ALL\\n",
            mode="440",
            validate='visudo -cf "$1"',
        )
    """
    _check(path, mode)
    found = _state(path)
    if found.kind not in ("file", "absent"):
        refuse(_in_the_way(path, found))
    elif found == Path("file", user, group, _octal(mode), sha256(content)):
        host.noop(f"{path} is already as declared")
    else:
        words = (path, user, group, mode, sha256(content), validate, after)
        yield script("put", *words, content=content)


@operation
def directory(
    path: str,
    *,
    user: str = "root",
    group: str | None = "root",
    mode: str = "755",
    take_over: bool = True,
) -> Commands:
    """
    Make a directory, or mend its owner and mode.

    + path: absolute path; nobody but root may be able to change the directories above it
    + user: owner
    + group: owning group; None is the login group of an existing user
    + mode: octal, as a string
    + take_over: False refuses one that belongs to another user

    **Example:**

    .. code:: python

        files.directory(name="Make the cache directory", path="/var/cache/go", mode="1777")
    """
    _check(path, mode)
    if path in _SYSTEM:
        raise OperationValueError(f"{path} is the system's: its owner and mode are not ours to set")
    group = _login_group(user) if group is None else group
    found = _state(path)
    if found.kind not in ("directory", "absent"):
        refuse(_in_the_way(path, found))
    elif found.kind == "directory" and found.user != user and not take_over:
        refuse(
            f"{path} belongs to {found.user}, not to {user}: choose another name, or chown it if nobody else "
            "needs what is in it"
        )
    elif found == Path("directory", user, group, _octal(mode)):
        host.noop(f"{path} is already as declared")
    else:
        yield script("directory", path, user, group, mode)


@operation
def link(path: str, target: str, *, replace: bool = True) -> Commands:
    """
    Make a symbolic link; an existing one is flipped without a moment in which it is missing.

    + path: absolute path of the link
    + target: what it points at
    + replace: False refuses to flip a link that points elsewhere: somebody else has made it

    **Example:**

    .. code:: python

        files.link(name="Choose the default Go", path="/usr/local/go", target="/opt/go/1.27.3")
    """
    _check(path)
    found = _state(path)
    if found.kind not in ("link", "absent"):
        refuse(_in_the_way(path, found))
    elif found == Path("link", target=target):
        host.noop(f"{path} already points at {target}")
    elif found.kind == "link" and not replace:
        refuse(f"{path} points at {found.target}, which elforge did not do: move it away if it may go")
    else:
        yield script("link", path, target)


@operation
def absent(path: str, *, recursive: bool = False, prune: bool = False, after: str = "") -> Commands:
    """
    Remove a file, a link or an empty directory; a file's content is kept as ``put`` keeps it.

    + path: absolute path
    + recursive: remove a directory with everything in it, which is **not** kept (a mount point is emptied)
    + prune: remove the directory that held it, too, once that is empty
    + after: shell that runs once it is gone

    **Example:**

    .. code:: python

        files.absent(name="Drop the old drop-in", path="/etc/systemd/system/docker.service.d/old.conf")
    """
    _check(path)
    if recursive and (path in _SYSTEM or (path.startswith("/home/") and path.count("/") == 2)):
        raise OperationValueError(f"{path} is the system's or a user's: not removed with everything in it")
    found = _state(path)
    if found.kind == "other":
        refuse(_in_the_way(path, found))
    elif found.kind == "absent":
        host.noop(f"{path} is already absent")
    elif recursive and found.kind == "directory" and host.get_fact(EmptyMount, path=path):
        host.noop(f"{path} is a mount point and already empty")
    else:
        yield script("absent", path, _YES[recursive], _YES[prune], after)


@operation
def unlinked(path: str, below: str) -> Commands:
    """
    Remove a symbolic link that points into a directory; anything else that stands there stays.

    + path: absolute path of the link
    + below: absolute path of the directory

    **Example:**

    .. code:: python

        files.unlinked(name="Remove the link", path="/usr/local/go", below="/usr/local/go-toolchains")
    """
    _check(path)
    found = _state(path)
    if found.kind == "link" and found.target.startswith(f"{below}/"):
        yield script("absent", path, _YES[False], _YES[False], "")
    else:
        host.noop(f"{path} is already no link into {below}")


@operation
def fetch(
    path: str,
    urls: list[str],
    digest: str,
    *,
    user: str = "root",
    group: str = "root",
    mode: str = "644",
    seconds: int = 1800,
) -> Commands:
    """
    Download a file; it gets to its path only with the right SHA-256.

    + path: absolute path of the file
    + urls: where to get it, tried in order; a proxy is taken from the host's environment
    + digest: SHA-256, 64 lower-case hexadecimal digits
    + user: owner
    + group: owning group
    + mode: octal, as a string
    + seconds: bound for the whole download, over all of ``urls``

    **Example:**

    .. code:: python

        files.fetch(name="Get the tarball", path="/var/cache/x.tar.gz", urls=[URL], digest=SHA256)
    """
    _check(path, mode)
    if not _SHA256.fullmatch(digest):
        raise OperationValueError(f"{path}: not a SHA-256 of 64 lower-case hexadecimal digits: {digest!r}")
    if bad := [url for url in urls if not re.match(r"(https?|file)://[^\s]+$", url)]:
        raise OperationValueError(f"{path}: not a URL: {masked(repr(bad[0]))}")
    found = _state(path)
    if found.kind not in ("file", "absent"):
        refuse(_in_the_way(path, found))
    elif found == Path("file", user, group, _octal(mode), digest):
        host.noop(f"{path} is already as declared")
    else:
        yield script("fetch", path, user, group, mode, digest, *urls, seconds=seconds)


def _state(path: str) -> Path:
    found = host.get_fact(Paths, paths=[path])
    return found[path] if found else unreadable(path)


def _login_group(user: str) -> str:
    group: str | None = host.get_fact(LoginGroup, user=user)
    if group is None:
        unreadable(f"the login group of {user}")
    return group or refuse(f"no such user: {user}; create it before a directory can be its own")


def _check(path: str, mode: str = "644") -> None:
    if path != posixpath.normpath(path) or not re.match(r"/[^/]", path):
        raise OperationValueError(f"not an absolute path without '.', '..' or '//': {path!r}")
    if not (isinstance(mode, str) and _MODE.fullmatch(mode)):
        raise OperationValueError(f"{path}: not an octal mode: {mode!r}")


def _octal(mode: str) -> str:
    """Spell a mode as stat does: no leading zero."""
    return f"{int(mode, 8):o}"


def _in_the_way(path: str, found: Path) -> str:
    what = {
        "link": f"a symbolic link to {found.target}, and links are not followed",
        "other": "a device, socket or pipe",
    }
    return f"{path} is {what.get(found.kind, f'a {found.kind}')}; move it away if it may go"
