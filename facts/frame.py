"""How a fact asks a host: one line of shell, its answer between two marks."""

from __future__ import annotations

import base64
from itertools import accumulate

from pyinfra.api.exceptions import FactProcessError

BEGIN, END = "@@elforge", "@@end"


def framed(script: str, *, dear: bool = False) -> str:
    """
    Return ``script`` (one line of POSIX shell) with its output marked and in the C locale.

    + dear: asked only where a change is due, and no question that the connector asks along (its lessons.py)

    What a login shell prints before the first mark is not part of the answer, and an answer
    without the second mark was cut short: pyinfra drops the rest of a stream at the first byte
    that is not UTF-8 and still reports success (3.10.0, connectors/util.py ``read_buffer``).
    """
    return f"{': dear; ' if dear else ''}export LC_ALL=C; echo {BEGIN}; {script}; echo {END}"


def unframed(output: list[str]) -> list[str]:
    """Return the lines between the marks; raise FactProcessError when one is missing."""
    if BEGIN not in output or output[-1] != END:
        raise FactProcessError(
            f"the answer was cut short: {output[-3:]!r}; does the login print something that is not UTF-8 "
            "(see ~/.bashrc and /etc/profile.d), or exit?"
        )
    return output[output.index(BEGIN) + 1 : -1]


def shown(file: str) -> str:
    """Return the shell that prints one line with the content of ``$<file>``, for ``text`` to read.

    It travels as base64: any bytes arrive whole, and no file's text shows up in pyinfra's output.
    """
    return (
        f'if test -f "${file}"; then if shown=$(base64 -w 0 "${file}"); then echo "text $shown"; '
        f"else echo unreadable; fi; else echo absent; fi"
    )


def shown_all() -> str:
    """
    Return the shell that prints three lines with the names and contents of the files ``"$@"``, for ``texts``.

    As many processes as ``shown`` takes for five of them.
    """
    return (
        """if test $# -gt 0; then printf '%s\\0' "$@" | base64 -w 0; echo; echo $(stat -L -c %s "$@"); """
        'cat "$@" | base64 -w 0; echo; else echo; echo; echo; fi'
    )


def texts(names: str, sizes: str, contents: str) -> dict[str, str]:
    """Return the content of each file that ``shown_all`` printed; raise FactProcessError on a mismatch."""
    try:
        paths = base64.b64decode(names, validate=True).decode(errors="surrogateescape").split("\0")[:-1]
        lengths = [int(size) for size in sizes.split()]
        content = base64.b64decode(contents, validate=True)
    except ValueError as error:
        raise FactProcessError(f"not the contents of files: {error}") from error
    if len(lengths) != len(paths) or sum(lengths) != len(content):
        raise FactProcessError(f"a file cannot be read, or has changed meanwhile: one of {paths}")
    ends = list(accumulate(lengths))
    return {
        path: content[end - length : end].decode(errors="surrogateescape")
        for path, length, end in zip(paths, lengths, ends, strict=True)
    }


def text(line: str) -> str | None:
    """Return the content that ``shown`` printed, None for a file that is not there."""
    if line == "absent":
        return None
    word, _, encoded = line.partition(" ")
    try:
        content = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise FactProcessError(f"not the content of a file: {error}") from error
    if word != "text":
        raise FactProcessError(f"not the content of a file: {line!r}")
    return content.decode(errors="surrogateescape")


def fields(line: str) -> dict[str, str]:
    """Return the lines ``key value`` of the file that ``shown`` printed, none where there is no file."""
    return dict(each.split(" ", 1) for each in (text(line) or "").splitlines() if " " in each)


def paired(asked: list[str], lines: list[str]) -> list[tuple[str, str]]:
    """Return each thing asked for with its line of the answer; raise FactProcessError on a mismatch."""
    if len(lines) != len(asked):
        raise FactProcessError(f"asked for {asked[:5]!r}, got {len(lines)} lines: {lines[:5]!r}")
    return list(zip(asked, lines, strict=True))
