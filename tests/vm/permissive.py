"""A VM in which firewalld may work."""

from __future__ import annotations

from lab.hosts import Host
from tests.lockout import root


def permit_firewalld(host: Host) -> None:
    """Debian's policy, other than EL's, does not let firewalld work: permissive, also after a boot."""
    root(host, "setenforce 0; sed -i s/^SELINUX=.*/SELINUX=permissive/ /etc/selinux/config")
    root(host, "systemctl unmask -q firewalld; systemctl enable -q --now firewalld")
