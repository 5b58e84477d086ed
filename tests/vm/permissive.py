"""A VM in which firewalld may work."""

from __future__ import annotations

from collections.abc import Iterator

import lab.hosts
from lab.hosts import Host
from tests.runner import root


def permissive(name: str) -> Iterator[Host]:
    """Boot it, for a fixture: Debian's policy, unlike EL's, does not let firewalld work while enforced."""
    lab.hosts.reset([name])
    host = Host(name)
    root(host, "setenforce 0; sed -i s/^SELINUX=.*/SELINUX=permissive/ /etc/selinux/config")
    root(host, "systemctl unmask -q firewalld; systemctl enable -q --now firewalld")
    yield host
    lab.hosts.down([name])
