"""The typed model of what firewalld can be told: zones, services, ipsets and policies, in its own words."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Literal
from xml.etree import ElementTree

from pydantic import AfterValidator, Field

from deploys.docker import DockerOptions
from deploys.options import Fleet, Options
from operations.firewalld import DOCKERS
from pure import firewalld_config as config
from pure.daemon_options import grammar
from pure.firewall_state import Part
from pure.firewalld_config import item
from pure.model import Model

# What Docker names its own: its bridges, and the one of a swarm.
DOCKER_INTERFACE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}")
PROTOCOLS = ("tcp", "udp", "sctp", "dccp")


def _ports(text: str, what: str = "PORT/PROTOCOL or FIRST-LAST/PROTOCOL, e.g. 8000-8010/tcp") -> str:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?/([a-z]+)", text)
    if not match:
        raise ValueError(f"must be {what}")
    low, high = int(match[1]), int(match[2] or match[1])
    if match[3] not in PROTOCOLS:
        raise ValueError(f"{match[3]!r} is none of {', '.join(PROTOCOLS)}")
    if not 1 <= low <= 65535 or not 1 <= high <= 65535:
        raise ValueError("a port is in 1..65535")
    if match[2] and low >= high:
        raise ValueError(f"the range {low}-{high} does not go up")
    return text


def _source(text: str) -> str:
    if not re.fullmatch(r"ipset:[A-Za-z0-9_.-]{1,31}|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", text):
        _network(text)
    return text


def _network(text: str) -> str:
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError("must be an address or a network, e.g. 192.0.2.0/24") from None
    if interface.ip != interface.network.network_address:
        raise ValueError(f"has host bits set; the network is {interface.network}")
    return text


def _some_network(text: str) -> str:
    if ipaddress.ip_network(_network(text)).prefixlen == 0:
        raise ValueError("is everybody; leave the option out instead")
    return text


def _forward(text: str) -> str:
    match = re.fullmatch(
        r"port=(?P<port>[\d-]+):proto=(?P<protocol>\w+)(?::toport=(?P<to>[\d-]+))?(?::toaddr=(?P<address>[^:].*))?",
        text,
    )
    if not match or not (match["to"] or match["address"]):
        raise ValueError("must be port=P:proto=P:toport=P:toaddr=A; toport or toaddr may be missing")
    for ports in filter(None, (match["port"], match["to"])):
        _ports(f"{ports}/{match['protocol']}", "port=P:proto=P:toport=P:toaddr=A")
    if match["address"]:
        ipaddress.ip_address(match["address"])
    return text


def _rich(text: str) -> str:
    for child in ElementTree.fromstring(config.rich_rule(text)).iter():
        if "port" in child.attrib:
            _ports(f"{child.get('port')}/{child.get('protocol', '')}", 'port port="80" protocol="tcp"')
        if "address" in child.attrib:
            _network(child.attrib["address"])
    return text


Name = Annotated[
    str, grammar(r"[A-Za-z0-9][A-Za-z0-9_-]{0,16}", "a name of up to 17 letters, digits, _ and -")
]
LongName = Annotated[
    str, grammar(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}", "a name of up to 31 letters, digits, _.-")
]
Interface = Annotated[str, grammar(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}\+?", "the name of a network interface")]
Protocol = Annotated[str, grammar(r"[a-z0-9][a-z0-9-]*", "a protocol out of /etc/protocols")]
Icmp = Annotated[str, grammar(r"[a-z][a-z0-9-]*", "one of firewall-cmd --get-icmptypes")]
Ports = Annotated[str, AfterValidator(_ports)]
Network = Annotated[str, AfterValidator(_some_network)]
Source = Annotated[str, AfterValidator(_source)]
Forward = Annotated[str, AfterValidator(_forward)]
Rich = Annotated[str, AfterValidator(_rich)]


def _port(tag: str) -> Callable[[str], str]:
    return lambda text: item(tag, port=text.split("/")[0], protocol=text.split("/")[1])


def _forward_item(text: str) -> str:
    words = dict(part.split("=", 1) for part in text.split(":", 3))
    return config.forward_port(
        words["port"], words["proto"], words.get("toport", ""), words.get("toaddr", "")
    )


# What one value of each field becomes.
ITEMS: dict[str, Callable[[str], str]] = {
    "services": config.SETTINGS["services"],
    "ports": _port("port"),
    "source_ports": _port("source-port"),
    "protocols": config.SETTINGS["protocols"],
    "forward_ports": _forward_item,
    "icmp_blocks": config.SETTINGS["icmp_blocks"],
    "rich_rules": config.rich_rule,
    "interfaces": config.SETTINGS["interfaces"],
    "sources": config.source,
    "includes": config.SETTINGS["includes"],
    "helpers": config.SETTINGS["helpers"],
    "entries": config.SETTINGS["entries"],
    "ingress_zones": config.SETTINGS["ingress_zones"],
    "egress_zones": config.SETTINGS["egress_zones"],
}
FLAGS = ("masquerade", "forward", "icmp_block_inversion")


class Settings(Model):
    """Lists of settings, each a field of ITEMS."""

    def items(self) -> list[tuple[str, str]]:
        """Return each setting as its user wrote it, with its canonical form."""
        return [
            (value, to_item(value))
            for name, to_item in ITEMS.items()
            for value in getattr(self, name, None) or []
        ]


class Ruled(Settings):
    """What zones and policies have in common."""

    services: list[LongName] = []
    ports: list[Ports] = []
    source_ports: list[Ports] = []
    protocols: list[Protocol] = []
    forward_ports: list[Forward] = []
    icmp_blocks: list[Icmp] = []
    rich_rules: list[Rich] = []


class ZoneSettings(Ruled):
    """What a zone may have."""

    interfaces: list[Interface] = []
    sources: list[Source] = []


class Zone(ZoneSettings):
    """A zone: what it must have, and under ``absent`` what it must not have."""

    state: Literal["present", "absent"] = "present"
    target: Literal["default", "ACCEPT", "REJECT", "DROP"] | None = None
    masquerade: bool | None = None
    forward: bool | None = None
    icmp_block_inversion: bool | None = None
    absent: ZoneSettings = ZoneSettings()


class Policy(Ruled):
    """A policy between zones (firewalld 0.9 and later)."""

    state: Literal["present", "absent"] = "present"
    target: Literal["CONTINUE", "ACCEPT", "REJECT", "DROP"] | None = None
    priority: Annotated[int, Field(ge=-32768, le=32767)] | None = None
    ingress_zones: list[Name] = []
    egress_zones: list[Name] = []
    masquerade: bool | None = None
    absent: Ruled = Ruled()


class Service(Settings):
    """A service of one's own, or an addition to one of firewalld's."""

    state: Literal["present", "absent"] = "present"
    ports: list[Ports] = []
    source_ports: list[Ports] = []
    protocols: list[Protocol] = []
    includes: list[LongName] = []
    helpers: list[LongName] = []


class Ipset(Settings):
    """A set of addresses for sources and rich rules."""

    state: Literal["present", "absent"] = "present"
    type: Literal["hash:ip", "hash:net", "hash:mac"] = "hash:net"
    family: Literal["inet", "inet6"] = "inet"
    entries: list[Source] = []


Any_ = Zone | Policy | Service | Ipset


def part(each: Any_) -> Part:
    """Return what one declaration means for its file."""
    flags = {flag: getattr(each, flag, None) for flag in FLAGS}
    on = [item(flag.replace("_", "-")) for flag, value in flags.items() if value]
    off = [item(flag.replace("_", "-")) for flag, value in flags.items() if value is False]
    attributes = {}
    if target := getattr(each, "target", None):
        attributes["target"] = {
            "default": "",
            "REJECT": "%%REJECT%%" if isinstance(each, Zone) else "REJECT",
        }.get(target, target)
    if (priority := getattr(each, "priority", None)) is not None:
        attributes["priority"] = str(priority)
    if isinstance(each, Ipset):
        attributes["type"] = each.type
        if each.type != "hash:mac" and each.family != "inet":
            on.append(item("option", name="family", value=each.family))
    absent = getattr(each, "absent", None)
    return Part(
        present=tuple(dict.fromkeys([*(canonical for _, canonical in each.items()), *on])),
        absent=tuple([*(canonical for _, canonical in absent.items()), *off] if absent else off),
        attributes=attributes,
        exists=each.state == "present",
    )


class FirewallOptions(Options):
    """Options of the firewall deploy; with none of them set, by applications either, it asks nothing."""

    namespace: ClassVar[str] = "firewall_"

    running: bool | None = Field(
        None,
        description="True installs firewalld, starts it and enables it; False stops and disables it, and its "
        "files are still managed; None expects it to run already",
    )
    unmask: bool = Field(False, description="unmask firewalld where somebody has masked it")
    conflicts: Literal["refuse", "disable"] = Field(
        "refuse", description="what to do about enabled nftables, iptables or ip6tables services"
    )
    default_zone: Name | None = Field(None, description="zone of interfaces that no zone names")
    zones: dict[Name, Zone] = Field(
        {},
        description="zones by name, each with services, ports, source_ports, protocols, forward_ports, "
        "icmp_blocks, rich_rules, interfaces, sources, target, masquerade, forward, icmp_block_inversion; "
        "the same lists under absent are taken away; state = 'absent' removes the zone",
    )
    services: dict[LongName, Service] = Field(
        {}, description="services by name, with ports, source_ports, protocols, includes, helpers, state"
    )
    ipsets: dict[LongName, Ipset] = Field({}, description="ipsets by name, with type, family, entries, state")
    policies: dict[Name, Policy] = Field(
        {},
        description="policies by name, with ingress_zones, egress_zones, target, priority, masquerade and "
        "the lists of a zone (firewalld 0.9 and later: not on EL7)",
    )
    strict_forward_ports: bool | None = Field(
        None,
        description="True closes published container ports but those that forward_ports lead to, where "
        "firewalld has StrictForwardPorts; not with its iptables backend",
    )
    docker_allow: list[Network] | None = Field(
        None,
        description="addresses and networks that may reach published container ports, by Docker's chain "
        "DOCKER-USER; [] lets nobody in from outside of the host, None keeps no such rules",
    )
    docker_bridges: Annotated[list[Interface], Field(min_length=1)] = Field(
        ["docker+", "br-+"],
        description="the bridges that firewall_docker_allow protects, + at the end stands for anything; name "
        "your own where a network of yours sets com.docker.network.bridge.name, or where a bridge br-... is "
        "not Docker's",
    )
    confirm_seconds: Annotated[int, Field(ge=10, le=600)] = Field(
        60, description="seconds in which a new connection has to confirm a change, else it is taken back"
    )

    def adds(self, other: Options) -> Options:
        """Tell the docker deploy that it is not to start firewalld itself."""
        if isinstance(other, DockerOptions) and self.running is not None:
            return other.beside_firewall()
        return other

    def parts(self) -> dict[str, Part]:
        """Return what is declared of each file, by ``zones/public`` and the like."""
        return {
            f"{kind}/{name}": part(each)
            for kind in config.KINDS
            for name, each in getattr(self, kind).items()
        }

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        for kind in config.KINDS:
            for name, each in getattr(self, kind).items():
                option = f"firewall_{kind}.{name}"
                if f"{kind}/{name}" in DOCKERS:
                    yield f"{option}: Docker's own, left to it"
                yield from (f"{option}: {line}" for line in _clashes(each))
        yield from self._claimed_twice("interfaces")
        yield from self._claimed_twice("sources")
        yield from self._docker()
        yield from self._docker_interfaces()
        zone = self.zones.get(self.default_zone or "")
        if zone and zone.state == "absent":
            yield f"firewall_default_zone: {self.default_zone} is absent by firewall_zones"
        if self.running is False and (self.unmask or self.conflicts == "disable"):
            yield "firewall_running: False has no use for firewall_unmask or firewall_conflicts = 'disable'"

    def _docker(self) -> Iterator[str]:
        networks = [str(ipaddress.ip_network(each)) for each in self.docker_allow or []]
        for field, values in (("docker_allow", networks), ("docker_bridges", self.docker_bridges)):
            for twice in sorted({each for each in values if values.count(each) > 1}):
                yield f"firewall_{field}: {twice} is listed twice"
        if "docker_bridges" in self.model_fields_set and self.docker_allow is None:
            yield "firewall_docker_bridges: goes with firewall_docker_allow"

    def _docker_interfaces(self) -> Iterator[str]:
        if self.default_zone == "docker":
            yield "firewall_default_zone: docker is Docker's own, left to it"
        for name, zone in self.zones.items():
            for interface in filter(DOCKER_INTERFACE.fullmatch, zone.interfaces):
                yield f"firewall_zones.{name}.interfaces: {interface} is Docker's own, left to it"

    def among(self, host: str, fleet: Fleet) -> Iterator[str]:
        """Yield what does not go with the options of the docker deploy."""
        docker = fleet[host].get(DockerOptions)
        if self.docker_allow is not None and getattr(docker, "firewall_backend", None) == "nftables":
            yield (
                "firewall_docker_allow: docker_firewall_backend = 'nftables' has no chain DOCKER-USER, and "
                "nobody would be kept out"
            )

    def _claimed_twice(self, field: str) -> Iterator[str]:
        owners: dict[str, str] = {}
        for name, zone in self.zones.items():
            for value in dict.fromkeys(getattr(zone, field)):
                canonical = ITEMS[field](value)
                if canonical in owners:
                    yield f"firewall_zones.{name}.{field}: {value} is in zone {owners[canonical]} too"
                owners.setdefault(canonical, name)


def _clashes(each: Any_) -> Iterator[str]:
    """Yield what is wrong within one zone, service, ipset or policy: one line per mistake."""
    seen: dict[str, str] = {}
    for text, canonical in each.items():
        if canonical in seen:
            yield f"{text} is listed twice" + (f", as {seen[canonical]}" if seen[canonical] != text else "")
        seen.setdefault(canonical, text)
    for field in ("ports", "source_ports"):
        for one, other in itertools.combinations(dict.fromkeys(getattr(each, field, [])), 2):
            if overlap(one, other):
                yield f"{field}: {one} and {other} overlap"
    absent = getattr(each, "absent", None)
    for text, canonical in absent.items() if absent else []:
        if canonical in seen:
            yield f"{text} is both wanted and absent"
    given = each.model_fields_set - {"state"}
    if each.state == "absent" and given:
        yield f"state 'absent' goes with nothing else, not with {sorted(given)[0]}"
    if isinstance(each, Ipset):
        for entry in each.entries:
            if why := _misfit(each, entry):
                yield f"{entry} {why}"


def overlap(one: str, other: str) -> bool:
    """
    Return whether two of firewalld's ports have one in common.

    + one: such as 8080/tcp or 8000-8010/tcp
    + other: the same

    ``overlap("8000-8010/tcp", "8005/tcp")`` returns ``True``.
    """
    (first, protocol), (second, another) = one.split("/"), other.split("/")
    (a, b), (c, d) = ((int(p.split("-")[0]), int(p.split("-")[-1])) for p in (first, second))
    return protocol == another and a <= d and c <= b


def _misfit(ipset: Ipset, entry: str) -> str:
    """Return why an entry is none for an ipset of this type, or ``""``."""
    is_mac = bool(re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", entry))
    if is_mac or ipset.type == "hash:mac" or entry.startswith("ipset:"):
        return "" if is_mac and ipset.type == "hash:mac" else f"is no entry of type {ipset.type}"
    network = ipaddress.ip_network(entry)
    if ipset.type == "hash:ip" and network.num_addresses > 1:
        return "is a network, which needs type hash:net"
    return "" if (network.version == 6) == (ipset.family == "inet6") else f"is no address of {ipset.family}"
