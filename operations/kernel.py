"""Modules and settings of the kernel: now, and at every boot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra import host

from facts.kernel import Modules, Sysctl
from operations import files
from operations.script import Commands, operation, refuse, script, snippet, unreadable, warn

MODULES = "/etc/modules-load.d/elforge.conf"
# Letters sort after digits: this comes after 99-sysctl.conf, which is /etc/sysctl.conf.
SYSCTL = "/etc/sysctl.d/elforge.conf"
_HEAD = "# Written by elforge from kernel_ options: edits are overwritten.\n"
# What pam_limits can set no limit beyond: who has such a one is let in no more.
NR_OPEN = "fs.nr_open"
_MODULE_OF = {"net.bridge.": "br_netfilter", "net.netfilter.nf_conntrack_": "nf_conntrack"}


def comes_with(key: str) -> str:
    """
    Return the module that a setting comes with, ``""`` for one that is always there.

    ``comes_with("net.bridge.bridge-nf-call-iptables")`` returns ``"br_netfilter"``.
    """
    return next((module for prefix, module in _MODULE_OF.items() if key.startswith(prefix)), "")


@operation
def modules(names: Sequence[str], *, optional: Sequence[str] = ()) -> Commands:
    """
    Load modules now and at boot; those that are loaded and no longer named stay until then.

    The kernel's settings that come with a module are as ``sysctl`` has written them down, once it is loaded.

    + names: which ones; one that the kernel does not have is refused
    + optional: more of them, those that the kernel does not have are left out

    **Example:**

    .. code:: python

        kernel.modules(name="Load modules", names=["overlay"], optional=["nf_tables"])
    """
    found = _modules([*names, *optional])
    if missing := [name for name in names if found[name] == "absent"]:
        refuse(f"kernel_modules: this kernel has no {', '.join(missing)} (modprobe -n {missing[0]})")
    if missing := [name for name in optional if found[name] == "absent"]:
        warn(f"kernel_profiles: this kernel has no module {', '.join(missing)}: left out")
    here = [name for name, state in found.items() if state != "absent"]
    text = "".join([_HEAD, *(f"{name}\n" for name in here)])
    unloaded = [name for name in here if found[name] != "loaded"]
    loads = snippet("modprobe", SYSCTL, *unloaded) if unloaded else ""
    writes = list(_written(MODULES, text, bool(here), loads))
    if writes:
        yield from writes
    elif unloaded:
        yield script("modprobe", SYSCTL, *unloaded)
    else:
        host.noop(f"{', '.join(here)} already loaded" if here else "no module is declared")


@operation
def sysctl(values: Mapping[str, str], *, optional: Sequence[str] = ()) -> Commands:
    """
    Give the kernel settings, now and at boot, all or none; each is read back.

    What a setting was before one is no longer named comes back with the next boot.

    + values: by name, their words one space apart; a setting that the kernel does not have is refused
    + optional: names of those that are left out instead; of these more is as good, and what the kernel has
        beyond a value stays

    **Example:**

    .. code:: python

        kernel.sysctl(name="Allow many watches", values={"fs.inotify.max_user_watches": "524288"})
    """
    found = host.get_fact(Sysctl, keys=list(values)) if values else {}
    if found is None:
        unreadable("the kernel's settings")
    has = _modules([module for key in values if found[key] is None and (module := comes_with(key))])
    # Those of a module that is yet to be loaded are declared by then, see ``modules``.
    coming = [
        key for key, value in found.items() if value is None and has.get(comes_with(key)) == "available"
    ]
    missing = [key for key, value in found.items() if value is None and key not in coming]
    if wrong := [key for key in missing if key not in optional]:
        refuse(f"kernel_sysctl: this kernel has no {', '.join(wrong)}")
    if missing:
        warn(f"kernel_profiles: this kernel has no setting {', '.join(missing)}: left out")
    wanted = {
        key: _most(value, found[key]) if key in optional else value
        for key, value in values.items()
        if key not in missing
    }
    text = "".join([_HEAD, *(f"{key} = {value}\n" for key, value in wanted.items())])
    writes = list(_written(SYSCTL, text, bool(wanted), snippet("sysctl")))
    if writes:
        yield from writes
    elif any(found[key] != value for key, value in wanted.items() if key not in coming):
        yield script("sysctl", SYSCTL)
    else:
        host.noop("the kernel's settings are already as declared" if wanted else "no setting is declared")


@operation
def limits(path: str, content: str | None, *, nofile: int = 0) -> Commands:
    """
    Write or remove limits of logins; they count from the next one on.

    + path: of the file, below /etc/security/limits.d
    + content: its text; None removes it
    + nofile: the highest number of open files in it, which the kernel has to allow; 0 asks nothing: there is
        none, or an earlier operation sets what it allows

    **Example:**

    .. code:: python

        kernel.limits(name="Limit files", path=LIMITS, content="@ci - nofile 4096\\n", nofile=4096)
    """
    if nofile:
        found = host.get_fact(Sysctl, keys=[NR_OPEN])
        most = (found or {}).get(NR_OPEN) or unreadable(NR_OPEN)
        if nofile > int(most):
            refuse(
                f"kernel_limits: nofile {nofile} is more than this kernel's {NR_OPEN}, {most}: "
                "pam_limits would let nobody in"
            )
    yield from _written(path, content or "", content is not None, "")


def _most(value: str, found: str | None) -> str:
    """The kernel's own defaults grow with its version and the memory."""
    return max(value, found, key=int) if found and value.isdecimal() and found.isdecimal() else value


def _modules(names: list[str]) -> dict[str, str]:
    asked = list(dict.fromkeys(names))
    found: dict[str, str] | None = host.get_fact(Modules, names=asked) if asked else {}
    return unreadable("the kernel's modules") if found is None else found


def _written(path: str, text: str, present: bool, validate: str) -> Commands:
    """The kernel takes what a file says before it is in place: what it refuses is not for the next boot."""
    if present:
        yield from files.put._inner(path=path, content=text, validate=validate)
    else:
        yield from files.absent._inner(path=path)
