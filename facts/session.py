"""The SSH connection that a host is managed over, as the host itself sees it."""

from __future__ import annotations

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, unframed

# Sets $peer and $port, empty without a connection. Our own ancestors know it; sudo drops SSH_CONNECTION.
# Of each ancestor one line is read: when a file changes meanwhile, bash reads the next one at a wrong place.
SESSION = (
    'pid=$$; chain=/dev/null; while test ${pid:-0} -gt 1; do chain="$chain /proc/$pid/environ"; line='
    '; read -r line </proc/$pid/stat; set -- ${line##*") "}; pid=$2; done 2>/dev/null'
    "; set -- $(grep -lasz '^SSH_CONNECTION=.' $chain); found="
    "; test $# = 0 || found=$(tr '\\0' '\\n' <$1 | sed -n 's/^SSH_CONNECTION=//p')"
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
