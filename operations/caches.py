"""Caches: in memory or on disk, without a loss when that changes, and within their limits."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from pyinfra import host

from facts.caches import HEAD, CacheHost, Caches, CacheUnits, Place
from facts.files import Contents
from facts.unit import UNITS, Unit, UnitState
from operations import files, unit
from operations.script import Commands, operation, refuse, script, unreadable, warn
from pure import tmpfs as memory
from pure.sizes import megabytes
from pure.tmpfs import Tmpfs

# Units read it with /bin/sh: whether SELinux takes it for a program does not matter.
PROGRAM = "/usr/local/libexec/elforge/cache"


@operation
def undeclared(units: Collection[str]) -> Commands:
    """
    Remove the units of caches that are declared no longer; what is in a tmpfs is on the disk beneath it then.

    + units: names of those that are

    **Example:**

    .. code:: python

        caches.undeclared(name="Remove caches of before", units=["elforge-cache-go.timer"])
    """
    found: dict[str, str] | None = host.get_fact(CacheUnits)
    if found is None:
        unreadable("the units of caches")
    gone = {name: text for name, text in found.items() if name not in units}
    mounts = {name: _where(name, text) for name, text in gone.items() if name.endswith(".mount")}
    _have_room(mounts)
    # First what may be refused since it is in use; what starts a unit goes before that one.
    for name, path in mounts.items():
        yield script("untmpfs", name, path, *_at_work(found, path), seconds=3600)
    for name in sorted(gone.keys() - mounts.keys(), key=lambda each: each.endswith(".service")):
        yield script("service", name, *(["disable"] if name.endswith(".timer") else []), "stop")
        yield from files.absent._inner(path=f"{UNITS}/{name}", after=_forget(name))
    if not gone:
        host.noop("all units of caches are declared")


@operation
def mounted(wanted: Sequence[Tmpfs], systemd: int) -> Commands:
    """
    Mount tmpfs, now and at boot; another size is given to what is mounted, with all that is in it.

    What is in the directory before stays beneath.

    + wanted: all that the host is to have
    + systemd: the version that is there

    **Example:**

    .. code:: python

        caches.mounted(name="Mount caches in memory", wanted=[Tmpfs("go", "/srv/go", "ci", "700", "4G")])
    """
    found = _places([each.path for each in wanted], [each.owner for each in wanted])
    if lines := memory.problems(wanted, found.memory):
        refuse("; ".join(lines))
    done = True
    for each in wanted:
        for command in _mounted(each, found.places[each.path], found.memory, systemd):
            done = False
            yield command
    if done:
        host.noop("all tmpfs are already mounted as declared")


@operation
def limited(stem: str, service: str, timer: str) -> Commands:
    """
    Have a timer keep a cache within its limits.

    + stem: name of its two units, without the suffix
    + service: text of the one that does it
    + timer: text of the one that starts it

    **Example:**

    .. code:: python

        caches.limited(name="Limit go", stem="elforge-cache-go", service=SERVICE, timer=TIMER)
    """
    for suffix, text in (("service", service), ("timer", timer)):
        yield from files.put._inner(
            path=f"{UNITS}/{stem}.{suffix}", content=text, after="systemctl daemon-reload"
        )
    # Never started from here, but systemd may not have read it: a run was killed before it did.
    yield from unit.service._inner(unit=f"{stem}.service", running=None, enabled=None)
    yield from unit.service._inner(unit=f"{stem}.timer")


def _mounted(each: Tmpfs, place: Place, ram: int, systemd: int) -> Commands:
    size = memory.in_memory(each, ram)
    if place.user is None or place.group is None:
        refuse(f"no such user: {each.owner}; create it before a cache can be its own")
    text = memory.text(each, size, (place.user, place.group), place.label, systemd)
    path, there = f"{UNITS}/{each.unit}", place.type == "tmpfs"
    if why := _in_the_way(each, place, path, size):
        refuse(why)
    if not there and (not place.empty or place.copy == "whole"):
        warn(
            f"caches_places.{each.name}: what is in {each.path} stays there, out of sight beneath the tmpfs, "
            "until the tmpfs goes"
        )
    # What the kernel refuses is not for the next boot.
    remount = f"mount -o remount,strictatime,size={size} {each.path}" if there else ""
    yield from files.put._inner(path=path, content=text, validate=remount)
    found: Unit = host.get_fact(UnitState, unit=each.unit) or unreadable(f"the state of {each.unit}")
    halfway = not place.writable or place.copy
    if not there or halfway or place.size != size or found.stale or found.enabled != "enabled":
        yield script("tmpfs", each.unit, each.path, str(size))


def _in_the_way(each: Tmpfs, place: Place, unit_file: str, size: int) -> str:
    found = host.get_fact(Contents, paths=[unit_file])
    ours = found[unit_file] if found else unreadable(unit_file)
    if ours is not None and not ours.startswith(HEAD):
        return f"{unit_file} is not elforge's: move it away if it may go"
    if place.type and (place.type != "tmpfs" or ours is None):
        return f"{each.path} has a file system ({place.type}) mounted that is not elforge's: unmount it first"
    if place.network:
        return (
            f"caches_places.{each.name}.path: {each.path} is on a disk that needs the network, and a "
            "tmpfs is mounted before that is there: choose a path on a local disk"
        )
    if place.type and size < place.used:
        used = -(-place.used // 2**20)
        return f"caches_places.{each.name}.tmpfs: {size // 2**20}M is less than what is in it, {used}M"
    return ""


def _forget(name: str) -> str:
    """A unit that has failed stays when its file goes."""
    return f"systemctl daemon-reload; systemctl reset-failed {name} 2>/dev/null || :"


def _at_work(units: dict[str, str], path: str) -> list[str]:
    """Return the service that cuts a cache back: while it does, the cache cannot be unmounted."""
    return [name for name, text in units.items() if name.endswith(".service") and f" {path} " in text]


def _have_room(mounts: dict[str, str]) -> None:
    """Refuse where what is in a tmpfs does not fit on the disk beneath it."""
    if not mounts:
        return
    places = _places(list(mounts.values()), ["root"] * len(mounts)).places
    coming = {
        path: place for path, place in places.items() if place.type == "tmpfs" and place.copy != "whole"
    }
    for path, place in coming.items():
        used = sum(each.used for each in coming.values() if each.disk == place.disk)
        if used + memory.reserve(place.total) > place.free:
            refuse(
                f"{path} would be on disk, where {megabytes(place.free)} are free for the "
                f"{megabytes(used)} in tmpfs and {megabytes(memory.reserve(place.total))} that stay free: "
                "make room, or empty it"
            )


def _places(paths: list[str], owners: list[str]) -> CacheHost:
    return host.get_fact(Caches, paths=paths, owners=owners) or unreadable("what the host has for caches")


def _where(name: str, text: str) -> str:
    found = re.search(r"^Where=(/.+)$", text, re.MULTILINE)
    return found[1] if found else refuse(f"{UNITS}/{name} does not say where it mounts: it was edited")
