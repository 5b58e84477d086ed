"""firewalld: its whole configuration changed in one go, and never so that the host is cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pyinfra import host

from facts.firewalld import Firewalld
from facts.rpm import Rpms
from operations import files, rpm
from operations.guard import confirmed
from operations.script import Commands, operation, refuse, script, sha256, snippet, tell, unreadable, warn
from pure.firewall_state import (
    CONF,
    OWNED,
    RIVALS,
    Firewall,
    Part,
    Session,
    Target,
    as_it_is,
    both,
    changes,
    documents,
    drift,
    owned,
    record,
    setting,
    target,
)
from pure.firewalld_config import Document
from pure.lockout import lockout

UNIT = "firewalld.service"
# systemd 219 reads none of /run (shared/install.c).
PRESET = f"/etc/systemd/system-preset/00-elforge-{UNIT}.preset"
# What Docker itself keeps in firewalld.
DOCKERS = ("zones/docker", "policies/docker-forwarding")
# The first firewalld that knows something, by a piece of the setting or of its file's name (release notes on
# firewalld.org: 0.7.0, 0.9.0, 2.0.0, 2.3.0).
SINCE: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("policies/", "policies", (0, 9)),
    ("<forward/>", "forward", (0, 9)),
    ("<include ", "a service's includes", (0, 7)),
    ("<rule[^>]* priority=", "priorities of rich rules", (0, 7)),
    ("<tcp-mss-clamp", "tcp-mss-clamp", (1, 0)),
)
STRICT = (2, 3)


@dataclass(frozen=True)
class Wanted:
    """What a firewall is to be."""

    files: dict[str, Part] = field(default_factory=dict)  # by "zones/public"
    conf: dict[str, str] = field(default_factory=dict)  # of firewalld.conf
    running: bool | None = None  # None: as it is, but it has to run
    unmask: bool = False
    rivals: bool = False  # whether services that own the packet filter are disabled with the same change
    keep_files: bool = False  # whether all files stay as they are, ours too
    newest: str = ""  # version that a host without firewalld will get
    seconds: int = 60  # for a new connection to confirm a change
    limited: bool = False  # whether firewall_docker_allow decides who reaches published ports

    @property
    def nothing(self) -> bool:
        """Whether nothing is declared: what was ours goes, and else there is nothing to do."""
        return not (self.files or self.conf or self.keep_files) and self.running is None


@operation
def configured(wanted: Wanted) -> Commands:
    """
    Bring firewalld's files and its daemon to what is declared, all in one change or not at all.

    Settings of others stay; what an earlier run of ours added and is declared no more goes. The daemon is
    asked what it has loaded, and reloaded when that differs from the files. A change of a running firewall
    takes itself back unless a new connection comes through (``guard.confirmed``).

    + wanted: what is declared

    **Example:**

    .. code:: python

        firewalld.configured(
            name="Open the web server's port",
            wanted=Wanted(files={"zones/public": Part(present=(item("service", name="http"),))}),
        )
    """
    found = _state(wanted)
    if found.pending:
        yield script("undo", "firewalld")
        found = _state(wanted)
    if wanted.nothing and not (found.version and _ours(found)):
        host.noop("nothing is declared of the firewall, and nothing in it is elforge's")
        return
    if why := _refusal(wanted, found):
        refuse(why)
    try:
        goal = as_it_is(found) if wanted.keep_files else target(found, wanted.files, wanted.conf)
        before = documents(found)
    except ValueError as error:
        refuse(str(error))
    verb = _verb(wanted, found)
    names = sorted(wanted.files) if verb == "reload" and found.version else []
    differs = drift(found, goal.documents, goal.default_zone, names)
    enable, rivals = _enable(wanted, found), _rivals(wanted, found)
    noted = found.owned == record(goal.notes) or not (found.owned or goal.notes)
    _say(found, goal, drift(found, before, setting(found.conf or "", "DefaultZone"), names), wanted.limited)
    if not (goal.files or differs or enable or rivals) and noted and verb in ("reload", "offline"):
        host.noop("the firewall is already as declared")
        return
    guarded = _guarded(found, verb)
    if guarded and (why := _shut_out(found, goal)):
        refuse(why)
    for line in (*_besides(found, before, verb, names), *changes(before, goal.documents)):
        tell(line)
    seconds = wanted.seconds if guarded else 0
    content = _payload(found, goal)
    words = (verb, str(seconds), enable or "leave", rivals, sha256(content), *_places(found, before, goal))
    steps = snippet("firewalld_steps")
    yield script("firewalld", steps, *words, content=content, progress=True)
    if guarded:
        yield confirmed("firewalld", seconds, sha256(content))


@operation
def installed(manager: rpm.Manager) -> Commands:
    """
    Install firewalld, not to start at the next boot: that comes with the first change that was confirmed.

    Its package enables it by itself (systemd.preset(5), 90-default.preset), with a zone that lets ssh in on
    port 22 alone.

    + manager: the release's package manager

    **Example:**

    .. code:: python

        firewalld.installed(name="Install firewalld", manager="dnf")
    """
    found = host.get_fact(Rpms, queries=["firewalld"])
    if found is not None and not found.installed:
        yield from files.put._inner(path=PRESET, content=f"disable {UNIT}\n")
    yield from rpm.packages._inner(specs=["firewalld"], manager=manager)
    yield from files.absent._inner(path=PRESET, prune=True)


def _state(wanted: Wanted) -> Firewall:
    return host.get_fact(Firewalld, objects=sorted(wanted.files)) or unreadable("the state of the firewall")


def _ours(found: Firewall) -> Mapping[str, object]:
    try:
        return owned(found)
    except ValueError as error:
        refuse(str(error))


def _refusal(wanted: Wanted, found: Firewall) -> str:
    """Return why this firewall cannot be brought to what is declared, or ``""``."""
    load, active, *_ = _unit(found)
    if taken := [name for name in wanted.files if name in DOCKERS]:
        return f"{', '.join(taken)}: Docker's own, left to it"
    if not found.version and (host.state.is_executing or not wanted.running):
        return "firewalld is not installed; firewall_running = True installs it"
    stays_stopped = wanted.nothing and active != "active"
    if wanted.running is not False and not stays_stopped:
        if (rivals := _on(found)) and not wanted.rivals:
            return (
                f"{', '.join(rivals)}: owns the packet filter as firewalld does; "
                "firewall_conflicts = 'disable' disables it"
            )
        if load == "masked" and not wanted.unmask:
            return f"{UNIT} is masked; firewall_unmask = True lets elforge unmask it"
        if wanted.running is None and active != "active":
            return (
                f"{UNIT} is {active}: firewall_running = True starts it, False changes its files "
                "and leaves it stopped"
            )
    return "; ".join(_unknown(wanted, found))


def _unknown(wanted: Wanted, found: Firewall) -> Iterator[str]:
    """Yield what the host's firewalld is too old for, or does not know."""
    text = found.version or wanted.newest
    version = tuple(map(int, re.findall(r"\d+", text)[:3]))
    for name, part in wanted.files.items():
        for pattern, what, since in SINCE:
            told = [name, *part.present]
            if version < since and any(re.search(pattern, each) for each in told):
                yield f"{name}: firewalld {text} has no {what}, they came with {'.'.join(map(str, since))}"
    strict = "StrictForwardPorts"
    if strict in wanted.conf and version < STRICT and f"{strict}=" not in (found.conf or ""):
        yield f"firewall_strict_forward_ports: firewalld {text} has no {strict}"
    if found.version:
        yield from _missing(wanted, found)


