"""Trees out of archives: downloaded, verified, unpacked beside the one in use, and flipped in one rename."""

from __future__ import annotations

import re

from pyinfra import host
from pyinfra.api import OperationValueError

from facts.files import Entries, Path, Paths
from operations.script import Commands, operation, refuse, script, unreadable
from pure.secrets import masked

DOWNLOADS = "/var/cache/elforge"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@operation
def unpacked(root: str, urls: list[str], digest: str, *, member: str) -> Commands:
    """
    Have the content of an archive at ``<root>/current``; what was there before goes once it is in place.

    + root: absolute path of a directory that holds nothing else
    + urls: where to get the archive (whatever tar on the host reads), tried in order
    + digest: SHA-256 of the archive, 64 lower-case hexadecimal digits
    + member: a directory that it must hold

    **Example:**

    .. code:: python

        archive.unpacked(
            name="Unpack the modules", root="/srv/modules", urls=[URL], digest=SHA256, member="cache/download"
        )
    """
    if not _SHA256.fullmatch(digest):
        raise OperationValueError(f"{root}: not a SHA-256 of 64 lower-case hexadecimal digits: {digest!r}")
    if bad := [url for url in urls if not re.match(r"(https?|file)://[^\s]+$", url)]:
        raise OperationValueError(f"{root}: not a URL: {masked(repr(bad[0]))}")
    path, current = f"{DOWNLOADS}/{digest}", f"{root}/current"
    found: dict[str, Path] = host.get_fact(
        Paths, paths=[root, f"{root}/{digest}", current, path]
    ) or unreadable(root)
    if found[root].kind not in ("directory", "absent"):
        refuse(f"{root} is a {found[root].kind}; move it away if it may go")
    names: list[str] | None = host.get_fact(Entries, path=root)
    if names is None:
        unreadable(root)
    if foreign := [
        name for name in names if not _SHA256.fullmatch(name) and name != "current" and name[0] != "."
    ]:
        refuse(
            f"{root} holds {foreign[0]}, which is not elforge's; move it away, or nothing gets unpacked there"
        )
    if sorted(names) == sorted([digest, "current"]) and found[current] == Path("link", target=digest):
        host.noop(f"{current} already is the archive {digest[:12]}")
        return
    if found[f"{root}/{digest}"].kind != "directory" and found[path].sha256 != digest:
        yield script("fetch", path, "root", "root", "600", digest, *urls, seconds=1800)
    yield script("unpack", path, digest, root, member)
