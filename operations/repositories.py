"""Stock repository files whose mirrors are gone: repaired line by line, and back again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyinfra import host
from pyinfra.api import operation

from facts.repositories import RepositoryFiles
from operations import files
from operations.script import Commands, unreadable

# Hosts that the stock files of CentOS name; nobody's own mirror is called so.
_PUBLIC = re.compile(r"(mirrorlist|metalink)=https?://(mirrorlist|mirrors)\.centos\.org/")
_MARK = "# elforge kept: "
_SECTION = re.compile(r"\[([^\]]+)\]")


@operation()
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
    Return a repository file with its dead ``mirrorlist=`` and ``metalink=`` lines replaced.

    ``[base]\\nmirrorlist=http://mirrorlist.centos.org/...`` becomes ``[base]\\n# elforge kept:
    mirrorlist=...\\nbaseurl=https://vault.centos.org/7.9.2009/os/$basearch/``.
    """
    lines, repo = [], ""
    for line in text.splitlines(keepends=True):
        if match := _SECTION.match(line):
            repo = match[1]
        if _PUBLIC.match(line) and repo in urls:
            lines += [_MARK + line, f"baseurl={' '.join(urls[repo])}\n"]
        else:
            lines.append(line)
    return "".join(lines)


def restored(text: str) -> str:
    """Return a repository file as it was before ``repaired``."""
    return re.sub(rf"^{re.escape(_MARK)}(.*\n)baseurl=.*\n", r"\1", text, flags=re.MULTILINE)