def _missing(wanted: Wanted, found: Firewall) -> Iterator[str]:
    """Yield services, ipsets and zones that are named and would not be there."""
    gone = {name for name, part in wanted.files.items() if not part.exists}
    there = {
        *(f"services/{name}" for name in found.services),
        *documents_or_none(found),
        *wanted.files,
    } - gone
    patterns = {
        "services": r'<service name="([^"]+)"|<include service="([^"]+)"',
        "ipsets": r'<source ipset="([^"]+)"',
        "zones": r'<(?:in|e)gress-zone name="([^"]+)"',
    }
    for name, part in wanted.files.items():
        for kind, pattern in patterns.items():
            for each in re.findall(pattern, "".join(part.present)):
                used = "".join(each)
                if f"{kind}/{used}" not in there and used not in ("ANY", "HOST"):
                    yield f"{name}: no {kind[:-1]} {used} on this host"
    zone = wanted.conf.get("DefaultZone")
    if zone and f"zones/{zone}" not in there:
        yield f"firewall_default_zone: no zone {zone} on this host"


def documents_or_none(found: Firewall) -> Mapping[str, Document]:
    """Return what is in force by the files; nothing when one of them is broken, which is refused by name."""
    try:
        return documents(found)
    except ValueError:
        return {}


def _unit(found: Firewall) -> list[str]:
    load, active, *enabled = found.units[UNIT].split()
    return [load, active, *enabled, ""][:3]


def _on(found: Firewall) -> list[str]:
    """Return the services that own the packet filter, or will after the next boot."""
    states = {unit: [*found.units.get(unit, "").split(), "", "", ""][1:3] for unit in RIVALS}
    return [unit for unit, state in states.items() if state[0] == "active" or state[1] == "enabled"]


