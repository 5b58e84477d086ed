"""The repository files of yum and dnf."""

from __future__ import annotations

from pyinfra.api import FactBase

from facts.frame import framed, paired, shown, text, unframed


class RepositoryFiles(FactBase[dict[str, str]]):
    """Return path and content of every file that yum and dnf read repositories from."""

    def command(self) -> str:
        return framed(
            "for path in /etc/yum.repos.d/*.repo; do "
            """if test -f "$path"; then echo "text $(printf %s "$path" | base64 -w 0)"; """
            f"{shown('path')}; fi; done"
        )

    def process(self, output: list[str]) -> dict[str, str]:
        lines = unframed(output)
        return {text(path) or "": text(line) or "" for path, line in paired(lines[::2], lines[1::2])}
