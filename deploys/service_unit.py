"""The units of an application, and all else that a host has of it, from its options."""

from __future__ import annotations

import math
from collections.abc import Iterator

from deploys.go_releases import COUNT_CPUS, counts_cpus
from deploys.service_options import INSTANCE, App
from facts.service import ENVIRONMENTS, ROOT
from operations.service import Manifest
from pure.unit import DOLLAR, Directive, command, rendered

DATA = "/var/lib"
# How a unit says which instance it is of.
_SPECIFIER = "%i"
# By hardening profile, in systemd's newest words: what a Go program with a directory and sockets of its own
# can do without. Not among them is ProcSubset=pid: the net package reads net.core.somaxconn, without which a
# listener's backlog is 128.
_BASIC = {
    "NoNewPrivileges": "yes",
    "PrivateTmp": "yes",
    "ProtectSystem": "full",
    "ProtectHome": "yes",
}
_STRICT = {
    **_BASIC,
    "ProtectSystem": "strict",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectProc": "invisible",
    "PrivateIPC": "yes",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "KeyringMode": "private",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0077",
}
HARDENING: dict[str, dict[str, str]] = {"none": {}, "basic": _BASIC, "strict": _STRICT}


def manifest(name: str, app: App, systemd: int, go: str = "") -> Manifest:
    """
    Return all that a host is to have of an application, but for its program.

    + name: of the application
    + app: its options
    + systemd: the version that is there
    + go: the version of Go that builds here; ``""`` when it is unknown
    """
    service = f"{name}@.service" if app.instances else f"{name}.service"
    parts = {service: _service(name, app)}
    if app.listen:
        parts[f"{name}.socket"] = _socket(name, app)
    if app.watched:
        watcher = service.replace(name, f"{name}-probe", 1)
        parts[watcher] = _watcher(name, app, service)
        parts[watcher.replace(".service", ".timer")] = _timer(app, watcher)
    texts = {unit: rendered(each, systemd, "service_apps") for unit, each in parts.items()}
    return Manifest(
        name=name,
        version=app.version,
        units={unit: text.text for unit, text in texts.items()},
        runs=tuple(_instances(service, app)),
        sockets=(f"{name}.socket",) if app.listen else (),
        watchers=tuple(_instances(watcher.replace(".service", ".timer"), app)) if app.watched else (),
        variables={**_own(app, go), **app.environment},
        secrets=app.secrets,
        probe=app.probe or "",
        timeout=app.probe_timeout,
        ready=app.ready_seconds,
        ports=tuple(_ports(app)),
        dropped=tuple(
            f"{unit}: systemd {systemd} does not know {', '.join(text.dropped)}: left out"
            for unit, text in texts.items()
            if text.dropped
        ),
        unseen=tuple(_unseen(name, app)),
    )


def _instances(unit: str, app: App) -> Iterator[str]:
    for instance in app.instances or [""]:
        yield unit.replace("@.", f"@{instance}.")


def _ports(app: App) -> Iterator[str]:
    for port in app.ports:
        if app.open:
            yield f"{port} open in {app.zone}"
        if app.selinux_type:
            yield f"{port} of type {app.selinux_type}"


def _unseen(name: str, app: App) -> Iterator[str]:
    speaks = app.notify or app.watchdog
    if not app.probe and not speaks:
        yield (
            f"service_apps.{name}: a release that is active for two seconds counts as working: "
            "set probe, or notify"
        )
    # What is not to be restarted has no use for either.
    if not app.probe and not app.watchdog and app.restart != "no":
        yield f"service_apps.{name}: nothing notices when it hangs: set probe, or watchdog"


def _own(app: App, go: str) -> dict[str, str]:
    """Go knows nothing of a memory limit, and of one of CPUs only from 1.25 on, which takes two at least."""
    found = {}
    if app.gomemlimit is not None:
        found["GOMEMLIMIT"] = str(app.gomemlimit)
    if app.cpus is not None and app.git and go and counts_cpus(go) and not app.sets("GODEBUG"):
        found["GODEBUG"] = COUNT_CPUS
    elif app.cpus is not None:
        found["GOMAXPROCS"] = str(max(2, math.ceil(app.cpus)))
    if any(word.startswith("$") for word in app.arguments):
        found[DOLLAR] = "$"
    return found


