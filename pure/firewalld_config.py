"""firewalld's configuration as data: a file is a set of settings, each of them one canonical XML element.

Zones, services, ipsets and policies are all such files, what the daemon says over D-Bus and rich rules in
their own language become the same elements, so that comparing, adding and removing is the same for all.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

# What a policy is without a word (firewalld.policy(5)); the daemon always says it.
IMPLIED = {"policy": {"target": "CONTINUE", "priority": "-1"}}
# The folders of /etc/firewalld that are ours to manage, and the root element of their files.
KINDS = {"zones": "zone", "services": "service", "ipsets": "ipset", "policies": "policy"}
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'

# firewalld.richlanguage(5): the parts of a rule in the order in which firewalld writes them.
_SCOPE = ("source", "destination")
_ELEMENTS = (
    *("service", "port", "protocol", "icmp-block", "icmp-type", "masquerade", "forward-port", "source-port"),
    "tcp-mss-clamp",
)
_LOGS = ("log", "nflog", "audit")
ACTIONS = ("accept", "reject", "drop", "mark")
_PARTS = (*_SCOPE, *_ELEMENTS, *_LOGS, *ACTIONS)
_ALONE = ("masquerade", "icmp-block", "forward-port", "tcp-mss-clamp")  # elements that need no action
_TRUE = ("yes", "true", "1")


@dataclass(frozen=True)
class Document:
    """One file: a zone, a service, an ipset or a policy."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    short: str = ""
    description: str = ""
    items: tuple[str, ...] = ()

    def same(self, other: Document) -> bool:
        """Tell whether two documents mean the same to firewalld."""
        return self.attributes == other.attributes and set(self.items) == set(other.items)


def parse(text: str) -> Document:
    """Return the document in a file; raise ValueError when it is no XML of firewalld's."""
    try:
        root = ElementTree.fromstring(text.encode(errors="surrogateescape"))
    except ElementTree.ParseError as error:
        raise ValueError(f"not well-formed XML: {error}") from error
    if root.tag not in KINDS.values():
        raise ValueError(f"not a zone, service, ipset or policy: <{root.tag}>")
    document = Document(
        root.tag,
        {
            **IMPLIED.get(root.tag, {}),
            **{name: value for name, value in root.attrib.items() if (name, value) not in _DEFAULTS},
        },
        root.findtext("short") or "",
        root.findtext("description") or "",
    )
    items = [canonical(each) for each in root if each.tag not in ("short", "description")]
    return replace(document, items=tuple(dict.fromkeys(items)))


def render(document: Document) -> str:
    """Return the text of a file; settings keep their order."""
    start = "".join(f" {name}={quoteattr(value)}" for name, value in sorted(document.attributes.items()))
    texts = {"short": document.short, "description": document.description}
    lines = [f"<{name}>{escape(text)}</{name}>" for name, text in texts.items() if text]
    inner = "".join(f"  {line}\n" for line in (*lines, *document.items))
    return f"{HEAD}<{document.tag}{start}>\n{inner}</{document.tag}>\n"


def item(tag: str, text: str = "", /, **attributes: str) -> str:
    """Return a setting: ``item("port", port="80", protocol="tcp")``; ``_`` in a name stands for ``-``."""
    element = ElementTree.Element(tag, {name.replace("_", "-"): value for name, value in attributes.items()})
    element.text = text
    return canonical(element)


# What a setting says by leaving it out.
_DEFAULTS = {("burst", "0"), ("priority", "0"), ("target", "default"), ("version", "")}


def canonical(element: ElementTree.Element) -> str:
    """Return an element as text that is the same for everything that means the same."""
    attributes = dict(sorted(_attributes(element)))
    start = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    children = [canonical(child) for child in sorted(element, key=_order)]
    inner = escape(_address((element.text or "").strip())) + "".join(children)
    return f"<{element.tag}{start}>{inner}</{element.tag}>" if inner else f"<{element.tag}{start}/>"


