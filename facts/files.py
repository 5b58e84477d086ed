"""What stands at a path, asked for all paths of an operation at once."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, paired, shown, text, unframed


@dataclass(frozen=True)
class Path:
    """What stands at a path; ``kind`` is file, directory, link, other or absent."""

    kind: str
    user: str = ""
    group: str = ""
    mode: str = ""  # octal, without a leading zero: "644"
    sha256: str = ""  # of a regular file's content
    target: str = ""  # of a link

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class Paths(FactBase[dict[str, Path]]):
    """Return what stands at each of ``paths``; links are reported, not followed."""

    def command(self, paths: list[str]) -> str:
        self._paths = paths
        return framed(
            f"for path in {' '.join(map(shlex.quote, paths))}; do "
            """if test -L "$path"; then printf 'link\\t%s\\n' "$(readlink "$path")"; """
            'elif test -f "$path"; then stat --printf "file\\t%U\\t%G\\t%a\\t" "$path"; '
            'sha256sum < "$path"; '
            'elif test -d "$path"; then stat --printf "directory\\t%U\\t%G\\t%a\\n" "$path"; '
            'elif test -e "$path"; then echo other; else echo absent; fi; done'
        )

    def process(self, output: list[str]) -> dict[str, Path]:
        return {path: _path(line) for path, line in paired(self._paths, unframed(output))}


def _path(line: str) -> Path:
    match line.split("\t"):
        case ["link", target]:
            return Path("link", target=target)
        case ["file", user, group, mode, digest] if re.fullmatch("[0-9a-f]{64}  -", digest):
            return Path("file", user, group, mode, digest[:64])
        case ["directory", user, group, mode]:
            return Path("directory", user, group, mode)
        case ["other" | "absent" as kind]:
            return Path(kind)
    raise FactProcessError(f"not the state of a path: {line!r}")


class Entries(FactBase[list[str]]):
    """Return the names in the directory ``path``; none when nothing stands there."""

    def command(self, path: str) -> str:
        place = shlex.quote(path)
        return framed(
            f"if test -d {place}; then ls -A {place} || echo /unreadable; "
            f"elif test -e {place} || test -L {place}; then echo /other; fi"
        )

    def process(self, output: list[str]) -> list[str]:
        names = unframed(output)
        if wrong := [name for name in names if "/" in name]:  # which is in no name
            raise FactProcessError(f"not a directory that can be read: {wrong[0][1:]}")
        return names


class EmptyMount(FactBase[bool]):
    """Return whether ``path`` is a mount point with nothing in it: all that can be removed is gone."""

    def command(self, path: str) -> str:
        place = shlex.quote(path)
        return framed(f'mountpoint -q {place} && test -z "$(ls -A {place})" && echo empty')

    def process(self, output: list[str]) -> bool:
        return unframed(output) == ["empty"]


class Contents(FactBase[dict[str, str | None]]):
    """Return the text of each of ``paths``, None where there is no regular file."""

    def command(self, paths: list[str]) -> str:
        self._paths = paths
        return framed(f"for path in {' '.join(map(shlex.quote, paths))}; do {shown('path')}; done")

    def process(self, output: list[str]) -> dict[str, str | None]:
        return {path: text(line) for path, line in paired(self._paths, unframed(output))}
