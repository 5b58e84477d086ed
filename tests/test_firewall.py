"""What the firewall deploy plans on each release, and which options it refuses."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import OperationError

from deploys.docker import DockerOptions
from deploys.firewall import NEWEST, firewall
from deploys.firewall_options import FirewallOptions
from deploys.options import problems
from deploys.release import RELEASES
from facts.firewalld import Firewalld
from facts.release import ElRelease
from facts.session import SshPort
from operations.firewalld import _besides
from pure.docker_user import CHAIN, FAMILIES, program, rules
from pure.firewall_state import RIVALS, Firewall
from pure.firewalld_config import Document, item
from tests.answers import Answers
from tests.answers import firewall as stock
from tests.plan import Plan, plan, text

DECLARED: dict[str, Any] = {
    "running": True,
    "zones": {
        "public": {
            "services": ["shop"],
            "ports": ["9000-9010/tcp"],
            "rich_rules": ["rule family=ipv4 source ipset=office service name=ssh accept"],
        },
        "inside": {"target": "ACCEPT", "interfaces": ["eth1"], "masquerade": True},
    },
    "services": {"shop": {"ports": ["8080/tcp"]}},
    "ipsets": {"office": {"entries": ["192.0.2.0/24"]}},
    "default_zone": "public",
}


def host(major: int, state: str = "loaded inactive disabled") -> Answers:
    rpms = {"firewalld": f"0 {NEWEST[major]} 1"}
    return Answers(major, rpms=rpms, firewall=stock(major, state))


def planned(answers: Answers, **options: object) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())

    def deploy() -> None:
        firewall(FirewallOptions.model_validate(options), RELEASES[answers.major], machine)

    return plan(deploy, answers)


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    golden(f"el{major}/firewall_fresh", text(planned(host(major), **DECLARED).steps))


@pytest.mark.parametrize("major", RELEASES)
def test_nothing_declared_asks_nothing_and_does_nothing(major):
    nothing = planned(Answers(major))
    assert (nothing.steps, nothing.asked) == ([], 0)


def test_a_look_at_a_firewall_is_one_question_and_one_for_containers():
    running = host(9, "loaded active enabled")
    assert planned(running, zones={"public": {"services": ["ssh"]}}).asked == 2
    assert [s.commands for s in planned(running, zones={"public": {"services": ["ssh"]}}).steps] == [[], []]


@pytest.mark.parametrize("major", RELEASES)
def test_an_allow_list_for_containers_alone_needs_neither_firewalld_nor_docker(major, golden):
    only = planned(Answers(major), docker_allow=["192.0.2.0/24", "2001:db8::/32"])
    assert only.asked == 1
    golden(f"el{major}/firewall_containers", text(only.steps))


def test_nobody_would_be_kept_out_by_a_chain_that_is_not_there():
    data = {"firewall_docker_allow": [], "docker_firewall_backend": "nftables"}
    fleet = {"h": {each: each.of(data) for each in (FirewallOptions, DockerOptions)}}
    (line,) = fleet["h"][FirewallOptions].among("h", fleet)
    assert "docker_firewall_backend = 'nftables' has no chain DOCKER-USER" in line
    assert list(FirewallOptions().among("h", fleet)) == []


def test_el7_has_no_policies():
    with pytest.raises(OperationError, match=r"policies/p: firewalld 0\.6\.3 has no policies"):
        planned(host(7), running=True, policies={"p": {"ingress_zones": ["ANY"], "egress_zones": ["HOST"]}})


def test_rivals_go_with_the_same_change():
    both = replace(host(9), firewall=stock(9, "loaded inactive disabled", "loaded active enabled"))
    with pytest.raises(OperationError, match=r"ip6tables.service: owns the packet filter"):
        planned(both, running=True)
    shown = text(planned(both, running=True, conflicts="disable").steps)
    assert f"start 60 enable '{' '.join(RIVALS)}'" in shown


WRONG: list[tuple[dict[str, object], str]] = [
    (
        {"zones": {"public": {"ports": ["0/tcp"]}}},
        "zones.public.ports.0: a port is in 1..65535 (got '0/tcp')",
    ),
    ({"default_zone": "docker"}, "default_zone: docker is Docker's own, left to it"),
    (
        {"zones": {"public": {"interfaces": ["docker0", "br-lan"]}}},
        "zones.public.interfaces: docker0 is Docker's own, left to it",
    ),
    (
        {"zones": {"public": {"ports": ["70000/tcp"]}}},
        "zones.public.ports.0: a port is in 1..65535 (got '70000/tcp')",
    ),
    (
        {"zones": {"public": {"ports": ["80-/tcp"]}}},
        "zones.public.ports.0: must be PORT/PROTOCOL or FIRST-LAST/PROTOCOL, e.g. 8000-8010/tcp "
        "(got '80-/tcp')",
    ),
    (
        {"zones": {"public": {"ports": ["90-80/tcp"]}}},
        "zones.public.ports.0: the range 90-80 does not go up (got '90-80/tcp')",
    ),
    (
        {"zones": {"public": {"ports": ["443/icmp"]}}},
        "zones.public.ports.0: 'icmp' is none of tcp, udp, sctp, dccp (got '443/icmp')",
    ),
    (
        {"zones": {"public": {"ports": [True]}}},
        "zones.public.ports.0: Input should be a valid string (got True)",
    ),
    (
        {"zones": {"public": {"sources": ["10.0.0.1/24"]}}},
        "zones.public.sources.0: has host bits set; the network is 10.0.0.0/24 (got '10.0.0.1/24')",
    ),
    (
        {"zones": {"public": {"sources": ["10.0.0.0/33"]}}},
        "zones.public.sources.0: must be an address or a network, e.g. 192.0.2.0/24 (got '10.0.0.0/33')",
    ),
    (
        {"zones": {"../x": {}}},
        "zones.../x: must be a name of up to 17 letters, digits, _ and - (got '../x')",
    ),
    ({"zones": {"public": {"ports": ["80/tcp", "80/tcp"]}}}, "zones.public: 80/tcp is listed twice"),
    (
        {"zones": {"public": {"ports": ["80-90/tcp", "85/tcp"]}}},
        "zones.public: ports: 80-90/tcp and 85/tcp overlap",
    ),
    (
        {"zones": {"public": {"services": ["http"], "absent": {"services": ["http"]}}}},
        "zones.public: http is both wanted and absent",
    ),
    (
        {
            "zones": {
                "public": {"rich_rules": ["rule service name=ssh accept", 'rule service name="ssh" accept']}
            }
        },
        'zones.public: rule service name="ssh" accept is listed twice, as rule service name=ssh accept',
    ),
    (
        {"zones": {"a": {"interfaces": ["eth0"]}, "b": {"interfaces": ["eth0"]}}},
        "zones.b.interfaces: eth0 is in zone a too",
    ),
    (
        {"zones": {"a": {"state": "absent", "ports": ["80/tcp"]}}},
        "zones.a: state 'absent' goes with nothing else, not with ports",
    ),
    (
        {"default_zone": "a", "zones": {"a": {"state": "absent"}}},
        "default_zone: a is absent by firewall_zones",
    ),
    ({"zones": {"docker": {}}}, "zones.docker: Docker's own, left to it"),
    (
        {"ipsets": {"a": {"family": "inet6", "entries": ["192.0.2.1"]}}},
        "ipsets.a: 192.0.2.1 is no address of inet6",
    ),
    (
        {"ipsets": {"a": {"type": "hash:ip", "entries": ["192.0.2.0/24"]}}},
        "ipsets.a: 192.0.2.0/24 is a network, which needs type hash:net",
    ),
    (
        {"zones": {"public": {"forward_ports": ["port=80:proto=tcp"]}}},
        "zones.public.forward_ports.0: must be port=P:proto=P:toport=P:toaddr=A; toport or toaddr may be "
        "missing (got 'port=80:proto=tcp')",
    ),
    (
        {"docker_allow": ["192.0.2.1/24"]},
        "docker_allow.0: has host bits set; the network is 192.0.2.0/24 (got '192.0.2.1/24')",
    ),
    (
        {"docker_allow": ["::/0"]},
        "docker_allow.0: is everybody; leave the option out instead (got '::/0')",
    ),
    ({"docker_allow": ["192.0.2.1", "192.0.2.1/32"]}, "docker_allow: 192.0.2.1/32 is listed twice"),
    ({"docker_bridges": ["br0"]}, "docker_bridges: goes with firewall_docker_allow"),
    (
        {"docker_allow": [], "docker_bridges": ["br0; id"]},
        "docker_bridges.0: must be the name of a network interface (got 'br0; id')",
    ),
    ({"confirm_seconds": 1}, "confirm_seconds: Input should be greater than or equal to 10 (got 1)"),
    (
        {"running": False, "unmask": True},
        "running: False has no use for firewall_unmask or firewall_conflicts = 'disable'",
    ),
    ({"zone": "x"}, "zone: unknown option; did you mean firewall_zones?"),
]


@pytest.mark.parametrize(("options", "line"), WRONG, ids=[line for _, line in WRONG])
def test_i3_i4_i5_i11_i13_one_line_per_mistake(options, line):
    data = {f"firewall_{name}": value for name, value in options.items()}
    assert problems("h", data, [FirewallOptions]) == [f"h: firewall_{line}"]


def test_every_kind_of_setting_becomes_its_element():
    zone = {
        "services": ["http"],
        "ports": ["1/sctp", "2-3/dccp"],
        "source_ports": ["4/udp"],
        "protocols": ["gre"],
        "forward_ports": ["port=80:proto=tcp:toport=8080:toaddr=192.0.2.9"],
        "icmp_blocks": ["echo-request"],
        "interfaces": ["eth1"],
        "sources": ["ipset:a", "192.0.2.0/24"],
        "masquerade": True,
        "forward": False,
        "target": "REJECT",
    }
    part = FirewallOptions.model_validate({"zones": {"a": zone}}).parts()["zones/a"]
    assert part.present == (
        '<service name="http"/>',
        '<port port="1" protocol="sctp"/>',
        '<port port="2-3" protocol="dccp"/>',
        '<source-port port="4" protocol="udp"/>',
        '<protocol value="gre"/>',
        '<forward-port port="80" protocol="tcp" to-addr="192.0.2.9" to-port="8080"/>',
        '<icmp-block name="echo-request"/>',
        '<interface name="eth1"/>',
        '<source ipset="a"/>',
        '<source address="192.0.2.0/24"/>',
        "<masquerade/>",
    )
    assert (part.absent, part.attributes) == (("<forward/>",), {"target": "%%REJECT%%"})


# What iptables -t nat -S says of ports that Docker has published.
NAT = {
    "iptables": """-N DOCKER
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER-INGRESS -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.18.0.2:8081
-A DOCKER-INGRESS -j RETURN
-A OTHERS -p tcp -m tcp --dport 8082 -j DNAT --to-destination 192.0.2.9:82
""",
    "ip6tables": "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8083 -j DNAT --to-destination [fd00::2]:83\n",
}


# What a host with NetworkManager says: eth0 is its own, wg0 a connection that it shows of somebody else's.
SAID = {
    "systemctl": "exit 0",
    "ip": 'echo "192.0.2.7 dev $DEVICE src 192.0.2.1"',
    "nmcli": """case "$*" in
