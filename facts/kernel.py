"""What the kernel has: modules and settings."""

from __future__ import annotations

import shlex

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, paired, unframed

_STATES = ("loaded", "available", "absent")


class Modules(FactBase[dict[str, str]]):
    """Return for each of ``names`` whether it is loaded (or built in), available or absent."""

    def command(self, names: list[str]) -> str:
        self._names = names
        return framed(
            f"for name in {' '.join(map(shlex.quote, names))}; do "
            "if test -e /sys/module/$name; then echo loaded; else "
            "case $(modprobe -n --show-depends $name 2>/dev/null) in "
            '"builtin "*) echo loaded;; "") echo absent;; *) echo available;; esac; fi; done'
        )

    def process(self, output: list[str]) -> dict[str, str]:
        found = dict(paired(self._names, unframed(output)))
        if wrong := [state for state in found.values() if state not in _STATES]:
            raise FactProcessError(f"not the state of a module: {wrong[0]!r}")
        return found


class Sysctl(FactBase[dict[str, str | None]]):
    """Return the value of each of ``keys``, its words one space apart; None where the kernel has no such."""

    def command(self, keys: list[str]) -> str:
        self._keys = keys
        paths = " ".join(shlex.quote("/proc/sys/" + key.replace(".", "/")) for key in keys)
        return framed(
            f"set -f; for file in {paths}; do if ! test -e $file; then echo absent; "
            'elif value=$(cat $file); then echo "value" $(echo "$value" | tr "\\t\\n" "  "); '
            "else echo unreadable; fi; done"
        )

    def process(self, output: list[str]) -> dict[str, str | None]:
        return {key: _value(key, line) for key, line in paired(self._keys, unframed(output))}


def _value(key: str, line: str) -> str | None:
    if line == "absent":
        return None
    word, _, value = line.partition(" ")
    if word != "value":
        raise FactProcessError(f"{key} has no value that can be read: {line!r}")
    return value
