"""What every test may use: golden files, and the line between quick tests and lab tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from deploys.once import quicker
from tests.figures import FIGURES

GOLDEN = Path(__file__).parent / "golden"
# Folders that need the lab; `pytest tests` alone is quick and needs no root.
LAB_FOLDERS = {
    *("lab", "firewall", "service", "golang", "toolchain", "faults", "engine", "sweep", "acceptance", "vm")
}
# Runs of pyinfra in this process are as quick as those of its command line (config.py), and cases are read by
# libyaml where it is there, ten times as quick.
quicker()
yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Helpers whose asserts are to say what they saw.
pytest.register_assert_rewrite("tests.drill")
RELEASE = re.compile(r"(?<=[\[-])el\d\b")
FAULT = re.compile(rf"^tests/(?:{'|'.join(LAB_FOLDERS)})/.*::test_([hci]\d+)_")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures; a fault counts as survived when each of its tests passed, known bugs included."""
    for line in FIGURES:
        terminalreporter.write_line(line)
    seen: dict[str, bool] = {}
    for outcome in ("passed", "failed", "error", "xfailed"):
        for report in terminalreporter.stats.get(outcome, []):
            if match := FAULT.search(report.nodeid):
                seen[match[1]] = seen.get(match[1], True) and outcome == "passed"
    if seen:
        lost = sorted(each.upper() for each, survived in seen.items() if not survived)
        figure = f"faults survived {sum(seen.values())}/{len(seen)}"
        terminalreporter.write_line(figure + (f"; not survived: {', '.join(lost)}" if lost else ""))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-update", action="store_true", help="rewrite tests/golden from what runs now")
    parser.addoption("--whole-sweep", action="store_true", help="crash at every point, not at a sample")
    parser.addoption(
        "--every-release",
        action="store_true",
        help="tests on each release, not on the one that stands for the others; and the long ones",
    )
    parser.addoption("--power-cuts", type=int, default=20, help="how often tests/vm cuts the power")
    parser.addoption("--inventory", default="inventory.py", help="pyinfra inventory for tests/acceptance")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a test does on other releases, too, and say so."""
    if config.getoption("--every-release"):
        return
    sampled = {_kind(item) for item in items if _in_sample(item)}
    left_out = [
        item
        for item in items
        if item.get_closest_marker("long") or (not _in_sample(item) and _kind(item) in sampled)
    ]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        FIGURES.append(f"{len(left_out)} tests, on other releases or long, left out: SELECT=--every-release")


def _kind(item: pytest.Item) -> str:
    return RELEASE.sub("el", item.nodeid)


def _in_sample(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("alike")
    return not mark or {*mark.args} >= {*RELEASE.findall(item.name)}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the lab's folders out, unless one is named on the command line."""
    if collection_path.name not in LAB_FOLDERS or not collection_path.is_dir():
        return None
    named = {Path(arg.split("::")[0]).resolve() for arg in config.args}
    inside = any(path == collection_path or collection_path in path.parents for path in named)
    return None if inside else True


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with a file in tests/golden."""

    def check(name: str, actual: str) -> None:
        path = GOLDEN / f"{name}.txt"
        if request.config.getoption("--golden-update"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(actual)
        assert actual == path.read_text(), f"{path}: run pytest --golden-update and review the diff"

    return check
