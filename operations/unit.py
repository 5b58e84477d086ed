"""systemd units: state from what systemd says, restarts by evidence.

A unit is restarted when what it loaded differs from what is declared, never because "something changed
in this run": a run that was killed between the two would lose the restart for good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from pyinfra import host
from pyinfra.api import OperationValueError

from facts.unit import Loaded, Unit, UnitState
from operations import files
from operations.script import Commands, operation, refuse, script, snippet, unreadable

Content = str | None  # None: the file is to be absent

# systemd.unit(5), "a unit name": ASCII letters, digits and :-_.\@, and one of the known suffixes.
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]{1,240}\.(service|socket|timer|mount|target|path|slice)")
_DROPIN = re.compile(r"[A-Za-z0-9_-]+\.conf")


@operation
def service(
    unit: str,
    *,
    running: bool | None = True,
    enabled: bool | None = True,
    unmask: bool = False,
    reads: Sequence[str] = (),
) -> Commands:
    """
    Start or stop a unit and enable or disable it, from one question to systemd.

    + unit: its name with the suffix
    + running: whether it should run; None leaves that alone
    + enabled: whether it should start at boot; None leaves that alone
    + unmask: whether a masked unit may be unmasked; otherwise it is refused
    + reads: files that go back to what the unit had loaded when it last ran, when it does not start; as for
      ``loaded`` with a drop-in that keeps a record

    **Example:**

    .. code:: python

        unit.service(name="Start Docker", unit="docker.service")
    """
    _check(unit)
    found = _state(unit)
    if found.load == "masked" and not unmask and (running or enabled):
        refuse(f"{unit} is masked; run systemctl unmask {unit} if elforge may start it")
    actions = _actions(found, running, enabled)
    if actions or (found.stale and found.load != "not-found"):
        yield script("service", unit, *actions, *(["--", *reads] if reads and "start" in actions else []))
    else:
        host.noop(f"{unit} is already {found.active} and {found.enabled or 'without a unit file'}")


@operation
def loaded(
    unit: str,
    contents: Mapping[str, Content],
    *,
    restart_for: Callable[[str, Content, Content], bool] = lambda path, old, new: True,
    no_restart: str = "",
    health: str = "true",
    reloaded: str = "true",
) -> Commands:
    """
    Restart or reload a running unit, if and only if what it loaded is not what is declared.

    A unit that is not running loads its files when it starts. When the unit does not come back, its
    previous files do, and the unit with them; the operation fails with the last lines of its journal.

    + unit: its name with the suffix; with a drop-in that keeps a record, as docker's does
    + contents: path to declared content of each file that it reads (None: absent)
    + restart_for: tells for a path, its loaded and its declared content whether a reload is too little
    + no_restart: why the unit must not restart now; a restart that is needed is then refused
    + health: shell that succeeds once the unit works, tried for 15 seconds
    + reloaded: shell that succeeds once the unit says that it has reloaded since ``$since`` (date +%s.%N)

    **Example:**

    .. code:: python

        unit.loaded(
            name="Load the configuration",
            unit="chronyd.service",
            contents={"/etc/chrony.conf": CONF},
        )
    """
    _check(unit)
    found = _state(unit)
    if found.active not in ("active", "reloading"):
        host.noop(f"{unit} is {found.active}: it loads its files when it starts")
        return
    before = host.get_fact(Loaded, unit=unit, files=list(contents))
    if before is None:
        unreadable(f"what {unit} has loaded")
    changed = [path for path, new in contents.items() if before[path] != new]
    if not changed and not found.replaced:
        host.noop(f"{unit} has already loaded what is declared")
        return
    restart = found.replaced or any(restart_for(path, before[path], contents[path]) for path in changed)
    if restart and no_restart:
        refuse(no_restart)
    verb = "restart" if restart else "reload"
    yield script("loaded", unit, verb, health, reloaded, *contents, seconds=1800)


@operation
def dropin(unit: str, file: str, content: str, *, present: bool = True, after: str = "true") -> Commands:
    """
    Write or remove a drop-in of a unit, and let systemd read it; the unit itself is not restarted.

    + unit: its name with the suffix
    + file: name of the drop-in, ``something.conf``
    + content: its text
    + present: whether it should be there
    + after: shell that runs once it is there and systemd has read it

    **Example:**

    .. code:: python

        unit.dropin(
            name="Raise the limit",
            unit="docker.service",
            file="elforge-limits.conf",
            content="[Service]\\nLimitNOFILE=65536\\n",
        )
    """
    _check(unit)
    if not _DROPIN.fullmatch(file):
        raise OperationValueError(f"not the name of a drop-in: {file!r}")
    path = f"/etc/systemd/system/{unit}.d/{file}"
    if present:
        yield from files.put._inner(
            path=path,
            content=content,
            validate=snippet("dropin"),
            after=f"systemctl daemon-reload; {after}",
        )
    else:
        yield from files.absent._inner(path=path, prune=True, after="systemctl daemon-reload")


def _actions(found: Unit, running: bool | None, enabled: bool | None) -> list[str]:
    actions = []
    if found.load == "masked" and (running or enabled):
        actions.append("unmask")
    # static, alias and generated units cannot be enabled, and need not be.
    if enabled is True and found.enabled in ("disabled", "masked", ""):
        actions.append("enable")
    if enabled is False and found.enabled == "enabled":
        actions.append("disable")
    # On an activating unit start waits for the outcome, be it the next round of a crash loop.
    if running is True and found.active not in ("active", "reloading"):
        actions.append("start")
    if running is False and found.active not in ("inactive", "failed"):
        actions.append("stop")
    return actions


def _state(unit: str) -> Unit:
    return host.get_fact(UnitState, unit=unit) or unreadable(f"the state of {unit}")


def _check(unit: str) -> None:
    if not _UNIT.fullmatch(unit):
        raise OperationValueError(f"not the name of a unit: {unit!r}")
