"""journald's settings, taken at once, and the directory that it writes to."""

from __future__ import annotations

from pyinfra import host

from facts.journald import CONFIG, Journald, Journals
from facts.unit import Loaded
from operations import files
from operations.script import Commands, operation, script, unreadable, warn

UNIT = "systemd-journald.service"
# What systemd-tmpfiles gives /var/log/journal on every release (tmpfiles.d/systemd.conf).
_OWN = "systemd-journal 2755"
_YES = {True: "yes", False: "no"}


@operation
def configured(
    content: str | None,
    *,
    persistent: bool = False,
    limit: int | None = None,
    on_disk: tuple[str, ...] = (),
    vacuum: tuple[str, str] = ("", ""),
) -> Commands:
    """
    Write or remove our part of journald's configuration, and let journald take it; no message is lost.

    Where it is taken, archived journals beyond ``vacuum`` go at once.

    + content: the text of the file; None removes it
    + persistent: whether it makes journald write to disk; what is in memory is brought there
    + limit: bytes that logs may take, for a warning where that is most of the disk
    + on_disk: options that have no effect on a journal in memory, for a warning where it is there
    + vacuum: bytes and age (``604800s``) of what stays, ``""`` for either

    **Example:**

    .. code:: python

        journald.configured(name="Bound the journal", content="[Journal]\\nSystemMaxUse=1G\\n")
    """
    found: Journals = host.get_fact(Journald) or unreadable("the state of journald")
    loaded = host.get_fact(Loaded, unit=UNIT, files=[CONFIG])
    if loaded is None:
        unreadable(f"what {UNIT} has loaded")
    for line in _doubts(found, persistent, limit, on_disk):
        warn(line)
    writes = [] if content is None else list(files.put._inner(path=CONFIG, content=content))
    lost = persistent and not (found.on_disk and found.directory == _OWN)
    if writes or lost or found.config != content or loaded[CONFIG] != content:
        yield from writes
        yield script("journald", CONFIG, _YES[content is not None], _YES[persistent], *vacuum)
    else:
        host.noop("journald has already loaded what is declared")


def _doubts(found: Journals, persistent: bool, limit: int | None, on_disk: tuple[str, ...]) -> list[str]:
    lines = []
    if on_disk and not persistent and not found.on_disk:
        lines.append(
            f"{', '.join(on_disk)}: without effect, the journal is in memory; "
            "journald_storage = 'persistent' brings it to disk"
        )
    if limit and limit > found.disk // 2:
        lines.append(
            f"logs may take {limit // 2**20}M, which is more than half of the disk of /var/log "
            f"({found.disk // 2**20}M)"
        )
    return lines
