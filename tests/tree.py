"""What a host's file system holds, to tell whether a run has touched it."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from lab.hosts import Host

# Changes by itself on a running host, or says when something happened rather than what.
RESTLESS = (
    "/var/log",
    "/var/cache",
    "/var/tmp",
    "/var/lib/dnf",
    "/var/lib/yum",
    "/var/lib/rpm",
    "/var/lib/systemd",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/elforge/backup",
    "/var/spool",
    "/etc/ld.so.cache",
)


BIG = 256 * 1024
# What overlayfs writes on a renamed directory (redirect_dir in the kernel's filesystems/overlayfs.rst).
_REDIRECT = "trusted.overlay.redirect"


def tree(host: Host, *places: str) -> dict[str, str]:
    """
    Return type, mode, owner and content of everything below ``places`` (/etc, /usr and /var by default).

    It is read from this machine through the host's PID 1, so that the host itself has no part in it.
    """
    root = Path(f"/proc/{host.pid}/root")
    found = {}
    for place in places or ("/etc", "/usr", "/var"):
        for folder, folders, files in os.walk(root / place[1:]):
            path = "/" + os.path.relpath(folder, root)
            folders[:] = [name for name in folders if f"{path}/{name}" not in RESTLESS]
            for name in [*folders, *files]:
                found[f"{path}/{name}"] = entry(os.path.join(folder, name))
    return found


def entry(path: str) -> str:
    """Return type, owner, mode and content of one path."""
    state = os.lstat(path)
    owner = f"{state.st_uid}:{state.st_gid}"
    if stat.S_ISLNK(state.st_mode):
        return f"link {owner} {os.readlink(path)}"
    if not stat.S_ISREG(state.st_mode):
        return f"{stat.S_IFMT(state.st_mode):o} {stat.S_IMODE(state.st_mode):o} {owner}"
    # Big files are programs out of packages: their size tells one version from another.
    content = str(state.st_size)
    if state.st_size < BIG:
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return f"file {stat.S_IMODE(state.st_mode):o} {owner} {content}"


def difference(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Return what is not the same in two trees: path to (before, after)."""
    return {
        path: (before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    }


def written(host: Host) -> dict[str, str]:
    """Return all that differs from the snapshot: every write lands in the upper layer of the host's disk."""
    disk = host.disk()
    below = [*(str(host.folder / "layers" / name) for name in disk.layers), *disk.image]
    upper = str(host.folder / "upper")
    found = {}
    for folder, folders, files in os.walk(upper):
        path = folder.removeprefix(upper)
        # Python's own cache is nobody's change.
        folders[:] = [n for n in folders if f"{path}/{n}" not in RESTLESS and n != "__pycache__"]
        for name in [*folders, *files]:
            state = entry(f"{folder}/{name}") + _renamed(f"{folder}/{name}")
            if state != _first(below, f"{path}/{name}"):
                found[f"{path}/{name}"] = state
    return found


def _renamed(path: str) -> str:
    """Return where a directory's content lies in the layers below, for one that was renamed."""
    with suppress(OSError):
        return f" renamed from {os.fsdecode(os.getxattr(path, _REDIRECT, follow_symlinks=False))}"
    return ""


def _first(layers: list[str], path: str) -> str | None:
    return next((entry(layer + path) for layer in layers if os.path.lexists(layer + path)), None)
