"""What differs between EL7, EL8 and EL9, as data. To support a release, add a row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from facts.release import Machine

# What calls itself one of these in os-release's ID is an Enterprise Linux.
FAMILY = ("centos", "rhel", "rocky", "almalinux", "ol")
ARCHES = ("x86_64", "aarch64")
# Shells that pass `sh -c '...'` on as it was written, several lines of it included.
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "mksh")


@dataclass(frozen=True)
class Release:
    """One row of the table: what two or more deploys need to know about a release."""

    major: int
    manager: Literal["yum", "dnf"]
    versionlock: str  # the package with the manager's versionlock plugin
    locks: str  # the file in which that plugin keeps its locks
    semanage: str  # the package with semanage(8)
    memory_limit: str  # systemd's property for a bound on memory; 231 renamed it


RELEASES = {
    7: Release(
        major=7,
        manager="yum",
        versionlock="yum-plugin-versionlock",
        locks="/etc/yum/pluginconf.d/versionlock.list",
        semanage="policycoreutils-python",
        memory_limit="MemoryLimit",
    ),
    8: Release(
        major=8,
        manager="dnf",
        versionlock="python3-dnf-plugin-versionlock",
        locks="/etc/dnf/plugins/versionlock.list",
        semanage="policycoreutils-python-utils",
        memory_limit="MemoryMax",
    ),
    9: Release(
        major=9,
        manager="dnf",
        versionlock="python3-dnf-plugin-versionlock",
        locks="/etc/dnf/plugins/versionlock.list",
        semanage="policycoreutils-python-utils",
        memory_limit="MemoryMax",
    ),
}


def refusal(machine: Machine) -> str:
    """
    Return why elforge does not work on a host, or ``""``.

    ``refusal(debian)`` returns
    ``"runs Debian GNU/Linux 12 (bookworm) on x86_64; supported: EL 7, 8, 9 on x86_64, aarch64"``.
    """
    if machine.id not in FAMILY or machine.major not in RELEASES or machine.arch not in ARCHES:
        releases = ", ".join(map(str, RELEASES))
        return f"runs {machine.name} on {machine.arch}; supported: EL {releases} on {', '.join(ARCHES)}"
    if PurePosixPath(machine.shell).name not in SHELLS:
        return f"has the login shell {machine.shell}; elforge needs one of {', '.join(SHELLS)}"
    if not machine.systemd:
        return "has no systemd"
    if machine.root:
        return (
            f"cannot become root: {machine.root}; add to /etc/sudoers.d/elforge: "
            "USER ALL=(ALL) NOPASSWD: ALL and Defaults:USER !requiretty"
        )
    if machine.busy:
        return f"is still busy with a command of an earlier run after 10 minutes: see fuser {machine.busy}"
    if machine.readonly:
        return f"has {', '.join(machine.readonly)} mounted read-only"
    return ""
