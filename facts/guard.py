"""Changes that wait for a new connection to confirm them (operations/sh/guard.sh)."""

from __future__ import annotations

# What a change is made from; there is none before it, nor after it.
_STAGE = "/var/lib/elforge/guard"
# A guard's file has these endings while its change is neither there for good nor taken back.
_LEFT = ("", ".superseded", ".confirmed", ".failed", ".reverting")


def waits(name: str) -> str:
    """
    Return shell that prints ``pending yes`` while the change of a guard waits, or was left half way.

    ``waits("firewalld")``
    """
    places = [*(f"/run/elforge/guard.{name}{left}" for left in _LEFT), f"{_STAGE}/{name}"]
    return f"if {' || '.join(f'test -e {place}' for place in places)}; then echo pending yes; fi"
