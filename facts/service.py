"""Applications that run as services: which releases are there, and whether what runs is what is declared."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass, field
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import fields, framed, shown, text, unframed

# /opt/NAME/releases/VERSION/bin/NAME: the policy of SELinux says by itself that it is a program.
ROOT = "/opt"
# Per service, for root alone: what was declared when it last came up, for good and for each release.
STORE = "/var/lib/elforge/service"
ENVIRONMENTS = "/etc/elforge/service"
RECORD = "elforge.record"
# What tells whether a program is as it was when its release was recorded (operations/sh/shelve.sh).
STAMP = "stat -c '%s %Y %a %u'"
# What tells whether all that a manifest has put somewhere is still there (operations/sh/manifest.sh). Of the
# program it takes no less than STAMP does: one that is put in place anew is restarted.
SEAL = (
    "(set -- /dev/null $(sed -n 's/^+ [0-7]* //p' good); "
    'stat -c "%n %a %u %g" "$@"; sha256sum "$@"; '
    f'readlink "$current"; {STAMP} "$current"/bin/*; sha256sum "$current/{RECORD}") 2>/dev/null '
    "| sha256sum | cut -c 1-64"
)


@dataclass(frozen=True)
class Release:
    """A directory below releases."""

    version: str
    origin: str = ""
    whole: bool = False
    proven: int = 0  # when it last came up, seconds since 1970; 0: never
    current: bool = False

    @property
    def ours(self) -> bool:
        """Whether elforge has put it there; one that has come up may have lost its record."""
        return bool(self.origin or self.proven)

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class Releases(FactBase[dict[str, Release]]):
    """Return the releases of the application ``app``, and by ``""`` what a killed run left of one."""

    def command(self, app: str) -> str:
        place, store = shlex.quote(f"{ROOT}/{app}/releases"), shlex.quote(f"{STORE}/{app}")
        program = shlex.quote(f"bin/{app}")
        return framed(
            f"if test -e {place}; then cd {place} || exit 1; now=$(readlink ../current); "
            # What a killed run leaves, and nobody else's hidden directories.
            "for each in .build.* .old.* .incoming *; do "
            'if test -d "$each" && ! test -L "$each"; then '
            f'record="$each/{RECORD}"; echo "$each"; {shown("record")}; '
            f'echo "$({STAMP} "$each"/{program} 2>/dev/null)"; '
            f'echo "$(stat -c %Y {store}/"proven.$each" 2>/dev/null || echo 0)"; '
            'test "$now" = "releases/$each" && echo current || echo other; fi; done; fi'
        )

    def process(self, output: list[str]) -> dict[str, Release]:
        lines = unframed(output)
        if len(lines) % 5:
            raise FactProcessError(f"not a list of releases: {lines[-5:]!r}")
        found = [_release(*lines[at : at + 5]) for at in range(0, len(lines), 5)]
        return {each.version: each for each in found}


def _release(version: str, record: str, stamp: str, proven: str, place: str) -> Release:
    if not proven.isdigit() or place not in ("current", "other") or "/" in version:
        raise FactProcessError(f"not a release: {version!r} {stamp!r} {proven!r} {place!r}")
    if version.startswith("."):
        return Release("")
    said = fields(record)
    return Release(
        version=version,
        origin=said.get("origin", ""),
        whole=bool(stamp) and said.get("stamp") == stamp,
        proven=int(proven),
        current=place == "current",
    )


@dataclass(frozen=True)
class Running:
    """A unit: its states in systemd's words; ``fresh``: its process has our program and environment."""

    load: str
    active: str
    enabled: str
    fresh: bool
    file: str  # where systemd has it from
    stale: bool = False  # its files changed since systemd read them
    dropins: dict[str, str] = field(default_factory=dict)  # path to text, of drop-ins that are not ours


@dataclass(frozen=True)
class Deployed:
    """What a host has of an application."""

    same: bool  # whether what was proven last is the manifest that was asked about
    whole: bool  # whether all that it consists of is still there, and nothing else is half done
    known: bool  # whether anything of it is there at all
    units: dict[str, Running]
    foreign: bool = False  # whether somebody else has a current release there

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class Service(FactBase[Deployed]):
    """
    Return what a host has of the application ``app``, compared with a manifest.

    + app: its name
    + units: those that are to run
    + digest: SHA-256 of the manifest; ``""`` when it is on stdin (base64)

    A manifest that holds secrets is compared on the host: nothing derived from it is in a command, or leaves
    the host. A process tells by a variable in its environment which declaration it was started with.
    """

    def command(self, app: str, units: list[str], digest: str = "") -> str:
        same = f"echo {shlex.quote(f'{digest}  good')} | sha256sum -c --status -" if digest else _SAME
        return _question(app, " ".join(map(shlex.quote, units)), same)

    def process(self, output: list[str]) -> Deployed:
        return _answer(output)


