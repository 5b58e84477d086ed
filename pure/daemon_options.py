"""The typed model of Docker's daemon.json: every documented key of engines 20.10 to 29, checked.

Read from the engine itself: moby/moby daemon/config/*.go and the dockerd flags of tags v20.10.0 to
docker-v29.7.2, docker/cli docs/reference/dockerd.md (2026-08). Left out on purpose: `containerd` (the unit
passes it as a flag), `containerd-plugins-namespace` (its JSON tag is misspelt, the engine never reads it),
`cri-containerd` and `rootless` (another kind of installation), and what engine 29 no longer knows.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from pure.accounts import NAME
from pure.model import Model
from pure.secrets import masked

# Units are binary, as the engine reads them (go-units RAMInBytes): 1GB = 1024^3 bytes.
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
SIZE = re.compile(r"([1-9]\d*)([KMGT]?)B?", re.IGNORECASE)
PERCENT = re.compile(r"([1-9]\d?|100)%")
HOSTNAME = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
ROTATION = {"max-size": "10m", "max-file": "3"}
ROTATING = ("json-file", "local")

# Names each driver accepts (moby daemon/logger/*: ValidateLogOpt); a driver not listed is checked by dockerd.
_COMMON_LOG_OPTS = {"mode", "max-buffer-size", "labels", "labels-regex", "env", "env-regex", "tag"} | {
    f"cache-{name}" for name in ("disabled", "max-size", "max-file", "compress")
}
LOG_OPTS = {
    "json-file": _COMMON_LOG_OPTS | {"max-size", "max-file", "compress"},
    "local": _COMMON_LOG_OPTS | {"max-size", "max-file", "compress"},
    "journald": _COMMON_LOG_OPTS,
}
LOG_OPT_VALUES = {
    "max-size": (r"[1-9]\d*[kmg]?", "a number with k, m or g, e.g. 10m"),
    "max-file": (r"[1-9]\d*", "a whole number from 1"),
    "compress": (r"true|false", "true or false"),
    "mode": (r"blocking|non-blocking", "blocking or non-blocking"),
    "max-buffer-size": (r"[1-9]\d*[kmg]?", "a number with k, m or g, e.g. 1m"),
}
# moby builder-next/builder.go cacheFields; inuse, shared and private have no value and cannot be written
# as "key=value", so they never match there.
GC_FILTERS = {
    "until": r"(\d+(h|m|s))+",
    "unused-for": r"(\d+(h|m|s))+",
    "type": r"regular|source\.local|source\.git\.checkout|exec\.cachemount|frontend|internal",
    "id": r"[A-Za-z0-9]+",
    "parent": r"[A-Za-z0-9]+",
    "description": r"[A-Za-z0-9._:/@+-]+",
}


def grammar(pattern: str, meaning: str) -> AfterValidator:
    """Return a validator for text that has to match a pattern as a whole."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {meaning}")
        return text

    return AfterValidator(check)


def _ip(parse: Callable[[str], Any], version: int | None = None) -> AfterValidator:
    """Return a validator that lets ``ipaddress`` decide, optionally for one IP version."""

    def check(text: str) -> str:
        if parse is not ipaddress.ip_address and "/" not in text:
            raise ValueError(f"{text!r} has no prefix length, e.g. {text}/24")
        value = parse(text)
        if version not in (None, value.version):
            raise ValueError(f"must be an IPv{version} address, not IPv{value.version}")
        return text

    return AfterValidator(check)


def _network(text: str) -> Any:
    interface = ipaddress.ip_interface(text)
    if interface.ip != interface.network.network_address:
        raise ValueError(f"{text} has host bits set; the network is {interface.network}")
    return interface.network


def _path(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9][A-Za-z0-9._@:+-]*|/\.[A-Za-z0-9][A-Za-z0-9._-]*)+", text):
        raise ValueError("must be an absolute path without '..', spaces or shell characters")
    return text


def _unique(values: list[Any]) -> list[Any]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} is listed twice")
    return values


