"""The firewall on real hosts: declared, taken back; and locked out for real, to see the host come back."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

import lab.hosts
from deploys.release import RELEASES
from lab.hosts import Host
from tests import lockout
from tests.lockout import STATE, WAYS
from tests.runner import apply, converge, pyinfra, root
from tests.tree import difference, tree

pytestmark = pytest.mark.alike("el9")

DEPLOY, CLIENT = "tests/firewall/deploy_firewall.py", "el9-firewall-client"
DECLARED = {
    "firewall_zones": {
        "public": {
            "ports": ["9000-9010/tcp"],
            "services": ["shop"],
            "rich_rules": [
                'rule family="ipv4" source address="192.0.2.0/24" port port="81" protocol="tcp" accept'
            ],
            "source_ports": ["5353/udp"],
            "forward_ports": ["port=82:proto=tcp:toport=9001"],
            "icmp_blocks": ["echo-request"],
        },
        "inside": {"target": "ACCEPT", "sources": ["ipset:office", "198.51.100.7"], "masquerade": True},
    },
    "firewall_services": {"shop": {"ports": ["8080/tcp"], "includes": ["https"]}},
    "firewall_ipsets": {"office": {"entries": ["203.0.113.0/24"]}},
    "firewall_policies": {
        "out": {"ingress_zones": ["inside"], "egress_zones": ["public"], "target": "ACCEPT"}
    },
}

OTHER_KINDS = {
    "firewall_default_zone": "work",
    "firewall_zones": {
        "edge": {"interfaces": ["lab9"], "protocols": ["gre"], "forward": True, "icmp_block_inversion": True},
    },
    "firewall_services": {"odd": {"protocols": ["ah"], "source_ports": ["68/udp"], "helpers": ["ftp"]}},
}


@pytest.fixture(scope="module", params=RELEASES, ids=lambda major: f"el{major}")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    name = f"el{request.param}-firewall"
    lab.hosts.reset([name])
    yield Host(name)
    lab.hosts.down([name])


def answers(host: Host, port: int) -> bool:
    """Tell whether a port lets a client of another machine in: nobody need listen, a reset is an answer."""
    try:
        socket.create_connection((host.address, port), timeout=3).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def test_declared_again_and_taken_back(host):
    before, state = tree(host, "/etc", "/var/lib/elforge"), root(host, STATE)
    assert [answers(host, port) for port in (9005, 8080, 443, 9011)] == [False] * 4
    converge(host.name, deploy=DEPLOY, data=DECLARED)
    assert [answers(host, port) for port in (9005, 8080, 443, 9011)] == [True, True, True, False]
    converge(host.name, deploy=DEPLOY, data={"firewall_default_zone": "public"})
    assert [answers(host, port) for port in (9005, 8080, 443, 9011)] == [False] * 4
    assert root(host, STATE) == state
    left = {p for p in difference(before, tree(host, "/etc", "/var/lib/elforge")) if not p.startswith("/var")}
    assert left == set()


def test_the_other_kinds_there_and_back(host):
    root(host, "ip link add lab9 type veth peer name lab8")
    before, state = tree(host, "/etc", "/var/lib/elforge"), root(host, STATE)
    converge(host.name, deploy=DEPLOY, data=OTHER_KINDS)
    said = root(host, "firewall-cmd --get-default-zone; firewall-cmd --get-zone-of-interface=lab9")
    assert said.split() == ["work", "edge"]
    shown = root(host, "firewall-cmd --zone=edge --list-all; firewall-cmd --permanent --info-service=odd")
    for line in ("icmp-block-inversion: yes", "forward: yes", "protocols: gre", "source-ports: 68/udp"):
        assert line in shown, shown
    converge(host.name, deploy=DEPLOY, data={"firewall_running": True})
    assert root(host, STATE) == state
    left = {p for p in difference(before, tree(host, "/etc", "/var/lib/elforge")) if not p.startswith("/var")}
    assert left == set()
    root(host, "ip link del lab9")


def test_a_rich_rule_and_a_forwarded_port_for_another_host(host):
    """The rule is for one lab host, so this machine is kept out; the forwarded port is for both."""
    lab.hosts.up([CLIENT])
    client = Host(CLIENT)
    rule = f'rule family="ipv4" source address="{client.address}" port port="81" protocol="tcp" accept'
    public = {"rich_rules": [rule], "forward_ports": ["port=82:proto=tcp:toport=9001"]}
    serve = "while :; do echo hello | /usr/bin/busybox nc -l -p {0}; done"
    for port in (81, 9001):
        root(host, f"systemd-run -q --unit=serve-{port} sh -c '{serve.format(port)}'")
    try:
        converge(host.name, deploy=DEPLOY, data={"firewall_zones": {"public": public}})
        assert [said(client, host, port) for port in (81, 82, 9001)] == ["hello", "hello", ""]
        assert [answers(host, port) for port in (81, 82, 9001)] == [False, True, False]
        converge(host.name, deploy=DEPLOY, data={"firewall_default_zone": "public"})
        assert [said(client, host, port) for port in (81, 82, 9001)] == [""] * 3
    finally:
        root(host, "systemctl stop serve-81 serve-9001")
    lab.hosts.down([CLIENT])


def said(client: Host, host: Host, port: int) -> str:
    """Return what a port of a host says to another host, ``""`` when that cannot reach it."""
    shell = f"timeout 3 bash -c 'read -r line </dev/tcp/{host.address}/{port} && echo $line' 2>/dev/null"
    return client.ssh(shell, user="root", shared=True).stdout.strip()


def test_stopped_and_started(host):
    converge(host.name, deploy=DEPLOY, data={"firewall_running": False, **DECLARED})
    assert root(host, "systemctl is-active firewalld || true; systemctl is-enabled firewalld || true") == (
        "inactive\ndisabled"
    )
    converge(host.name, deploy=DEPLOY, data={"firewall_running": True, **DECLARED})
    assert root(host, "systemctl is-active firewalld; systemctl is-enabled firewalld") == "active\nenabled"
    assert answers(host, 9005)
    converge(host.name, deploy=DEPLOY, data={"firewall_running": True})


@pytest.mark.parametrize("what", WAYS)
def test_h40_the_plan_refuses_to_lock_itself_out(host, what):
    lockout.is_refused(host, what)


@pytest.mark.parametrize("what", WAYS)
def test_h40_a_host_that_is_locked_out_comes_back_by_itself(host, what):
    lockout.comes_back(host, what, confirm=10)


def test_a_published_port_outlives_ten_changes():
    name = "el9-firewall-docker"
    lab.hosts.reset([name])
    host = Host(name)
    assert pyinfra(name).code == 0
    serve = "while :; do echo hello | /usr/bin/busybox nc -l -p 80; done"
    root(host, "tar -C / -c usr/bin/busybox | docker import - box")
    root(host, f"docker run -d -p 8088:80 box /usr/bin/busybox sh -c '{serve}'")
    for port in range(7000, 7010):
        run = apply(name, deploy=DEPLOY, data={"firewall_zones": {"public": {"ports": [f"{port}/tcp"]}}})
        assert run.code == 0, run.output
        with socket.create_connection((host.address, 8088), timeout=5) as client:
            assert client.recv(9) == b"hello\n"
    predicted = pyinfra(name, deploy=DEPLOY, dry=True, data={"firewall_default_zone": "public"})
    assert "port 8088/tcp of a container is open to everybody" in predicted.output
    lab.hosts.down([name])
