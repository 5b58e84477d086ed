"""Caches: what is at their paths, how much memory there is, and the units that elforge has made for them."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, paired, shown, text, unframed
from facts.unit import UNITS

HEAD = "# Written by elforge from caches_ options"
# As systemd tells (fstype_is_network in its mountpoint-util.c): such a mount comes after local-fs.target.
_NETWORK = (
    r" (fuse\.)?(afs|ceph|cifs|smb3|smbfs|sshfs|nfs4?|gfs2?|glusterfs|ocfs2|lustre|davfs) |[ ,]_netdev(,|$)"
)


@dataclass(frozen=True)
class Place:
    """What is at a path."""

    user: int | None  # the owner's number, None: there is no such user
    group: int | None
    type: str  # of the file system that is mounted there, "" for a directory like any other
    size: int  # of that file system, bytes
    used: int
    empty: bool
    disk: int  # device number of the one that holds the directory above it
    total: int  # bytes of that disk
    free: int  # of those, as they are without half a copy that a killed run has left
    network: bool  # whether that disk is there only after the network is
    writable: bool  # what is mounted there
    copy: str  # of its tmpfs, that a killed run has left on that disk: "", "part" or "whole"
    label: str  # that the SELinux policy has for it, "" where it has none or SELinux is off


@dataclass(frozen=True)
class CacheHost:
    """What a host has for caches."""

    memory: int  # bytes
    places: dict[str, Place]

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class Caches(FactBase[CacheHost]):
    """Return what is at each of ``paths``, which are to belong to the users ``owners``."""

    def command(self, paths: list[str], owners: list[str]) -> str:
        self._paths = paths
        words = " ".join(shlex.quote(word) for pair in zip(paths, owners, strict=True) for word in pair)
        return framed(
            "awk '$1 == \"MemTotal:\" { print $2 }' /proc/meminfo"
            f"; set -- {words}; while test $# -gt 0; do "
            'path=$1; user=$(id -u -- "$2" 2>/dev/null || echo -); '
            'group=$(id -g -- "$2" 2>/dev/null || echo -); shift 2; '
            'if mountpoint -q "$path"; then mount=$(stat -f -c "%T %b %f %S" "$path"); '
            'else mount="- 0 0 0"; fi; access=rw; '
            'if findmnt -n -o OPTIONS "$path" | grep -q -w ro; then access=ro; fi; '
            "near=${path%/*}/.${path##*/}.elforge; copy=-; part=0; "
            'if test -e "$near-new"; then copy=part; part=$(du -skx "$near-new" | cut -f 1); fi; '
            'if test -e "$near-whole"; then copy=whole; fi; '
            'if test -n "$(ls -A "$path" 2>/dev/null)"; then content=full; else content=empty; fi; '
            'above=$(dirname -- "$path"); until test -d "$above"; do above=$(dirname -- "$above"); done; '
            'label=-; if selinuxenabled 2>/dev/null; then label=$(matchpathcon -n "$path"); fi; '
            'disk=local; if findmnt -n -o TARGET,FSTYPE,OPTIONS -T "$above" | awk \'$1 != "/"\' | '
            f"grep -q -E '{_NETWORK}'; then disk=network; fi; "
            'disk="$disk $(stat -c %d "$above") $(stat -f -c "%b %a %S" "$above") $part"; '
            "echo $user $group $mount $content $disk $access $copy $label; done"
        )

    def process(self, output: list[str]) -> CacheHost:
        try:
            memory, *lines = unframed(output)
            return CacheHost(
                int(memory) * 1024, {path: _place(line) for path, line in paired(self._paths, lines)}
            )
        except ValueError as error:
            raise FactProcessError(
                f"cannot tell what the host has for caches: {error}: {output!r}"
            ) from error


def _place(line: str) -> Place:
    user, group, kind, total, free, block, content, where, *disk, access, copy, label = line.split(" ")
    device, whole, left, size, part = map(int, disk)
    return Place(
        user=None if user == "-" else int(user),
        group=None if group == "-" else int(group),
        type="" if kind == "-" else kind,
        size=int(total) * int(block),
        used=(int(total) - int(free)) * int(block),
        empty={"empty": True, "full": False}[content],
        disk=device,
        total=whole * size,
        free=left * size + part * 1024,
        network={"local": False, "network": True}[where],
        writable={"rw": True, "ro": False}[access],
        copy={"-": "", "part": "part", "whole": "whole"}[copy],
        # The policy may have none for a path, such as /mnt/ssd/build: <<none>>.
        label=label if label.count(":") >= 3 else "",
    )


class CacheUnits(FactBase[dict[str, str]]):
    """Return the name and the text of each unit that elforge has made for a cache."""

    def command(self) -> str:
        names = f"$(cd {UNITS} && grep -ls {shlex.quote(f'^{HEAD}')} *.mount *.timer *.service)"
        return framed(
            f"for unit in {names}; do printf '%s\\n' \"$unit\"; file={UNITS}/$unit; {shown('file')}; done"
        )

    def process(self, output: list[str]) -> dict[str, str]:
        lines = unframed(output)
        if len(lines) % 2:
            raise FactProcessError(f"not a list of units: {lines[-2:]!r}")
        return {unit: text(line) or "" for unit, line in zip(lines[::2], lines[1::2], strict=True)}
