"""Locked out of a machine of its own, which nothing but its own timer can bring back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.hosts import Host
from tests import lockout
from tests.lockout import WAYS
from tests.vm.permissive import permissive

NAME = "vm9-lockout"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    yield from permissive(NAME)


@pytest.mark.parametrize("what", WAYS)
def test_h40_a_host_that_is_locked_out_comes_back_by_itself(host, what):
    lockout.is_refused(host, what)
    lockout.comes_back(host, what, confirm=30)
