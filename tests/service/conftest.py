"""Which of these tests run each time: services wait to be looked after, and caches for boots."""

from __future__ import annotations

import re

import pytest

from tests.figures import FIGURES

# The oldest and the newest systemd that units are written for; golden plans tell what is between them, and are the
# same for all where it is about caches. Acceptance looks at a running service on every release.
SAMPLE = {"test_caches.py": {"el9"}}
OTHERWISE = {"el7", "el9"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is no part of the sample, and say so."""
    if config.getoption("--every-release"):
        return
    left_out = [item for item in items if not releases(item) <= SAMPLE.get(item.path.name, OTHERWISE)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        FIGURES.append(f"tests/service: {len(left_out)} left out: make test-service SELECT=--every-release")


def releases(item: pytest.Item) -> set[str]:
    """Return which release a test is for, by its name; none for others."""
    return {*re.findall(r"[\[-](el\d)\b", item.name)}
