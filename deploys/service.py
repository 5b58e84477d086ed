"""Go applications under systemd: releases side by side, units that fit the host, and a look at them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from pyinfra import host
from pyinfra.api import deploy

from deploys.go import BUILDER
from deploys.release import Release
from deploys.service_options import App, ServiceOptions
from deploys.service_unit import DATA, manifest
from facts.release import Machine
from operations import accounts, files, rpm
from operations import service as services
from operations.go import GO
from operations.script import refuse
from operations.service import Build, Program


@deploy("Service")
def service(options: ServiceOptions, release: Release, machine: Machine) -> None:
    """Run the applications that are declared, and remove those that are declared absent."""
    here = {name: app for name, app in options.apps.items() if app.state == "present"}
    if any(app.git for app in here.values()):
        rpm.packages(name="Install what builds need", specs=["git"], manager=release.manager)
    for name in host.loop(here):
        _get(name, here[name], options, release)
    # One that is to run may be the same by another name, on the same port: it is here before that goes.
    for name in host.loop([name for name in options.apps if name not in here]):
        services.removed(name=f"Remove {name}", name_=name)
    for name in host.loop(here):
        _run(name, here[name], options.go, machine)


def _get(name: str, app: App, options: ServiceOptions, release: Release) -> None:
    user, data = app.user or name, f"{DATA}/{name}"
    accounts.user(name=f"Make the user of {name}", name_=user, home=data)
    files.directory(
        name=f"Make the directory of {name}", path=data, user=user, group=user, mode="750", take_over=False
    )
    services.release(
        name=f"Get {name} {app.version}",
        name_=name,
        version=app.version,
        source=_source(name, app, options, release),
    )


def _run(name: str, app: App, go: str, machine: Machine) -> None:
    services.deployed(name=f"Run {name} {app.version}", manifest=manifest(name, app, machine.systemd, go))
    services.pruned(name=f"Remove old releases of {name}", name_=name, version=app.version, keep=app.keep)


def _source(name: str, app: App, options: ServiceOptions, release: Release) -> Program | Build:
    if app.git is not None:
        return Build(
            git=app.git,
            ref=app.ref or app.version,
            package=app.package,
            cgo=app.cgo,
            go=f"{GO}/bin/go",
            user=BUILDER,
            limit=f"{release.memory_limit}={options.build_memory}",
            seconds=options.build_seconds,
        )
    if app.file is not None:
        return Program(_digest(name, app.file), file=app.file)
    return Program(app.sha256 or "", url=app.url or "")


@cache
def _digest(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        refuse(f"service_apps.{name}.file: {path} cannot be read where pyinfra runs: {error.strerror}")
