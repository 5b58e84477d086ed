"""Which Go toolchains of ours a host has, without starting any of them."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import fields, framed, shown, unframed

RECORD = "elforge.record"
# What a toolchain is told by without reading its 250 MB: names, sizes and times of its programs and of what
# lies on top of its sources, and where its settings come from.
SEAL = (
    "(stat -c '%n %s %Y' VERSION bin/* pkg/include/* pkg/tool/*/* src/*; readlink go.env) 2>/dev/null "
    "| sha256sum | cut -c 1-64"
)
_NAME = re.compile(r"\.(build|old)\..*|\.incoming|go1\..*")


@dataclass(frozen=True)
class Toolchain:
    """
    A directory that may be an earlier run's; ``whole`` when its record was written and still fits.

    Without a version it is somebody else's, or what a killed run left behind: those begin with a dot.
    """

    name: str
    version: str = ""
    whole: bool = False
    manifest: str = ""  # SHA-256 of the list of its files' SHA-256
    packed: bool = False  # whether its archive for other hosts is there
    cgo: bool = True  # False where it was proven without a cgo program

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class Toolchains(FactBase[dict[str, Toolchain]]):
    """Return the toolchains below ``root``, and what a killed run left there, by the directory's name."""

    def command(self, root: str) -> str:
        place = shlex.quote(root)
        return framed(
            # What cannot be entered ends the answer, and so is not taken for empty.
            f"if test -e {place}; then cd {place} || exit 1; "
            "for place in go1.* .build.* .old.* .incoming; do "
            'if test -d "$place" && ! test -L "$place"; then '
            f'record="$place/{RECORD}"; pack="$place.tar.gz"; '
            f'echo "$place"; {shown("record")}; (cd "$place" && {SEAL}); '
            'test -f "$pack" && test -s "$pack.sha256" && echo packed || echo bare; fi; done; fi'
        )

    def process(self, output: list[str]) -> dict[str, Toolchain]:
        lines = unframed(output)
        if len(lines) % 4:
            raise FactProcessError(f"not a list of toolchains: {lines[-4:]!r}")
        found = [_toolchain(*lines[at : at + 4]) for at in range(0, len(lines), 4)]
        return {each.name: each for each in found}


def _toolchain(name: str, record: str, seal: str, pack: str) -> Toolchain:
    said = fields(record)
    if not _NAME.fullmatch(name) or pack not in ("packed", "bare") or len(seal) != 64:
        raise FactProcessError(f"not a toolchain: {name!r} {seal!r} {pack!r}")
    if name.startswith("."):
        return Toolchain(name)
    return Toolchain(
        name=name,
        version=said.get("version", ""),
        whole=bool(said.get("manifest")) and said.get("seal") == seal,
        manifest=said.get("manifest", ""),
        packed=pack == "packed",
        # An older elforge's record does not say it, and counts as tried.
        cgo=said.get("cgo") != "0",
    )
