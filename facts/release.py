"""What a host is, and whether we could work on it at all."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, unframed

# Every directory tree that a deploy writes to.
WRITTEN = ("/etc", "/usr", "/var")
# What every command of ours holds while it works (operations/sh/common.sh).
LOCK = "/run/elforge/lock"
# The last command of a run that was killed may still be at it, half-way through a transaction.
_AS_ROOT = (
    f"if test -e {LOCK}; then flock -s -w 600 {LOCK} true || echo BUSY={LOCK}; fi"
    f"; for tree in {' '.join(WRITTEN)}; do test -w $tree || echo READONLY=$tree; done"
)


@dataclass(frozen=True)
class Machine:
    """What one exec tells about a host."""

    id: str  # ID of os-release: centos, rocky, almalinux, rhel, ol
    version: str  # VERSION_ID
    name: str  # PRETTY_NAME
    stream: bool  # CentOS Stream; its ID and VERSION_ID equal CentOS Linux 8's
    arch: str
    cgroup: int  # 1 or 2
    systemd: int  # 0 where there is none
    shell: str  # login shell of the SSH user
    root: str  # "" when commands can run as root without a question, else what sudo said
    readonly: tuple[str, ...]  # those of WRITTEN that cannot be written
    busy: str = ""  # the lock that another command of ours has held for 10 minutes

    @property
    def major(self) -> int:
        """The major release, 0 when VERSION_ID is not a number."""
        head = self.version.split(".")[0]
        return int(head) if head.isdigit() else 0

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact release.ElRelease`` print it."""
        return asdict(self)


class ElRelease(FactBase[Machine]):
    """
    Return the Machine; asked without sudo, so that it can say what is wrong with sudo.

    cgroup v2 is known by its file system, never by the release (EL8 can be switched to it).
    """

    def command(self) -> str:
        return framed(
            "cat /etc/os-release 2>/dev/null"
            "; echo ARCH=$(uname -m)"
            "; echo CGROUP=$(stat -fc %T /sys/fs/cgroup 2>/dev/null)"
            "; echo SYSTEMD=$(systemctl --version 2>/dev/null | head -n 1)"
            "; echo SHELL=$SHELL"
            "; if test $(id -u) = 0; then sudo=; else sudo='sudo -n'; fi"
            "; echo ROOT=$($sudo true 2>&1 && echo ok)"
            # Each sudo takes 10 ms.
            f"; $sudo sh -c {shlex.quote(_AS_ROOT)}"
        )

    def process(self, output: list[str]) -> Machine:
        pairs = [line.split("=", 1) for line in unframed(output) if "=" in line]
        fields = {key: value.strip("\"'") for key, value in pairs}
        root = fields.get("ROOT", "")
        try:
            return Machine(
                id=fields.get("ID", "unknown"),
                version=fields.get("VERSION_ID", ""),
                name=fields.get("PRETTY_NAME", "an unknown system"),
                stream="Stream" in fields.get("NAME", ""),
                arch=fields["ARCH"],
                cgroup=2 if fields["CGROUP"] == "cgroup2fs" else 1,
                systemd=int(fields["SYSTEMD"].removeprefix("systemd ").split(" ")[0] or 0),
                shell=fields["SHELL"],
                root="" if root.endswith("ok") else root,
                busy=fields.get("BUSY", ""),
                readonly=tuple(value for key, value in pairs if key == "READONLY"),
            )
        except (KeyError, ValueError) as error:
            raise FactProcessError(f"cannot tell what this host is: {error!r} in {output!r}") from error


class Instance(FactBase[str]):
    """
    Return what no two running hosts have alike, or ``""`` where that cannot be read.

    Clones share a machine-id; containers share a boot_id (random(4)) and no process namespace
    (pid_namespaces(7)). ElRelease, by whose answer hosts know their kin, cannot say it (docs/connector.md).
    """

    def command(self) -> str:
        return framed("cat /proc/sys/kernel/random/boot_id && readlink /proc/self/ns/pid")

    def process(self, output: list[str]) -> str:
        lines = unframed(output)
        return " ".join(lines) if len(lines) == 2 else ""
