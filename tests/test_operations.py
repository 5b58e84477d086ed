"""Each operation against scripted facts: one YAML file per behaviour, whose name is the claim.

On top of pyinfra-testing's format: an answer gets the type that its fact declares, ``answers: [...]`` gives
one answer per question, a remote script shows by name (``'(put)'``), its stdin as text, and the SHA-256 of
that text as ``<sha256>``. A recipe says what it has otherwise than RECIPE, a manifest than MANIFEST and a
build than BUILD; the inventory is INVENTORY.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyinfra_testing.operations as harness
import pytest
from pyinfra.api import Inventory, OperationError
from pyinfra.context import ctx_state
from pyinfra_testing.util import FakeFact, FakeHost, _coerce_value

from facts.files import Contents
from operations import docker, script
from operations.alternatives import Alternative
from operations.go import Artifact, Recipe
from operations.service import Build, Manifest, Program
from pure.daemon_options import DaemonOptions
from pure.tmpfs import Tmpfs

pytestmark = pytest.mark.filterwarnings("error:No noop_description set")

BASE = Path(__file__).parent / "operations"
for folder in sorted(path.name for path in BASE.iterdir() if path.is_dir()):
    globals()[folder] = harness.make_operation_tests("operations", folder, BASE / folder)

RECIPE = Recipe(
    root="/usr/local/go-toolchains",
    name="go1.27.0",
    version="1.27.0",
    method="binary",
    bases=("https://go.dev/dl",),
    file=Artifact("go1.27.0.linux-amd64.tar.gz", "a" * 64, 78_000_000),
    bootstrap=None,
    minimum="",
    cgo=True,
    cc="",
    race=True,
    arch="amd64",
    user="elforge-go",
    limit="MemoryMax=4G",
    seconds=3600,
    policy="/etc/elforge/go.env",
)
MANIFEST = Manifest(
    name="shop",
    version="1.4.2",
    units={"shop.service": "[Service]\nExecStart=/opt/shop/current/bin/shop\n"},
    runs=("shop.service",),
    secrets={"TOKEN": "env:ELFORGE_TEST_TOKEN"},
)
BUILD = Build(
    git="https://git.lan/shop.git",
    ref="v1.4.2",
    package=".",
    cgo=False,
    go="/usr/local/go/bin/go",
    user="elforge-go",
    limit="MemoryMax=4G",
    seconds=1800,
)
# Hosts, and whether they are part of the run.
INVENTORY = {"build1": True, "limited": False}

PARSE, COERCE = harness.parse_commands, harness.coerce_operation_arguments


class Host(FakeHost):
    """A host whose facts have their declared types, and may change from question to question."""

    def get_fact(self, fact_cls: Any, *args: Any, **kwargs: Any) -> Any:
        said = super().get_fact(fact_cls, *args, **kwargs)
        said = said.data if isinstance(said, FakeFact) else said
        if isinstance(said, dict) and said.keys() == {"answers"}:
            question = f"{fact_cls} {args} {kwargs}"
            self.asked[question] += 1
            said = said["answers"][self.asked[question] - 1]
        (declared,) = fact_cls.__orig_bases__[0].__args__
        return _coerce_value(said, declared)


def _host(state: Any, facts: dict[str, Any]) -> Host:
    host = Host(state, "host", facts={}, data={})
    host.fact = SimpleNamespace(**{name: FakeFact(said) for name, said in facts.items()})
    host.asked = Counter()
    state.inventory = Inventory((list(INVENTORY), {}))
    active = [each for each in state.inventory if INVENTORY[each.name]]
    state.inventory.state = SimpleNamespace(active_hosts=active)
    return host


def _commands(commands: list[Any]) -> list[Any]:
    shown, digests = PARSE(commands), []
    for each in shown:
        if isinstance(each, dict) and "_stdin" in each:
            content = base64.b64decode(each["_stdin"])
            each["_stdin"] = content.decode()
            digests.append(hashlib.sha256(content).hexdigest())
            each["command"] = each["command"].replace(digests[-1], "<sha256>")
    # What comes after a change may name it.
    return [_without(each, digests) if isinstance(each, str) else each for each in shown]


def _without(command: str, digests: list[str]) -> str:
    for digest in digests:
        command = command.replace(digest, "<sha256>")
    return command


def _arguments(op: Any, args: Any, kwargs: Any) -> Any:
    if "recipe" in kwargs:
        kwargs = {**kwargs, "recipe": _recipe(**kwargs["recipe"])}
    if "manifest" in kwargs:
        kwargs = {**kwargs, "manifest": _manifest(**kwargs["manifest"])}
    if "source" in kwargs and isinstance(source := kwargs["source"], dict):
        made = Program(**source) if "sha256" in source else replace(BUILD, **source)
        kwargs = {**kwargs, "source": made}
    if isinstance(wanted := kwargs.get("wanted"), list):
        kwargs = {**kwargs, "wanted": [Tmpfs(**each) for each in wanted]}
    args, kwargs = COERCE(op, args, kwargs)
    for each in kwargs.keys() & {"first", "follower"}:
        kwargs[each] = Alternative(**kwargs[each])
    if isinstance(wanted := kwargs.get("wanted"), docker.Wanted):
        kwargs["wanted"] = replace(wanted, options=DaemonOptions(**wanted.options))
    return args, kwargs


def _recipe(**fields: Any) -> Recipe:
    known = {key: Artifact(**fields[key]) for key in fields.keys() & {"file", "bootstrap"}}
    return replace(RECIPE, **{**fields, "bases": tuple(fields.get("bases", RECIPE.bases)), **known})


def _manifest(**fields: Any) -> Manifest:
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return replace(MANIFEST, **{**fields, **lists})


@pytest.fixture(autouse=True)
def _readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")
    monkeypatch.setattr(script, "_text", "({})".format)
    monkeypatch.setattr(script, "_lines", "({})".format)
    monkeypatch.setattr(docker, "_VALIDATE", "(validate)")
    monkeypatch.setattr(docker, "_RELOADED", "(reloaded)")
    monkeypatch.setattr(harness, "create_host", _host)
    monkeypatch.setattr(harness, "parse_commands", _commands)
    monkeypatch.setattr(harness, "coerce_operation_arguments", _arguments)


# What has no YAML form: how a refusal travels, and what a script is made of.


@script.operation
def refusing():
    script.refuse("it's in the way")
    yield from ()


def test_a_refusal_ends_the_run_while_the_plan_is_made():
    with (
        ctx_state.use(SimpleNamespace(is_executing=False)),
        pytest.raises(OperationError, match=r"^it's in the way$"),
    ):
        list(refusing._inner())


def test_a_refusal_fails_one_host_once_the_run_has_begun():
    with ctx_state.use(SimpleNamespace(is_executing=True)):
        (command,) = refusing._inner()
    assert command.get_raw_value() == ("""sh -c 'echo "$1" >&2; exit 1' refuse 'it'"'"'s in the way'""")


def test_unreadable_is_never_absent():
    with pytest.raises(OperationError, match=r"^/etc/x cannot be read$"):
        script.unreadable("/etc/x")


def test_a_script_is_bounded_and_quotes_each_argument():
    command = script.script("link", "/a b", "$(id)", seconds=7)
    assert command.get_raw_value() == "timeout -k 10 607 sh -c '(link)' link '/a b' '$(id)'"
    assert command.connector_arguments == {}


def test_content_travels_on_stdin_alone():
    command = script.script("put", "/etc/x", content="s3cret äß\n")
    assert "s3cret" not in command.get_raw_value()
    assert base64.b64decode(command.connector_arguments["_stdin"]).decode() == "s3cret äß\n"


def test_content_for_a_fact_does_not_show_when_its_arguments_are_printed():
    stdin = script.Stdin("s3cret\n")
    assert [base64.b64decode(line) for line in stdin.readlines() + list(stdin)] == [b"s3cret\n"] * 2
    shown = f"{stdin!r} {stdin}"
    assert "s3cret" not in shown
    assert base64.b64encode(b"s3cret").decode() not in shown


def test_no_comment_and_no_blank_line_is_sent(monkeypatch):
    monkeypatch.undo()
    for path in sorted((Path(script.__file__).parent / "sh").glob("*.sh")):
        lines = script._text(path.stem).splitlines()
        assert lines[0] == "set -eu", path.name
        assert all(line.strip() and not line.lstrip().startswith("# ") for line in lines), path.name


def test_a_file_that_is_not_utf8_can_be_written_back():
    output = ["@@elforge", "text " + base64.b64encode("# Büro\n".encode("latin-1")).decode(), "@@end"]
    fact = Contents()
    fact.command(paths=["/etc/yum.repos.d/x.repo"])
    content = fact.process(output)["/etc/yum.repos.d/x.repo"]
    sent = script.script("put", "/x", script.sha256(content), content=content).connector_arguments["_stdin"]
    assert base64.b64decode(sent) == "# Büro\n".encode("latin-1")
