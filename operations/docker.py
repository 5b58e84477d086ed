"""Docker Engine: what needs to know the engine, its containers and the file that it has loaded."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra import host

from facts.docker import MANAGED_JSON, Containers, DockerHost
from facts.files import Contents, Entries
from facts.rpm import Rpms
from facts.unit import Loaded, UnitState
from operations import files, firewalld, rpm, unit
from operations.script import Commands, operation, refuse, unreadable, warn
from operations.template import rendered
from pure import daemon
from pure import engine as engines
from pure.daemon import DAEMON_JSON
from pure.daemon_options import DaemonOptions
from pure.engine import DockerState, Files, Wanted
from pure.unit import values

UNIT = "docker.service"
PROFILE = "/etc/profile.d/elforge-buildkit.sh"
MANAGER = "/etc/systemd/system.conf.d/elforge-buildkit.conf"
HOSTS = f"/etc/systemd/system/{UNIT}.d/elforge-hosts.conf"
# Engines without `proxies` in daemon.json take their proxy from the environment.
PROXY = f"/etc/systemd/system/{UNIT}.d/elforge-proxy.conf"
DATA_ROOT = "/var/lib/docker"
# Checks the file together with the unit's own flags (dockerd --validate came with engine 23.0).
_VALIDATE = (
    'dockerd --validate --config-file="$1" $(systemctl show -p ExecStart docker.service | '
    "sed -n 's/.*argv\\[\\]=[^ ]* \\([^;]*\\) ; .*/\\1/p')"
)
# dockerd only logs that it did not take its file, and systemctl reload succeeds (facts.md 3.2). There is an
# event for one that it took, whatever its log-level (moby daemon/reload.go).
_RELOADED = (
    'test -n "$(docker events --since "$since" --until "$(date +%s.%N)" '
    '--filter type=daemon --filter event=reload)"'
)


@operation
def conflicts(names: list[str], *, manager: rpm.Manager, remove: bool, stop: bool) -> Commands:
    """
    Remove the packages that Docker cannot live beside, or refuse and say what is at stake.

    No data goes with them: what podman or an older Docker keeps in its directories stays.

    + names: of the packages
    + manager: the release's package manager
    + remove: False refuses when one of them is installed
    + stop: remove them although containers run, which would stop

    **Example:**

    .. code:: python

        docker.conflicts(
            name="Make room", names=["podman-docker", "runc"], manager="dnf", remove=True, stop=False
        )
    """
    found = host.get_fact(Rpms, queries=names)
    if found is None:
        unreadable("the rpm database")
    installed = sorted({package.name for package in found.installed})
    if not installed:
        host.noop(f"none of {', '.join(names)} is installed")
        return
    running = host.get_fact(Containers)
    if running is None:
        unreadable("the number of running containers")
    if remove and running and not stop:
        refuse(
            f"{', '.join(installed)}: {running} running containers would stop when these packages go; "
            "stop them, or set docker_allow_restart = True"
        )
    elif remove:
        yield from rpm.removable._inner(names=installed)
        yield from rpm.packages._inner(specs=installed, manager=manager, present=False)
    else:
        places = (
            host.get_fact(DockerHost, data_root=DATA_ROOT) or unreadable("the state of Docker")
        ).storages
        data = f"; what they keep in {', '.join(places)} would stay, unused" if places else ""
        ends = f"; {running} running containers would stop" if running else ""
        refuse(
            f"{', '.join(installed)}: installed, and cannot live beside Docker CE{ends}{data}; "
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
    if state.version and _would_stop(wanted, state, same_line=engines.same_line(wanted, state)):
        if next(commands, None):
            refuse(engines.stops(state))
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
    if wanted.present and (problem := engines.problem(wanted, state)):
        refuse(problem)
    declared = engines.files(wanted, state)
    if wanted.present and (clash := _clash(wanted.options, declared.daemon_json)):
        refuse(clash)
    # Here already, so that no file is written which the engine is then not allowed to load.
    if wanted.present and _must_not_restart(wanted, state, {DAEMON_JSON: declared.daemon_json}):
        refuse(engines.stops(state))
    _say_what_is_left_out(wanted, state)
    # Before the file has them, so that a setting which never came into force is still known to be ours.
    if pending := engines.pending(declared, state):
        yield from _placed(MANAGED_JSON, pending, mode="600")
    validate = _VALIDATE if declared.validate else ""
    # For root alone: an admin's own keys, and log-opts, may be secrets.
    yield from _placed(DAEMON_JSON, declared.daemon_json, mode="600", validate=validate)
    yield from _placed(
        PROXY, _environment(declared), after="systemctl daemon-reload", undo="systemctl daemon-reload"
    )
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
    declared = engines.files(wanted, state)
    contents = {DAEMON_JSON: declared.daemon_json, PROXY: _environment(declared), **dropins}
    stops = _must_not_restart(wanted, state, contents)
    yield from unit.loaded._inner(
        unit=UNIT,
        contents=contents,
        restart_for=engines.needs_restart,
        no_restart=engines.stops(state) if stops else "",
        health="docker version",
        reloaded=_RELOADED,
    )


@operation
def remember(wanted: Wanted) -> Commands:
    """
    Note that what is declared is now all of daemon.json that is ours; the engine has come up with it.

    Until then what was in force before counts as ours, too, since it may come back.

    + wanted: how the engine is to be configured
    """
    ours = engines.files(wanted, _state(wanted)).ours
    yield from _placed(MANAGED_JSON, None if ours is None else engines.note(ours), mode="600")


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
    if strange := engines.strange(found):
        refuse(f"{path}: {', '.join(strange[:5])} is not data of Docker or containerd; nothing was deleted")
    yield from files.absent._inner(path=path, recursive=True)


@operation
def firewall_first(*, said: bool = False) -> Commands:
    """
    Start an enabled firewalld before Docker's first start, under the guard that every change of it has.

    dockerd adds its chains again after a reload of firewalld only if firewalld ran when dockerd
    started (facts.md section 4). Beside a running dockerd, firewalld is left as it is.

    + said: whether the firewall deploy says if firewalld is to run; then it is left to that
    """
    if said:
        host.noop("the firewall deploy decides whether firewalld runs")
        return
    found = host.get_fact(UnitState, unit=firewalld.UNIT) or unreadable("the state of firewalld")
    dockerd = host.get_fact(UnitState, unit=UNIT) or unreadable(f"the state of {UNIT}")
    if dockerd.active in ("active", "reloading") or found.enabled != "enabled":
        host.noop("firewalld is not enabled, or Docker already runs")
    else:
        yield from firewalld.configured._inner(wanted=firewalld.Wanted(running=True, keep_files=True))


def _say_what_is_left_out(wanted: Wanted, state: DockerState) -> None:
    """Name what this engine has no words for, and what cannot be read."""
    lines = daemon.dropped(wanted.options, engines.engine(wanted, state)) if wanted.present else []
    for line in filter(None, [*lines, engines.illegible(state)]):
        warn(line)


def _clash(options: DaemonOptions, daemon_json: str | None) -> str:
    """Return what in the unit's ExecStart is at odds with our settings, or ``""``."""
    found = host.get_fact(UnitState, unit=UNIT) or unreadable(f"the state of {UNIT}")
    theirs = [path for path in found.dropins if "/elforge-" not in path]
    if options.hosts and (lost := _lost_hosts(options.hosts, theirs)):
        return lost
    if twice := engines.twice(daemon_json, found.flags):
        places = ", ".join(theirs) or "the unit itself"
        return (
            f"{', '.join(twice)}: also a flag in ExecStart of {UNIT} ({places}); "
            "dockerd does not start with both, take it out there"
        )
    return ""


