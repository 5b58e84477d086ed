"""Docker Engine: what needs to know the engine, its containers and the file that it has loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pyinfra import host, logger

from deploys import daemon
from deploys.daemon_options import DaemonOptions
from facts.docker import DAEMON_JSON, MANAGED_JSON, DockerHost, DockerState
from facts.files import Contents, Entries
from facts.rpm import Rpms
from facts.unit import Loaded, UnitState
from operations import files, rpm, unit
from operations.script import Commands, operation, refuse, unreadable
from operations.template import rendered

UNIT = "docker.service"
PROFILE = "/etc/profile.d/elforge-buildkit.sh"
MANAGER = "/etc/systemd/system.conf.d/elforge-buildkit.conf"
HOSTS = f"/etc/systemd/system/{UNIT}.d/elforge-hosts.conf"
# Engines without `proxies` in daemon.json take their proxy from the environment.
PROXY = f"/etc/systemd/system/{UNIT}.d/elforge-proxy.conf"
DATA_ROOT = "/var/lib/docker"
# Settings that containers do not survive a change of, live-restore or not (docs.docker.com, "Live restore").
FATAL = frozenset(
    {
        *("allow-direct-routing", "bip", "bip6", "bridge", "containerd-namespace", "data-root", "exec-root"),
        *(
            "default-address-pools",
            "fixed-cidr",
            "fixed-cidr-v6",
            "iptables",
            "ip6tables",
            "firewall-backend",
        ),
        *("storage-driver", "storage-opts", "userns-remap", "features"),
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
# What engines and containerd have in their directories, by moby's and containerd's sources; a user
# namespace has a directory of its own (165536.165536).
_DATA = re.compile(
    r"builder|buildkit|containerd|containers|engine-id|image|network|nuke-graph-directory.sh|overlay2?|plugins|runtimes"
    r"|swarm|tmp|trust|volumes|vfs|fuse-overlayfs|btrfs|zfs|devicemapper|aufs|rootfs|lost\+found|\d+\.\d+"
    r"|io\.containerd\.[a-z0-9.-]+|tmpmounts"
)
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
# Checks the file together with the unit's own flags (dockerd --validate came with engine 23.0).
_VALIDATE = (
    'dockerd --validate --config-file="$1" $(systemctl show -p ExecStart docker.service | '
    "sed -n 's/.*argv\\[\\]=[^ ]* \\([^;]*\\) ; .*/\\1/p')"
)


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
    proxy: str | None
    buildkit: bool  # the engine builds with BuildKit only when its clients ask for it
    validate: bool  # the engine can check the file


@operation
def conflicts(names: list[str], *, manager: rpm.Manager, remove: bool) -> Commands:
    """
    Remove the packages that Docker cannot live beside, or refuse and say what is at stake.

    No data goes with them: what podman or an older Docker keeps in its directories stays.

    + names: of the packages
    + manager: the release's package manager
    + remove: False refuses when one of them is installed

    **Example:**

    .. code:: python

        docker.conflicts(name="Make room", names=["podman-docker", "runc"], manager="dnf", remove=False)
    """
    found = host.get_fact(Rpms, queries=names)
    if found is None:
        unreadable("the rpm database")
    installed = sorted({package.name for package in found.installed})
    if not installed:
        host.noop(f"none of {', '.join(names)} is installed")
    elif remove:
        yield from rpm.removable._inner(names=installed)
        yield from rpm.packages._inner(specs=installed, manager=manager, present=False)
    else:
        places = (
            host.get_fact(DockerHost, data_root=DATA_ROOT) or unreadable("the state of Docker")
        ).storages
        data = f"; what they keep in {', '.join(places)} would stay, unused" if places else ""
        refuse(
            f"{', '.join(installed)}: installed, and cannot live beside Docker CE{data}; "
            "docker_conflicts = 'remove' lets elforge remove them"
        )


@operation
def engine(
    specs: list[str],
    *,
    wanted: Wanted,
    manager: rpm.Manager,
    repositories: list[str],
    locks: str,
) -> Commands:
    """
    Install the engine or change its version, unless that would stop somebody's containers.

    + specs: what ``rpm.packages`` takes
    + wanted: how the engine is to be configured
    + manager: the release's package manager
    + repositories: glob patterns of the repositories to install from
    + locks: the versionlock plugin's file
    """
    state = _state(wanted)
    commands = rpm.packages._inner(specs=specs, manager=manager, repositories=repositories, locks=locks)
    if state.version and _would_stop(wanted, state, same_line=_same_line(wanted, state)):
        if next(commands, None):
            refuse(_stops(state))
    else:
        yield from commands


@operation
def configure(wanted: Wanted) -> Commands:
    """
    Write daemon.json for the engine that is installed, and the environment that an old one needs.

    + wanted: how the engine is to be configured

    **Example:**

    .. code:: python

        docker.configure(name="Write daemon.json", wanted=Wanted(DaemonOptions(), version="26.1.5"))
    """
    state = _state(wanted)
    if problem := _problem(wanted, state):
        refuse(problem)
    declared = _files(wanted, state)
    # Here already, so that no file is written which the engine is then not allowed to load.
    if wanted.present and _must_not_restart(wanted, state, {DAEMON_JSON: declared.daemon_json}):
        refuse(_stops(state))
    _say_what_is_left_out(wanted, state)
    # Before the file has them, so that a setting which never came into force is still known to be ours.
    if pending := _pending(declared, state):
        yield from _placed(MANAGED_JSON, pending, mode="600")
    validate = _VALIDATE if declared.validate else ""
    # For root alone: an admin's own keys, and log-opts, may be secrets.
    yield from _placed(DAEMON_JSON, declared.daemon_json, mode="600", validate=validate)
    yield from _placed(PROXY, declared.proxy, after="systemctl daemon-reload", undo="systemctl daemon-reload")
    yield from _placed(PROFILE, rendered("docker", PROFILE) if declared.buildkit else None, prune=False)
    yield from _placed(
        MANAGER,
        rendered("docker", MANAGER) if declared.buildkit else None,
        after="systemctl set-environment DOCKER_BUILDKIT=1",
        undo="systemctl unset-environment DOCKER_BUILDKIT",
    )


@operation
def loaded(wanted: Wanted, dropins: dict[str, str | None]) -> Commands:
    """
    Restart or reload a running engine when it has not loaded what is declared, and see that it works.

    + wanted: how the engine is to be configured
    + dropins: path to declared content of the drop-ins that its start depends on (None: absent)
    """
    state = _state(wanted)
    declared = _files(wanted, state)
    contents = {DAEMON_JSON: declared.daemon_json, PROXY: declared.proxy, **dropins}
    stops = _must_not_restart(wanted, state, contents)
    yield from unit.loaded._inner(
        unit=UNIT,
        contents=contents,
        restart_for=_needs_restart,
        no_restart=_stops(state) if stops else "",
        health="docker version",
    )


@operation
def remember(wanted: Wanted) -> Commands:
    """
    Note that what is declared is now all of daemon.json that is ours; the engine has come up with it.

    Until then what was in force before counts as ours, too, since it may come back.

    + wanted: how the engine is to be configured
    """
    ours = _files(wanted, _state(wanted)).ours
    yield from _placed(MANAGED_JSON, None if ours is None else _note(ours), mode="600")


@operation
def idle(wanted: Wanted) -> Commands:
    """
    Refuse to go on while containers run: they would be left without an engine; change nothing.

    + wanted: how the engine is configured
    """
    state = _state(wanted)
    if state.containers:
        refuse(f"{state.containers} running containers would be left without an engine; stop them first")
    host.noop("no container runs")
    yield from ()


@operation
def purge(path: str) -> Commands:
    """
    Delete the data of an engine, for good; refuse a directory that holds anything else.

    + path: data-root, or containerd's directory
    """
    found = host.get_fact(Entries, path=path)
    if found is None:
        unreadable(path)
    if strange := [name for name in found if not _DATA.fullmatch(name)]:
        refuse(f"{path}: {', '.join(strange[:5])} is not data of Docker or containerd; nothing was deleted")
    yield from files.absent._inner(path=path, recursive=True)


@operation
def firewall_first() -> Commands:
    """
    Start an enabled firewalld before Docker's first start.

    dockerd adds its chains again after a reload of firewalld only if firewalld ran when dockerd
    started (facts.md section 4). Beside a running dockerd, firewalld is left as it is.
    """
    firewalld = host.get_fact(UnitState, unit="firewalld.service") or unreadable("the state of firewalld")
    dockerd = host.get_fact(UnitState, unit=UNIT) or unreadable(f"the state of {UNIT}")
    if firewalld.enabled == "enabled" and dockerd.active not in ("active", "reloading"):
        yield from unit.service._inner(unit="firewalld.service", running=True, enabled=None)
    else:
        host.noop("firewalld is not enabled, or Docker already runs")


def _say_what_is_left_out(wanted: Wanted, state: DockerState) -> None:
    """Name the settings that this engine has no words for; once, when the plan is made."""
    if wanted.present and not host.state.is_executing:
        for line in daemon.dropped(wanted.options, _engine(wanted, state)):
            logger.warning(f"{host.print_prefix}{line}")


def _problem(wanted: Wanted, state: DockerState) -> str:
    """Return why the configuration cannot work on this host, or ``""``."""
    if not wanted.present:
        return ""
    version = _engine(wanted, state)
    theirs, in_file = _theirs(state), _in_file(state)
    try:
        ours, _ = _rendered(wanted.options, version, state.disk)
    except ValueError as error:
        return str(error)
    if wanted.own and not wanted.replace and (keys := daemon.foreign(theirs, ours)):
        return (
            f"{DAEMON_JSON} has keys that are not elforge's: {', '.join(keys)}; keep them with "
            "docker_daemon_merge = True or drop them with docker_daemon_replace = True"
        )
    settings = ours if wanted.own else daemon.merge(theirs, ours)
    lines = daemon.misfits(settings, version)
    # Ranges that are in force have routes of Docker's own.
    if any(in_file.get(key) != ours.get(key) for key in ("bip", "bip6", "default-address-pools")):
        lines += daemon.pool_overlaps(wanted.options, state.routes)
    return "; ".join(lines) or _clash(settings, wanted.options)


def _clash(settings: Mapping[str, object], options: DaemonOptions) -> str:
    """Return what in the unit's ExecStart is at odds with our settings: dockerd takes a setting once only."""
    found = host.get_fact(UnitState, unit=UNIT) or unreadable(f"the state of {UNIT}")
    theirs = [path for path in found.dropins if "/elforge-" not in path]
    if HOSTS in found.dropins and theirs and (lost := _lost_hosts(options, found.flags)):
        places = ", ".join(theirs)
        return f"docker_hosts: {', '.join(lost)} is overridden by ExecStart in {places}; take it out there"
    names = {
        _SHORT.get(flag, flag.removeprefix("--").split("=")[0]) for flag in found.flags if flag[0] == "-"
    }
    if twice := sorted({_PLURAL.get(name, name) for name in names} & settings.keys()):
        places = ", ".join(theirs) or "the unit itself"
        return (
            f"{', '.join(twice)}: also a flag in ExecStart of {UNIT} ({places}); "
            "dockerd does not start with both, take it out there"
        )
    return ""