def _mirror(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("https", "http") or not re.fullmatch(rf"{HOSTNAME}(:\d{{1,5}})?", url.netloc):
        raise ValueError("must be https://HOST or https://HOST:PORT, without user name or password")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("must not have a path: a mirror serves the root of its host")
    return _ported(text, url.netloc)


def _proxy(text: str) -> str:
    if "@" in text:
        raise ValueError(
            "must be without user name or password: docker info shows them to every user of Docker"
        )
    url = rf"(https?|socks5h?)://(({HOSTNAME}|\[[0-9A-Fa-f:]+\])(:\d{{1,5}})?)/?"
    match = re.fullmatch(url, text)
    if match is None:
        raise ValueError("should look like http://proxy.lan:3128; https, socks5 and socks5h work, too")
    return _ported(text, match[2])


def _registry(text: str) -> str:
    if "://" in text:
        raise ValueError("must be HOST, HOST:PORT or a network, without http:// or https://")
    if re.fullmatch(r"[0-9.]+/\d+|[0-9A-Fa-f:]+/\d+", text):
        _network(text)
        return text
    if not re.fullmatch(rf"({HOSTNAME}|\[[0-9A-Fa-f:]+\])(:\d{{1,5}})?", text):
        raise ValueError("must be HOST, HOST:PORT or a network, without a path")
    return _ported(text, text)


def _listener(text: str) -> str:
    if re.fullmatch(r"fd://", text):
        return text
    if text.startswith("unix://"):
        _path(text.removeprefix("unix://"))
        return text
    if match := re.fullmatch(r"tcp://(\d+\.\d+\.\d+\.\d+|\[[0-9A-Fa-f:]+\]):\d{1,5}", text):
        ipaddress.ip_address(match[1].strip("[]"))
        return _ported(text, text)
    raise ValueError("must be fd://, unix:///PATH or tcp://ADDRESS:PORT")


def _ported(text: str, authority: str) -> str:
    port = re.search(r":(\d+)/?$", authority)
    if port and not 1 <= int(port[1]) <= 65535:
        raise ValueError(f"port {port[1]} is not in 1..65535")
    return text


def _label(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*=[A-Za-z0-9._:/@%+,-]*", text):
        raise ValueError("must be key=value")
    if text.startswith(("com.docker.", "io.docker.", "org.dockerproject.")):
        raise ValueError("com.docker.*, io.docker.* and org.dockerproject.* are Docker's own")
    return text


def _gc_filter(text: str) -> str:
    key, separator, value = text.partition("=")
    if not separator or key not in GC_FILTERS:
        raise ValueError(f"must be key=value with key one of {', '.join(GC_FILTERS)}")
    if not re.fullmatch(GC_FILTERS[key], value):
        raise ValueError(f"{value!r} is not a value of {key} (one key=value per entry, hours as 48h)")
    return text


Network = Annotated[str, _ip(_network)]
Network4 = Annotated[str, _ip(_network, 4)]
Network6 = Annotated[str, _ip(_network, 6)]
Interface4 = Annotated[str, _ip(ipaddress.ip_interface, 4)]
Interface6 = Annotated[str, _ip(ipaddress.ip_interface, 6)]
Address = Annotated[str, _ip(ipaddress.ip_address)]
Address4 = Annotated[str, _ip(ipaddress.ip_address, 4)]
Address6 = Annotated[str, _ip(ipaddress.ip_address, 6)]
HostPath = Annotated[str, AfterValidator(_path)]
Bytes = Annotated[str, grammar(r"[1-9]\d*[kmgtKMGT]?[bB]?", "a size without spaces, e.g. 512MB or 20GB")]
Space = Annotated[
    str,
    grammar(
        r"[1-9]\d*[kmgtKMGT]?[bB]?|([1-9]\d?|100)%", "a size without spaces (20GB) or a percentage (10%)"
    ),
]
Duration = Annotated[str, grammar(r"(\d+(h|m|s))+", "hours, minutes or seconds, e.g. 48h")]
Name = Annotated[str, grammar(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "a name of letters, digits, '_', '.' and '-'")]
Slug = Annotated[str, grammar(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "lower case letters, digits and '-'")]
Pair = Annotated[str, grammar(r"[A-Za-z0-9][A-Za-z0-9._-]*=[A-Za-z0-9._:/@%+,-]+", "key=value")]
Domain = Annotated[str, grammar(rf"{HOSTNAME}\.?|\.", "a domain name")]
Text = Annotated[str, grammar(r"[ -~]*", "printable ASCII")]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[int, Field(ge=0)]
Unique = AfterValidator(_unique)


class AddressPool(Model):
    """A range from which networks without an explicit subnet are cut."""

    base: Network
    size: int = Field(ge=1, le=128, description="Prefix length of each network, in bits.")

    @model_validator(mode="after")
    def _fits(self) -> AddressPool:
        network = ipaddress.ip_network(self.base)
        if not network.prefixlen <= self.size <= network.max_prefixlen:
            raise ValueError(f"size {self.size} is not in {network.prefixlen}..{network.max_prefixlen}")
        return self


class Ulimit(Model):
    """A soft and a hard limit; -1 is unlimited."""

    soft: int = Field(ge=-1)
    hard: int = Field(ge=-1)

    @model_validator(mode="after")
    def _ordered(self) -> Ulimit:
        if self.hard != -1 and (self.soft == -1 or self.soft > self.hard):
            raise ValueError(f"soft {self.soft} is above hard {self.hard}")
        return self


class Proxies(Model):
    """Proxies of the engine itself (pulls, pushes), not of builds or containers."""

    http_proxy: ProxyUrl | None = Field(default=None, serialization_alias="http-proxy")
    https_proxy: ProxyUrl | None = Field(default=None, serialization_alias="https-proxy")
    no_proxy: Annotated[str, grammar(r"[A-Za-z0-9.*:/,\[\]_-]+", "names split by commas")] | None = Field(
        default=None, serialization_alias="no-proxy"
    )


class Runtime(Model):
    """An OCI runtime besides runc."""

    path: HostPath
    args: list[Text] | None = Field(default=None, serialization_alias="runtimeArgs")


class Nri(Model):
    """Node Resource Interface."""

    enable: bool
    plugin_path: HostPath | None = Field(default=None, serialization_alias="plugin-path")
    plugin_config_path: HostPath | None = Field(default=None, serialization_alias="plugin-config-path")
    socket_path: HostPath | None = Field(default=None, serialization_alias="socket-path")


class Entitlements(Model):
    """What a build may ask for."""

    network_host: bool | None = Field(default=None, serialization_alias="network-host")
    security_insecure: bool | None = Field(default=None, serialization_alias="security-insecure")
    device: bool | None = Field(default=None, description="From engine 29.0.")


class GcPolicy(Model):
    """One rule of the build cache's garbage collection; rules run in the order given."""

    all: bool = False
    filter: Annotated[list[Annotated[str, AfterValidator(_gc_filter)]], Unique] = Field(default=[])
    keep_duration: Duration | None = None
    reserved_space: Space | None = None
    max_used_space: Space | None = None
    min_free_space: Space | None = None

    @model_validator(mode="after")
    def _consistent(self) -> GcPolicy:
        keys = [item.partition("=")[0] for item in self.filter] + ["until"] * (self.keep_duration is not None)
        keys = ["until" if key == "unused-for" else key for key in keys]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"{key} is given twice (keep_duration, until and unused-for are the same)")
        ordered_spaces(self.reserved_space, self.max_used_space)
        return self


def space(text: str, disk: int) -> int:
    """
    Return a size in bytes.

    + text: ``20GB`` (binary units) or ``10%``
    + disk: size in bytes of what a percentage is a part of

    ``space("10%", 2**40)`` returns ``109951162777``. Source: docker/go-units RAMInBytes.
    """
    if match := PERCENT.fullmatch(text):
        if disk <= 0:
            raise ValueError(f"{text} of a disk of {disk} bytes is nothing")
        return max(1, disk * int(match[1]) // 100)  # the engine reads 0 as no limit
    match = SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a size: {text!r}")
    return int(match[1]) * UNITS[match[2].upper()]


def ordered_spaces(reserved: str | None, cap: str | None, disk: int | None = None) -> None:
    """
    Refuse a floor above the cap: the engine would never go below it, so there would be no cap.

    + reserved, cap: sizes as ``space`` takes them
    + disk: its size in bytes; None: unknown yet, then only sizes of one kind are compared

    Raises ValueError naming both. Source: moby/buildkit cache/manager.go calculateKeepBytes.
    """
    if reserved is None or cap is None or (disk is None and ("%" in reserved) != ("%" in cap)):
        return
    part = 100 if disk is None else disk
    if space(reserved, part) > space(cap, part):
        raise ValueError(f"reserved_space {reserved} is above max_used_space {cap}")


class DaemonOptions(Model):
    """What daemon.json says; a field of None is not written. `docker_log_opts` becomes `log-opts`."""

    # Logs
    log_driver: Literal[
        "json-file", "local", "journald", "syslog", "none", "gelf", "fluentd", "awslogs", "gcplogs", "splunk"
    ] = Field(default="json-file", description="Where containers log to; existing containers keep theirs.")
    log_opts: dict[str, Text] | None = Field(
        default=None,
        description="Options of the log driver, all text; json-file and local rotate at max-size 10m (bytes, "
        "k, m, g are decimal) and keep max-file 3 unless set here.",
    )
    log_level: Literal["debug", "info", "warn", "error", "fatal"] | None = Field(
        default=None, description="How much the engine logs: debug, info, warn, error or fatal."
    )
    log_format: Literal["text", "json"] | None = Field(
        default=None, description="How the engine logs: text or json (engine 25.0 and later)."
    )
    raw_logs: bool | None = Field(default=None, description="Full timestamps, no colour in the engine's log.")
    debug: bool | None = Field(default=None, description="Whether the engine logs at debug level.")

    # Build cache
    builder_gc: bool = Field(default=True, description="Whether the engine bounds the build cache by itself.")
    builder_max_used_space: Space = Field(
        default="20GB",
        description="The build cache is cut back to this: a size (binary units, 20GB) or a percentage of the "
        "disk that holds data-root. A size by default, so that a grown disk restarts nothing.",
    )
    builder_reserved_space: Space | None = Field(
        default=None,
        description="Build cache that is kept even when the disk runs short (engine 28.0 and later); half of "
        "max_used_space if not set. About 14 % of it is kept of unused cache mounts.",
    )
    builder_min_free_space: Space | None = Field(
        default="5GB",
        description="The build cache shrinks, down to reserved_space, to leave this free (engine 28.0"
        " and later).",
    )
    builder_gc_policy: list[GcPolicy] | None = Field(
        default=None,
        min_length=1,
        description="Rules in place of the engine's four, each with all, filter (key=value), keep_duration "
        "(48h), reserved_space, max_used_space, min_free_space; the three sizes above then count only as "
        "the limit of rules without one, before engine 28.0.",
    )
    builder_entitlements: Entitlements | None = Field(
        default=None, description="What builds may ask for: network_host, security_insecure, device."
    )

    # Registries
    allow_insecure_registries: bool = Field(
        default=False, description="Whether insecure_registries and http:// mirrors are accepted."
    )
    insecure_registries: Annotated[list[Annotated[str, AfterValidator(_registry)]], Unique] | None = Field(
        default=None, description="Registries used without checking certificates: HOST, HOST:PORT or network."
    )
    registry_mirrors: list[Annotated[str, AfterValidator(_mirror)]] | None = Field(
        default=None, description="Mirrors of Docker Hub (of no other registry): https://HOST[:PORT]."
    )
    max_concurrent_downloads: Count | None = Field(default=None, description="Layers pulled at a time.")
    max_concurrent_uploads: Count | None = Field(default=None, description="Layers pushed at a time.")
    max_download_attempts: Count | None = Field(default=None, description="Tries per layer pulled.")
    proxies: Proxies | None = Field(
        default=None,
        description="Proxies for pulls and pushes: http_proxy, https_proxy, no_proxy; an engine before 23.0 "
        "gets them through its unit.",
    )

    # Networks
    bip: Interface4 | None = Field(
        default=None, description="IPv4 address and prefix length of docker0, e.g. 10.200.0.1/24."
    )
    bip6: Interface6 | None = Field(default=None, description="The same in IPv6 (engine 28.0 and later).")
    bridge: Name | None = Field(default=None, description="Existing bridge to use in place of docker0.")
    default_address_pools: list[AddressPool] | None = Field(
        default=None,
        min_length=1,
        description="Ranges that new networks are cut from: base (a network) and size (prefix length, bits).",
    )
    default_gateway: Address4 | None = Field(default=None, description="IPv4 gateway on docker0.")
    default_gateway_v6: Address6 | None = Field(default=None, description="IPv6 gateway on docker0.")
    default_network_opts: dict[Name, dict[Name, Text]] | None = Field(
        default=None, description="Options of new networks, by network driver (engine 24.0 and later)."
    )
    fixed_cidr: Network4 | None = Field(default=None, description="Part of docker0's range for containers.")
    fixed_cidr_v6: Network6 | None = Field(default=None, description="The same in IPv6.")
    ip: Address | None = Field(default=None, description="Address that published ports bind to by default.")
    dns: Annotated[list[Address], Unique] | None = Field(
        default=None, description="Name servers of containers: addresses."
    )
    dns_opts: (
        Annotated[
            list[Annotated[str, grammar(r"[a-z0-9-]+(:\d+)?", "an option of resolv.conf, e.g. ndots:2")]],
            Unique,
        ]
        | None
    ) = Field(default=None, description="Resolver options of containers, e.g. ndots:2.")
    dns_search: Annotated[list[Domain], Unique] | None = Field(
        default=None, description="Search domains of containers."
    )
    host_gateway_ip: Address | None = Field(default=None, description="What host-gateway resolves to.")
    host_gateway_ips: Annotated[list[Address], Unique] | None = Field(
        default=None,
        min_length=1,
        max_length=2,
        description="The same, one IPv4 and one IPv6 address (engine 28.0 and later).",
    )
    icc: bool | None = Field(default=None, description="Whether containers on docker0 reach each other.")
    ipv6: bool | None = Field(default=None, description="Whether docker0 has IPv6.")
    ip_forward: bool | None = Field(default=None, description="Whether the engine turns on forwarding.")
    ip_forward_no_drop: bool | None = Field(
        default=None, description="Whether FORWARD keeps its policy when it does (engine 28.0 and later)."
    )
    ip_masq: bool | None = Field(default=None, description="Whether docker0's traffic is masqueraded.")
    iptables: bool | None = Field(
        default=None, description="Whether the engine adds IPv4 rules; false leaves containers without NAT."
    )
    ip6tables: bool | None = Field(default=None, description="Whether the engine adds IPv6 rules.")
    firewall_backend: Literal["iptables", "nftables"] | None = Field(
        default=None, description="iptables or nftables (experimental); engine 29.0 and later."
    )
    allow_direct_routing: bool | None = Field(
        default=None, description="Whether others reach containers by route (engine 28.2 and later)."
    )
    bridge_accept_fwmark: (
        Annotated[
            str, grammar(r"(0x[0-9a-fA-F]{1,8}|\d+)(/(0x[0-9a-fA-F]{1,8}|\d+))?", "a mark or mark/mask")
        ]
        | None
    ) = Field(default=None, description="Firewall mark to let in (engine 29.0 and later).")
    mtu: Annotated[int, Field(ge=68, le=65535)] | None = Field(default=None, description="Of docker0, bytes.")
    network_control_plane_mtu: Annotated[int, Field(ge=500, le=65535)] | None = Field(
        default=None, description="MTU of swarm's control plane, bytes."
    )
    network_diagnostic_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="TCP port of the network diagnostic server."
    )
    userland_proxy: bool | None = Field(default=None, description="Whether docker-proxy serves loopback.")
    userland_proxy_path: HostPath | None = Field(default=None, description="Path of docker-proxy.")

    # Containers
    cgroup_parent: (
        Annotated[str, grammar(r"/?[A-Za-z0-9][A-Za-z0-9_./-]*", "a cgroup or slice name")] | None
    ) = Field(default=None, description="Parent cgroup of containers; a NAME.slice with the systemd driver.")
    cdi_spec_dirs: Annotated[list[HostPath], Unique] | None = Field(
        default=None, description="Directories of CDI device specifications (engine 25.0 and later)."
    )
    cpu_rt_period: Count | None = Field(default=None, description="CPU real-time period, microseconds.")
    cpu_rt_runtime: Count | None = Field(default=None, description="CPU real-time runtime, microseconds.")
    default_cgroupns_mode: Literal["host", "private"] | None = Field(
        default=None, description="Cgroup namespace of containers: host or private."
    )
    default_ipc_mode: Literal["shareable", "private"] | None = Field(
        default=None, description="IPC namespace of containers: shareable or private."
    )
    default_runtime: Name | None = Field(default=None, description="runc or a name out of runtimes.")
    default_shm_size: Bytes | None = Field(default=None, description="/dev/shm of containers, e.g. 64M.")
    default_stop_timeout: Seconds | None = Field(
        default=None, description="Seconds from stop to kill of a container (engine 29.7 and later)."
    )
    default_ulimits: dict[Slug, Ulimit] | None = Field(
        default=None, description='Limits of containers, e.g. {"nofile": {"soft": 65536, "hard": 65536}}.'
    )
    init: bool | None = Field(default=None, description="Whether containers run under docker-init.")
    init_path: HostPath | None = Field(default=None, description="Path of docker-init.")
    no_new_privileges: bool | None = Field(default=None, description="Default for new containers.")
    runtimes: dict[Name, Runtime] | None = Field(
        default=None, description="OCI runtimes besides runc, by name: path and args."
    )
    seccomp_profile: (
        Annotated[
            str,
            grammar(r"builtin|unconfined|(/[A-Za-z0-9][A-Za-z0-9._-]*)+", "builtin, unconfined or a path"),
        ]
        | None
    ) = Field(default=None, description="builtin, unconfined or the path of a profile.")
    selinux_enabled: bool | None = Field(
        default=None,
        description="Whether containers are confined by SELinux; bind mounts then need :z or :Z.",
    )
    userns_remap: (
        Annotated[
            str, grammar(r"[a-z0-9_][a-z0-9_-]*(:[a-z0-9_][a-z0-9_-]*)?", "default, USER or USER:GROUP")
        ]
        | None
    ) = Field(default=None, description="User namespace; changing it hides images and containers.")

    # Engine
    authorization_plugins: Annotated[list[Name], Unique] | None = Field(
        default=None, description="Authorization plugins, in order."
    )
    containerd_namespace: Name | None = Field(default=None, description="Namespace inside containerd.")
    data_root: HostPath | None = Field(
        default=None, description="Where images and volumes live; /var/lib/docker if not set."
    )
    exec_opts: (
        Annotated[list[Literal["native.cgroupdriver=systemd", "native.cgroupdriver=cgroupfs"]], Unique] | None
    ) = Field(default=None, max_length=1, description="native.cgroupdriver=systemd or =cgroupfs.")
    exec_root: HostPath | None = Field(default=None, description="Where run-time state lives.")
    experimental: bool | None = Field(default=None, description="Experimental features; no part of BuildKit.")
    features: (
        dict[
            Literal[
                "cdi",
                "containerd-migration",
                "containerd-snapshotter",
                "embedded-containerd",
                "swarm-nftables",
                "time-namespaces",
            ],
            bool,
        ]
        | None
    ) = Field(
        default=None, description="Feature switches, true or false; BuildKit is always on and not among them."
    )
    group: Annotated[str, grammar(NAME.pattern, "the name of a group, in lower case")] | None = Field(
        default=None, description="Group that owns the socket."
    )
    hosts: Annotated[list[Annotated[str, AfterValidator(_listener)]], Unique] | None = Field(
        default=None,
        description="Where the engine listens: fd:// and, besides, unix:///PATH or tcp://ADDRESS:PORT (with "
        "tlsverify); becomes flags of the unit.",
    )
    labels: Annotated[list[Annotated[str, AfterValidator(_label)]], Unique] | None = Field(
        default=None, description="Labels of the engine: key=value."
    )
    live_restore: bool | None = Field(
        default=None, description="Whether containers outlive a restart of the engine; not with swarm."
    )
    metrics_addr: (
        Annotated[
            str,
            grammar(r"(\d+\.\d+\.\d+\.\d+|\[[0-9A-Fa-f:]+\]):\d{1,5}", "ADDRESS:PORT"),
            AfterValidator(lambda text: _ported(text, text)),
        ]
        | None
    ) = Field(default=None, description="ADDRESS:PORT of the metrics, e.g. 127.0.0.1:9323.")
    min_api_version: Annotated[str, grammar(r"1\.\d{2}", "an API version, e.g. 1.40")] | None = Field(
        default=None, description="Oldest API that clients may use (engine 29.0 and later)."
    )
    node_generic_resources: Annotated[list[Pair], Unique] | None = Field(
        default=None, description="Resources that swarm may schedule by: KIND=VALUE."
    )
    nri_opts: Nri | None = Field(default=None, description="NRI: enable and paths (engine 29.2 and later).")
    pidfile: HostPath | None = Field(default=None, description="Path of the engine's pid file.")
    shutdown_timeout: Seconds | None = Field(
        default=None, description="Seconds that containers get when the engine stops."
    )
    storage_driver: Slug | None = Field(
        default=None, description="e.g. overlay2; what the engine does not know stops it, and we roll back."
    )
    storage_opts: Annotated[list[Pair], Unique] | None = Field(
        default=None, description="Options of the storage driver: DRIVER.NAME=VALUE."
    )
    swarm_default_advertise_addr: (
        Annotated[str, grammar(r"[A-Za-z0-9][A-Za-z0-9.:_-]*", "an address or interface")] | None
    ) = Field(default=None, description="Address or interface that swarm announces.")
    tls: bool | None = Field(default=None, description="Whether tcp hosts use TLS; tlsverify implies it.")
    tlsverify: bool | None = Field(default=None, description="Whether clients need a certificate too.")
    tlscacert: HostPath | None = Field(default=None, description="Path of the CA clients must be signed by.")
    tlscert: HostPath | None = Field(default=None, description="Path of the engine's certificate.")
    tlskey: HostPath | None = Field(default=None, description="Path of the engine's private key.")

    def contradictions(self) -> Iterator[str]:
        """Yield a sentence, with the option's full name, for each thing that is wrong between options."""
        for check in CHECKS:
            yield from check(self)


def _logs(options: DaemonOptions) -> Iterator[str]:
    if options.log_driver == "none" and options.log_opts:
        yield "docker_log_opts: log driver none has no options"
    known = LOG_OPTS.get(options.log_driver)
    for name, value in (options.log_opts or {}).items():
        pattern, meaning = LOG_OPT_VALUES.get(name, (r"[ -~]*", "printable ASCII"))
        if known is not None and name not in known:
            drivers = f"{options.log_driver} ({', '.join(sorted(known))})"
            yield f"docker_log_opts.{masked(name)}: not an option of {drivers}"
        elif not re.fullmatch(pattern, value):
            got = f" (got {masked(repr(value))})" if name in LOG_OPT_VALUES else ""  # else it may be a token
            yield f"docker_log_opts.{masked(name)}: must be {meaning}{got}"


def _registries(options: DaemonOptions) -> Iterator[str]:
    mirrors = [mirror.removesuffix("/") for mirror in options.registry_mirrors or []]
    for mirror in dict.fromkeys(mirrors):
        if mirrors.count(mirror) > 1:
            yield f"docker_registry_mirrors: {mirror} is listed twice"
    if options.allow_insecure_registries:
        return
    insecure = [mirror for mirror in mirrors if mirror.startswith("http://")]
    for key, values in (("insecure_registries", options.insecure_registries), ("registry_mirrors", insecure)):
        if values:
            yield f"docker_{key}: {values[0]} is insecure; it needs docker_allow_insecure_registries = True"


def _pools(options: DaemonOptions) -> Iterator[str]:
    networks = [ipaddress.ip_network(pool.base) for pool in options.default_address_pools or []]
    for one, other in itertools.combinations(networks, 2):
        if one.overlaps(other):
            yield f"docker_default_address_pools: {one} and {other} overlap"


def _hosts(options: DaemonOptions) -> Iterator[str]:
    if options.hosts is None:
        return
    if "fd://" not in options.hosts:
        yield "docker_hosts: fd:// is missing: docker.socket and the local docker command need it"
    if exposed := [host for host in options.hosts if host.startswith("tcp://")]:
        if not options.tlsverify:
            yield f"docker_hosts: {exposed[0]} makes anyone root: it needs docker_tlsverify = True"
        for key in ("tlscacert", "tlscert", "tlskey"):
            if getattr(options, key) is None:
                yield f"docker_hosts: {exposed[0]} needs docker_{key}"


def _cache(options: DaemonOptions) -> Iterator[str]:
    if not options.builder_gc:
        for key in sorted(options.model_fields_set):
            if key.startswith("builder_") and key not in ("builder_gc", "builder_entitlements"):
                yield f"docker_{key}: has no effect with docker_builder_gc = False"
    try:
        ordered_spaces(options.builder_reserved_space, options.builder_max_used_space)
    except ValueError as error:
        yield f"docker_builder_{error}"


def _excluded(options: DaemonOptions) -> Iterator[str]:
    """Pairs that the engine itself refuses, or that cancel each other (moby verifyDaemonSettings)."""
    driver = options.exec_opts or []
    names = {"runc", "io.containerd.runc.v2", *(options.runtimes or {})}
    pairs: Iterable[tuple[object, str]] = (
        (options.bridge and options.bip, "docker_bip: cannot be combined with docker_bridge"),
        (options.bridge and options.bip6, "docker_bip6: cannot be combined with docker_bridge"),
        (options.icc is False and options.iptables is False, "docker_icc: False needs docker_iptables"),
        (
            options.host_gateway_ip and options.host_gateway_ips,
            "docker_host_gateway_ip: cannot be combined with docker_host_gateway_ips",
        ),
        (
            options.live_restore and options.swarm_default_advertise_addr,
            "docker_live_restore: swarm (docker_swarm_default_advertise_addr) does not work with it",
        ),
        (
            "native.cgroupdriver=systemd" in driver
            and options.cgroup_parent
            and not options.cgroup_parent.endswith(".slice"),
            "docker_cgroup_parent: must end in .slice with native.cgroupdriver=systemd",
        ),
        ("runc" in (options.runtimes or {}), "docker_runtimes: runc is the engine's own"),
        (
            options.default_runtime and options.default_runtime not in names,
            f"docker_default_runtime: {options.default_runtime} is not in docker_runtimes",
        ),
    )
    yield from (message for clash, message in pairs if clash)


CHECKS = (_logs, _registries, _pools, _hosts, _cache, _excluded)
