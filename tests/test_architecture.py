"""Where things may live and what may not be written, held by the syntax tree. The rules are DESIGN's."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyinfra.api import FactBase

from deploys.release import RELEASES
from tests.test_facts import EVERY

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "operations" / "sh").glob("*.sh"))
# Stock pyinfra operations that keep the contract of ours (atomic, bounded, safe to repeat), with the reason.
ALLOWED: dict[str, str] = {}
# The one place that reads the host's data and asks what the host is.
READS_THE_HOST = {"deploys/run.py"}
LINES, TEST_FILE_LINES = 40, 400
# Operations that only refuse or report, and those whose facts are asked for by files.put, which has the case.
CHANGES_NOTHING = {"docker.idle", "rpm.removable", "go.limits", "selinux.report"}
READ_BY_ANOTHER = {"rpm.repository", "unit.dropin"}
# Programs that go to the network; "/etc/yum.repos.d" is a path and no call.
NETWORK = re.compile(r"(?<![\w/.-])(dnf|yum|curl|wget|repoquery|ping|nslookup|host|dig)(?![\w/.-])")


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def every(path: Path) -> list[ast.AST]:
    return [*ast.walk(ast.parse(path.read_text()))]


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[Any]:
    return (node for node in every(path) if isinstance(node, kinds))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


DEPLOYS = [path for path in modules("deploys") if path.stem not in ("__init__", "release")]


# Deploys


@pytest.mark.parametrize("path", DEPLOYS, ids=name)
def test_deploys_do_not_branch_on_the_release(path):
    compared = [node for node in nodes(path, ast.Compare, ast.Match) if ".major" in ast.unparse(node)]
    assert [f"{name(path)}:{node.lineno}: use a table keyed by release" for node in compared] == []


@pytest.mark.parametrize("path", DEPLOYS, ids=name)
def test_deploys_read_neither_data_nor_facts(path):
    if name(path) in READS_THE_HOST:
        pytest.skip("the allowed place")
    found = [node for node in nodes(path, ast.Attribute) if node.attr in ("data", "get_fact")]
    assert [f"{name(path)}:{node.lineno}" for node in found if ast.unparse(node).startswith("host.")] == []


@pytest.mark.parametrize("path", modules("operations", "facts"), ids=name)
def test_what_an_operation_does_is_in_its_arguments(path):
    found = [ast.unparse(node) for node in nodes(path, ast.Attribute)]
    assert [each for each in found if each == "host.data"] == []


@pytest.mark.parametrize("path", DEPLOYS, ids=name)
def test_tables_by_release_cover_every_release(path):
    module = importlib.import_module(f"deploys.{path.stem}")
    for constant, value in vars(module).items():
        if isinstance(value, dict) and value and all(type(key) is int for key in value):
            assert value.keys() == RELEASES.keys(), f"{name(path)}: {constant}"


@pytest.mark.parametrize("path", modules("deploys", "operations"), ids=name)
def test_no_stock_operation(path):
    names = {
        f"{node.module}.{alias.name}" for node in nodes(path, ast.ImportFrom) for alias in node.names
    } | {alias.name for node in nodes(path, ast.Import) for alias in node.names}
    stock = {each for each in names if each.startswith("pyinfra.operations")}
    assert stock - ALLOWED.keys() == set()


@pytest.mark.parametrize("path", modules("deploys", "operations", "facts"), ids=name)
def test_no_failure_is_ignored(path):
    banned = {"_ignore_errors", "_continue_on_error", "_shell_executable", "_sudo_password"}
    assert [node.arg for node in nodes(path, ast.keyword) if node.arg in banned] == []


def imported(path: Path) -> set[str]:
    """Return the packages that a module imports from."""
    froms = [node.module or "" for node in nodes(path, ast.ImportFrom)]
    plain = [alias.name for node in nodes(path, ast.Import) for alias in node.names]
    return {each.split(".")[0] for each in (*froms, *plain)}


# deploys -> operations -> facts -> pure; no layer knows one above it.
@pytest.mark.parametrize(
    ("layer", "above"),
    [
        ("operations", {"deploys"}),
        ("facts", {"deploys", "operations"}),
        ("pure", {"deploys", "operations", "facts", "pyinfra"}),
        ("connectors", {"deploys", "operations", "facts", "lab"}),
    ],
)
def test_no_layer_knows_one_above_it(layer, above):
    assert {name(path): found for path in modules(layer) if (found := imported(path) & above)} == {}


@pytest.mark.parametrize("path", [ROOT / "deploy.py", *modules("group_data")], ids=name)
def test_no_logic_where_users_edit(path):
    allowed = (ast.Expr, ast.Assign, ast.Import, ast.ImportFrom)
    assert [
        ast.unparse(node) for node in ast.parse(path.read_text()).body if not isinstance(node, allowed)
    ] == []


# Facts


@pytest.mark.parametrize(("fact", "arguments"), EVERY, ids=lambda value: getattr(value, "__name__", ""))
def test_no_fact_asks_the_network(fact, arguments):
    assert NETWORK.findall(fact().command(**arguments)) == []


@pytest.mark.parametrize(("fact", "arguments"), EVERY, ids=lambda value: getattr(value, "__name__", ""))
def test_every_fact_is_framed_and_in_the_c_locale(fact, arguments):
    command = fact().command(**arguments)
    assert command.removeprefix(": dear; ").startswith("export LC_ALL=C; echo @@elforge; ")
    assert command.endswith("; echo @@end")


def facts() -> dict[str, Any]:
    return {
        f"{path.stem}.{each.__name__}": each
        for path in modules("facts")
        if path.stem != "__init__"
        for each in vars(importlib.import_module(f"facts.{path.stem}")).values()
        if inspect.isclass(each) and issubclass(each, FactBase) and each.__module__ == f"facts.{path.stem}"
    }


def test_every_fact_is_in_the_list_that_all_are_tried_with():
    assert {
        f"{each.__module__.removeprefix('facts.')}.{each.__name__}" for each, _ in EVERY
    } == facts().keys()


def test_every_fact_has_its_cases_and_one_shows_its_command():
    folders = {path.name: path for path in (ROOT / "tests" / "facts").iterdir()}
    assert folders.keys() == facts().keys()
    for folder, path in folders.items():
        cases = [yaml.safe_load(case.read_text()) for case in path.glob("*.yaml")]
        assert any("command" in case for case in cases), f"{folder}: no case shows the command"


# Operations


def operations() -> set[str]:
    return {
        f"{path.stem}.{each.name}"
        for path in modules("operations")
        for each in nodes(path, ast.FunctionDef)
        if any(ast.unparse(decorator) == "operation" for decorator in each.decorator_list)
    }


def test_every_operation_has_its_cases():
    folders = {path.name: list(path.glob("*.yaml")) for path in (ROOT / "tests" / "operations").iterdir()}
    assert folders.keys() == operations()
    for folder, cases in folders.items():
        said = [yaml.safe_load(case.read_text()) for case in cases]
        assert any(case.get("commands") for case in said) or folder in CHANGES_NOTHING, folder
        assert any("exception" in case for case in said), f"{folder}: no case is refused"
        unreadable = any("cannot be read" in str(case.get("exception")) for case in said)
        assert unreadable or folder in READ_BY_ANOTHER, f"{folder}: no case has a fact that cannot be read"
        assert any(case.get("noop_description") for case in said), f"{folder}: no case changes nothing"


@pytest.mark.parametrize("path", modules("operations"), ids=name)
def test_operations_yield_only_our_scripts(path):
    built = [
        f"{name(path)}:{node.lineno}"
        for node in nodes(path, ast.Call)
        if ast.unparse(node.func) == "StringCommand"
    ]
    assert len(built) == (1 if path.stem == "script" else 0), built


# Scripts


def test_every_script_is_used():
    used = {
        node.args[0].value
        for path in modules("deploys", "operations")
        for node in nodes(path, ast.Call)
        if ast.unparse(node.func) in ("script", "script.script", "snippet", "program")
        and isinstance(node.args[0], ast.Constant)
    }
    parts = {each for path in SCRIPTS for each in re.findall(r"^# uses: (\w+)$", path.read_text(), re.M)}
    assert used | parts | {"common"} == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_starts_with_its_usage(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# Start of every script" if path.stem == "common" else f"# {path.stem} ")


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_parses(path, shell):
    subprocess.run([shell, "-n", path], check=True)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_has_no_bashisms(path):
    text = path.read_text()
    assert re.findall(r"\[\[|^ *local\b|\bfunction\b|<<<|\bdeclare\b|\$'", text, re.MULTILINE) == []


# Bash before 5.1, the sh of EL7 and EL8, puts here-documents into /tmp; mktemp goes there when told nothing.
@pytest.mark.parametrize(
    "path",
    [
        *SCRIPTS,
        *sorted((ROOT / "connectors").glob("*.sh")),
        *sorted((ROOT / "templates").rglob("*.j2")),
        *modules("connectors", "deploys", "facts", "operations", "pure"),
    ],
    ids=name,
)
def test_nothing_is_written_to_tmp_on_a_host(path):
    here, placed = r"<<(?!none>>)", r' (?:-p /dev/shm |(?:-d )?(?:"\$dir/|/dev/shm/|\.elforge))'
    assert re.findall(f"^.*(?:{here}|mktemp(?!{placed})).*$", path.read_text(), re.MULTILINE) == []


# Sizes


def length(function: ast.FunctionDef) -> int:
    first = function.body[0]
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    doc = first.end_lineno - first.lineno + 1 if body is not function.body else 0
    return function.end_lineno - function.lineno + 1 - doc


@pytest.mark.parametrize(
    "path",
    modules("bench", "connectors", "deploys", "facts", "operations", "pure", "lab", "tests", "tools"),
    ids=name,
)
def test_functions_are_short(path):
    functions = nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{name(path)}:{each.lineno} {each.name}: {length(each)}"
        for each in functions
        if length(each) > LINES
    ]
    assert long == []


@pytest.mark.parametrize("path", modules("tests"), ids=name)
def test_test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= TEST_FILE_LINES


def test_every_template_is_used_and_stands_at_its_path_on_the_host():
    code = "".join(
        path.read_text() for folder in ("deploys", "operations") for path in (ROOT / folder).glob("*.py")
    )
    for template in (ROOT / "templates").rglob("*.j2"):
        path = "/" + str(template.relative_to(ROOT / "templates")).split("/", 1)[1].removesuffix(".j2")
        assert Path(path).name in code, f"{template}: nothing renders {path}"