def _lost_hosts(options: DaemonOptions, flags: list[str]) -> list[str]:
    """Return the listeners in our drop-in, as it is now, that the unit does not start with."""
    text = (host.get_fact(Contents, paths=[HOSTS]) or unreadable(HOSTS))[HOSTS]
    if not options.hosts or text != rendered("docker", HOSTS, flags=daemon.dockerd_flags(options)):
        return []
    return [listener for listener in options.hosts if listener not in flags]


def _files(wanted: Wanted, state: DockerState) -> Files:
    theirs = _theirs(state)
    if not wanted.present:
        kept = daemon.to_json(theirs) if theirs else None
        kept = (
            kept if state.managed_json else state.daemon_json
        )  # without a part of ours it stays to the byte
        return Files(kept, None, None, buildkit=False, validate=False)
    version = _engine(wanted, state)
    ours, proxy = _rendered(wanted.options, version, state.disk)
    return Files(
        proxy=proxy,
        daemon_json=daemon.to_json(ours if wanted.own else daemon.merge(theirs, ours)),
        ours=ours,
        buildkit=version < daemon.BUILDKIT_IS_DEFAULT,
        validate=version >= daemon.BUILDKIT_IS_DEFAULT,
    )


def _rendered(
    options: DaemonOptions, version: daemon.Engine, disk: int
) -> tuple[daemon.Settings, str | None]:
    """Return our daemon.json and the drop-in with what this engine takes from its environment."""
    proxies = options.proxies
    if proxies is None or version >= daemon.SINCE["proxies"]:
        return daemon.render(options, version, disk), None
    variables = {
        "HTTP_PROXY": proxies.http_proxy,
        "HTTPS_PROXY": proxies.https_proxy,
        "NO_PROXY": proxies.no_proxy,
    }
    given = {name: value for name, value in variables.items() if value}
    text = rendered("docker", PROXY, variables=given)
    return daemon.render(options.model_copy(update={"proxies": None}), version, disk), text