class Proven(FactBase[Deployed]):
    """Return the same as ``Service``, compared with what ``release`` came up with last, and of its units."""

    def command(self, app: str, release: str) -> str:
        manifest = shlex.quote(f"proven.{release}")
        said = "s/^socket //p; s/^unit //p; s/^watcher //p"
        units = f"$(sed -n '{said}' \"$store\"/{manifest} 2>/dev/null)"
        return _question(app, units, f"cmp -s {manifest} good")

    def process(self, output: list[str]) -> Deployed:
        return _answer(output)


def _question(app: str, units: str, same: str) -> str:
    store, current = shlex.quote(f"{STORE}/{app}"), shlex.quote(f"{ROOT}/{app}/current")
    environment = shlex.quote(f"{ENVIRONMENTS}/{app}.env")
    return framed(
        f"store={store}; current={current}; program=bin/{shlex.quote(app)}; "
        f"state=$(sed -n s/^ELFORGE_STATE=//p {environment} 2>/dev/null); "
        'if cd "$store" 2>/dev/null; then '
        # A directory without an answer about it is no answer.
        f"echo known; test -r good && {same} && echo same || echo differs; "
        f'test ! -e tried && test "$( {SEAL})" = "$(cat seal 2>/dev/null)" && echo whole || echo broken; '
        f'elif test -e "$store"; then echo unreadable; '
        'elif test -e "$current" || test -L "$current"; then echo foreign; echo differs; echo broken; '
        f"else echo unknown; echo differs; echo broken; fi; "
        f"for unit in {units}; do {_UNIT}; done"
    )


def _answer(output: list[str]) -> Deployed:
    lines = unframed(output)
    if lines[:1] not in (["known"], ["unknown"], ["foreign"]) or len(lines) < 3:
        raise FactProcessError(f"not the state of a service: {lines[:3]!r}")
    if lines[1] not in ("same", "differs") or lines[2] not in ("whole", "broken"):
        raise FactProcessError(f"not the state of a service: {lines[:3]!r}")
    return Deployed(
        same=lines[1] == "same",
        whole=lines[2] == "whole",
        known=lines[0] == "known",
        units=dict(_running(lines[3:])),
        foreign=lines[0] == "foreign",
    )


_SAME = "base64 -d | cmp -s - good"
_UNIT = (
    'echo "unit $unit"; '
    "said=$(systemctl show "
    '-p LoadState,ActiveState,UnitFileState,NeedDaemonReload,FragmentPath,DropInPaths,MainPID "$unit"); '
    'echo "$said"; pid=${said##*MainPID=}; pid=${pid%%[!0-9]*}; exe=$(readlink "/proc/$pid/exe"); '
    # By the shell itself: in argv the state would be a hint at the secrets that it was reckoned from.
    'if test -n "$state" && test "$exe" = "$(readlink -f "$current")/$program" && '
    'test "$state" = "$(tr "\\000" "\\n" 2>/dev/null < "/proc/$pid/environ" | sed -n s/^ELFORGE_STATE=//p)"; '
    "then echo Fresh=yes; else echo Fresh=no; fi; "
    # The words after it, to the next property.
    "for path in ${said##*DropInPaths=}; do case $path in /*) ;; *) break;; esac; "
    f'echo "dropin $path"; {shown("path")}; done'
)


def _running(lines: list[str]) -> list[tuple[str, Running]]:
    parts: list[list[str]] = []
    for line in lines:
        if line.startswith("unit "):
            parts.append([])
        if not parts:
            raise FactProcessError(f"not the state of a unit: {line!r}")
        parts[-1].append(line)
    return [_unit(part) for part in parts]


def _unit(lines: list[str]) -> tuple[str, Running]:
    said = dict(line.split("=", 1) for line in lines if re.match("[A-Z][A-Za-z]+=", line))
    places = [at for at, line in enumerate(lines) if line.startswith("dropin ")]
    try:
        return lines[0].removeprefix("unit "), Running(
            load=said["LoadState"],
            active=said["ActiveState"],
            enabled=said.get("UnitFileState", ""),
            fresh=said["Fresh"] == "yes",
            file=said.get("FragmentPath", ""),
            stale=said["NeedDaemonReload"] == "yes",
            dropins={lines[at].removeprefix("dropin "): text(lines[at + 1]) or "" for at in places},
        )
    except (KeyError, IndexError) as error:
        raise FactProcessError(f"systemctl show left out {error}: {lines!r}") from error
