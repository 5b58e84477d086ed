"""Ways to lock oneself out of a host by its firewall, and the drill that goes each of them."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from lab.hosts import Host
from tests.figures import FIGURES
from tests.runner import pyinfra, root

DEPLOY, BLIND = "tests/firewall/deploy_firewall.py", "tests/firewall/deploy_lockout.py"
STATE = (
    "firewall-cmd --list-all-zones; firewall-cmd --get-default-zone; cat /etc/firewalld/*.conf; "
    "find /etc/firewalld -name '*.xml' | sort | xargs -r sha256sum"
)
INTERFACE = "ip -o route get 192.0.2.1 | sed -n 's/.* dev \\([^ ]*\\) .*/\\1/p'"
# sshd listens on another port, and elforge comes that way.
PORT = 2222
# By systemd, for SELinux to know it as sshd.
LISTEN = f"mkdir -p /run/sshd; systemd-run -q --unit=sshd-moved /usr/sbin/sshd -D -p {PORT}; sleep 1"
LISTEN_NO_MORE = "systemctl stop sshd-moved"
OTHER_PORT = {"ssh_port": PORT, "ssh_strict_host_key_checking": "no"}
# Only a zone lets that port in.
MOVE = f"{LISTEN}; firewall-cmd -q --add-port={PORT}/tcp; firewall-cmd -q --permanent --add-port={PORT}/tcp"
BACK = (
    f"{LISTEN_NO_MORE}; "
    f"firewall-cmd -q --remove-port={PORT}/tcp; firewall-cmd -q --permanent --remove-port={PORT}/tcp"
)


class Way(NamedTuple):
    """What to declare, and what to run on the host before and after."""

    data: dict[str, Any]
    before: str = "true"
    after: str = "true"


def ways(interface: str) -> dict[str, Way]:
    """Return the ways out of a host whose only interface has this name."""
    return {
        "the service ssh": Way({"firewall_zones": {"public": {"absent": {"services": ["ssh"]}}}}),
        "the port of a moved sshd": Way(
            {"firewall_zones": {"public": {"absent": {"ports": [f"{PORT}/tcp"]}}}, **OTHER_PORT}, MOVE, BACK
        ),
        "the default zone": Way({"firewall_default_zone": "drop"}),
        "the interface": Way({"firewall_zones": {"drop": {"interfaces": [interface]}}}),
        "a rich rule": Way(
            {"firewall_zones": {"public": {"rich_rules": ["rule family=ipv4 priority=-9 drop"]}}}
        ),
    }


WAYS = tuple(ways(""))


def is_refused(host: Host, what: str) -> None:
    """See that a run refuses to go one of the ways, and leaves the host as it was."""
    way = ways(root(host, INTERFACE))[what]
    root(host, way.before)
    state = root(host, STATE)
    refused = pyinfra(host.name, deploy=DEPLOY, data=way.data)
    assert (refused.code, refused.changed) == (1, set())
    assert "this would lock elforge out" in refused.output
    assert root(host, STATE) == state
    root(host, way.after)


def comes_back(host: Host, what: str, *, confirm: int) -> None:
    """Lock elforge out for real, and see that the host is reachable again and as it was."""
    way = ways(root(host, INTERFACE))[what]
    root(host, way.before)
    state, started = root(host, STATE), time.monotonic()
    run = pyinfra(host.name, deploy=BLIND, data={**way.data, "firewall_confirm_seconds": confirm})
    took = time.monotonic() - started
    assert (run.code, run.changed) == (1, set()), run.output
    assert "reverted" in run.output
    assert host.ssh("true").returncode == 0, "a new connection"
    assert root(host, STATE) == state
    left = "ls /run/elforge; systemctl list-units --all 'elforge-revert*' -q --no-legend"
    assert root(host, left).split() == ["guard.firewalld.reverted", "lock"]
    root(host, way.after)
    FIGURES.append(f"{host.name}: locked out by {what}, reachable again and told so after {took:.0f} s")