def _service(name: str, app: App) -> Iterator[Directive]:
    yield Directive("Unit", "Description", f"{name}, put here by elforge")
    # After=network.target says nothing of a network that works (facts.md section 7).
    yield Directive("Unit", "Wants", "network-online.target")
    yield Directive("Unit", "After", "network-online.target")
    if app.listen:
        yield Directive("Unit", "Requires", f"{name}.socket")
        yield Directive("Unit", "After", f"{name}.socket")
    yield Directive("Unit", "StartLimitIntervalSec", str(app.crash_seconds))
    yield Directive("Unit", "StartLimitBurst", str(app.crash_limit))
    program = f"{ROOT}/{name}/current/bin/{name}"
    line = command([program, *app.arguments]).replace(INSTANCE, _SPECIFIER)
    for key, value in _process(name, app, line):
        yield Directive("Service", key, value)
    yield Directive("Install", "WantedBy", "multi-user.target")


def _process(name: str, app: App, line: str) -> Iterator[tuple[str, str]]:
    user = app.user or name
    yield "Type", "notify" if app.notify or app.watchdog else "simple"
    if app.watchdog:
        yield "WatchdogSec", str(app.watchdog)
    yield "ExecStart", line
    yield "User", user
    yield "Group", user
    yield "WorkingDirectory", f"{DATA}/{name}"
    yield "EnvironmentFile", f"{ENVIRONMENTS}/{name}.env"
    yield "Restart", app.restart
    yield "RestartSec", str(app.restart_seconds)
    yield "TimeoutStartSec", str(app.ready_seconds)
    yield "TimeoutStopSec", "30"
    if app.memory:
        yield "MemoryMax", app.memory
        # Or it would be the swap that fills up.
        yield "MemorySwapMax", "0"
    if app.cpus:
        yield "CPUQuota", f"{round(app.cpus * 100)}%"
    if app.tasks:
        yield "TasksMax", str(app.tasks)
    if app.files:
        yield "LimitNOFILE", str(app.files)
    yield from _hardened(name, app)


def _hardened(name: str, app: App) -> Iterator[tuple[str, str]]:
    if app.rights:
        yield "AmbientCapabilities", " ".join(app.rights)
    profile = HARDENING[app.hardening]
    yield from profile.items()
    if app.hardening == "strict":
        yield "CapabilityBoundingSet", " ".join(app.rights)
    if app.private_users:
        yield "PrivateUsers", "yes"
    if profile:
        yield "ReadWritePaths", " ".join([f"{DATA}/{name}", *app.writable])


def _socket(name: str, app: App) -> Iterator[Directive]:
    yield Directive("Unit", "Description", f"{name}'s socket, put here by elforge")
    for each in app.listen:
        yield Directive("Socket", "ListenStream", each)
    yield Directive("Install", "WantedBy", "sockets.target")


def _watcher(name: str, app: App, service: str) -> Iterator[Directive]:
    unit = service.replace("@.", f"@{_SPECIFIER}.")
    numbers = [app.probe_failures, app.probe_seconds, app.ready_seconds]
    words = command(
        ["/bin/sh", f"{ENVIRONMENTS}/{name}.probe", app.probe or "", str(app.probe_timeout)]
    ).replace(INSTANCE, _SPECIFIER)
    yield Directive("Unit", "Description", f"Look whether {name} answers, put here by elforge")
    yield Directive("Service", "Type", "oneshot")
    yield Directive("Service", "ExecStart", " ".join([words, unit, *map(str, numbers), "%n"]))
    yield Directive("Service", "TimeoutStartSec", str(app.probe_timeout + 30))
    yield Directive("Service", "LogLevelMax", "notice")


def _timer(app: App, watcher: str) -> Iterator[Directive]:
    yield Directive("Unit", "Description", "Look whether it answers, put here by elforge")
    for key in ("OnActiveSec", "OnUnitActiveSec"):
        yield Directive("Timer", key, str(app.probe_seconds))
    # A minute is what systemd takes else, at each look.
    yield Directive("Timer", "AccuracySec", "100ms")
    yield Directive("Timer", "Unit", watcher.replace("@.", f"@{_SPECIFIER}."))
    yield Directive("Install", "WantedBy", "timers.target")