def _theirs(state: DockerState) -> daemon.Settings:
    """Return the settings in the file that are not ours; none when it is no JSON at all."""
    theirs = _in_file(state)
    for noted in _noted(state):
        theirs = daemon.unmanaged(theirs, noted)
    return theirs


def _in_file(state: DockerState) -> daemon.Settings:
    try:
        return daemon.parse(state.daemon_json or "")
    except ValueError as error:
        logger.warning(f"{host.print_prefix}{DAEMON_JSON} is {error}; its text is kept and replaced")
        return {}


def _noted(state: DockerState) -> list[daemon.Settings]:
    """Return what we have noted as ours: what is in force, and what was about to come into force."""
    return list(daemon.parse(state.managed_json or "").get("ours", []))


def _note(*ours: daemon.Settings) -> str:
    return daemon.to_json({"ours": list(ours)})


def _pending(declared: Files, state: DockerState) -> str | None:
    """Return the note to write before daemon.json, None when what it will hold is noted already."""
    noted = _noted(state)
    if declared.ours is None or declared.ours in noted:
        return None
    return _note(declared.ours, *(noted or [{}]))


def _engine(wanted: Wanted, state: DockerState) -> daemon.Engine:
    """Return the engine that will read the file: the pinned one before, the installed one after."""
    pin = wanted.version
    if state.version and (not pin or f"{state.version}.".startswith(f"{pin}.")):
        return daemon.parse_engine(state.version)
    text = pin or wanted.newest
    return daemon.parse_engine(text if text.count(".") == 2 else f"{text}.0")


