"""Hosts that elforge does not work on."""

from __future__ import annotations

import time

import pytest

from lab.hosts import Host
from tests.drill import converged
from tests.figures import FIGURES
from tests.runner import pyinfra, root
from tests.tree import difference, tree

COUNTING = ("tests/count.py",)
STRANGERS = {
    "debian": ("debian", "12", "Debian GNU/Linux 12 (bookworm)"),
    "el6": ("centos", "6", "CentOS 6.10"),
    "el10": ("rocky", "10.0", "Rocky Linux 10.0 (Red Quartz)"),
    "fedora": ("fedora", "44", "Fedora Linux 44"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_h61_an_unsupported_host_is_refused_at_once(host: Host, name: str) -> None:
    identity, version, title = STRANGERS[name]
    text = f'ID="{identity}"\\nVERSION_ID="{version}"\\nPRETTY_NAME="{title}"\\nNAME="{title}"\\n'
    root(host, f"mv /etc/os-release /root/; printf '{text}' > /etc/os-release")
    before = tree(host)
    started = time.monotonic()
    run = pyinfra(host.name, program=COUNTING, data={"docker_debug": True})
    took = time.monotonic() - started
    assert run.code == 1
    for said in (title, "supported: EL 7, 8, 9", "nothing was changed", "commands sent: 1\n"):
        assert said in run.output, run.output
    assert difference(before, tree(host)) == {}
    # 2 s are the aim on a machine that does nothing else, most of them Python's start.
    FIGURES.append(f"{title}: refused in {took:.1f} s, after 1 command")
    assert took < 30
    root(host, "mv -f /root/os-release /etc/os-release")
    converged(host)