def _attributes(element: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        if value == "" or (name, value) in _DEFAULTS:
            continue
        if name == "invert":
            if value.lower() in _TRUE:
                yield name, "True"
        elif name in ("address", "to-addr", "ipv4", "ipv6"):
            yield name, _address(value)
        elif name == "mac":
            yield name, value.upper()
        elif element.tag == "limit" and name == "value":
            yield name, re.sub(r"/(\w)\w*$", r"/\1", value)
        elif name in ("port", "to-port"):
            yield name, value.replace(":", "-")
        else:
            yield name, value


def _address(text: str) -> str:
    """Spell an address or network as ``ipaddress`` does; anything else stays as it is."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return text
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _order(element: ElementTree.Element) -> int:
    return _PARTS.index(element.tag) if element.tag in _PARTS else len(_PARTS)


def source(text: str) -> str:
    """Return the setting for a source: an address, a network, a MAC address or ``ipset:NAME``."""
    if text.startswith("ipset:"):
        return item("source", ipset=text.removeprefix("ipset:"))
    if re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", text):
        return item("source", mac=text)
    return item("source", address=text)


def forward_port(port: str, protocol: str, to_port: str = "", to_addr: str = "") -> str:
    """Return the setting for a forward port."""
    return item("forward-port", port=port, protocol=protocol, to_port=to_port, to_addr=to_addr)


def rich_rule(text: str) -> str:
    """
    Return the setting for a rule in firewalld's rich language; raise ValueError for what is none.

    ``rich_rule("rule family=ipv4 source address=192.0.2.0/24 drop")`` and the same rule with quotes, or with
    an address that is spelt otherwise, give the same text.
    """
    try:
        first, *words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"not a rich rule: {error}") from error
    if first != "rule":
        raise ValueError("a rich rule starts with the word rule")
    rule = ElementTree.Element("rule")
    current = rule
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            current.set(name, value)
        elif word.lower() == "not":
            current.set("invert", "True")
        elif word == "limit" and current.tag in (*_LOGS, *ACTIONS):
            current = ElementTree.SubElement(current, "limit")
        elif word in _PARTS:
            current = ElementTree.SubElement(rule, word)
        else:
            raise ValueError(f"{word!r} is no part of a rich rule")
    _complete(rule)
    return canonical(rule)


def _complete(rule: ElementTree.Element) -> None:
    """Add the family that addresses imply; raise ValueError when the rule contradicts itself."""
    tags = [child.tag for child in rule]
    groups: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("source", ("source",)),
        ("destination", ("destination",)),
        ("element", _ELEMENTS),
        ("action", ACTIONS),
    )
    for what, group in groups:
        if len(found := [tag for tag in tags if tag in group]) > 1:
            raise ValueError(f"a rich rule has at most one {what}, this one has {' and '.join(found)}")
    if not set(tags) & {*ACTIONS, *_LOGS, *_ALONE}:
        raise ValueError("a rich rule needs accept, reject, drop, mark, log or audit")
    for child in rule:
        if address := child.get("address") or child.get("to-addr"):
            try:
                family = f"ipv{ipaddress.ip_interface(address).version}"
            except ValueError as error:
                raise ValueError(f"not an address: {error}") from error
            if rule.get("family", family) != family:
                raise ValueError(f"{address} is no address of family {rule.get('family')}")
            rule.set("family", family)


# What firewalld says over D-Bus: the names of its settings, and what one value of each becomes.
SETTINGS: dict[str, Callable[[Any], str]] = {
    "services": lambda value: item("service", name=value),
    "ports": lambda value: item("port", port=value[0], protocol=value[1]),
    "source_ports": lambda value: item("source-port", port=value[0], protocol=value[1]),
    "protocols": lambda value: item("protocol", value=value),
    "icmp_blocks": lambda value: item("icmp-block", name=value),
    "forward_ports": lambda value: forward_port(*value),
    "interfaces": lambda value: item("interface", name=value),
    "sources": source,
    "rules_str": rich_rule,
    "rich_rules": rich_rule,
    "ingress_zones": lambda value: item("ingress-zone", name=value),
    "egress_zones": lambda value: item("egress-zone", name=value),
    "modules": lambda value: item("module", name=value),
    "includes": lambda value: item("include", service=value),
    "helpers": lambda value: item("helper", name=value),
    "options": lambda value: item("option", name=value[0], value=value[1]),
    "entries": lambda value: item("entry", value),
}
_FLAGS = ("masquerade", "forward", "icmp_block_inversion")
_ATTRIBUTES = ("target", "priority", "ingress_priority", "egress_priority", "type")
# The tuples of the older calls (firewalld 0.6 has no others), field by field; None: of no interest.
_TUPLES: dict[str, tuple[str | None, ...]] = {
    "zone": (
        *(None, "short", "description", None, "target", "services", "ports", "icmp_blocks", "masquerade"),
        *("forward_ports", "interfaces", "sources", "rules_str", "protocols", "source_ports"),
        "icmp_block_inversion",
    ),
    "service": (
        *(None, "short", "description", "ports", "modules", "destination", "protocols", "source_ports"),
    ),
    "ipset": (None, "short", "description", "type", "options", "entries"),
}


def runtime(tag: str, said: str) -> Document:
    """Return the document in an answer of busctl, dictionary or tuple; raise ValueError for anything else."""
    words = shlex.split(said)
    if not words:
        raise ValueError("no answer")
    value, rest = _value(words[0], words[1:])[:2]
    if rest:
        raise ValueError(f"more than {words[0]} in an answer of busctl: {rest[:3]!r}")
    if not isinstance(value, dict):
        value = {name: each for name, each in zip(_TUPLES[tag], value, strict=True) if name}
    return _document(tag, value)


def _document(tag: str, settings: dict[str, Any]) -> Document:
    attributes = {
        name.replace("_", "-"): str(settings[name])
        for name in _ATTRIBUTES
        if str(settings.get(name, "")) not in ("", "0", "default")
    }
    items = [to_item(value) for name, to_item in SETTINGS.items() for value in _each(settings.get(name, []))]
    items += [item(name.replace("_", "-")) for name in _FLAGS if settings.get(name)]
    if destination := settings.get("destination"):
        items.append(item("destination", **destination))
    return Document(tag, {**IMPLIED.get(tag, {}), **attributes}, items=tuple(items))


def _each(values: Any) -> list[Any]:
    return list(values.items()) if isinstance(values, dict) else list(values)


def _value(signature: str, words: list[str]) -> tuple[Any, list[str], str]:
    """Return the first value of ``signature`` in ``words``, and what follows it in both."""
    kind, after = signature[0], signature[1:]
    try:
        if kind == "v":
            value, words, _ = _value(words[0], words[1:])
            return value, words, after
        if kind == "a":
            return _array(after, int(words[0]), words[1:])
        if kind in "({":
            values = []
            while after[0] not in ")}":
                value, words, after = _value(after, words)
                values.append(value)
            return tuple(values), words, after[1:]
        word = words[0]
    except IndexError as error:
        raise ValueError(f"an answer of busctl ends within {signature}") from error
    value = {"b": word == "true", "i": word}.get(kind, word)
    return value, words[1:], after


def _array(signature: str, length: int, words: list[str]) -> tuple[Any, list[str], str]:
    values = []
    after = _skip(signature)
    for _ in range(length):
        value, words, after = _value(signature, words)
        values.append(value)
    return (dict(values) if signature[0] == "{" else values), words, after


def _skip(signature: str) -> str:
    """Return what follows the first complete type of a signature."""
    if signature[0] == "a":
        return _skip(signature[1:])
    depth = 0
    for position, kind in enumerate(signature):
        depth += (kind in "({") - (kind in ")}")
        if depth == 0:
            return signature[position + 1 :]
    raise ValueError(f"not a signature: {signature}")
