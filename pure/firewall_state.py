"""From what a firewall is and what is declared to what it is to be: pure functions.

Somebody else's settings stay. What an earlier run of ours added and nobody declares any more goes, and with
the last of it the file itself, or what it was before comes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pure.firewalld_config import IMPLIED, KINDS, Document, parse, render

ETC, LIB = "/etc/firewalld", "/usr/lib/firewalld"
CONF = f"{ETC}/firewalld.conf"
# What earlier runs of ours put into which file, so that it can be told from an admin's own.
OWNED = "/var/lib/elforge/firewalld/owned.json"
# Services that own the packet filter instead of firewalld.
RIVALS = ("nftables.service", "iptables.service", "ip6tables.service")
# What is ours in one file: items, attributes (with what they replaced), values (that we gave those), new.
Note = dict[str, Any]
_CONF = "firewalld.conf"
# What firewalld.conf(5) means when a key is missing.
_CONF_DEFAULTS = {"DefaultZone": "public", "StrictForwardPorts": "no"}


@dataclass(frozen=True)
class Session:
    """The SSH connection that a host is managed over, as the host sees it."""

    peer: str
    port: int  # of the host
    interface: str = ""  # that leads to the peer
    zone: str = ""  # that the daemon has the interface in, "" for the default zone or when it is down
    managed: str | None = None  # where NetworkManager puts it later, "" for the default zone; None: nowhere


@dataclass(frozen=True)
class Firewall:
    """The firewall of a host."""

    version: str  # of firewalld, "" when it is not installed
    units: dict[str, str]  # unit to "load active enabled"
    conf: str | None
    owned: str | None
    files: dict[str, str] = field(default_factory=dict)  # path to text of each zone, service, ...
    services: list[str] = field(default_factory=list)  # the names that firewalld brings
    ssh_services: list[str] = field(default_factory=list)  # those of them with the session's port
    loaded: dict[str, Document | None] = field(default_factory=dict)  # "zones/public", None: not there
    default_zone: str = ""  # of the daemon
    sessions: list[Session] = field(default_factory=list)
    pending: bool = False  # whether a change waits to be confirmed, or to be taken back
    published: list[str] = field(default_factory=list)  # "8080/tcp" of containers, open to all addresses

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


@dataclass(frozen=True)
class Part:
    """What is declared of one zone, service, ipset or policy."""

    present: tuple[str, ...] = ()  # canonical settings
    absent: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)  # "" takes one away
    exists: bool = True


@dataclass(frozen=True)
class Target:
    """What a firewall is to be."""

    files: dict[str, str | None]  # path to text of each file that has to change; None: goes
    documents: dict[str, Document]  # "zones/public", everything that will be in force
    default_zone: str
    notes: dict[str, Note]  # what is ours afterwards


def documents(firewall: Firewall) -> dict[str, Document]:
    """Return what is in force by the files, /etc before /usr/lib; raise ValueError naming a broken file."""
    found = {}
    for folder in (LIB, ETC):
        for path, text in firewall.files.items():
            name = path.removeprefix(f"{folder}/").removesuffix(".xml")
            if path.startswith(f"{folder}/") and name.split("/")[0] in KINDS:
                try:
                    found[name] = parse(text)
                except ValueError as error:
                    raise ValueError(
                        f"{path} is broken, and firewalld would not start with it: {error}"
                    ) from error
    return found


def owned(firewall: Firewall) -> dict[str, Note]:
    """Return what is ours, by the name of a file; raise ValueError when the record is broken."""
    try:
        notes: dict[str, Note] = json.loads(firewall.owned or "{}")
    except ValueError as error:
        raise ValueError(f"{OWNED}, the record of what is elforge's, is broken: {error}") from error
    return notes


def target(firewall: Firewall, files: dict[str, Part], conf: dict[str, str]) -> Target:
    """Return what the firewall is to be; raise ValueError when a file of it is broken."""
    before = documents(firewall)
    stock = documents(replace(firewall, files=_below(firewall, LIB)))
    notes = owned(firewall)
    after, ours = dict(before), {}
    for name in {**notes, **files}:
        if name == _CONF:
            continue
        document, note = _merged(
            before.get(name), stock.get(name), files.get(name), notes.get(name, {}), KINDS[name.split("/")[0]]
        )
        after[name] = document or Document("")
        if note:
            ours[name] = note
    changed: dict[str, str | None] = {}
    for name, document in after.items():
        path = f"{ETC}/{name}.xml"
        wanted = None if document == Document("") else document
        if wanted and wanted == stock.get(name) and notes.get(name, {}).get("new") and name not in ours:
            wanted = None  # /usr/lib has the same
        if wanted is None and path in firewall.files:
            changed[path] = None
        elif wanted and (name not in before or not wanted.same(before[name])):
            changed[path] = render(wanted)
    text, note = _conf(firewall.conf or "", conf, notes.get(_CONF, {}))
    if note:
        ours[_CONF] = note
    if text != (firewall.conf or ""):
        changed[CONF] = text
    in_force = {name: document for name, document in after.items() if document != Document("")}
    for name in after.keys() - in_force.keys() & stock.keys():
        in_force[name] = stock[name]
    return Target(dict(sorted(changed.items())), in_force, setting(text, "DefaultZone"), ours)


def as_it_is(firewall: Firewall) -> Target:
    """Return a target that changes no file; raise ValueError when one is broken."""
    return Target({}, documents(firewall), setting(firewall.conf or "", "DefaultZone"), owned(firewall))


def _below(firewall: Firewall, folder: str) -> dict[str, str]:
    return {path: text for path, text in firewall.files.items() if path.startswith(f"{folder}/")}


def _merged(
    before: Document | None, stock: Document | None, part: Part | None, note: Note, tag: str
) -> tuple[Document | None, Note]:
    """Return one document as it is to be (None: no file), and what of it is ours."""
    if part is not None and not part.exists:
        return None, {}
    part = part or Part()
    was = before or Document(tag, IMPLIED.get(tag, {}))
    mine = set(note.get("items", []))
    gone = (mine - set(part.present)) | set(part.absent)
    items = [each for each in dict.fromkeys((*was.items, *part.present)) if each not in gone]
    replaced: dict[str, str] = dict(note.get("attributes", {}))
    attributes = dict(was.attributes)
    for name in [name for name in replaced if name not in part.attributes]:
        before_us = replaced.pop(name)
        if _is_ours(note, name, attributes.get(name, "")):
            attributes[name] = before_us
    for name, value in part.attributes.items():
        replaced.setdefault(name, was.attributes.get(name, ""))
        if replaced[name] == value and name not in note.get("attributes", {}):
            del replaced[name]
        attributes[name] = value
    document = replace(
        was, attributes={name: value for name, value in attributes.items() if value}, items=tuple(items)
    )
    added = [each for each in part.present if each in mine or before is None or each not in was.items]
    new = bool(note.get("new", before is None or before == stock))
    made = new and stock is None
    if not part.present and not part.attributes and not part.absent and made and not items:
        return None, {}
    ours: Note = {"items": sorted(added), **_replaced(replaced, part.attributes), "new": new}
    return document, ours if added or replaced or (made and before is None) else {}


def setting(conf: str, key: str) -> str:
    """Return what a key of firewalld.conf is set to."""
    found = re.findall(_line(key), conf, re.MULTILINE)
    return str(found[-1]).strip() if found else _CONF_DEFAULTS[key]


def _line(key: str) -> str:
    return rf"^[ \t]*{key}[ \t]*=(.*)$"


def _is_ours(note: Note, name: str, value: str) -> bool:
    """Tell whether a value is one that we gave; somebody else's since then stays."""
    return value in note.get("values", {}).get(name, [value])


