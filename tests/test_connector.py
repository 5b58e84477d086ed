"""The connector against a real shell behind real SSH: as few execs as can be, and no stale answer."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyinfra.api import Config, FactBase, Inventory, State, StringCommand
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.hiddenvalue import HiddenValue
from pyinfra.api.host import Host
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.operations import python

from connectors import memory
from tests.ssh_server import SshServer

NAMES = ("a", "b", "c")


class Content(FactBase[list[str]]):
    """Return the lines of a file of the home directory."""

    def command(self, file: str) -> str:
        return f"cat {shlex.quote(file)}"

    def process(self, output: list[str]) -> list[str]:
        return output


class Secret(FactBase[list[str]]):
    """Return what a command with a secret says."""

    def command(self) -> StringCommand:
        return StringCommand("echo", HiddenValue("hunter2"))

    def process(self, output: list[str]) -> list[str]:
        return output


class Run:
    """A run of pyinfra against hosts that are all the same server; the same ``deploy`` as the run before."""

    def __init__(self, server: SshServer, *names: str, deploy: str = "deploy.py", **data: Any) -> None:
        self.server, self.before = server, len(server.execs)
        hosts = [(f"@elforge/{name}", {**server.data(), **data}) for name in names or ("h1",)]
        self.state = State(Inventory((hosts, {})), Config())
        self.state.cwd, self.state.current_deploy_filename = str(server.home), deploy
        connect_all(self.state)
        self.host = self.hosts()[0]

    def hosts(self) -> list[Host]:
        return list(self.state.inventory)

    def read(self, name: str, host: Host | None = None, **arguments: Any) -> list[str] | None:
        arguments["_ignore_errors"] = True
        found: list[str] | None = (host or self.host).get_fact(Content, file=name, **arguments)
        return found

    def write(self, name: str, content: str) -> None:
        done, _ = self.host.run_shell_command(StringCommand(f"printf %s {shlex.quote(content)} > {name}"))
        assert done

    @property
    def execs(self) -> int:
        return len(self.server.execs) - self.before

    def end(self) -> int:
        """Disconnect, and return how many execs it took."""
        execs = self.execs
        disconnect_all(self.state)
        return execs


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in NAMES:
        (tmp_path / name).write_text(f"{name}\n")
    with SshServer(tmp_path) as each:
        yield each


@pytest.fixture
def learned(server: SshServer) -> SshServer:
    """A server whose files a run has read before."""
    run = Run(server)
    assert [run.read(name) for name in NAMES] == [["a"], ["b"], ["c"]]
    assert run.end() == 3
    return server


# Execs


def test_what_the_last_run_asked_goes_out_in_one_exec(learned):
    run = Run(learned)
    assert [run.read(name) for name in NAMES * 2] == [["a"], ["b"], ["c"]] * 2
    assert run.end() == 1


def test_it_is_another_deploy_s_business_what_that_asks(learned):
    run = Run(learned, deploy="other.py")
    assert [run.read(name) for name in NAMES * 2] == [["a"], ["b"], ["c"]] * 2
    assert run.end() == 3


def test_a_host_whose_first_answer_is_the_same_learns_from_the_others(learned):
    run = Run(learned, "h2")
    assert [run.read(name) for name in NAMES] == [["a"], ["b"], ["c"]]
    assert run.end() == 2


def test_a_host_that_answers_otherwise_does_not(learned):
    (learned.home / "a").write_text("another release\n")
    run = Run(learned, "h2")
    assert [run.read(name) for name in NAMES] == [["another release"], ["b"], ["c"]]
    assert run.end() == 3


def test_an_unknown_question_is_asked_as_usual_and_learned(learned):
    (learned.home / "d").write_text("d\n")
    for execs in (2, 1):
        run = Run(learned)
        assert [run.read(name) for name in ("a", "d", "b")] == [["a"], ["d"], ["b"]]
        assert run.end() == execs


def test_a_failure_is_never_served(learned):
    (learned.home / "b").unlink()
    run = Run(learned)
    assert (run.read("a"), run.read("b")) == (["a"], None)
    (learned.home / "b").write_text("back\n")
    assert run.read("b") == ["back"]


def test_an_answer_grows_old(learned, monkeypatch):
    run = Run(learned)
    assert run.read("a") == ["a"]
    (learned.home / "a").write_text("by somebody else\n")
    assert run.read("a") == ["a"]
    monkeypatch.setattr(memory, "FRESH_SECONDS", 0)
    assert run.read("a") == ["by somebody else"]


def test_a_question_that_hangs_takes_time_and_no_more(learned, monkeypatch):
    (learned.home / "b").unlink()
    monkeypatch.setattr("connectors.questions.SECONDS", 1)
    os.mkfifo(learned.home / "b")
    for execs in (2, 1):  # b is forgotten
        run = Run(learned)
        assert [run.read("a"), run.read("c")] == [["a"], ["c"]]
        assert run.end() == execs


def test_a_login_that_prints_is_asked_one_by_one(learned):
    learned.login = "echo Welcome; "
    run = Run(learned)
    assert [run.read(name) for name in NAMES] == [["Welcome", "a"], ["Welcome", "b"], ["Welcome", "c"]]


# What is asked


@pytest.mark.parametrize(
    "arguments",
    [
        {"_env": {"TOKEN": "hunter2"}},
        {"_stdin": "hunter2"},
        {"_timeout": 5},
        {"_success_exit_codes": [0, 1]},
        {"_get_pty": True},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_what_may_be_secret_or_is_special_travels_alone(server, arguments):
    for _ in range(2):
        run = Run(server)
        assert run.read("a", **arguments) == run.read("a", **arguments) == ["a"]
        assert run.end() == 2
    assert not list(server.home.glob("cache/**/*.json"))


def test_a_hidden_value_travels_alone(server):
    run = Run(server)
    assert [run.host.get_fact(Secret) for _ in range(2)] == [["hunter2"]] * 2
    assert run.end() == 2
    assert not list(server.home.glob("cache/**/*.json"))


def test_who_asks_where_is_part_of_the_question(server):
    (server.home / "sub").mkdir()
    (server.home / "sub" / "a").write_text("sub\n")
    for execs in (3, 1):
        run = Run(server)
        assert run.read("a") == ["a"]
        assert run.read("a", _chdir="sub") == ["sub"]
        assert run.read("a", _chdir="sub", _shell_executable="bash") == ["sub"]
        assert run.end() == execs


# What ends it


def shell(run: Run) -> None:
    run.write("a", "new\n")


def upload(run: Run) -> None:
    assert run.host.put_file(StringIO("new\n"), f"{run.server.home}/a")


def any_other_command(run: Run) -> None:
    run.host.run_shell_command(StringCommand("cat", "b"))
    (run.server.home / "a").write_text("new\n")


def reconnect(run: Run) -> None:
    run.host.disconnect()
    (run.server.home / "a").write_text("new\n")
    run.host.connect()


def other_connection(run: Run) -> None:
    """As operations/guard.py does."""
    connector = type(run.host.connector)(run.state, run.host)
    connector.connect()
    connector.run_shell_command(StringCommand("echo new > a"))


@pytest.mark.parametrize(
    "change", [shell, upload, any_other_command, reconnect, other_connection], ids=lambda each: each.__name__
)
def test_after_a_change_the_host_is_asked_each_time(learned, change):
    run = Run(learned)
    assert run.read("a") == ["a"]
    change(run)
    assert run.read("a") == ["new"]
    (learned.home / "a").write_text("a timer on the host\n")
    assert run.read("a") == ["a timer on the host"]


def test_a_command_with_the_text_of_a_fact_is_run(learned):
    run = Run(learned)
    run.read("a")
    (learned.home / "a").write_text("new\n")
    done, output = run.host.run_shell_command(StringCommand("cat a"))
    assert (done, output.stdout) == (True, "new")


def test_two_names_of_one_machine_are_one(learned):
    run = Run(learned, "h1", "h2")
    first, second = run.hosts()
    assert run.read("a", first) == run.read("a", second) == ["a"]
    run.write("a", "new\n")
    assert run.read("a", first) == run.read("a", second) == ["new"]


def operation_by_other_means(run: Run) -> None:
    """As python.call may do."""
    add_op(run.state, python.call, function=lambda: (run.server.home / "a").write_text("new\n"))
    run_ops(run.state)


def test_after_an_operation_with_ways_of_its_own_the_host_is_asked(learned):
    run = Run(learned)
    run.state.check_for_changes = False
    assert run.read("a") == ["a"]
    operation_by_other_means(run)
    assert run.read("a") == ["new"]


@pytest.mark.parametrize("planned", [True, False])
def test_a_plan_s_answers_do_not_carry_it_out(learned, planned):
    run = Run(learned)
    run.state.check_for_changes = planned
    run.read("a")
    run.state.is_executing = True
    assert [run.read(name) for name in NAMES] == [["a"], ["b"], ["c"]]
    assert run.end() == 1 + planned


# Any order of reads, writes and new runs


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.sampled_from(NAMES)),
        st.tuples(st.just("write"), st.sampled_from(NAMES), TEXT),
        st.tuples(st.just("run")),
    ),
    max_size=12,
)


def lines(path: Path) -> list[str] | None:
    """Return what an exec of its own would have: pyinfra's default for no output is None."""
    return [line.rstrip(b"\n").decode() for line in path.open("rb")] or None


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_answers_are_those_of_the_moment(steps):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", f"{folder}/cache")
        with SshServer(Path(folder)) as server:
            for name in NAMES:
                (server.home / name).write_text(name)
            run = Run(server)
            for action, *arguments in steps:
                if action == "read":
                    assert run.read(*arguments) == lines(server.home / arguments[0])
                elif action == "write":
                    run.write(*arguments)
                else:
                    run.end()
                    run = Run(server)
            run.end()


def test_a_lost_connection_is_one_line(learned, caplog):
    run = Run(learned)
    learned.drop()
    assert run.read("a") is None
    assert "lost" in caplog.text or "not active" in caplog.text
