"""What deploy.py is made of: check everything on every host first, then plan deploy by deploy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import click
from pyinfra import host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_inventory

from deploys.options import Options, problems
from deploys.release import RELEASES, refusal
from facts.release import ElRelease, Machine

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


def run(*steps: Step) -> None:
    """
    Plan ``steps`` for the current host, in order.

    Before the first of them, the data of every host in the run is checked and each mistake is named;
    then a host that elforge does not support, or cannot work on, is refused.

    Raises Refused, which ends the run while nothing has been changed on any host.

    ``run(Step(base, BaseOptions), Step(docker, DockerOptions, group="docker_hosts"))``
    """
    _refuse_blind_prediction()
    state = host.state
    _refuse_unmatched_limit(state.inventory)
    if state not in _checked:
        _checked[state] = [
            line for each in state.inventory.get_active_hosts() for line in _mistakes(each, steps)
        ]
    if _checked[state]:
        raise Refused("\n".join(["mistakes in the inventory data; nothing was changed:", *_checked[state]]))
    machine = _machine()
    for step in steps:
        if _concerns(host, step):
            options = step.options.of(host.data.dict(), _reserved(host))
            step.deploy(options, RELEASES[machine.major], machine)


def require_hosts() -> None:
    """
    End this run of pyinfra with exit code 2 if it has no hosts; called by ``config.py``.

    For pyinfra 3.10.0 an empty inventory, a file that is not there and a mistyped ``--limit`` are a success,
    and deploy.py is never read then (cli.py, ``_main``).
    """
    context = click.get_current_context(silent=True)
    if context:
        context.call_on_close(lambda: _end_without_hosts(context.params))


def _end_without_hosts(params: dict[str, Any]) -> None:
    if not ctx_inventory.isset() or not (inventory := ctx_inventory.get()):
        return
    limits = params.get("limit") or ()
    if len(inventory) and not (limits and _unmatched(inventory, limits) == list(limits)):
        return
    known = ", ".join(sorted(each.name for each in inventory)) or "none"
    click.echo(f"--> no host to work on; nothing was done. Hosts in {params['inventory']}: {known}", err=True)
    sys.exit(2)


def _refuse_unmatched_limit(inventory: Inventory) -> None:
    """Refuse a run of which a part would be left out because of a typo."""
    context = click.get_current_context(silent=True)
    if context and (names := _unmatched(inventory, context.params.get("limit") or ())):
        raise Refused(f"--limit {', '.join(names)}: no such host or group; nothing was changed")


def _unmatched(inventory: Inventory, limits: Iterable[str]) -> list[str]:
    names = [each.name for each in inventory]
    return [each for each in limits if each not in inventory.groups and not any(fnmatch(n, each) for n in names)]


def _machine() -> Machine:
    found = host.get_fact(ElRelease, _sudo=False)
    why = refusal(found) if found else "did not say what it is"
    if why:
        raise Refused(f"{host.name} {why}; nothing was changed on any host")
    return found


def _mistakes(each: Host, steps: tuple[Step, ...]) -> list[str]:
    models = [step.options for step in steps if _concerns(each, step)]
    return problems(each.name, each.data.dict(), models, _reserved(each))


def _concerns(each: Host, step: Step) -> bool:
    return step.group == ALL or step.group in each.groups


def _reserved(each: Host) -> set[str]:
    return set(each.connector_cls.data_meta)


def _refuse_blind_prediction() -> None:
    """Pyinfra 3.10.0 detects no changes under -y, so --dry would predict none (cli.py, ``_setup_state``)."""
    context = click.get_current_context(silent=True)
    if context and context.params.get("dry") and context.params.get("yes"):
        raise Refused("--dry together with -y (or PYINFRA_YES) would predict no changes at all; leave out -y")
