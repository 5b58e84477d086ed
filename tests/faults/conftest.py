"""The hosts of the drills, and their count by catalogue id."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.hosts import Host

pytest.register_assert_rewrite("tests.faults.drill")

from tests.faults.drill import CONVERGED, ready  # noqa: E402

ID = re.compile(r"::test_([hci]\d+)_")


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A lab host in the state that ``drill.on`` names; a converged el9-f by default."""
    each = ready(*getattr(request, "param", ("el9-f", CONVERGED)))
    yield each
    # An immutable file would outlive the host's disk.
    each.ssh(
        "lsattr -R /etc/docker 2>/dev/null | awk '$1 ~ /[ia]/ { print $2 }' | xargs -r chattr -ia",
        user="root",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one figure: a fault counts as survived when each of its tests passed, known bugs included."""
    seen: dict[str, bool] = {}
    for outcome in ("passed", "failed", "error", "xfailed"):
        for report in terminalreporter.stats.get(outcome, []):
            if match := ID.search(report.nodeid):
                seen[match[1]] = seen.get(match[1], True) and outcome == "passed"
    if seen:
        lost = sorted(each.upper() for each, survived in seen.items() if not survived)
        figure = f"faults survived {sum(seen.values())}/{len(seen)}"
        terminalreporter.write_line(figure + (f"; not survived: {', '.join(lost)}" if lost else ""))