def _needs_restart(path: str, old: str | None, new: str | None) -> bool:
    if path != DAEMON_JSON:
        return True
    try:
        return daemon.needs_restart(daemon.parse(old or ""), daemon.parse(new or ""))
    except ValueError:
        return True


def _would_stop(wanted: Wanted, state: DockerState, *, same_line: bool) -> bool:
    """Tell whether a restart would stop containers that nobody has allowed to stop."""
    return bool(state.containers) and not wanted.allow_restart and not (same_line and _live_restore())


def _same_line(wanted: Wanted, state: DockerState) -> bool:
    """Live-restore is for patch releases only."""
    return _engine(wanted, state)[:2] == daemon.parse_engine(state.version)[:2]


def _must_not_restart(wanted: Wanted, state: DockerState, contents: Mapping[str, str | None]) -> bool:
    """Tell whether to load these files would stop containers that nobody has allowed to stop."""
    if not state.containers or wanted.allow_restart:
        return False
    loaded = host.get_fact(Loaded, unit=UNIT, files=list(contents)) or unreadable("what Docker has loaded")
    changed = [path for path, text in contents.items() if loaded[path] != text]
    if not any(_needs_restart(path, loaded[path], contents[path]) for path in changed):
        return False
    return _would_stop(wanted, state, same_line=not _is_fatal(loaded[DAEMON_JSON], contents[DAEMON_JSON]))


def _is_fatal(before: str | None, after: str | None) -> bool:
    """Tell whether a setting changes that containers do not survive, or nobody knows what is loaded."""
    try:
        loaded, wanted = (daemon.parse(text or "") for text in (before, after))
    except ValueError:
        return True
    return bool(daemon.changed_keys(loaded, wanted) & FATAL)


def _live_restore() -> bool:
    found = host.get_fact(Loaded, unit=UNIT, files=[DAEMON_JSON]) or unreadable("what Docker has loaded")
    try:
        return daemon.parse(found[DAEMON_JSON] or "").get("live-restore") is True
    except ValueError:
        return False


def _stops(state: DockerState) -> str:
    return (
        f"Docker {state.version} would have to restart and {state.containers} running containers would stop; "
        "docker_allow_restart = True allows it. docker_live_restore = True, applied by itself before, keeps "
        "them through restarts that change neither the engine's line nor its network and storage"
    )


def _placed(
    path: str,
    content: str | None,
    *,
    mode: str = "644",
    validate: str = "",
    prune: bool = True,
    after: str = "",
    undo: str = "",
) -> Commands:
    if content is None:
        yield from files.absent._inner(path=path, prune=prune, after=undo)
    else:
        yield from files.put._inner(path=path, content=content, mode=mode, validate=validate, after=after)


def _state(wanted: Wanted) -> DockerState:
    root = wanted.options.data_root or DATA_ROOT
    return host.get_fact(DockerHost, data_root=root) or unreadable("the state of Docker")
