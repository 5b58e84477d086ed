"""Plan a deploy against a scripted host: no network, no container, milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.deploy import add_deploy
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host, ctx_state

from operations.script import Script


class Step(NamedTuple):
    """An operation with the commands that it would run; none when it would change nothing."""

    name: str
    commands: list[str]


class Plan(NamedTuple):
    """What a deploy would do, and how many commands it took to find out."""

    steps: list[Step]
    asked: int
    files: dict[str, str]  # path to content of every file that would be written
    modes: dict[str, str]


Answer = Callable[[str], str | None]


HOST = "@fake/host"


def plan(deploy_function: Any, answer: Answer, *, beside: Sequence[str] = (), **data: Any) -> Plan:
    """Return what ``deploy_function`` would run on HOST, which answers each command by ``answer``.

    A command to which ``answer`` says None is refused: @fake would say yes to it, with empty output.
    The hosts ``beside`` it are part of the run; it is for ``deploy_function`` to do nothing there.
    """
    fake = {"fake_delay": 0, "fake_delay_jitter": 0}
    hosts = [(HOST, {**fake, **data}), *((each, fake) for each in beside)]
    state = State(Inventory((hosts, {})), Config())
    connect_all(state)
    host = state.inventory.get_host(HOST)

    def run(command: Any, **_: Any) -> tuple[bool, CommandOutput]:
        text = command if isinstance(command, str) else command.get_raw_value()
        said = answer(text)
        assert said is not None, f"nothing answers: {text}"
        host.connector.executed_commands.append(text)
        return True, CommandOutput([OutputLine("stdout", line) for line in said.splitlines()])

    host.connector.run_shell_command = run
    add_deploy(state, deploy_function)
    asked = len(host.connector.executed_commands)
    steps, puts = [], []
    with ctx_state.use(state), ctx_host.use(host):
        for op_hash in state.get_op_order():
            names = ", ".join(sorted(state.op_meta[op_hash].names))
            commands = list(state.ops[host][op_hash].command_generator())
            puts += [each for each in commands if isinstance(each, Script) and each.name == "put"]
            steps.append(Step(names, [_text(command) for command in commands]))
    files = {each.args[0]: each.content or "" for each in puts}
    return Plan(steps, asked, files, {each.args[0]: each.args[3] for each in puts})


def _text(command: Any) -> str:
    if not isinstance(command, Script):
        return str(command.get_masked_value())
    args = " ".join(map(_word, command.args))
    content = "".join(f"\n  | {line}" for line in (command.content or "").splitlines())
    return f"{command.name} {args}".rstrip() + content


def _word(arg: str) -> str:
    if "\n" in arg:
        return "(shell)"
    return repr(arg) if not arg or " " in arg else arg


def text(steps: list[Step]) -> str:
    """Return a plan as it stands in tests/golden."""
    return "\n".join(f"# {step.name}\n" + "".join(f"{line}\n" for line in step.commands) for step in steps)
