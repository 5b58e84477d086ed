"""Hosts that elforge does not work on."""

from __future__ import annotations

import time

import pytest

from lab.hosts import Host
from tests.faults.drill import converged, refused, root

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
    started = time.monotonic()
    said = (title, "supported: EL 7, 8, 9", "nothing was changed")
    refused(host, *said, data={"docker_debug": True})
    took = time.monotonic() - started
    root(host, "mv -f /root/os-release /etc/os-release")
    assert took < 30
    converged(host)
