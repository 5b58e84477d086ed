"""What the files of a Docker Engine should say, and what it takes to load them. Pure functions only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pure import daemon
from pure.daemon import DAEMON_JSON
from pure.daemon_options import DaemonOptions

# Settings that containers do not survive a change of, live-restore or not (docs.docker.com, "Live restore").
FATAL = frozenset(
    {
        *("allow-direct-routing", "bip", "bip6", "bridge", "containerd-namespace", "data-root", "exec-root"),
        *("default-address-pools", "fixed-cidr", "fixed-cidr-v6", "iptables", "ip6tables"),
        *("firewall-backend", "storage-driver", "storage-opts", "userns-remap", "features"),
    }
)

# Flags of dockerd(8) in the unit, and the key of daemon.json that says the same.
_SHORT = {
    "-H": "hosts",
    "-D": "debug",
    "-l": "log-level",
    "-b": "bridge",
    "-s": "storage-driver",
    "-G": "group",
}
_PLURAL = {
    "host": "hosts",
    "label": "labels",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "storage-opt": "storage-opts",
    "log-opt": "log-opts",
    "insecure-registry": "insecure-registries",
    "registry-mirror": "registry-mirrors",
    "default-ulimit": "default-ulimits",
    "default-address-pool": "default-address-pools",
    "authorization-plugin": "authorization-plugins",
    "add-runtime": "runtimes",
}
# What engines and containerd have in their directories, by moby's and containerd's sources; a user
# namespace has a directory of its own (165536.165536).
_DATA = re.compile(
    r"builder|buildkit|containerd|containers|engine-id|image|network|nuke-graph-directory.sh|overlay2?|plugins|runtimes"
    r"|swarm|tmp|trust|volumes|vfs|fuse-overlayfs|btrfs|zfs|devicemapper|aufs|rootfs|lost\+found|\d+\.\d+"
    r"|io\.containerd\.[a-z0-9.-]+|tmpmounts"
)


@dataclass(frozen=True)
class DockerState:
    """What decides the configuration of an engine on a host."""

    version: str  # of the installed docker-ce, "" when there is none
    daemon_json: str | None
    managed_json: str | None
    disk: int  # size in bytes of the disk that holds data-root
    routes: list[tuple[str, str]]  # network and device
    containers: int  # that run now
    storages: list[str]  # existing directories with containers of Docker or podman

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


@dataclass(frozen=True)
class Wanted:
    """How an engine is to be configured."""

    options: DaemonOptions
    version: str | None  # what will be installed: a version, the beginning of one ("26.1"), or None
    newest: str = "29.7.2"  # what None means where there is no engine yet: the plan's best guess
    own: bool = False  # the whole file is ours
    replace: bool = False  # even when somebody else's keys go
    allow_restart: bool = False  # although containers would stop
    present: bool = True


@dataclass(frozen=True)
class Files:
    """What the files of an engine should say; None: absent."""

    daemon_json: str | None
    ours: daemon.Settings | None  # what of daemon_json is declared by options
    proxy: dict[str, str] | None  # what the engine takes from its environment
    buildkit: bool  # the engine builds with BuildKit only when its clients ask for it
    validate: bool  # the engine can check the file


def engine(wanted: Wanted, state: DockerState) -> daemon.Engine:
    """Return the engine that will read the file: the pinned one before, the installed one after."""
    pin = wanted.version
    if state.version and (not pin or f"{state.version}.".startswith(f"{pin}.")):
        return daemon.parse_engine(state.version)
    text = pin or wanted.newest
    return daemon.parse_engine(text if text.count(".") == 2 else f"{text}.0")


def files(wanted: Wanted, state: DockerState) -> Files:
    """
    Return what the files of the engine should say; without our settings when it is to go.

    Raises ValueError with every option that this engine does not know.
    """
    if not wanted.present:
        return Files(_without_ours(state), None, None, buildkit=False, validate=False)
    version = engine(wanted, state)
    ours, proxy = _rendered(wanted.options, version, state.disk)
    return Files(
        proxy=proxy,
        daemon_json=daemon.to_json(_merged(wanted, state, ours)),
        ours=ours,
        buildkit=version < daemon.BUILDKIT_IS_DEFAULT,
        validate=version >= daemon.BUILDKIT_IS_DEFAULT,
    )


def problem(wanted: Wanted, state: DockerState) -> str:
    """Return why the configuration cannot work on this host, or ``""``."""
    version = engine(wanted, state)
    try:
        ours, _ = _rendered(wanted.options, version, state.disk)
    except ValueError as error:
        return str(error)
    if wanted.own and not wanted.replace and (keys := daemon.foreign(_theirs(state), ours)):
        return (
            f"{DAEMON_JSON} has keys that are not elforge's: {', '.join(keys)}; keep them with "
            "docker_daemon_merge = True or drop them with docker_daemon_replace = True"
        )
    settings, in_file = _merged(wanted, state, ours), _in_file(state)
    lines = daemon.misfits(settings, version)
    # Ranges that are in force have routes of Docker's own.
    if any(in_file.get(key) != ours.get(key) for key in ("bip", "bip6", "default-address-pools")):
        lines += daemon.pool_overlaps(wanted.options, state.routes)
    return "; ".join(lines)


def twice(daemon_json: str | None, flags: Iterable[str]) -> list[str]:
    """
    Return the settings that are flags of the unit, too: dockerd does not start with both.

    + daemon_json: what the file will say
    + flags: arguments of dockerd in the unit's ExecStart

    ``twice('{"debug": true}', ["-D"])`` returns ``["debug"]``.
    """
    names = {_SHORT.get(flag, flag.removeprefix("--").split("=")[0]) for flag in flags if flag[0] == "-"}
    return sorted({_PLURAL.get(name, name) for name in names} & daemon.parse(daemon_json or "").keys())


def illegible(state: DockerState) -> str:
    """Return what is wrong with the text of daemon.json on the host, or ``""``."""
    try:
        daemon.parse(state.daemon_json or "")
    except ValueError as error:
        return f"{DAEMON_JSON} is {error}; its text is kept and replaced"
    return ""


def note(*ours: daemon.Settings) -> str:
    """Return the text that notes settings as ours: those in force, and those about to come into force."""
    return daemon.to_json({"ours": list(ours)})


def pending(declared: Files, state: DockerState) -> str | None:
    """Return the note to write before daemon.json, None when what it will hold is noted already."""
    noted = _noted(state)
    if declared.ours is None or declared.ours in noted:
        return None
    return note(declared.ours, *(noted or [{}]))


def needs_restart(path: str, old: str | None, new: str | None) -> bool:
    """
    Tell whether an engine has to restart to load a file.

    + path: of the file; only daemon.json can be reloaded
    + old, new: what it has loaded, and what it should load
    """
    if path != DAEMON_JSON:
        return True
    try:
        return daemon.needs_restart(daemon.parse(old or ""), daemon.parse(new or ""))
    except ValueError:
        return True


def same_line(wanted: Wanted, state: DockerState) -> bool:
    """Tell whether the version stays in its line; live-restore is for patch releases only."""
    return engine(wanted, state)[:2] == daemon.parse_engine(state.version)[:2]


def is_fatal(before: str | None, after: str | None) -> bool:
    """Tell whether a setting changes that containers do not survive, or nobody knows what is loaded."""
    try:
        loaded, wanted = (daemon.parse(text or "") for text in (before, after))
    except ValueError:
        return True
    return bool(daemon.changed_keys(loaded, wanted) & FATAL)


def live_restore(loaded: str | None) -> bool:
    """Tell whether containers outlive a restart of an engine that has loaded this daemon.json."""
    try:
        return daemon.parse(loaded or "").get("live-restore") is True
    except ValueError:
        return False


def stops(state: DockerState) -> str:
    """Return the sentence that refuses a restart."""
    return (
        f"Docker {state.version} would have to restart and {state.containers} running containers would stop; "
        "docker_allow_restart = True allows it. docker_live_restore = True, applied by itself before, keeps "
        "them through restarts that change neither the engine's line nor its network and storage"
    )


def strange(names: Iterable[str]) -> list[str]:
    """
    Return the names that neither an engine nor containerd gives to what it keeps.

    ``strange(["overlay2", "thesis.odt"])`` returns ``["thesis.odt"]``.
    """
    return [name for name in names if not _DATA.fullmatch(name)]


def _rendered(
    options: DaemonOptions, version: daemon.Engine, disk: int
) -> tuple[daemon.Settings, dict[str, str] | None]:
    """Return our daemon.json and what this engine takes from its environment instead."""
    proxies = options.proxies
    if proxies is None or version >= daemon.SINCE["proxies"]:
        return daemon.render(options, version, disk), None
    variables = {
        "HTTP_PROXY": proxies.http_proxy,
        "HTTPS_PROXY": proxies.https_proxy,
        "NO_PROXY": proxies.no_proxy,
    }
    given = {name: value for name, value in variables.items() if value}
    return daemon.render(options.model_copy(update={"proxies": None}), version, disk), given


def _merged(wanted: Wanted, state: DockerState, ours: daemon.Settings) -> daemon.Settings:
    return ours if wanted.own else daemon.merge(_theirs(state), ours)


def _without_ours(state: DockerState) -> str | None:
    if not state.managed_json:
        return state.daemon_json  # without a part of ours it stays to the byte
    theirs = _theirs(state)
    return daemon.to_json(theirs) if theirs else None


def _theirs(state: DockerState) -> daemon.Settings:
    """Return the settings in the file that are not ours; none when it is no JSON at all."""
    theirs = _in_file(state)
    for noted in _noted(state):
        theirs = daemon.unmanaged(theirs, noted)
    return theirs


def _in_file(state: DockerState) -> daemon.Settings:
    return {} if illegible(state) else daemon.parse(state.daemon_json or "")


def _noted(state: DockerState) -> list[daemon.Settings]:
    return list(daemon.parse(state.managed_json or "").get("ours", []))