def _replaced(replaced: dict[str, str], given: dict[str, str]) -> Note:
    values = {name: [given[name]] for name in replaced if name in given}
    return {"attributes": replaced, **({"values": values} if values else {})}


def _conf(text: str, wanted: dict[str, str], note: Note) -> tuple[str, Note]:
    """Return firewalld.conf with these settings, and what they replaced."""
    replaced: dict[str, str] = dict(note.get("attributes", {}))
    gone = {key: replaced.pop(key) for key in list(replaced) if key not in wanted}
    back = {key: value for key, value in gone.items() if _is_ours(note, key, setting(text, key))}
    for key, value in wanted.items():
        if value != setting(text, key):
            replaced.setdefault(key, setting(text, key))
    for key, value in {**back, **wanted}.items():
        if value == setting(text, key):
            continue
        text, count = re.subn(_line(key), f"{key}={value}", text, flags=re.MULTILINE)
        if not count:
            text = f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{key}={value}\n"
    return text, _replaced(replaced, wanted) if replaced else {}


def record(notes: dict[str, Note]) -> str:
    """Return the text of OWNED."""
    return json.dumps(notes, indent=1, sort_keys=True) + "\n"


def both(before: str | None, notes: dict[str, Note]) -> str:
    """Return a record for the time in which nobody knows whether the change has happened."""
    old: dict[str, Note] = json.loads(before or "{}")
    union = {**old, **notes}
    for name in old.keys() & notes.keys():
        items = {*old[name].get("items", []), *notes[name].get("items", [])}
        union[name] = {
            **notes[name],
            "items": sorted(items),
            "attributes": {**notes[name].get("attributes", {}), **old[name].get("attributes", {})},
        }
        given: dict[str, set[str]] = {}
        for each in (old[name], notes[name]):
            for key, values in each.get("values", {}).items():
                given.setdefault(key, set()).update(values)
        if given:
            union[name]["values"] = {key: sorted(values) for key, values in given.items()}
    return record(union)


def changes(before: Mapping[str, Document], after: Mapping[str, Document]) -> list[str]:
    """Return what a change adds to documents and takes from them: ``zones/public: + <port .../>``."""
    lines = []
    for name in sorted({**before, **after}):
        old, new = before.get(name, Document("")), after.get(name, Document(""))
        lines += [f"{name}: - {each}" for each in sorted({*old.items} - {*new.items})]
        lines += [f"{name}: + {each}" for each in sorted({*new.items} - {*old.items})]
        if old.attributes != new.attributes:
            lines.append(f"{name}: {new.attributes} instead of {old.attributes}")
    return lines


def drift(
    firewall: Firewall, wanted: Mapping[str, Document], default_zone: str, names: list[str]
) -> list[str]:
    """Return in what the daemon differs from ``wanted``, as ``zones/public: + <port .../>`` lines."""
    lines = []
    for name in names:
        loaded, document = firewall.loaded.get(name), wanted.get(name)
        if loaded is None or document is None:
            lines += [f"{name}: {'not loaded' if document else 'still loaded'}"] if loaded != document else []
            continue
        bound = {each for each in loaded.items if each.startswith("<interface ")}
        extra = {*loaded.items} - {*document.items} - bound
        missing = {*document.items} - {*loaded.items}
        lines += [f"{name}: + {each}" for each in sorted(extra)] + [
            f"{name}: - {each}" for each in sorted(missing)
        ]
        if loaded.attributes != document.attributes:
            lines.append(f"{name}: {loaded.attributes} instead of {document.attributes}")
    if firewall.default_zone and firewall.default_zone != default_zone:
        lines.append(f"default zone: {firewall.default_zone} instead of {default_zone}")
    return lines
