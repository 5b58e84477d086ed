"""Docker Engine: what needs to know the engine, its containers and the file that it has loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyinfra import host, logger

from deploys import daemon
from deploys.daemon_options import DaemonOptions
from facts.docker import DAEMON_JSON, MANAGED_JSON, DockerHost, DockerState
from facts.files import Contents
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
# What an engine is taken for that is neither installed nor pinned: the plan's best guess. The host
# decides when the file is really written, after the installation.
NEWEST = daemon.Engine(29, 7, 2)

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
    own: bool = False  # the whole file is ours
    replace: bool = False  # even when somebody else's keys go
    allow_restart: bool = False  # although containers would stop
    present: bool = True


@dataclass(frozen=True)
class Files:
    """What the files of an engine should say; None: absent."""

    daemon_json: str | None
    managed_json: str | None
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
    if state.version and state.containers and not wanted.allow_restart and not _live_restore():
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
    _say_what_is_left_out(wanted, state)
    yield from _placed(DAEMON_JSON, declared.daemon_json, validate=_VALIDATE if declared.validate else "")
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
    stops = bool(state.containers) and not wanted.allow_restart and not _live_restore()
    declared = _files(wanted, state)
    yield from unit.loaded._inner(
        unit=UNIT,
        contents={DAEMON_JSON: declared.daemon_json, PROXY: declared.proxy, **dropins},
        restart_for=_needs_restart,
        no_restart=_stops(state) if stops else "",
        health="docker version",
    )


@operation
def remember(wanted: Wanted) -> Commands:
    """
    Note which settings of daemon.json are ours, once the engine has come up with them.

    Noted before, a rolled back setting would be told from an admin's by a file that was never in force.

    + wanted: how the engine is to be configured
    """
    yield from _placed(MANAGED_JSON, _files(wanted, _state(wanted)).managed_json, mode="600")


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
    theirs = _theirs(state)
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
    lines = [*daemon.misfits(settings, version), *daemon.pool_overlaps(wanted.options, state.routes)]
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
        return Files(daemon.to_json(theirs) if theirs else None, None, None, buildkit=False, validate=False)
    version = _engine(wanted, state)
    ours, proxy = _rendered(wanted.options, version, state.disk)
    return Files(
        proxy=proxy,
        daemon_json=daemon.to_json(ours if wanted.own else daemon.merge(theirs, ours)),
        managed_json=daemon.to_json(ours),
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
    try:
        existing, managed = (daemon.parse(text or "") for text in (state.daemon_json, state.managed_json))
    except ValueError as error:
        logger.warning(f"{host.print_prefix}{DAEMON_JSON} is {error}; its text is kept and replaced")
        return {}
    return daemon.unmanaged(existing, managed)


def _engine(wanted: Wanted, state: DockerState) -> daemon.Engine:
    """Return the engine that will read the file: the pinned one before, the installed one after."""
    pin = wanted.version
    if state.version and (not pin or f"{state.version}.".startswith(f"{pin}.")):
        return daemon.parse_engine(state.version)
    return daemon.parse_engine(pin if pin.count(".") == 2 else f"{pin}.0") if pin else NEWEST


def _needs_restart(path: str, old: str | None, new: str | None) -> bool:
    if path != DAEMON_JSON:
        return True
    try:
        return daemon.needs_restart(daemon.parse(old or ""), daemon.parse(new or ""))
    except ValueError:
        return True


def _live_restore() -> bool:
    found = host.get_fact(Loaded, unit=UNIT, files=[DAEMON_JSON]) or unreadable("what Docker has loaded")
    try:
        return daemon.parse(found[DAEMON_JSON] or "").get("live-restore") is True
    except ValueError:
        return False


def _stops(state: DockerState) -> str:
    return (
        f"Docker {state.version} would have to restart and {state.containers} running containers would stop; "
        "docker_allow_restart = True allows it, docker_live_restore = True avoids it from the next restart on"
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
