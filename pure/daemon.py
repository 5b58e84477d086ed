"""Docker's daemon.json for the engine that is there: render, merge, compare. Pure functions only."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pure.daemon_options import (
    ROTATING,
    ROTATION,
    DaemonOptions,
    GcPolicy,
    ordered_spaces,
    space,
)

DAEMON_JSON = "/etc/docker/daemon.json"
Settings = dict[str, Any]


class Engine(NamedTuple):
    """Version of Docker Engine; compares as versions do."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        """Return e.g. ``26.1.5``."""
        return ".".join(map(str, self))


BUILDKIT_IS_DEFAULT = Engine(23, 0)
NAMES_SPACES = Engine(28, 0)  # moby 8e529682af: reservedSpace, maxUsedSpace, minFreeSpace for keepStorage

# First engine that knows a key; all others are as old as 20.10. Compared by the dockerd flags and
# daemon/config of all minor releases v20.10.0 .. docker-v29.7.2 (2026-11-20).
SINCE = {
    "proxies": Engine(23, 0),
    "default-network-opts": Engine(24, 0),
    "features.containerd-snapshotter": Engine(24, 0),
    "cdi-spec-dirs": Engine(25, 0),
    "features.cdi": Engine(25, 0),
    "log-format": Engine(25, 0),
    "bip6": Engine(28, 0),
    "host-gateway-ips": Engine(28, 0),
    "ip-forward-no-drop": Engine(28, 0),
    "allow-direct-routing": Engine(28, 2),
    "bridge-accept-fwmark": Engine(29, 0),
    "builder.entitlements.device": Engine(29, 0),
    "features.containerd-migration": Engine(29, 0),
    "firewall-backend": Engine(29, 0),
    "min-api-version": Engine(29, 0),
    "nri-opts": Engine(29, 2),
    "features.time-namespaces": Engine(29, 5),
    "features.swarm-nftables": Engine(29, 6),
    "default-stop-timeout": Engine(29, 7),
    "features.embedded-containerd": Engine(29, 7),
}
# First engine that does not start with a key any more; only an admin's file can still have them.
GONE = {
    "cluster-advertise": Engine(23, 0),
    "cluster-store": Engine(23, 0),
    "cluster-store-opts": Engine(23, 0),
    "graph": Engine(23, 0),
    "oom-score-adjust": Engine(26, 0),
    "api-cors-header": Engine(28, 0),
}
# The unit passes these as flags; the engine refuses to start on a key given twice.
FLAGS = {"hosts": "docker_hosts", "containerd": "the unit's --containerd"}

# moby daemon/reload.go; everything else is read at start only.
RELOADABLE = frozenset(
    {
        "authorization-plugins",
        "debug",
        "default-cgroupns-mode",
        "default-ipc-mode",
        "default-runtime",
        "default-shm-size",
        "default-stop-timeout",
        "features",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "network-diagnostic-port",
        "nri-opts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)

# Fields that are no key of daemon.json, or are rendered by a function of their own.
_RENDERED_APART = {"allow_insecure_registries", "default_ulimits", "features", "hosts", "log_opts"}
_PLAIN = [
    field
    for field in DaemonOptions.model_fields
    if field not in _RENDERED_APART and not field.startswith("builder_")
]
_SPACES = {
    "reserved_space": "ReservedSpace",
    "max_used_space": "MaxUsedSpace",
    "min_free_space": "MinFreeSpace",
}

# Docker's own interfaces: what they route is Docker's to give away again.
_OWN_DEVICES = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}|veth.*")


def parse_engine(text: str) -> Engine:
    """
    Return the version of an engine or of its package.

    + text: ``26.1.5``, ``3:26.1.5-1.el8``

    Raises ValueError. ``parse_engine("3:26.1.5-1.el8")`` returns ``Engine(26, 1, 5)``.
    """
    match = re.fullmatch(r"(?:\d+:)?(\d+)\.(\d+)\.(\d+)(?:-[A-Za-z0-9.~+_-]+)?", text)
    if match is None:
        raise ValueError(f"not an engine version: {text!r}")
    major, minor, patch = map(int, match.groups())
    return Engine(major, minor, patch)


def render(options: DaemonOptions, engine: Engine, disk: int) -> Settings:
    """
    Return what daemon.json has to say for an engine.

    + options: of one host
    + engine: the version that will read the file
    + disk: total size in bytes of the disk that holds data-root

    Raises ValueError with every option that this engine does not know.
    ``render(DaemonOptions(), Engine(20, 10, 24), 0)["features"]`` returns ``{"buildkit": True}``.
    Source: facts.md 3.1; moby daemon/config.
    """
    dumped = options.model_dump(include=set(_PLAIN), by_alias=True, exclude_none=True)
    settings: Settings = {field.replace("_", "-"): value for field, value in dumped.items()}
    settings["builder"] = _builder(options, engine, disk)
    if logs := _log_opts(options):
        settings["log-opts"] = logs
    if features := _features(options, engine):
        settings["features"] = features
    if options.default_ulimits is not None:
        settings["default-ulimits"] = {
            name: {"Name": name, "Hard": limit.hard, "Soft": limit.soft}
            for name, limit in options.default_ulimits.items()
        }
    if lines := _misfits(settings, engine, spell=_option):
        raise ValueError("; ".join(lines))
    return settings


def dropped(options: DaemonOptions, engine: Engine) -> list[str]:
    """
    Return a sentence per setting somebody wrote that this engine has no words for.

    + options: of one host
    + engine: the version that will read the file

    ``dropped(DaemonOptions(builder_min_free_space="5GB"), Engine(26, 1, 5))`` returns
    ``["docker_builder_min_free_space: left out, engine 26.1.5 knows only a limit; needs 28.0 or later"]``.
    """
    given = [field for field in _SPACES if f"builder_{field}" in options.model_fields_set]
    if engine >= NAMES_SPACES:
        policy = "left out, docker_builder_gc_policy replaces it"
        return [f"docker_builder_{field}: {policy}" for field in given if options.builder_gc_policy]
    why = f"left out, engine {engine} knows only a limit; needs {_minor(NAMES_SPACES)} or later"
    lines = [f"docker_builder_{field}: {why}" for field in given if field != "max_used_space"]
    for position, rule in enumerate(options.builder_gc_policy or []):
        lost = [
            field
            for field in ("reserved_space", "min_free_space")
            if getattr(rule, field) is not None
            and (field == "min_free_space" or rule.max_used_space is not None)
        ]
        lines += [f"docker_builder_gc_policy.{position}.{field}: {why}" for field in lost]
    return lines


def misfits(settings: Mapping[str, Any], engine: Engine) -> list[str]:
    """
    Return a sentence per key that would keep the engine from starting.

    + settings: the whole daemon.json, with an admin's keys
    + engine: the version that will read it

    ``misfits({"graph": "/srv"}, Engine(26, 1, 5))`` returns
    ``["graph: removed in engine 23.0, this host gets 26.1.5"]``.
    """
    clashes = [f"{key}: is a flag of docker.service; use {FLAGS[key]}" for key in settings if key in FLAGS]
    return _misfits(settings, engine, spell=str) + clashes


def dockerd_flags(options: DaemonOptions) -> list[str]:
    """
    Return the arguments of dockerd in the unit, and of ``dockerd --validate``.

    ``dockerd_flags(DaemonOptions())`` returns what the stock unit has:
    ``["-H", "fd://", "--containerd=/run/containerd/containerd.sock"]``.
    Source: moby contrib/init/systemd/docker.service.
    """
    listeners = [word for host in options.hosts or ["fd://"] for word in ("-H", host)]
    return [*listeners, "--containerd=/run/containerd/containerd.sock"]


def merge(existing: Mapping[str, Any], ours: Mapping[str, Any]) -> Settings:
    """
    Return ours on top of what an admin has written; theirs stays where we say nothing.

    `features` is merged per switch, save `buildkit`, which is ours. `builder` and every other value is
    replaced whole: half of two GC configurations is none. `log-opts` goes with `log-driver`, since a
    driver refuses the options of another. `host-gateway-ip` and `-ips` exclude each other.

    ``merge({"dns": ["10.0.0.2"], "debug": True}, {"debug": False})`` returns
    ``{"dns": ["10.0.0.2"], "debug": False}``.
    """
    superseded = {"log-opts"} if "log-driver" in ours else set()
    if {"host-gateway-ip", "host-gateway-ips"} & ours.keys():
        superseded |= {"host-gateway-ip", "host-gateway-ips"}
    kept = {key: value for key, value in existing.items() if key not in superseded}
    theirs = kept.pop("features", None)
    theirs = theirs if isinstance(theirs, dict) else {}
    switches = {name: on for name, on in theirs.items() if name != "buildkit"} | dict(
        ours.get("features", {})
    )
    return {**kept, **ours, **({"features": switches} if switches else {})}


def unmanaged(existing: Mapping[str, Any], managed: Mapping[str, Any]) -> Settings:
    """
    Return what of a file is an admin's own: all that differs from what we wrote into it.

    + existing: the file as it is
    + managed: what we put into it last

    ``unmanaged({"debug": True, "dns": ["10.0.0.2"]}, {"debug": True})`` returns ``{"dns": ["10.0.0.2"]}``.
    """
    differing = changed_keys(managed, existing)
    theirs = {key: value for key, value in existing.items() if key in differing}
    switches, ours = theirs.get("features"), managed.get("features")
    if isinstance(switches, dict) and isinstance(ours, dict):
        theirs["features"] = unmanaged(switches, ours)
    return theirs


def foreign(existing: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """
    Return the keys that owning the file would drop, sorted.

    ``foreign({"dns": [], "debug": True}, {"debug": True})`` returns ``["dns"]``.
    """
    theirs = existing.get("features")
    theirs = theirs if isinstance(theirs, dict) else {}
    lost = existing.keys() - ours.keys() - {"features"}
    return sorted(lost | {f"features.{name}" for name in theirs.keys() - ours.get("features", {}).keys()})


def parse(text: str) -> Settings:
    """
    Return the settings in the text of a daemon.json; an empty file says nothing, as dockerd sees it.

    Raises ValueError with the cause in one line.
    ``parse('{"a": 1, "a": 2}')`` raises ``ValueError("key 'a' is there twice")``.
    """
    if not text.strip():
        return {}
    try:
        settings = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("not JSON for dockerd: nested too deep") from None
    if not isinstance(settings, dict):
        raise ValueError(f"not an object but a {type(settings).__name__}")
    return settings


def to_json(settings: Mapping[str, Any]) -> str:
    """
    Return the text of daemon.json: sorted, so that equal settings are equal bytes.

    ``to_json({"debug": True})`` returns ``'{\\n  "debug": true\\n}\\n'``.
    """
    return json.dumps(settings, indent=2, sort_keys=True, allow_nan=False) + "\n"


def changed_keys(loaded: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> set[str]:
    """
    Return the top-level keys that differ.

    + loaded: what the running engine has read; None: nobody knows
    + wanted: what the file says now

    ``changed_keys({"a": 1, "b": 2}, {"a": 1, "c": 3})`` returns ``{"b", "c"}``.
    """
    before: Mapping[str, Any] = loaded or {}
    in_both = before.keys() & wanted.keys()
    differing = {key for key in in_both if to_json({key: before[key]}) != to_json({key: wanted[key]})}
    return (before.keys() ^ wanted.keys()) | differing


def needs_restart(loaded: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """
    Return whether a running engine has to restart to follow the file; else a reload will do, if that.

    A key that is gone needs a restart even when it is reloadable: a reload only sets what the file has
    (moby daemon/reload.go, IsValueSet), it never goes back to the default. Of `features` only `buildkit`
    is looked up while running; the others are read at start.

    ``needs_restart({"debug": True}, {"debug": False})`` returns ``False``.
    """
    if loaded is None:
        return True
    changed = changed_keys(loaded, wanted)
    before, after = loaded.get("features") or {}, wanted.get("features") or {}
    removed = loaded.keys() - wanted.keys() - {"features"}
    return bool(changed - RELOADABLE or removed or changed_keys(before, after) - {"buildkit"})


def pool_overlaps(options: DaemonOptions, routes: Iterable[tuple[str, str]]) -> list[str]:
    """
    Return a sentence per configured range that hides a network the host can reach.

    + options: of one host
    + routes: its routes as (network, device); default routes and Docker's own devices are ignored

    Only ranges somebody configured count: the engine itself keeps away from the host's routes when it
    picks from its built-in pools. Raises ValueError on a route that is no network.
    ``pool_overlaps(DaemonOptions(bip="10.1.0.1/24"), [("10.0.0.0/8", "eth0")])`` returns
    ``["docker_bip: 10.1.0.0/24 overlaps the host's route to 10.0.0.0/8 on eth0"]``.
    """
    ranges = [("docker_bip", options.bip), ("docker_bip6", options.bip6)]
    ranges += [("docker_default_address_pools", pool.base) for pool in options.default_address_pools or []]
    networks = [(key, ipaddress.ip_interface(text).network) for key, text in ranges if text is not None]
    lines = []
    for destination, device in routes:
        if destination == "default" or _OWN_DEVICES.fullmatch(device):
            continue
        route = ipaddress.ip_network(destination, strict=False)
        lines += [
            f"{key}: {network} overlaps the host's route to {route} on {device}"
            for key, network in networks
            if route.prefixlen > 0 and network.version == route.version and network.overlaps(route)
        ]
    return lines


def _builder(options: DaemonOptions, engine: Engine, disk: int) -> Settings:
    """`enabled` is always said: the engine's default is false before 28.2 and true from there."""
    gc: Settings = {"enabled": options.builder_gc}
    if options.builder_gc:
        gc |= _spaces_new(options, disk) if engine >= NAMES_SPACES else _spaces_old(options, disk)
    builder: Settings = {"gc": gc}
    if options.builder_entitlements is not None:
        dumped = options.builder_entitlements.model_dump(by_alias=True, exclude_none=True)
        builder |= {"entitlements": dumped} if dumped else {}
    return builder


