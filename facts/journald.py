"""Where the journal is, and how much room there is for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, shown, text, unframed

CONFIG = "/etc/systemd/journald.conf.d/elforge.conf"
_DISK, _MEMORY = "/var/log/journal", "/run/log/journal"


@dataclass(frozen=True)
class Journals:
    """What journald has, in its own places."""

    config: str | None  # the text of our file
    directory: str  # group and mode of /var/log/journal, "" where there is none
    on_disk: bool  # whether that is where it writes to
    disk: int  # bytes of the file system of /var/log

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact journald.Journald`` print it."""
        return asdict(self)


class Journald(FactBase[Journals]):
    """Return where the journal is; by the files that are there, not by what is configured."""

    def command(self) -> str:
        return framed(
            f"file={CONFIG}; {shown('file')}"
            f"; echo directory $(stat -L -c '%G %a' {_DISK} 2>/dev/null)"
            "; id=$(cat /etc/machine-id)"
            f"; if test -e {_DISK}/$id/system.journal && ! test -e {_MEMORY}/$id/system.journal"
            "; then echo disk; else echo memory; fi"
            "; stat -f -c 'size %b %S' /var/log"
        )

    def process(self, output: list[str]) -> Journals:
        try:
            config, directory, place, size = unframed(output)
            _, blocks, block = size.split(" ")
            return Journals(
                config=text(config),
                directory=directory.removeprefix("directory").strip(),
                on_disk={"disk": True, "memory": False}[place],
                disk=int(blocks) * int(block),
            )
        except (KeyError, ValueError) as error:
            raise FactProcessError(f"cannot tell where the journal is: {error!r} in {output!r}") from error
