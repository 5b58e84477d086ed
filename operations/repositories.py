"""Stock repository files whose mirrors are gone: repaired line by line, and back again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyinfra import host

from facts.repositories import RepositoryFiles
from operations import files
from operations.script import Commands, operation, unreadable

# Addresses that stock files of CentOS name; nobody's own mirror is called so.
_PUBLIC = re.compile(
    r"(mirrorlist|metalink)[ \t]*=[ \t]*https?://(mirrorlist|mirrors)\.centos\.org/"
    r"|baseurl[ \t]*=[ \t]*https?://mirror\.centos\.org/"
)
_KEPT, _ADDED = "# elforge kept: ", "# elforge added the next line.\n"
_BASEURL = re.compile(r"baseurl[ \t]*=")
_SECTION = re.compile(r"\[([^\]]+)\]")


@operation
def stock(urls: Mapping[str, list[str]], *, present: bool = True) -> Commands:
    """
    Point stock repository files that still use CentOS's public mirrors at mirrors that answer.

    A file that was pointed elsewhere by its owner is not touched.

    + urls: base URLs of each stock repository, by its id
    + present: False undoes what an earlier run did, to the byte

    **Example:**

    .. code:: python

        repositories.stock(name="Repair", urls={"base": ["https://vault.centos.org/7.9.2009/os/$basearch/"]})
    """
    found = host.get_fact(RepositoryFiles)
    if found is None:
        unreadable("/etc/yum.repos.d")
    changes = {path: new for path, old in found.items() if (new := _wanted(old, urls, present)) != old}
    for path, content in changes.items():
        yield from files.put._inner(path=path, content=content)
    if not changes:
        host.noop("the stock repositories are already as declared")


def _wanted(text: str, urls: Mapping[str, list[str]], present: bool) -> str:
    return repaired(restored(text), urls) if present else restored(text)


def repaired(text: str, urls: Mapping[str, list[str]]) -> str:
    """
    Return a repository file that asks mirrors which answer.

    Only the lines that ask CentOS's public mirrors change: they become comments, and the first one of a
    repository without a ``baseurl=`` of its owner's is followed by one of ours.
    """
    placed, lines = _placed(text), []
    served = {repo for repo, line in placed if _BASEURL.match(line) and not _PUBLIC.match(line)}
    for repo, line in placed:
        if _PUBLIC.match(line) and repo in urls:
            lines.append(_KEPT + line)
            if repo not in served:
                lines += [_ADDED.rstrip(), f"baseurl={' '.join(urls[repo])}"]
            served.add(repo)
        else:
            lines.append(line)
    return "\n".join(lines)


def _placed(text: str) -> list[tuple[str, str]]:
    """Return each line with the id of the repository it is about."""
    repo, placed = "", []
    for line in text.split("\n"):
        if match := _SECTION.match(line):
            repo = match[1]
        placed.append((repo, line))
    return placed


def restored(text: str) -> str:
    """Return a repository file as it was before ``repaired``, to the byte."""
    without = re.sub(rf"\n{re.escape(_ADDED)}baseurl=[^\n]*", "", text)
    return re.sub(rf"^{re.escape(_KEPT)}", "", without, flags=re.MULTILINE)
