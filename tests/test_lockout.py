"""Would the firewall let us in again? One row per way to say yes or no."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facts.guard import waits
from pure.firewall_state import Session
from pure.firewalld_config import Document, item, rich_rule
from pure.lockout import lockout

SSH = item("service", name="ssh")
ETH0 = item("interface", name="eth0")
FORWARD = item("forward-port", port="22", protocol="tcp", **{"to-port": "2222"})
SESSION = Session("192.0.2.7", 22, "eth0")


def zone(*items: str, target: str = "") -> Document:
    return Document("zone", {"target": target} if target else {}, items=items)


def policy(*items: str, ingress: str = "ANY", egress: str = "HOST", **attributes: str) -> Document:
    ends = (item("ingress-zone", name=ingress), item("egress-zone", name=egress))
    return Document("policy", {"priority": "-1", "target": "CONTINUE", **attributes}, items=(*ends, *items))


def verdict(session: Session = SESSION, default: str = "public", **documents: Document) -> str:
    named = {name.replace("_", "/", 1): document for name, document in documents.items()}
    return lockout(named, default, session, ["ssh"])


OPEN: list[dict[str, Document]] = [
    {"zones_public": zone(SSH)},
    {"zones_public": zone(item("port", port="20-30", protocol="tcp"))},
    {"zones_public": zone(item("protocol", value="tcp"))},
    {"zones_public": zone(target="ACCEPT")},
    {"zones_public": zone(rich_rule("rule source address=192.0.2.0/24 service name=ssh accept"))},
    {"zones_public": zone(), "zones_work": zone(ETH0, SSH)},
    {"zones_public": zone(), "zones_home": zone(SSH, item("source", address="192.0.2.0/24"))},
    {
        "zones_public": zone(),
        "zones_home": zone(SSH, item("source", ipset="good")),
        "ipsets_good": Document("ipset", items=(item("entry", "192.0.2.7"),)),
    },
    {
        "zones_public": zone(item("service", name="mine")),
        "services_mine": Document("service", items=(item("include", service="deep"),)),
        "services_deep": Document("service", items=(item("port", port="22", protocol="tcp"),)),
    },
    {"zones_public": zone(SSH, rich_rule("rule source address=198.51.100.0/24 drop"))},
    {"zones_public": zone(SSH, rich_rule("rule source NOT address=192.0.2.0/24 drop"))},
    {"zones_public": zone(SSH, rich_rule("rule port port=80 protocol=tcp drop"))},
    {"zones_public": zone(SSH, rich_rule("rule family=ipv6 drop"))},
    {"zones_public": zone(SSH, item("forward-port", port="80", protocol="tcp", **{"to-port": "22"}))},
    {
        "zones_public": zone(
            SSH,
            rich_rule(
                "rule family=ipv4 source address=198.51.100.0/24 forward-port port=22 protocol=tcp to-port=23"
            ),
        )
    },
    {
        "zones_public": zone(
            rich_rule("rule priority=-5 service name=ssh accept"), rich_rule("rule family=ipv4 drop")
        )
    },
    {"zones_public": zone(SSH, rich_rule("rule priority=32767 drop"))},
    {"zones_public": zone(item("port", port="22", protocol="tcp"), rich_rule("rule priority=1 reject"))},
    {
        "zones_public": zone(
            rich_rule("rule priority=1 service name=ssh accept"), rich_rule("rule priority=2 drop")
        )
    },
    {"zones_public": zone(SSH), "zones_dmz": zone(), "policies_p": policy(ingress="dmz", target="REJECT")},
    {"zones_public": zone(SSH), "policies_p": policy(ingress="HOST", target="DROP")},
    {"zones_public": zone(SSH), "policies_p": policy(egress="ANY", target="DROP")},
    {"zones_public": zone(SSH), "policies_p": policy(priority="1", target="DROP")},
    {"zones_public": zone(SSH), "policies_p": policy(SSH, rich_rule("rule priority=1 drop"), target="DROP")},
    {
        "zones_public": zone(SSH),
        "zones_dmz": zone(item("source", address="198.51.100.0/24")),
        "policies_p": policy(FORWARD, ingress="dmz"),
    },
]
SHUT: list[dict[str, Document]] = [
    {"zones_public": zone()},
    {},
    {"zones_public": zone(item("port", port="22", protocol="udp"))},
    {"zones_public": zone(item("port", port="2222", protocol="tcp"))},
    {"zones_public": zone(SSH), "zones_drop": zone(ETH0, target="DROP")},
    {"zones_public": zone(SSH), "zones_block": zone(item("source", address="192.0.2.0/24"))},
    {"zones_public": zone(SSH, rich_rule("rule family=ipv4 drop"))},
    {
        "zones_public": zone(
            rich_rule("rule family=ipv4 destination address=10.0.0.9 service name=ssh accept")
        )
    },
    {"zones_public": zone(SSH, rich_rule("rule family=ipv4 destination address=10.0.0.9 drop"))},
    {"zones_public": zone(SSH, item("forward-port", port="20-30", protocol="tcp", **{"to-port": "2222"}))},
    {"zones_public": zone(SSH, rich_rule("rule family=ipv4 forward-port port=22 protocol=tcp to-port=2222"))},
    {
        "zones_public": zone(SSH),
        "policies_p": policy(FORWARD, priority="100"),
    },
    {"zones_public": zone(SSH, rich_rule("rule source address=192.0.2.7 service name=ssh reject"))},
    {"zones_public": zone(SSH, rich_rule("rule source mac=aa:bb:cc:00:11:22 drop"))},
    {
        "zones_public": zone(SSH),
        "services_ssh": Document("service", items=(item("port", port="2222", protocol="tcp"),)),
    },
    {
        "zones_public": zone(SSH),
        "policies_p": policy(target="DROP"),
    },
    {"zones_public": zone(SSH, rich_rule("rule priority=0 drop"))},
    {"zones_public": zone(SSH, rich_rule("rule priority=-1 drop"))},
    {"zones_public": zone(rich_rule("rule priority=1 drop"))},
    # What a zone does by its target comes last.
    {"zones_public": zone(rich_rule("rule priority=1 drop"), target="ACCEPT")},
    {"zones_public": zone(target="ACCEPT"), "policies_p": policy(priority="1", target="DROP")},
    {"zones_public": zone(SSH), "policies_p": policy(ingress="public", target="REJECT")},
    {"zones_public": zone(SSH), "policies_p": policy(rich_rule("rule priority=1 drop"))},
    {"zones_public": zone(SSH), "policies_p": policy(FORWARD, egress="ANY")},
    {
        "zones_public": zone(SSH),
        "zones_home": zone(SSH, item("source", address="192.0.2.0/24")),
        "policies_p": policy(ingress="home", target="DROP"),
    },
    # The interface's zone counts beside a source's, and so does one that might be the peer's.
    {
        "zones_public": zone(SSH),
        "zones_home": zone(SSH, item("source", address="192.0.2.0/24")),
        "policies_p": policy(ingress="public", target="DROP"),
    },
    {
        "zones_public": zone(SSH),
        "zones_home": zone(SSH, item("source", mac="AA:BB:CC:00:11:22")),
        "policies_p": policy(ingress="home", target="DROP"),
    },
]


@pytest.mark.parametrize("documents", OPEN)
def test_open(documents):
    assert verdict(**documents) == ""


@pytest.mark.parametrize("documents", SHUT)
def test_shut(documents):
    assert verdict(**documents) != ""


def test_the_zone_that_the_daemon_has_the_interface_in_counts_and_the_one_after_the_next_boot():
    session = Session("192.0.2.7", 22, "eth0", "work")
    assert "zone work" in verdict(session, zones_public=zone(SSH), zones_work=zone())
    assert "zone public" in verdict(session, zones_public=zone(), zones_work=zone(SSH))
    assert verdict(session, zones_public=zone(SSH), zones_work=zone(SSH)) == ""


def test_a_policy_counts_for_the_zone_that_the_daemon_has_the_interface_in_and_the_one_after_the_next_boot():
    session = Session("192.0.2.7", 22, "eth0", "work")
    zones = {"zones_public": zone(SSH), "zones_work": zone(SSH), "zones_dmz": zone(SSH)}
    for ingress, refused in {"work": True, "public": True, "dmz": False}.items():
        shut = policy(ingress=ingress, target="DROP")
        assert ("policy p" in verdict(session, **zones, policies_p=shut)) == refused, ingress


@pytest.mark.parametrize(
    ("managed", "deciding"),
    [(None, {"mgmt"}), ("", {"mgmt", "public"}), ("work", {"mgmt", "work"}), ("mgmt", {"mgmt"})],
)
def test_where_networkmanager_puts_an_interface_later_counts_too(managed, deciding):
    session = Session("192.0.2.7", 22, "eth0", "mgmt", managed)
    for shut in ("mgmt", "public", "work"):
        zones = {
            f"zones_{name}": zone(*[SSH] * (name != shut), *[ETH0] * (name == "mgmt"))
            for name in ("mgmt", "public", "work")
        }
        assert (f"zone {shut}" in verdict(session, **zones)) == (shut in deciding), shut


def test_before_its_policy_came_a_zone_that_drops_icmp_cuts_ipv6_off():
    session = Session("2001:db8::7", 22, "eth0")
    drop, inverted = zone(SSH, target="DROP"), zone(SSH, item("icmp-block-inversion"))
    for each in (drop, inverted):
        assert "neighbour discovery" in verdict(session, zones_public=each)
        assert verdict(session, zones_public=each, **{"policies_allow-host-ipv6": policy()}) == ""
        assert verdict(zones_public=each) == ""
    told = zone(SSH, item("protocol", value="ipv6-icmp"), target="DROP")
    assert verdict(session, zones_public=told) == verdict(session, zones_public=zone(SSH)) == ""
    blocked = item("icmp-block", name="neighbour-solicitation")
    assert "neighbour discovery" in verdict(session, zones_public=zone(SSH, blocked))
    assert verdict(session, zones_public=zone(SSH, blocked, item("icmp-block-inversion"))) == ""
    home = zone(SSH, item("source", address="2001:db8::/32"))
    assert "zone public would drop" in verdict(session, zones_home=home, zones_public=drop)
    assert verdict(session, zones_home=home, zones_public=zone()) == ""


def test_another_port_is_not_ssh():
    session = Session("2001:db8::7", 2222, "eth0")
    named = {"zones/public": zone(SSH)}
    assert "port 2222/tcp" in lockout(named, "public", session, [])


def test_an_interface_that_a_wildcard_names_is_in_its_zone():
    drop = zone(item("interface", name="eth+"), target="DROP")
    assert "zone drop" in verdict(zones_public=zone(SSH), zones_drop=drop)
    other = zone(item("interface", name="ens+"), target="DROP")
    assert verdict(zones_public=zone(SSH), zones_drop=other) == ""


def test_the_host_and_the_fact_agree_on_what_waits():
    shell = (Path(__file__).parent.parent / "operations/sh/guard.sh").read_text()
    (names,) = re.findall(r"for left in \"\" (.*?);", shell)
    assert re.findall(r"guard\.x(\.\w+)", waits("x")) == names.split()
