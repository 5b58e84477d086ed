"""The VM tier needs a program that not every distribution has."""

from __future__ import annotations

import shutil

import pytest

from lab.vm_image import TOOLS


@pytest.fixture(autouse=True, scope="session")
def qemu() -> None:
    """Skip all of it where QEMU is missing, as on EL."""
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        pytest.skip(f"the VM tier needs {', '.join(missing)}")
