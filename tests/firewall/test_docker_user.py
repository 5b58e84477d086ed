"""The allow list of published container ports, with clients on two other machines."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

import lab.hosts
from lab.hosts import Host
from tests.runner import converge, pyinfra, root

pytestmark = pytest.mark.alike("el7")

DEPLOY = "tests/firewall/deploy_firewall.py"
SERVE = "while :; do echo hello | /usr/bin/busybox nc -l -p 80; done"
IPTABLES = "sed -i s/FirewallBackend=nftables/FirewallBackend=iptables/ /etc/firewalld/firewalld.conf"
# After each of these dockerd makes its chains again, with the iptables backend from nothing.
UPSETS = (
    "firewall-cmd --reload",
    "systemctl restart docker",
    "systemctl restart firewalld",
    "iptables -F DOCKER-ELFORGE; systemctl restart docker",
    f"{IPTABLES}; systemctl restart firewalld",
    "firewall-cmd --reload",
)
OTHERS = "-A DOCKER-USER -s 192.0.2.66/32 -j DROP"


@pytest.fixture(scope="module", params=["el7", "el9"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Host, Host]]:
    """A host with a published container, and a neighbour."""
    names = [f"{request.param}-allow", "el8-allow"]
    lab.hosts.reset(names)
    host, neighbour = map(Host, names)
    assert pyinfra(host.name).code == 0
    root(host, "tar -C / -c usr/bin/busybox | docker import - box")
    root(host, f"docker run -d --restart=always -p 8088:80 box /usr/bin/busybox sh -c '{SERVE}'")
    yield host, neighbour
    lab.hosts.down(names)


def reached(host: Host, neighbour: Host) -> tuple[bool, bool]:
    """Tell who gets an answer of the container: this machine, and the neighbour."""
    try:
        with socket.create_connection((host.address, 8088), timeout=2) as client:
            mine = client.recv(9) == b"hello\n"
    except OSError:
        mine = False
    read = f"timeout 3 bash -c 'head -c 6 </dev/tcp/{host.address}/8088'"
    return mine, neighbour.ssh(read, user="root", shared=True).stdout == "hello\n"


def settles(host: Host, neighbour: Host, wanted: tuple[bool, bool]) -> bool:
    """Docker and the watch need a few seconds after a reload."""
    for _ in range(10):
        if reached(host, neighbour) == wanted:
            return True
        time.sleep(1)
    return False


def test_an_allowed_source_connects_and_no_other_whatever_happens_to_the_firewall(pair):
    host, neighbour = pair
    root(host, f"iptables {OTHERS.replace('-A', '-I', 1)}")
    assert reached(host, neighbour) == (True, True)
    allow = {"firewall_docker_allow": [neighbour.address]}
    converge(host.name, deploy=DEPLOY, data=allow)
    assert reached(host, neighbour) == (False, True)
    assert OTHERS in root(host, "iptables -S DOCKER-USER")
    for upset in UPSETS:
        root(host, upset)
        assert settles(host, neighbour, (False, True)), upset
    time.sleep(8)  # for the last look of the watch
    again = pyinfra(host.name, deploy=DEPLOY, data=allow)
    assert (again.code, again.changed) == (0, set()), again.output
    outward = f"docker run --rm box /usr/bin/busybox timeout 5 /usr/bin/busybox nc {neighbour.address} 22"
    assert "SSH" in root(host, f"{outward} </dev/null || true")


def test_a_list_that_lets_nobody_in_and_none_at_all(pair):
    host, neighbour = pair
    converge(host.name, deploy=DEPLOY, data={"firewall_docker_allow": []})
    assert reached(host, neighbour) == (False, False)
    converge(host.name, deploy=DEPLOY, data={"firewall_docker_allow": None})
    assert reached(host, neighbour) == (True, True)
    assert "ELFORGE" not in root(host, "iptables-save; ip6tables-save")
    assert root(host, "ls /etc/systemd/system /var/lib/elforge").count("docker-user") == 0
