"""The repository files of yum and dnf."""

from __future__ import annotations

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, shown_all, texts, unframed


class RepositoryFiles(FactBase[dict[str, str]]):
    """Return path and content of every file that yum and dnf read repositories from."""

    def command(self) -> str:
        return framed(
            "set --; for path in /etc/yum.repos.d/*.repo; do "
            f'test ! -f "$path" || set -- "$@" "$path"; done; {shown_all()}'
        )

    def process(self, output: list[str]) -> dict[str, str]:
        lines = unframed(output)
        if len(lines) != 3:
            raise FactProcessError(f"not the contents of files: {lines[:5]!r}")
        return texts(*lines)