"-g GENERAL.STATE device show eth0") echo "100 (connected)" ;;
"-g GENERAL.STATE device show wg0") echo "100 (connected (externally))" ;;
"-g UUID,TYPE,DEVICE connection show --active")
    printf '%s\\n' u0:vpn:eth0 u1:802-3-ethernet:eth0 u2:wireguard:wg0 ;;
"-g connection.zone connection show uuid u1") echo "$ZONE" ;;
esac""",
    "busctl": """case "$*" in
*getDefaultZone) echo 's "public"' ;;
*getZoneOfInterface*) echo 's "mgmt"' ;;
*getActiveZones)
    echo 'a{sa{sas}} 2 "mgmt" 1 "interfaces" 1 "eth0" "home" 2 "interfaces" 0 "sources" 1 "192.0.2.0/24"' ;;
*) echo "$5 a{sv} 0" ;;
esac""",
}


@pytest.mark.parametrize(
    ("device", "zone", "session"),
    [
        ("eth0", "", 'session 192.0.2.7 22 eth0 zone: s "mgmt"'),
        ("eth0", "work", 'session 192.0.2.7 22 eth0 zone:work s "mgmt"'),
        ("wg0", "", 'session 192.0.2.7 22 wg0 - s "mgmt"'),
    ],
)
def test_a_host_with_networkmanager_and_zones_in_use(
    tmp_path: Path, device: str, zone: str, session: str
) -> None:
    for name, said in SAID.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / name).chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin",
        "SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 22",
        "DEVICE": device,
        "ZONE": zone,
    }
    command = Firewalld().command(objects=["zones/home"])
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("session")] == [session]
    loaded = [line.split()[1] for line in lines if line.startswith("loaded")]
    assert loaded == ["zones/home", "zones/mgmt", "zones/public"]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_connection_is_the_nearest_ancestors(shell: str) -> None:
    """As below sudo, which keeps no SSH_CONNECTION; a shell in between has an empty one."""
    look = f"{shlex.join(['env', '-u', 'SSH_CONNECTION', shell, '-c', SshPort().command()])}; true"
    between = f"{shlex.join(['env', 'SSH_CONNECTION=', 'sh', '-c', look])}; true"
    env = {"PATH": "/usr/bin:/bin", "SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 2222"}
    done = subprocess.run(["sh", "-c", f"{between}; true"], env=env, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["@@elforge", "2222", "@@end"]


def test_what_a_change_does_beside_what_is_declared_is_told() -> None:
    eth1, port, http = (
        item("interface", name="eth1"),
        item("port", port="9", protocol="tcp"),
        item("service", name="http"),
    )
    loaded = {
        "zones/internal": Document("zone", items=(eth1, port)),
        "zones/docker": Document("zone", items=(port,)),
        "zones/public": Document("zone", items=(port,)),
        "zones/gone": None,
    }
    found = Firewall("1.3", {"firewalld.service": "loaded active enabled"}, None, None, loaded=loaded)
    before = {name: Document("zone", items=(http,)) for name in loaded}
    assert [line.partition(", since")[0] for line in _besides(found, before, "reload", ["zones/public"])] == [
        f"zones/internal: - {port}",
        f"zones/internal: + {http}",
    ]
    assert "is closed" in "".join(_besides(found, before, "start", []))
    assert "is open" in "".join(_besides(found, before, "stop", []))
    assert list(_besides(found, before, "offline", [])) == []


def test_a_swarms_ports_and_those_of_ipv6_alone_are_seen(tmp_path: Path) -> None:
    for family, said in NAT.items():
        stub = tmp_path / family
        stub.write_text(f"#!/bin/sh\n[ \"$*\" = '-w -t nat -S' ] && printf %s '{said}'\n")
        stub.chmod(0o755)
    command = Firewalld().command(objects=[])
    env = {"PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, check=True)
    six = ["8083"] if Path("/proc/sys/net/ipv6").exists() else []
    assert re.findall(r"^dnat .*--dport (\d+)", done.stdout, re.MULTILINE) == ["8080", "8081", *six]


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_program_says_the_rules_to_iptables_restore(shell: str, family: str) -> None:
    sources, bridges = ["192.0.2.0/24", "2001:db8::/32"], ["docker+", "br-+"]
    text = program(sources, bridges).removesuffix('"$1"\n')
    done = subprocess.run([shell, "-c", f"{text}rules {family}"], capture_output=True, text=True, check=True)
    wanted = ["*filter", f":{CHAIN} - [0:0]", *rules(family, sources, bridges), "COMMIT"]
    assert done.stdout.splitlines() == wanted
