"""Would a firewall let the SSH connection in that manages it? A pure function of what it is to be."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from xml.etree import ElementTree

from pure.firewall_state import Session
from pure.firewalld_config import Document

Element = ElementTree.Element
_OPEN, _SHUT = ("ACCEPT",), ("DROP", "REJECT", "%%REJECT%%")


def lockout(
    documents: Mapping[str, Document], default_zone: str, session: Session, ssh_services: Iterable[str]
) -> str:
    """
    Return why a new connection like ``session`` would not be let in, or ``""``.

    + documents: every zone, policy, service and ipset that is to be in force, e.g. by ``zones/public``
    + default_zone: the zone of interfaces that no zone names
    + session: the connection over which the host is managed
    + ssh_services: the services out of firewalld's own that have the session's port
    """
    look = _Look(documents, session, {*ssh_services})
    for name, document in documents.items():
        if name.startswith("policies/") and look.shuts(document, default_zone):
            return f"policy {name.split('/')[1]} would turn it away"
    names = look.zones(default_zone)
    for name in names:
        zone = documents.get(f"zones/{name}")
        if zone is None:
            return f"zone {name} would not be there"
        if why := look.verdict(zone):
            return f"zone {name}, which it comes in by, {why}"
    for name in look.heard(default_zone):
        if look.mutes(documents.get(f"zones/{name}", Document("zone"))):
            return f"zone {name} would drop IPv6's neighbour discovery (protocols = ['ipv6-icmp'] lets it in)"
    return ""


class _Look:
    """A firewall, looked at from one connection."""

    def __init__(self, documents: Mapping[str, Document], session: Session, ssh: set[str]) -> None:
        self.documents, self.session = documents, session
        self.peer = ipaddress.ip_address(session.peer.split("%")[0])
        own = {
            name.split("/")[1]: document
            for name, document in documents.items()
            if name.startswith("services/")
        }
        self.services = {name for name in ssh if name not in own}
        # A service may include others; so many rounds are enough for any chain of them.
        for _ in own:
            self.services |= {name for name, document in own.items() if self._serves(document)}

    def zones(self, default: str) -> list[str]:
        """Return the zones that decide: those with the peer as a source, or that of the interface."""
        by_source = [name for name, elements in self._zones() if self._any_source(elements)]
        return by_source or self._by_interface(default)

    def _zones(self) -> Iterator[tuple[str, list[Element]]]:
        for name, document in self.documents.items():
            if name.startswith("zones/"):
                yield name.split("/")[1], _elements(document)

    def _by_interface(self, default: str) -> list[str]:
        """
        Return where the interface will be, and where it will be after a later reload or boot.

        NetworkManager puts what it manages where its connection says, whatever firewalld's files say
        (firewalld 0.9 and 1.3, fw.py reload; by its documentation at a boot).
        """
        interface = self.session.interface
        named = [
            name
            for name, elements in self._zones()
            if any(e.tag == "interface" and _matches(e.get("name", ""), interface) for e in elements)
        ][:1]
        first = named or [self.session.zone or default]
        managed = self.session.managed
        later = (named or [default]) if managed is None else [managed or default]
        return list(dict.fromkeys([*first, *later]))

    def verdict(self, document: Document) -> str:
        """
        Return why a zone or policy does not let the session in, or ``""``.

        firewalld.richlanguage(5): rich rules of negative priority come first, those of 0 next, and those of
        positive priority after what else the document lets in, but before its target (the chains pre, log,
        deny, allow and post in firewalld 1.3's nftables.py).
        """
        elements = _elements(document)
        if self._forwards(elements):
            return f"forwards port {self.session.port}/tcp elsewhere"
        lets = any(self._lets(e) for e in elements)
        for rule in sorted((e for e in elements if e.tag == "rule"), key=_rank):
            if lets and _rank(rule)[0] > 0:
                break
            action = next((e.tag for e in rule if e.tag in ("accept", "reject", "drop")), "")
            if action and self._concerns(rule):
                return "" if action == "accept" else f"has a rich rule that would {action} it"
        if lets or document.attributes.get("target") in _OPEN:
            return ""
        port = f"{self.session.port}/tcp"
        named = f" (service {', '.join(sorted(self.services))})" if self.services else ""
        return f"would not let port {port}{named} in"

    def heard(self, default: str) -> list[str]:
        """
        Return the zones in which neighbours ask for the host: it is they who hand the peer's packets on.

        Over IPv6 they do so by ICMP; firewalld before 0.9 has no policy that always lets that in
        (firewalld#594).
        """
        if self.peer.version == 4 or "policies/allow-host-ipv6" in self.documents:
            return []
        return list(dict.fromkeys([*self.zones(default), *self._by_interface(default)]))

    def mutes(self, zone: Document) -> bool:
        """Tell whether a zone drops neighbour discovery."""
        elements = _elements(zone)
        blocks = [e for e in elements if e.tag == "icmp-block" and "neighbour-" in e.get("name", "")]
        if any(e.tag == "icmp-block-inversion" for e in elements):
            return not blocks
        lets = any(
            (e.tag == "protocol" and e.get("value") == "ipv6-icmp")
            or any("neighbour-" in part.get("name", "") for part in e if part.tag == "icmp-type")
            for e in elements
        )
        return bool(blocks) or (zone.attributes.get("target") in _SHUT and not lets)

    def shuts(self, policy: Document, default: str) -> bool:
        """
        Tell whether a policy turns the session away.

        firewalld.policies(5), firewalld.policy(5): it is asked of what comes from its ingress zones, with ANY
        from every one, and goes to the host only with the egress zone HOST (ANY is what is forwarded, and the
        ports that are forwarded elsewhere); with a negative priority before the zones, else after all that a
        zone lets in, but before the zone's target.
        """
        elements = _elements(policy)
        ingress, egress = _names(elements, "ingress-zone"), _names(elements, "egress-zone")
        if not ingress & {"ANY", *self._near(default)}:
            return False
        if egress & {"HOST", "ANY"} and self._forwards(elements):
            return True
        first = int(policy.attributes.get("priority", "0") or 0) < 0
        if "HOST" not in egress or not (first or self._by_target(default)):
            return False
        why = self.verdict(policy)
        return bool(why) and (policy.attributes.get("target") in _SHUT or "rich rule" in why)

    def _near(self, default: str) -> set[str]:
        """
        Return the zones whose policies may be asked of the session.

        A policy is bound to the interfaces of its zones as well as to their sources (firewalld 1.3,
        nftables.py): one for the interface's zone is asked of a peer in a source's, too. Whether the peer has
        a MAC address or is in a set cannot be told for sure.
        """
        unsure = {
            name
            for name, elements in self._zones()
            if self._any_source(elements) or any(e.tag == "source" and not e.get("address") for e in elements)
        }
        return {*unsure, *self._by_interface(default)}

    def _by_target(self, default: str) -> bool:
        """Tell whether a zone lets the session in by its target alone."""
        zones = [self.documents.get(f"zones/{name}", Document("zone")) for name in self.zones(default)]
        return any(self.verdict(replace(zone, attributes={})) for zone in zones)

    def _forwards(self, elements: list[Element]) -> bool:
        """Tell whether the session's port is taken elsewhere before any zone is asked."""
        rules = [e for e in elements if e.tag == "rule" and self._is_from_us(e)]
        ports = [
            e for e in (*elements, *(part for rule in rules for part in rule)) if e.tag == "forward-port"
        ]
        return any(e.get("protocol") == "tcp" and self._in_range(e.get("port", "")) for e in ports)

    def _serves(self, service: Document) -> bool:
        return any(
            self._lets(e) or (e.tag == "include" and e.get("service") in self.services)
            for e in _elements(service)
        )

    def _lets(self, element: Element) -> bool:
        if element.tag == "port":
            return element.get("protocol") == "tcp" and self._in_range(element.get("port", ""))
        if element.tag == "service":
            return element.get("name") in self.services
        return element.tag == "protocol" and element.get("value") == "tcp"

    def _in_range(self, ports: str) -> bool:
        low, _, high = ports.partition("-")
        return bool(low) and int(low) <= self.session.port <= int(high or low)

    def _concerns(self, rule: Element) -> bool:
        """Tell whether a rich rule is about the session; one that forwards or only masquerades is not."""
        if not self._is_from_us(rule):
            return False
        if any(e.get("mac") or e.tag == "destination" for e in rule):
            return any(e.tag in ("reject", "drop") for e in rule)  # who knows
        parts = [e for e in rule if e.tag in ("service", "port", "protocol")]
        others = [
            e
            for e in rule
            if e.tag in ("icmp-block", "icmp-type", "forward-port", "source-port", "masquerade")
        ]
        return not others and (not parts or any(self._lets(e) for e in parts))

    def _is_from_us(self, rule: Element) -> bool:
        if rule.get("family") not in (None, f"ipv{self.peer.version}"):
            return False
        sources = [e for e in rule if e.tag == "source"]
        if not sources or any(e.get("mac") for e in sources):
            return True
        return self._any_source(sources) != bool(sources[0].get("invert"))

    def _any_source(self, elements: Iterable[Element]) -> bool:
        return any(e.tag == "source" and self._is_peer(e) for e in elements)

    def _is_peer(self, source: Element) -> bool:
        addresses = [source.get("address", "")]
        if name := source.get("ipset"):
            ipset = self.documents.get(f"ipsets/{name}", Document("ipset"))
            addresses = [e.text or "" for e in _elements(ipset) if e.tag == "entry"]
        for address in filter(None, addresses):
            try:
                if self.peer in ipaddress.ip_network(address.split(",")[0], strict=False):
                    return True
            except ValueError:
                continue  # a MAC address
        return False


def _elements(document: Document) -> list[Element]:
    return [ElementTree.fromstring(each) for each in document.items]


def _names(elements: Iterable[Element], tag: str) -> set[str]:
    return {e.get("name", "") for e in elements if e.tag == tag}


def _matches(name: str, interface: str) -> bool:
    return interface.startswith(name[:-1]) if name.endswith("+") else name == interface


def _rank(rule: Element) -> tuple[int, int]:
    """firewalld.richlanguage(5): by priority, and within one first what denies, then what lets in."""
    denies = any(e.tag in ("reject", "drop") for e in rule)
    return int(rule.get("priority", "0")), 0 if denies else 1
