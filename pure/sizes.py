"""Sizes and times as systemd takes them, in every version of it."""

from __future__ import annotations

from typing import Annotated

from pure.daemon_options import grammar

UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

Size = Annotated[str, grammar(r"[1-9]\d{0,8}[KMG]", "a size such as 512M or 2G")]
# Not m, which is a minute to systemd, and M a month.
Span = Annotated[str, grammar(r"[1-9]\d{0,8}(s|min|h|d|w)", "a time such as 30min, 12h, 7d or 4w")]


def in_bytes(size: str) -> int:
    """
    Return a Size in bytes.

    ``in_bytes("2M")`` returns 2097152.
    """
    return int(size[:-1]) * UNITS[size[-1]]


def megabytes(size: int) -> str:
    """
    Return bytes as people read them, rounded down.

    ``megabytes(2097152)`` returns ``"2M"``.
    """
    return f"{size // UNITS['M']}M"


def in_seconds(span: str) -> int:
    """
    Return a Span in seconds.

    ``in_seconds("7d")`` returns 604800.
    """
    number = span.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(number) * _SECONDS[span.removeprefix(number)]
