"""Changes that wait for a new connection to confirm them (operations/sh/guard.sh)."""

from __future__ import annotations

# A guard's file has these endings while its change is neither there for good nor taken back.
_LEFT = ("", ".superseded", ".confirmed", ".failed", ".reverting")


def waits(name: str) -> str:
    """
    Return shell that prints ``pending yes`` while the change of a guard waits, or was left half way.

    ``waits("firewalld")``
    """
    tests = " || ".join(f"test -e /run/elforge/guard.{name}{left}" for left in _LEFT)
    return f"if {tests}; then echo pending yes; fi"
