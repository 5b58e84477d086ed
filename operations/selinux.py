"""SELinux: local records of the policy store, labels, and the mode.

Every record of a run goes through one ``semanage import``, as each call of semanage rebuilds the policy.
Records that elforge made are noted; they go when they are no longer declared, and an admin's never do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from pyinfra import host

from facts.denials import Denials
from facts.selinux import (
    CONFIG,
    Mislabelled,
    Policy,
    PolicyAnswers,
    Port,
    Records,
    Selinux,
    State,
)
from facts.session import SshPort
from operations import files
from operations.guard import confirmed
from operations.script import Commands, operation, refuse, script, unreadable, warn
from pure.avc import GENERIC_PORTS, sentence

Mode = Literal["enforcing", "permissive", "disabled"]

_MODE = re.compile(r"^[ \t]*SELINUX=[ \t]*(\w*).*$", re.MULTILINE)
# What a regular expression matches by itself, such as /opt/run\.sh.
_LITERAL = re.compile(r"(?:\\[^A-Za-z0-9]|[^\\.\[\](){}*?+^$|])*")
# For a new connection to confirm that SELinux enforces.
SECONDS = 60
# The type of ports that sshd may listen on.
SSH = "ssh_port_t"
_OFF = "SELinux is off: recorded for the day it is on"


class Owned(NamedTuple):
    """A record of ours, and what stood there before; ``""`` for nothing."""

    value: str
    was: str = ""


class Change(NamedTuple):
    """A record to write; ``value`` None takes it away."""

    key: str
    value: str | None
    old: str | None  # what the local record says now

    @property
    def kind(self) -> str:
        """Which kind of record it is."""
        return self.key.split(" ")[0]

    @property
    def name(self) -> str:
        """What tells it from others of its kind."""
        return self.key.split(" ", 1)[1]


@operation
def records(
    *,
    ports: dict[str, str] | None = None,
    booleans: dict[str, str] | None = None,
    contexts: dict[str, str] | None = None,
    equivalences: dict[str, str] | None = None,
    permissive: list[str] | None = None,
    relabel: list[str] | None = None,
    reassign: bool = False,
    protocols: Sequence[str] = ("tcp", "udp", "sctp", "dccp"),
) -> Commands:
    """
    Make the policy store's local records what is declared, in one transaction, and labels what they say.

    Records that an earlier run made and that are no longer declared go; those of others stay. What stands in
    the way is refused: a port that another type has, an unknown type or boolean, an admin's own record. Where
    SELinux is off the store is kept all the same; where there is no policy nothing is done.

    + ports: ``"tcp 8081"`` or ``"tcp 9000-9010"`` to type
    + booleans: name to ``on`` or ``off``, both persistent and in the running kernel
    + contexts: ``"f /opt/x/run"``, a letter of ``semanage fcontext -f`` and a regular expression, to type
    + equivalences: path to the path that it is labelled like
    + permissive: domains that are not enforced
    + relabel: paths below which labels are put right, where ``restorecon -n`` finds wrong ones
    + reassign: whether a port may be taken from the type that has it
    + protocols: those that this release's semanage knows

    **Example:**

    .. code:: python

        selinux.records(name="Let nginx reach the service", booleans={"httpd_can_network_connect": "on"})
    """
    if strange := [each for each in ports or {} if each.split(" ")[0] not in protocols]:
        refuse(
            f"semanage of this release knows no ports but of {' and '.join(protocols)}: {', '.join(strange)}"
        )
    wanted = _wanted(ports, booleans, contexts, equivalences, permissive)
    found = host.get_fact(Selinux) or unreadable("the state of SELinux")
    if not found.policy:
        host.noop("there is no SELinux policy on this host: nothing to manage")
        return
    on, owned = found.kernel != "disabled", read_note(found.owned)
    changes = plan(found.records, owned, wanted)
    policy = _policy(found, changes)
    if mistakes := [*_unknown(found, policy, wanted), *_clashes(found, policy, owned, changes, reassign)]:
        refuse("; ".join(mistakes))
    after = note(found, policy, owned, wanted, changes)
    around = _around(found, booleans or {}, (relabel or []) if on else [], changes)
    if not (changes or around or after != owned):
        host.noop(
            f"SELinux already has the {len(wanted)} records that are declared" + ("" if on else f"; {_OFF}")
        )
        return
    if not on:
        warn(_OFF)
    semanage = [f"semanage {line}" for line in _semanage(changes, policy)]
    lines = [f"before {write_note({**owned, **after})}", *semanage, f"after {write_note(after)}", *around]
    yield script("selinux", "" if on else "-N", content="".join(f"{line}\n" for line in lines))


@operation
def mode(mode: Mode, ports: dict[str, str] | None = None) -> Commands:
    """
    Set the mode, now as far as that goes without a reboot, and for the next boot; a reboot is only asked for.

    Enforcing is refused when sshd could not listen any more on the port that elforge comes in by, and taken
    back when no new connection comes through (``guard.confirmed``).

    + mode: ``enforcing``, ``permissive`` or ``disabled``
    + ports: what the same run gives ports as types, as for ``records``

    **Example:**

    .. code:: python

        selinux.mode(name="Enforce", mode="enforcing")
    """
    found = host.get_fact(Selinux) or unreadable("the state of SELinux")
    if found.config is None and (mode != "disabled" or found.kernel != "disabled"):
        refuse(f"{CONFIG} is not there: no SELinux policy is installed")
    if mode == "enforcing" and found.kernel == "disabled":
        refuse(
            "SELinux is disabled: to enforce it every file needs a label first; set selinux_mode = "
            "'permissive', reboot (that boot labels them), then set 'enforcing'"
        )
    content = with_mode(found.config or "", mode)
    running = {"enforcing": "1", "permissive": "0"}.get(mode, "") if found.kernel != "disabled" else ""
    change_now = bool(running) and found.kernel != mode
    change_later = found.config is not None and content != found.config
    if mode == "enforcing" and (change_now or change_later) and (why := _shuts_sshd_out(found, ports or {})):
        refuse(why)
    for line in pending(found, mode):
        warn(line)
    if not (change_now or change_later or found.pending):
        host.noop("; ".join([f"SELinux is already set to be {mode}", *pending(found, mode)]))
    if found.pending:
        yield script("undo", "selinux")
    if change_now or found.pending:
        yield from _switched(running)
    if change_later:
        if found.kernel == "disabled" and mode == "permissive":
            yield script("enforce", "relabel")
        yield from files.put._inner(path=CONFIG, content=content)


@operation
def report() -> Commands:
    """
    Warn of what SELinux denied since elforge last changed its records, with the option that allows it.

    **Example:**

    .. code:: python

        selinux.report(name="Report what SELinux denied")
    """
    found = host.get_fact(Denials)
    if found is None:
        unreadable("what SELinux denied")
    for denial in found:
        warn(sentence(denial))
    host.noop(f"SELinux denied {len(found)} things" if found else "SELinux denied nothing")
    yield from ()


def _switched(running: str) -> Commands:
    """Enforce only what still lets a new connection in: wrong labels of keys are enough to shut all out."""
    if running == "1" and _session():
        yield script("enforce", running, str(SECONDS), "enforcing")
        yield confirmed("selinux", SECONDS, "enforcing")
    else:
        yield script("enforce", running)


def _shuts_sshd_out(found: State, ports: Mapping[str, str]) -> str:
    """Return why sshd would not come back on its port, or ``""``; it may always have port 22 (ssh_port_t)."""
    session = _session()
    if session in (0, 22):
        return ""
    port = Port("tcp", session, session, SSH)
    typed = [ports_of(name, type_) for name, type_ in ports.items()]
    if any(each.type == SSH and overlap(each, port) for each in typed):
        return ""
    if not found.semanage:
        return f"sshd listens on port {session}, and without semanage nobody can tell whether SELinux lets it"
    policy = host.get_fact(PolicyAnswers, types=[], paths=[], ports=True, booleans=False)
    if policy is None:
        unreadable("the SELinux policy")
    if any(each.type == SSH and overlap(each, port) for each in policy.ports):
        return ""
    return (
        f"sshd listens on port {session}, which is not {SSH}: enforcing, it could not be started again; "
        f'selinux_ports = {{"{session}/tcp": "{SSH}"}} lets it'
    )


def with_mode(config: str, mode: str) -> str:
    """Return the text of /etc/selinux/config with another mode, and everything else as it is."""
    said = _MODE.findall(config)
    if said and said[-1] == mode and len(said) == 1:
        return config
    line = f"SELINUX={mode}"
    if said:
        return _MODE.sub(line, config)
    return f"{config}{'' if config.endswith(chr(10)) or not config else chr(10)}{line}\n"


def pending(found: State, mode: str) -> list[str]:
    """Return what keeps a host from being in ``mode``, and after its next boot, in words."""
    lines = []
    if found.kernel == "disabled" and mode != "disabled":
        lines.append(f"SELinux is off until the next boot, which labels every file; then it is {mode}")
    if found.kernel != "disabled" and mode == "disabled":
        lines.append(
            "SELinux is on until the next boot; from EL9 on also grubby --update-kernel ALL --args selinux=0"
        )
    against = {"enforcing": ("enforcing=0", "selinux=0"), "permissive": ("enforcing=1", "selinux=0")}
    for word in against.get(mode, ()):
        if word in found.cmdline:
            lines.append(
                f"booted with {word}, which overrules {CONFIG}: "
                f"grubby --update-kernel ALL --remove-args {word}"
            )
    return lines


def _wanted(
    ports: Mapping[str, str] | None,
    booleans: Mapping[str, str] | None,
    contexts: Mapping[str, str] | None,
    equivalences: Mapping[str, str] | None,
    permissive: list[str] | None,
) -> Records:
    kinds = {"port": ports, "boolean": booleans, "fcontext": contexts, "equivalence": equivalences}
    wanted = {
        f"{kind} {name}": value for kind, names in kinds.items() for name, value in (names or {}).items()
    }
    return {**wanted, **{f"permissive {name}": "yes" for name in permissive or []}}


def plan(found: Records, owned: Mapping[str, Owned], wanted: Records) -> list[Change]:
    """
    Return what to change: ours that are no longer wanted go first, or back to what was there before.

    A record of ours that somebody has changed since is theirs now.
    """
    changes = []
    for key, (value, was) in owned.items():
        if key not in wanted and found.get(key) == value != was and (was or not key.startswith("boolean ")):
            changes.append(Change(key, was or None, value))
    for key, value in wanted.items():
        if found.get(key) != value:
            changes.append(Change(key, value, found.get(key)))
    return changes


def note(
    found: State, policy: Policy, owned: Mapping[str, Owned], wanted: Records, changes: list[Change]
) -> dict[str, Owned]:
    """Return which records are ours once the changes are made."""
    changed = {change.key for change in changes}
    after = {}
    for key, value in wanted.items():
        if key in owned and (key in changed or owned[key].value == value):
            after[key] = Owned(value, owned[key].was)
        elif key in changed:
            after[key] = Owned(value, found.records.get(key) or _effective(found, policy, key))
    return after


def _effective(found: State, policy: Policy, key: str) -> str:
    """A local boolean alone cannot be deleted (semanage 2.5 to 3.8), so it goes back to the value it had."""
    kind, name = key.split(" ", 1)
    return (found.booleans.get(name) or policy.booleans.get(name, "")) if kind == "boolean" else ""


def read_note(content: str | None) -> dict[str, Owned]:
    """Return the records that earlier runs made."""
    try:
        return {key: Owned(*each) for key, each in json.loads(content or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        unreadable("/var/lib/elforge/selinux.json, the note of which SELinux records are elforge's,")


def write_note(owned: Mapping[str, Owned]) -> str:
    """Return the note as one line of JSON."""
    return json.dumps(owned)


def root(key: str) -> str:
    """Return the path below which a file context has its say: ``/opt/x`` of ``/opt/x(/.*)?``."""
    kind, name = key.split(" ", 1)
    if kind == "equivalence":
        return name
    pattern = name.split(" ", 1)[1]
    match = _LITERAL.match(pattern)
    literal = match[0] if match else ""
    rest = pattern[len(literal) :]
    path = re.sub(r"\\(.)", r"\1", literal)
    whole = not rest or rest.startswith("(/") or path.endswith("/")
    return (path if whole else path.rpartition("/")[0]).rstrip("/") or "/"


def _around(found: State, booleans: dict[str, str], relabel: list[str], changes: list[Change]) -> list[str]:
    """Return what is to be done outside of the policy store: booleans of the running kernel, and labels."""
    switched = [
        f"boolean {name}={value}"
        for name, value in booleans.items()
        if found.booleans.get(name, value) != value
    ]
    if found.kernel == "disabled":
        return switched
    moved = [root(change.key) for change in changes if change.kind in ("fcontext", "equivalence")]
    wrong = _mislabelled(relabel) if relabel else []
    return [*switched, *(f"relabel {path}" for path in dict.fromkeys([*moved, *wrong]))]


def _mislabelled(paths: list[str]) -> list[str]:
    """Return those of ``paths`` below which a label is wrong."""
    found = host.get_fact(Mislabelled, paths=paths)
    if found is None:
        unreadable("the labels of files")
    return [path for path in paths if any(f"{each}/".startswith(f"{path.rstrip('/')}/") for each in found)]


def _policy(found: State, changes: list[Change]) -> Policy:
    """Ask the policy only about what is to change."""
    new = [change for change in changes if change.value is not None]
    typed = ("port", "fcontext")
    types = {change.value for change in new if change.kind in typed and change.value != "<<none>>"}
    types |= {change.name for change in new if change.kind == "permissive"}
    kinds = {change.kind for change in new}
    paths = [change.name.split(" ", 1)[1] for change in new if change.kind == "fcontext"]
    dear = {
        "ports": found.semanage and "port" in kinds,
        "booleans": found.semanage and "boolean" in kinds and found.kernel == "disabled",
    }
    if not (types or paths or any(dear.values())):
        return Policy()
    said = host.get_fact(PolicyAnswers, types=sorted(filter(None, types)), paths=paths, **dear)
    return said or unreadable("the SELinux policy")


def _unknown(found: State, policy: Policy, wanted: Records) -> Iterator[str]:
    if policy.unknown:
        yield f"not a type of the policy: {', '.join(policy.unknown)}"
    known = found.booleans or policy.booleans
    names = [key.removeprefix("boolean ") for key in wanted if key.startswith("boolean ")]
    if known and (strange := [name for name in names if name not in known]):
        yield f"not a boolean of the policy: {', '.join(strange)}"


def _clashes(
    found: State, policy: Policy, owned: Mapping[str, Owned], changes: list[Change], reassign: bool
) -> Iterator[str]:
    """Yield what a change would take from others."""
    gone = {change.key for change in changes if change.value is None}
    local = {
        key.removeprefix("port "): value
        for key, value in found.records.items()
        if key.startswith("port ") and key not in gone
    }
    for change in changes:
        key, value, old = change
        kind, name = change.kind, change.name
        if kind == "port" and SSH in (old, *_types(policy, name)) and value != SSH:
            yield from _ssh_loses(name, removed=value is None)
        if kind == "port" and value is not None and value not in policy.unknown:
            yield from port_clashes(ports_of(name, value), policy.ports, local, reassign or key in owned)
        elif kind in ("fcontext", "equivalence") and old is not None and key not in owned:
            flag = f"-e {old} " if kind == "equivalence" else f"-f {name[0]} "
            path = name.split(" ", 1)[-1]
            yield (
                f"{path} is {old} by a record that is not elforge's; to drop it: "
                f"semanage fcontext -d {flag}'{path}'"
            )


def _session() -> int:
    """Return the port that elforge comes in by, 0 for none."""
    port = host.get_fact(SshPort)
    return unreadable("by which port elforge comes in") if port is None else port


def _types(policy: Policy, name: str) -> set[str]:
    # Without semanage the policy has not been asked.
    known = [*policy.ports, Port("tcp", 22, 22, SSH)]
    return {each.type for each in known if overlap(each, ports_of(name))}


def _ssh_loses(name: str, removed: bool) -> Iterator[str]:
    """Yield that sshd would lose the port that elforge comes in by; 22 it has by the policy itself."""
    session = _session()
    if overlap(ports_of(name), Port("tcp", session, session, SSH)) and not (removed and session == 22):
        yield f"elforge comes in by port {session}: it stays {SSH}, or sshd could not be started again"


def port_clashes(port: Port, known: list[Port], local: Records, may_take: bool) -> Iterator[str]:
    """
    Yield why a port cannot get its type: another local record overlaps, or another type has it.

    + port: what is wanted
    + known: what ``semanage port -l`` lists
    + local: the local records of ports
    + may_take: whether it may be taken from another type
    """
    others = [
        each for each in (ports_of(name, type_) for name, type_ in local.items()) if overlap(each, port)
    ]
    inexact = [each for each in others if each.range != port.range]
    for each in inexact:
        # libsemanage refuses local records that overlap (ports_local.c), and only one can be meant.
        yield (
            f"{port.protocol} {port.range} overlaps {each.range} ({each.type}), another local record: "
            f"semanage port -d -p {each.protocol} {each.range}"
        )
    taken = [
        each
        for each in [*known, *others]
        if each.type not in {port.type, *GENERIC_PORTS} and overlap(each, port)
    ]
    if taken and not may_take and not inexact:
        owners = ", ".join(dict.fromkeys(f"{each.type} ({each.range})" for each in taken))
        yield (
            f"{port.protocol} {port.range} cannot be {port.type}: it belongs to {owners}; "
            "set selinux_port_reassign = True to take it"
        )


def overlap(one: Port, two: Port) -> bool:
    """Tell whether two ranges have a port in common."""
    return one.protocol == two.protocol and one.low <= two.high and two.low <= one.high


def ports_of(name: str, type_: str = "") -> Port:
    """Read how semanage spells ports: ``tcp 9000-9010``."""
    protocol, ports = name.split(" ")
    low, _, high = ports.partition("-")
    return Port(protocol, int(low), int(high or low), type_)


def _semanage(changes: list[Change], policy: Policy) -> Iterator[str]:
    """Yield lines for ``semanage import``; before 3.7 -a fails on what is defined, -m on what is not."""
    defined = {f"port {each.protocol} {each.range}" for each in policy.ports}
    defined |= {f"fcontext {each}" for each in policy.contexts}
    for change in changes:
        verb = "-m" if change.old is not None or change.key in defined else "-a"
        yield _line(change, "-d" if change.value is None else verb)


def _line(change: Change, verb: str) -> str:
    kind, name, value = change.kind, change.name, change.value
    match kind:
        case "port":
            return f"port {verb}{f' -t {value}' if value else ''} -p {name}"
        case "boolean":
            return f"boolean -m --{value} {name}"
        case "fcontext":
            ftype, path = name.split(" ", 1)
            return f"fcontext {verb}{f' -t {value}' if value else ''} -f {ftype} '{path}'"
        case "equivalence":
            return f"fcontext {verb} -e {value or change.old} '{name}'"
    return f"permissive {verb} {name}"
