"""docs/faults.md: every id of the catalogue has a state, and what it calls a test is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = re.findall(r"^\| ([HCI]\d+) \| .+? \| (.+) \|$", (ROOT / "docs/faults.md").read_text(), re.MULTILINE)
SOURCES = [
    path.read_text()
    for folder in ("engine", "faults", "firewall", "golang", "lab", "service", "toolchain", "vm")
    for path in (ROOT / "tests" / folder).glob("test_*.py")
]
TESTS = {name for text in SOURCES for name in re.findall(r"^def (test_[hci]\d+_\w+)", text, re.MULTILINE)}
UNITS = {
    name
    for path in (ROOT / "tests").glob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
} | {path.stem for path in (ROOT / "tests/operations").glob("*/*.yaml")}
STATES = ("tested: ", "open (", "n/a", "unit tests (tests/", "tests/sweep", "as H")


def test_every_id_has_a_state() -> None:
    catalogue = [f"{kind}{n}" for kind, last in (("H", 70), ("C", 18), ("I", 26)) for n in range(1, last + 1)]
    assert [name for name, _ in ROWS] == catalogue
    assert [name for name, state in ROWS if not state.startswith(STATES)] == []


@pytest.mark.parametrize(("name", "state"), [row for row in ROWS if row[1].startswith("tested: ")])
def test_what_is_called_tested_is_a_test(name: str, state: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", state))
    assert named
    assert named == {test for test in TESTS if test.startswith(f"test_{name.lower()}_")}


def test_a_unit_test_that_is_named_is_one() -> None:
    named = {name for _, state in ROWS if "unit tests (" in state for name in re.findall(r"`(\w+)`", state)}
    assert named
    assert named - UNITS - TESTS == set()
