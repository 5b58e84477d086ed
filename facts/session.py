"""The SSH connection that a host is managed over, as the host itself sees it."""

from __future__ import annotations

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, unframed

# Sets $peer and $port, empty without a connection. Our own ancestors know it; sudo drops SSH_CONNECTION.
SESSION = (
    "pid=$$; found=; while test ${pid:-0} -gt 1 && test -z \"$found\"; do found=$(tr '\\0' '\\n' "
    "2>/dev/null </proc/$pid/environ | sed -n 's/^SSH_CONNECTION=//p'); "
    "pid=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$pid/status 2>/dev/null); done"
    "; set -- $found; peer=$1 port=$4"
)


class SshPort(FactBase[int]):
    """Return the host's port that the connection goes to, 0 when there is none."""

    def command(self) -> str:
        return framed(f"{SESSION}; echo ${{port:-0}}")

    def process(self, output: list[str]) -> int:
        lines = unframed(output)
        if len(lines) != 1 or not lines[0].isdigit():
            raise FactProcessError(f"cannot read by which port this host is managed: {lines[:3]!r}")
        return int(lines[0])
