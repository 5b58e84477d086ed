"""What systemd knows of a unit, and what the unit has loaded."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, paired, shown, text, unframed

# Where units are put that come from no package.
UNITS = "/etc/systemd/system"
# Where a unit with such a drop-in keeps a copy of the files that it started with.
RECORDS = "/run/elforge"

_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "DropInPaths",
    "ExecStart",
    "MainPID",
)


@dataclass(frozen=True)
class Unit:
    """The state of a unit, in systemd's own words."""

    load: str  # loaded, not-found, masked, ...
    active: str  # active, inactive, failed, activating, ...
    enabled: str  # enabled, disabled, static, masked, "" when there is no file
    stale: bool  # its files changed since systemd read them
    replaced: bool  # the program that runs is no longer the one on disk
    flags: list[str] = field(default_factory=list)  # the arguments of its ExecStart
    dropins: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class UnitState(FactBase[Unit]):
    """Return the state of ``unit``, e.g. ``docker.service``."""

    def command(self, unit: str) -> str:
        name = shlex.quote(unit)
        properties = ",".join(_PROPERTIES)
        return framed(
            f'said=$(systemctl show -p {properties} {name}); echo "$said"; pid=${{said##*MainPID=}}'
            "; echo Exe=$(readlink /proc/${pid%%[!0-9]*}/exe)"
        )

    def process(self, output: list[str]) -> Unit:
        found = dict(line.split("=", 1) for line in unframed(output) if "=" in line)
        try:
            return Unit(
                load=found["LoadState"],
                active=found["ActiveState"],
                enabled=found["UnitFileState"],
                stale=found["NeedDaemonReload"] == "yes",
                replaced=found["Exe"].endswith(" (deleted)"),
                flags=_flags(found.get("ExecStart", "")),
                dropins=found.get("DropInPaths", "").split(),
            )
        except KeyError as error:
            raise FactProcessError(f"systemctl show left out {error}: {output!r}") from error


class Loaded(FactBase[dict[str, str | None]]):
    """
    Return what ``unit`` had in each of ``files`` when it started, None where there was no such file.

    Without a record (the unit started before our drop-in was there) the file on disk counts as loaded
    when it is older than the unit's start; a newer one reads as ``"?"``, which equals nothing.
    """

    def command(self, unit: str, files: list[str]) -> str:
        self._files = files
        record = f"{RECORDS}/{unit}"
        return framed(
            f"record={shlex.quote(record)}"
            f"; since=$(systemctl show -p ActiveEnterTimestamp {shlex.quote(unit)})"
            '; since=$(date +%s -d "${since#*=}" 2>/dev/null || echo 0)'
            f"; for file in {' '.join(map(shlex.quote, files))}; do "
            'copy="$record/${file##*/}"; test -d "$record" || copy="$file"; '
            'if test "$copy" = "$file" && test -f "$file" && test $(stat -c %Z "$file") -ge "$since"; '
            f"then echo newer; else {shown('copy')}; fi; done"
        )

    def process(self, output: list[str]) -> dict[str, str | None]:
        answers = paired(self._files, unframed(output))
        return {file: "?" if line == "newer" else text(line) for file, line in answers}


def _flags(exec_start: str) -> list[str]:
    """Return the arguments in ``{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// ; ... }``."""
    _, found, rest = exec_start.partition("argv[]=")
    return rest.split(" ; ")[0].split()[1:] if found else []