def _spaces_new(options: DaemonOptions, disk: int) -> Settings:
    """From 28.0 the engine ignores its defaults when there is a policy (getGCPolicy): left out then."""
    if options.builder_gc_policy is not None:
        return {"policy": [_rule_new(rule, disk) for rule in options.builder_gc_policy]}
    cap = options.builder_max_used_space
    # A floor of 0 would also cut unused cache mounts (a Go build cache) to 512 MB: DefaultGCPolicy keeps
    # 13.8 % of the floor of them, up to 27 of the limit.
    reserved = options.builder_reserved_space or _compact(max(1, space(cap, disk) // 2))
    return {
        f"default{name}": text for name, text in _spaces(reserved, cap, options.builder_min_free_space, disk)
    }


def _spaces_old(options: DaemonOptions, disk: int) -> Settings:
    """Before 28.0 keepStorage is the limit that GC cuts back to, so it takes max_used_space."""
    cap = _written(options.builder_max_used_space, disk)
    policy = options.builder_gc_policy
    return {"defaultKeepStorage": cap} | (
        {"policy": [_rule_old(r, cap, disk) for r in policy]} if policy else {}
    )


def _rule_new(rule: GcPolicy, disk: int) -> Settings:
    spaces = _spaces(rule.reserved_space, rule.max_used_space, rule.min_free_space, disk)
    return _rule(rule) | {name[0].lower() + name[1:]: text for name, text in spaces}


def _rule_old(rule: GcPolicy, cap: str, disk: int) -> Settings:
    """Every rule gets a keepStorage: engines before 28.0 do not start on a rule without (RAMInBytes "")."""
    limit = rule.max_used_space or rule.reserved_space
    return _rule(rule) | {"keepStorage": cap if limit is None else _written(limit, disk)}


def _rule(rule: GcPolicy) -> Settings:
    """`keepDuration` is documented, but no engine reads it (daemon/config/builder.go): it is a filter."""
    filters = [*rule.filter, *([f"unused-for={rule.keep_duration}"] if rule.keep_duration else [])]
    return ({"all": True} if rule.all else {}) | ({"filter": filters} if filters else {})


def _spaces(reserved: str | None, cap: str | None, free: str | None, disk: int) -> list[tuple[str, str]]:
    ordered_spaces(reserved, cap, disk)
    texts = zip(_SPACES.values(), (reserved, cap, free), strict=True)
    return [(name, _written(text, disk)) for name, text in texts if text is not None]


def _written(text: str, disk: int) -> str:
    """Return a size as the engine reads it: it knows no percentages (RAMInBytes in all of 20.10 to 29)."""
    return _compact(space(text, disk)) if text.endswith("%") else text


def _compact(size: int) -> str:
    """Return bytes in the largest unit that says it exactly, e.g. ``10GB``."""
    units = [("GB", 2**30), ("MB", 2**20)]
    return next((f"{size // unit}{name}" for name, unit in units if size % unit == 0), str(size))


def _log_opts(options: DaemonOptions) -> dict[str, str]:
    default = ROTATION if options.log_driver in ROTATING else {}
    return {**default, **(options.log_opts or {})}


def log_bytes(options: DaemonOptions) -> int:
    """
    Return how much disk the log of a container takes at most; 0 where Docker keeps none itself.

    ``log_bytes(DaemonOptions())`` returns 30000000: three files of 10m, which is decimal to Docker.
    """
    if options.log_driver not in ROTATING:
        return 0
    rotation = _log_opts(options)
    size = rotation["max-size"]
    unit = {"k": 10**3, "m": 10**6, "g": 10**9}.get(size[-1], 1)
    return int(size.rstrip("kmg")) * unit * int(rotation["max-file"])


def _features(options: DaemonOptions, engine: Engine) -> dict[str, bool]:
    """From 23.0 BuildKit is on; only `buildkit: false` has an effect there."""
    given: Mapping[Any, bool] = options.features or {}
    return {**given, **({"buildkit": True} if engine < BUILDKIT_IS_DEFAULT else {})}


def _misfits(settings: Mapping[str, Any], engine: Engine, spell: Callable[[str], str]) -> list[str]:
    lines = []
    for key in _keys(settings):
        if engine < (first := SINCE.get(key, engine)):
            lines.append(f"{spell(key)}: needs engine {_minor(first)} or later, this host gets {engine}")
        elif (gone := GONE.get(key)) and engine >= gone:
            lines.append(f"{spell(key)}: removed in engine {_minor(gone)}, this host gets {engine}")
    return lines


def _keys(settings: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the dotted paths of all keys, ``["builder", "builder.gc", ...]``."""
    keys = []
    for key, value in settings.items():
        keys.append(path + key)
        keys += _keys(value, f"{path}{key}.") if isinstance(value, dict) else []
    return keys


def _option(key: str) -> str:
    """Return how the user spells a key: ``docker_features.cdi``, ``docker_builder_entitlements.device``."""
    top, _, rest = key.removeprefix("builder.").partition(".")
    name = ("builder_" if key.startswith("builder.") else "") + top.replace("-", "_")
    return f"docker_{name}.{rest}" if rest else f"docker_{name}"


def _minor(engine: Engine) -> str:
    return f"{engine.major}.{engine.minor}"


def _once(pairs: list[tuple[str, Any]]) -> Settings:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"key {name!r} is there twice")
    return dict(pairs)


def _no_constant(text: str) -> None:
    raise ValueError(f"not JSON: {text}")