def _environment(declared: Files) -> str | None:
    """Return the drop-in with what an old engine takes from its environment."""
    return None if declared.proxy is None else rendered("docker", PROXY, variables=declared.proxy)


def _lost_hosts(hosts: list[str], theirs: list[str]) -> str:
    """Return which drop-in, read after ours, starts the engine without some of our listeners, or ``""``."""
    folder, _, own = HOSTS.rpartition("/")
    # systemd knows no drop-ins of an engine that is yet to be installed.
    names = host.get_fact(Entries, path=folder)
    if names is None:
        unreadable(folder)
    paths = {*theirs, *(f"{folder}/{name}" for name in names if not name.startswith("elforge-"))}
    later = sorted((name, path) for path in paths if (name := path.rpartition("/")[2]) > own)
    if not later:
        return ""
    texts = host.get_fact(Contents, paths=[path for _, path in later]) or unreadable(folder)
    starts = [(path, line) for _, path in later for line in values(texts[path] or "", "ExecStart") if line]
    path, line = starts[-1] if starts else ("", " ".join(hosts))
    if lost := [listener for listener in hosts if listener not in line.split()]:
        return f"docker_hosts: {', '.join(lost)} is overridden by ExecStart in {path}; take it out there"
    return ""


def _must_not_restart(wanted: Wanted, state: DockerState, contents: Mapping[str, str | None]) -> bool:
    """Tell whether to load these files would stop containers that nobody has allowed to stop."""
    if not state.containers or wanted.allow_restart:
        return False
    loaded = host.get_fact(Loaded, unit=UNIT, files=list(contents)) or unreadable("what Docker has loaded")
    changed = [path for path, text in contents.items() if loaded[path] != text]
    if not any(engines.needs_restart(path, loaded[path], contents[path]) for path in changed):
        return False
    fatal = engines.is_fatal(loaded[DAEMON_JSON], contents[DAEMON_JSON])
    return _would_stop(wanted, state, same_line=not fatal)


def _would_stop(wanted: Wanted, state: DockerState, *, same_line: bool) -> bool:
    """Tell whether a restart would stop containers that nobody has allowed to stop."""
    return bool(state.containers) and not wanted.allow_restart and not (same_line and _live_restore())


def _live_restore() -> bool:
    found = host.get_fact(Loaded, unit=UNIT, files=[DAEMON_JSON]) or unreadable("what Docker has loaded")
    return engines.live_restore(found[DAEMON_JSON])


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