def _rivals(wanted: Wanted, found: Firewall) -> str:
    return " ".join(_on(found)) if wanted.rivals and wanted.running is not False else ""


def _verb(wanted: Wanted, found: Firewall) -> str:
    _, active, _ = _unit(found)
    if wanted.running is False:
        return "stop" if active in ("active", "activating", "reloading") else "offline"
    if active == "active":
        return "reload"
    return "start" if wanted.running else "offline"


def _enable(wanted: Wanted, found: Firewall) -> str:
    load, _, enabled = _unit(found)
    if wanted.running is True and load == "masked":
        return "unmask"
    if wanted.running is True and enabled != "enabled":
        return "enable"
    return "disable" if wanted.running is False and enabled == "enabled" else ""


def _shut_out(found: Firewall, goal: Target) -> str:
    # What comes with the package is not there to be looked at yet; it is when the change is made.
    for session in _sessions(found) if found.version else []:
        if why := lockout(goal.documents, goal.default_zone, session, found.ssh_services):
            return (
                f"this would lock elforge out: its SSH connection comes from {session.peer} to port "
                f"{session.port} by {session.interface or 'an unknown interface'}, and {why}"
            )
    return ""


def _sessions(found: Firewall) -> list[Session]:
    """
    Return the sessions, with no zone where their interface is in the default one.

    NetworkManager puts an interface of no zone into the default zone by its name, and moves it along with the
    next reload (firewalld 0.6 to 2.3, fw.py).
    """
    return [replace(each, zone="") if each.zone == found.default_zone else each for each in found.sessions]


def _payload(found: Firewall, goal: Target) -> str:
    """Return the files as operations/sh/firewalld.sh reads them; the record of what is ours comes last."""
    files = {**goal.files, "/both": both(found.owned, goal.notes), OWNED: record(goal.notes)}
    lines = []
    for path, text in files.items():
        lines.append(f"{'-' if text is None else '+'} {path}")
        lines += [f"|{line}" for line in text.removesuffix("\n").split("\n")] if text else []
    return "".join(f"{line}\n" for line in lines)


def _places(found: Firewall, before: Mapping[str, Document], goal: Target) -> list[str]:
    """Return ``zone=interface`` for interfaces that a zone names, ``=interface`` where none does any more."""
    was, to_be = _interfaces(before), _interfaces(goal.documents)
    gone = {interface: "" for interface in was if interface not in to_be}
    # A reload may forget where somebody has put the interface that we come in by.
    ours = {each.interface: each.zone for each in _sessions(found) if each.zone}
    return [f"{zone}={interface}" for interface, zone in sorted({**ours, **gone, **to_be}.items())]


def _interfaces(all_documents: Mapping[str, Document]) -> dict[str, str]:
    return {
        interface: name.split("/")[1]
        for name, document in all_documents.items()
        if name.startswith("zones/") and name not in DOCKERS
        for interface in re.findall(r'<interface name="([^"+]+)"', "".join(document.items))
    }


def _besides(found: Firewall, before: Mapping[str, Document], verb: str, names: list[str]) -> Iterator[str]:
    """Yield what a change does beside what is declared."""
    if verb == "start":
        yield "firewalld starts: what no zone lets in is closed from then on"
    elif verb == "stop" and _unit(found)[1] == "active":
        yield "firewalld stops: whatever listens is open from then on"
    elif verb == "reload":
        others = before.keys() & {name for name, each in found.loaded.items() if each} - {*names, *DOCKERS}
        now = {name: _unbound(found.loaded[name]) for name in others}
        for line in changes(now, {name: _unbound(before[name]) for name in others}):
            yield f"{line}, since the daemon is to have what the files say"


def _unbound(document: Document | None) -> Document:
    """Return a document without its interfaces, which others move about."""
    found = document or Document("")
    return replace(found, items=tuple(each for each in found.items if not each.startswith("<interface ")))


def _guarded(found: Firewall, verb: str) -> bool:
    """Tell whether a change may cut off elforge's own connection; somebody's own login is none of those."""
    concerns = verb in ("reload", "start")
    ours = bool(found.sessions) and host.name != "@local"
    if concerns and not ours:
        warn(
            "the firewall is changed without a guard: elforge does not come in by SSH, as far as can be seen"
        )
    return concerns and ours


def _say(found: Firewall, goal: Target, differs: list[str], limited: bool) -> None:
    """Name what a user should know."""
    for line in differs:
        warn(f"the firewall runs with something else than its files say: {line}")
    strict = "StrictForwardPorts=yes" in (goal.files.get(CONF) or found.conf or "")
    for port in [] if strict or limited else found.published:
        warn(f"port {port} of a container is open to everybody, whatever the zones say")
