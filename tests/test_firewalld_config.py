"""firewalld's settings as canonical text: XML, the rich language and D-Bus say the same."""

from __future__ import annotations

import pytest

from pure.firewalld_config import item, parse, render, rich_rule, runtime, source

RULE = (
    '<rule family="ipv4"><source address="192.0.2.0/24"/><service name="ssh"/><log level="info" prefix="a b">'
    '<limit value="3/m"/></log><accept/></rule>'
)


@pytest.mark.parametrize(
    "text",
    [
        'rule family="ipv4" source address="192.0.2.0/24" service name="ssh" log prefix="a b" level="info" '
        'limit value="3/m" accept',
        "rule service name=ssh source address=192.0.2.0/24 log level=info prefix='a b' "
        "limit value=3/minute accept",
        'rule priority="0" family=ipv4 source address=192.0.2.7/24 service name=ssh accept log prefix="a b" '
        "level=info limit value=3/m burst=0",
    ],
)
def test_a_rich_rule_is_the_same_however_it_is_spelt(text):
    assert rich_rule(text) == RULE


def test_a_rich_rule_in_a_file_is_the_same():
    pretty = RULE.replace("><", ">\n  <").replace('<limit value="3/m"/>', '<limit value="3/m" burst="0"/>')
    assert parse(f"<zone>{pretty}</zone>").items == (RULE,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "rule family=ipv4 source NOT address=192.0.2.0/24 drop",
            "rule source address=192.0.2.0/24 invert=yes drop",
        ),
        ("rule family=ipv6 source address=2001:DB8::/32 drop", "rule source address=2001:db8:0::/32 drop"),
        ("rule source address=192.0.2.7/32 drop", "rule source address=192.0.2.7 drop"),
        ("rule source mac=aa:bb:cc:00:11:22 drop", "rule source mac=AA:BB:CC:00:11:22 drop"),
    ],
)
def test_what_means_the_same_is_the_same(one, other):
    assert rich_rule(one) == rich_rule(other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accept", "starts with the word rule"),
        ('rule service name="ssh', "not a rich rule: No closing quotation"),
        ("rule accept drop", "at most one action, this one has accept and drop"),
        ("rule service name=a port port=1 protocol=tcp accept", "at most one element"),
        ("rule service name=ssh", "needs accept, reject, drop, mark, log or audit"),
        ("rule sorce address=192.0.2.1 drop", "'sorce' is no part of a rich rule"),
        ("rule family=ipv6 source address=192.0.2.1 drop", "no address of family ipv6"),
        ("rule source address=192.0.2 drop", "not an address"),
    ],
)
def test_what_is_no_rich_rule_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        rich_rule(text)


def test_a_file_keeps_everything_that_is_in_it():
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<zone target="DROP">\n  <short>A &amp; B</short>\n'
        '  <service name="ssh"/>\n  <helper name="x"/>\n  <unheard-of a="1"/>\n</zone>\n'
    )
    assert render(parse(text)) == text


@pytest.mark.parametrize("text", ["<zone><serv", "", "<html/>", "<zone>\x00</zone>"])
def test_a_broken_file_is_an_error(text):
    with pytest.raises(ValueError, match=r"not well-formed XML|not a zone"):
        parse(text)


@pytest.mark.parametrize("said", ["", "as 2 one", 'a{sv} 1 "ports" a(ss) 1 "80"', "b true extra"])
def test_half_an_answer_of_the_daemon_is_an_error(said):
    with pytest.raises((ValueError, TypeError)):
        runtime("zone", said)


def test_sources_of_every_kind():
    assert source("ipset:good") == '<source ipset="good"/>'
    assert source("aa:bb:cc:00:11:22") == '<source mac="AA:BB:CC:00:11:22"/>'
    assert source("192.0.2.0/24") == item("source", address="192.0.2.0/24")
