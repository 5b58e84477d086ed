"""What deploy.py is made of: check everything on every host first, then plan deploy by deploy."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from fnmatch import fnmatch
from functools import reduce
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import click
from pyinfra import host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_state

from deploys.once import quicker
from deploys.options import Fleet, Options, problems
from deploys.release import RELEASES, refusal
from facts.release import ElRelease, Instance, Machine

ALL = "all"


class Step(NamedTuple):
    """A deploy, the model of its options, and the inventory group that it is for."""

    deploy: Callable[..., Any]
    options: type[Options]
    group: str = ALL


class Refused(PyinfraError):
    """The run ends here; nothing was changed on any host."""


# deploy.py runs once per host, the data of all hosts is checked once per run.
_checked: WeakKeyDictionary[State, list[str]] = WeakKeyDictionary()
# The first name of each host of a run, by its instance.
_names: WeakKeyDictionary[State, dict[str, str]] = WeakKeyDictionary()
_SILENT = (
    "did not say what it is; does its login print something that is not UTF-8, or exit "
    "(see ~/.bashrc and /etc/profile.d)?"
)
# What stands after --limit.
_limits: list[str] = []


def run(*steps: Step) -> None:
    """
    Plan ``steps`` for the current host, in order.

    Before the first of them, the data of every host in the run is checked and each mistake is named;
    then a host that elforge does not support, or cannot work on, is refused.

    Raises Refused, which ends the run while nothing has been changed on any host.

    ``run(Step(base, BaseOptions), Step(docker, DockerOptions, group="docker_hosts"))``
    """
    state = host.state
    if names := _unmatched(state.inventory):
        raise Refused(f"--limit {', '.join(names)}: no such host or group; nothing was changed")
    if state not in _checked:
        _checked[state] = _all_mistakes(state, steps)
    if _checked[state]:
        raise Refused("\n".join(["mistakes in the inventory data; nothing was changed:", *_checked[state]]))
    machine = _machine()
    models = _models(host, steps)
    for step in steps:
        if _concerns(host, step):
            step.deploy(models[step.options], RELEASES[machine.major], machine)


def guard() -> None:
    """
    Refuse command lines that pyinfra 3.10.0 takes for a success, and make runs quick; for ``config.py``.

    deploy.py cannot: it is not read at all without a host (cli.py, ``_main``), and it runs in greenlets,
    where click's context is out of reach.
    """
    quicker()
    context = click.get_current_context(silent=True)
    if context is None:
        return
    params = context.params
    if params.get("dry") and params.get("yes"):
        # Under -y pyinfra detects no changes (cli.py, `_setup_state`).
        raise Refused("--dry together with -y (or PYINFRA_YES) would predict no changes at all; leave out -y")
    _limits[:] = params.get("limit") or ()
    context.call_on_close(lambda: _end(str(params.get("inventory"))))


def _end(source: str) -> None:
    """
    End with exit code 2 where pyinfra would end with 0, for want of hosts; end a run that is done at once.

    An interpreter takes 0.1 s of CPU to take itself down (2026-11). It still does after an error, and where
    a thread of somebody else's is at work.
    """
    ended = sys.exception()
    code = 2 if _without_hosts(source) else ended.code if isinstance(ended, SystemExit) else None
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    if isinstance(code, int) and all(each.daemon for each in others):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    if code == 2:
        sys.exit(code)


def _without_hosts(source: str) -> bool:
    """Say so where a run had none."""
    state = ctx_state.get()
    inventory = getattr(state, "inventory", None)
    if inventory is None:
        return False  # something else has ended the run before
    if len(inventory if state.limit_hosts is None else state.limit_hosts):
        return False
    known = ", ".join(sorted(each.name for each in inventory)) or "none"
    click.echo(f"--> no host to work on; nothing was done. Hosts in {source}: {known}", err=True)
    return True


def _unmatched(inventory: Inventory) -> list[str]:
    """Return the words after --limit that mean no host and no group."""
    names = [each.name for each in inventory]
    return [
        word for word in _limits if word not in inventory.groups and not any(fnmatch(n, word) for n in names)
    ]


def _machine() -> Machine:
    found = host.get_fact(ElRelease, _sudo=False)
    why = refusal(found) if found else _SILENT
    if why:
        raise Refused(f"{host.name} {why}; nothing was changed on any host")
    if name := _another_name():
        raise Refused(f"{host.name} is the host {name} by another name; nothing was changed on any host")
    return found


def _another_name() -> str:
    """Return another name of the current host: of two plans, each would find what the other had changed."""
    if len(list(host.state.inventory.get_active_hosts())) < 2:
        return ""
    instance = host.get_fact(Instance, _sudo=False) or host.name
    first = _names.setdefault(host.state, {}).setdefault(instance, host.name)
    return first if first != host.name else ""


def _all_mistakes(state: State, steps: tuple[Step, ...]) -> list[str]:
    """Return a line per mistake, with all the hosts that have it in front."""
    active = sorted(state.inventory.get_active_hosts(), key=lambda each: each.name)
    found = {each.name: _mistakes(each, steps) for each in active}
    if not any(found.values()):
        fleet = {each.name: _models(each, steps) for each in active}
        found = {name: _clashes(name, fleet) for name in fleet}
    hosts: dict[str, list[str]] = {}
    for name, lines in found.items():
        for line in lines:
            hosts.setdefault(line.removeprefix(f"{name}: "), []).append(name)
    return [f"{', '.join(names)}: {line}" for line, names in hosts.items()]


def _models(each: Host, steps: tuple[Step, ...]) -> dict[type[Options], Options]:
    """Return the options of each deploy that is for a host, with what the others add to them."""
    data, reserved = each.data.dict(), _reserved(each)
    own = {step.options: step.options.of(data, reserved) for step in steps if _concerns(each, step)}
    return {model: reduce(_with, own.values(), options) for model, options in own.items()}


def _with(options: Options, other: Options) -> Options:
    return other.adds(options)


def _clashes(name: str, fleet: Fleet) -> list[str]:
    return [line for options in fleet[name].values() for line in options.among(name, fleet)]


def _mistakes(each: Host, steps: tuple[Step, ...]) -> list[str]:
    data, reserved = each.data.dict(), _reserved(each)
    lost = [
        f"{key}: set, but this host is not in the group {step.group}; see deploy.py"
        for step in steps
        if not _concerns(each, step)
        for key in step.options.names()
        if key in data and key not in reserved
    ]
    models = [step.options for step in steps if _concerns(each, step)]
    return [*lost, *problems(each.name, data, models, reserved)]


def _concerns(each: Host, step: Step) -> bool:
    return step.group == ALL or step.group in each.groups


def _reserved(each: Host) -> set[str]:
    return set(each.connector_cls.data_meta)
