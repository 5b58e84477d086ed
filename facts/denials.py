"""What SELinux denied, from whichever log the host has."""

from __future__ import annotations

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, unframed
from facts.selinux import OWNED
from pure.avc import Denial, denials

_LOG = "/var/log/audit/audit.log"


class Denials(FactBase[list[Denial]]):
    """
    Return what was denied since elforge last changed SELinux's records there, or since the boot.

    ``pyinfra inventory.py fact facts.denials.Denials`` prints each with what would allow it. auditd's
    log comes first, as nothing else hears of denials while it runs; then the journal, then the kernel itself.
    """

    def command(self) -> str:
        journal = "journalctl -q -b -o cat --since=@$since _TRANSPORT=audit + _TRANSPORT=kernel 2>/dev/null"
        wanted = "grep -a 'avc:  *denied' | tail -n 1000"
        return framed(
            "if test -e /sys/fs/selinux/enforce; then boot=$(sed -n 's/^btime //p' /proc/stat)"
            f"; since=$(stat -c %Y {OWNED} 2>/dev/null || echo 0)"
            '; test "$since" -gt "$boot" || since=$boot; echo "since $since"'
            f"; if test -s {_LOG}; then cat {_LOG} >/dev/null || echo unreadable"
            f"; cat {_LOG}.1 {_LOG} 2>/dev/null | {wanted}"
            f'; else log=$({journal} | {wanted}); test -n "$log" || log=$(dmesg | {wanted})'
            """; printf '%s\\n' "$log"; fi; fi"""
        )

    def process(self, output: list[str]) -> list[Denial]:
        lines = [line for line in unframed(output) if line]
        if not lines:
            return []
        try:
            return denials(lines[1:], int(lines[0].removeprefix("since ")))
        except ValueError as error:
            raise FactProcessError(f"cannot read what SELinux denied: {error}") from error
