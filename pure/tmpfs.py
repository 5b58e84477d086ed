"""Directories in memory: how large they become on a host, and the unit that mounts one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pure.sizes import UNITS, in_bytes, megabytes
from pure.unit import Directive, rendered

# An update of the kernel changes MemTotal by a little: rounded down to this, a share of it mostly stays.
_STEP = 64 * UNITS["M"]
# The largest that an EL kernel has (aarch64 of EL7 and EL8).
_PAGE = 64 * UNITS["K"]
# Of its memory a host keeps this part to itself, whatever it has in tmpfs.
_KEPT = 2


@dataclass(frozen=True)
class Tmpfs:
    """What is declared of one."""

    name: str  # of the cache
    path: str
    owner: str
    mode: str
    size: str  # such as 4G, or a share of the host's memory such as 25%
    cap: str = ""  # of a share
    least: int = 0  # bytes with which it is of any use
    max_size: str = ""  # to which what is in it is cut back

    @property
    def unit(self) -> str:
        """The name that systemd asks for."""
        return mount_unit(self.path)


def mount_unit(path: str) -> str:
    r"""
    Return the name of the unit that mounts a path, as ``systemd-escape --path --suffix=mount`` does.

    ``mount_unit("/srv/go-build")`` returns ``r"srv-go\x2dbuild.mount"``.
    """
    parts = path.strip("/")
    return "".join(_escaped(parts, at) for at in range(len(parts))) + ".mount"


def _escaped(text: str, at: int) -> str:
    letter = text[at]
    if letter == "/":
        return "-"
    if re.fullmatch(r"[A-Za-z0-9:_.]", letter) and not (at == 0 and letter == "."):
        return letter
    return "".join(f"\\x{byte:02x}" for byte in letter.encode())


def in_memory(each: Tmpfs, memory: int) -> int:
    """
    Return the bytes that one may hold.

    + each: what is declared
    + memory: bytes that the host has
    """
    if not each.size.endswith("%"):
        return _in_pages(each.size)
    share = max(_STEP, memory * int(each.size[:-1]) // 100 // _STEP * _STEP)
    return min(share, _in_pages(each.cap)) if each.cap else share


def _in_pages(size: str) -> int:
    """The kernel rounds up what is no multiple of a page, and then has more than was declared."""
    return -(-in_bytes(size) // _PAGE) * _PAGE


def problems(wanted: Iterable[Tmpfs], memory: int) -> list[str]:
    """
    Return a sentence for each reason why a host has too little memory for what is declared.

    + wanted: all that it is to have
    + memory: bytes that it has
    """
    sizes = {each: in_memory(each, memory) for each in wanted}
    lines = []
    for each, size in sizes.items():
        option = f"caches_places.{each.name}"
        if size < each.least:
            lines.append(
                f"{option}.tmpfs: {each.size} of this host's {megabytes(memory)} is {megabytes(size)}, and "
                f"a build needs {megabytes(each.least)} at least: keep this cache on disk here"
            )
        if each.max_size and in_bytes(each.max_size) >= size:
            lines.append(
                f"{option}.max_size: {each.max_size} is not less than its tmpfs, {megabytes(size)} here, "
                "which would be full before anything goes"
            )
    if sum(sizes.values()) > memory // _KEPT:
        lines.append(
            f"caches_places: tmpfs of {megabytes(sum(sizes.values()))} in all are more than half of this "
            f"host's memory, {megabytes(memory)}"
        )
    return lines


def reserve(disk: int) -> int:
    """
    Return the bytes of a disk that stay free when what is in memory is copied to it: XFS has none for root.

    + disk: bytes of it

    ``operations/sh/untmpfs.sh`` keeps the same. It is for directories, too, which cost nothing in memory.
    """
    return max(UNITS["G"], disk // 20)


def text(each: Tmpfs, size: int, owner: tuple[int, int], label: str, systemd: int) -> str:
    """
    Return the unit that mounts one.

    + each: what is declared
    + size: bytes
    + owner: numbers of the user and the group, names mean nothing to the kernel
    + label: SELinux label of its top directory, ``""`` where SELinux is off
    + systemd: the version that is there

    Reading costs no writing in memory: with strictatime it shows what was used lately.
    """
    user, group = owner
    options = f"size={size},mode={each.mode},uid={user},gid={group},nosuid,nodev,strictatime"
    lines = [
        Directive("Unit", "Description", f"The cache {each.name} in memory, put here by elforge"),
        Directive("Mount", "What", "tmpfs"),
        Directive("Mount", "Where", each.path),
        Directive("Mount", "Type", "tmpfs"),
        Directive("Mount", "Options", f"{options},rootcontext={label}" if label else options),
        # Wanted, not required: without it the host boots all the same.
        Directive("Install", "WantedBy", "local-fs.target"),
    ]
    return rendered(lines, systemd, "caches_ options").text
