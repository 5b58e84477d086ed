"""What a firewall is to be: ours comes and goes, everybody else's stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pure.firewall_state import (
    CONF,
    ETC,
    LIB,
    Firewall,
    Part,
    both,
    changes,
    documents,
    drift,
    record,
    setting,
    target,
)
from pure.firewalld_config import Document, item, parse

SSH, HTTP = item("service", name="ssh"), item("service", name="http")
PORT = item("port", port="8080", protocol="tcp")
STOCK = "<zone><short>Public</short><service name='ssh'/></zone>"
PUBLIC = f"{ETC}/zones/public.xml"
HOST = Firewall("1.3.4", {}, "# ours\nDefaultZone=public\n", None, {f"{LIB}/zones/public.xml": STOCK})


def after(host: Firewall, files: dict[str, Part], conf: dict[str, str] | None = None) -> Firewall:
    """Return the host as a run leaves it."""
    goal = target(host, files, conf or {})
    texts = {**host.files, **{path: text for path, text in goal.files.items() if path != CONF}}
    return replace(
        host,
        files={path: text for path, text in texts.items() if text is not None},
        conf=goal.files.get(CONF, host.conf),
        owned=record(goal.notes),
    )


ROUNDS = [
    ({"zones/public": Part((PORT,))}, {}),
    ({"zones/public": Part((PORT, HTTP), attributes={"target": "DROP"})}, {}),
    ({"zones/public": Part(absent=(SSH,))}, {}),
    ({"zones/mine": Part((PORT,), attributes={"target": "ACCEPT"})}, {"DefaultZone": "mine"}),
    ({"services/shop": Part((PORT,))}, {}),
    ({"ipsets/good": Part((item("entry", "192.0.2.0/24"),), attributes={"type": "hash:net"})}, {}),
    ({"policies/p": Part((item("egress-zone", name="HOST"),), attributes={"priority": "-9"})}, {}),
    ({"policies/q": Part((item("egress-zone", name="HOST"),))}, {}),
    ({}, {"StrictForwardPorts": "yes"}),
]


@pytest.mark.parametrize(("files", "conf"), ROUNDS)
def test_a_second_run_finds_nothing_to_do(files, conf):
    once = after(HOST, files, conf)
    again = target(once, files, conf)
    assert (again.files, record(again.notes)) == ({}, once.owned)


@pytest.mark.parametrize(
    ("files", "conf"), [each for each in ROUNDS if not any(p.absent for p in each[0].values())]
)
def test_what_is_declared_no_more_goes_and_the_host_is_as_before(files, conf):
    back = after(after(HOST, files, conf), {})
    assert back.files == HOST.files
    assert setting(back.conf, "DefaultZone") == "public"
    assert setting(back.conf, "StrictForwardPorts") == "no"
    assert back.owned == record({})


def test_what_an_admin_added_stays():
    ours = after(HOST, {"zones/public": Part((PORT,))})
    ours.files[PUBLIC] = ours.files[PUBLIC].replace("</zone>", f"  {HTTP}\n</zone>")
    back = after(ours, {})
    assert parse(back.files[PUBLIC]).items == (SSH, HTTP)


def test_what_was_there_before_us_stays_although_we_declared_it():
    host = replace(HOST, files={**HOST.files, PUBLIC: STOCK.replace("</zone>", f"{PORT}</zone>")})
    once = after(host, {"zones/public": Part((PORT, HTTP))})
    assert parse(after(once, {}).files[PUBLIC]).items == (SSH, PORT)


def test_an_attribute_goes_back_to_what_it_was():
    host = replace(HOST, files={**HOST.files, PUBLIC: STOCK.replace("<zone>", "<zone target='ACCEPT'>")})
    once = after(host, {"zones/public": Part(attributes={"target": "DROP"})})
    assert parse(once.files[PUBLIC]).attributes == {"target": "DROP"}
    assert parse(after(once, {}).files[PUBLIC]).attributes == {"target": "ACCEPT"}


def test_a_zone_that_is_to_be_absent_goes():
    host = replace(HOST, files={**HOST.files, f"{ETC}/zones/old.xml": "<zone/>"})
    goal = target(host, {"zones/old": Part(exists=False)}, {})
    assert goal.files == {f"{ETC}/zones/old.xml": None}
    assert "zones/old" not in goal.documents


def test_of_a_stock_zone_only_our_copy_goes_and_firewallds_own_is_in_force():
    host = replace(HOST, files={**HOST.files, PUBLIC: "<zone/>"})
    goal = target(host, {"zones/public": Part(exists=False)}, {})
    assert goal.files == {PUBLIC: None}
    assert goal.documents["zones/public"].items == (SSH,)


def test_a_run_that_was_killed_forgets_nothing_of_ours():
    before = after(HOST, {"zones/public": Part((PORT,))})
    goal = target(before, {"zones/public": Part((HTTP,))}, {})
    killed = replace(before, owned=both(before.owned, goal.notes))
    assert parse(after(killed, {"zones/public": Part((HTTP,))}).files[PUBLIC]).items == (SSH, HTTP)


def test_h38_a_broken_file_is_named():
    with pytest.raises(ValueError, match=r"^/etc/firewalld/zones/public\.xml is broken"):
        documents(replace(HOST, files={PUBLIC: "<zone"}))


def test_h37_a_policy_is_what_it_is_without_a_word():
    goal = target(HOST, {"policies/p": Part((PORT,))}, {})
    loaded = {"policies/p": Document("policy", {"target": "CONTINUE", "priority": "-1"}, items=(PORT,))}
    assert drift(replace(HOST, loaded=loaded), goal.documents, goal.default_zone, ["policies/p"]) == []


def test_changes_name_what_opens_and_what_closes():
    before = {"zones/public": Document("zone", {}, items=(SSH, HTTP)), "zones/same": Document("zone")}
    closed = Document("zone", {"target": "DROP"}, items=(SSH, PORT))
    wanted = {**before, "zones/public": closed, "services/x": Document("service", items=(PORT,))}
    assert changes(before, wanted) == [
        f"services/x: + {PORT}",
        f"zones/public: - {HTTP}",
        f"zones/public: + {PORT}",
        "zones/public: {'target': 'DROP'} instead of {}",
    ]
    assert changes(wanted, wanted) == []


def test_h37_drift_names_what_differs():
    goal = target(HOST, {"zones/public": Part((PORT,))}, {})
    loaded = Document("zone", {"target": "DROP"}, items=(SSH, HTTP, item("interface", name="eth0")))
    host = replace(HOST, loaded={"zones/public": loaded}, default_zone="work")
    assert drift(host, goal.documents, goal.default_zone, ["zones/public"]) == [
        f"zones/public: + {HTTP}",
        f"zones/public: - {PORT}",
        "zones/public: {'target': 'DROP'} instead of {}",
        "default zone: work instead of public",
    ]


def test_no_drift_in_what_others_bind_while_it_runs():
    goal = target(HOST, {}, {})
    loaded = Document("zone", items=(SSH, item("interface", name="docker0")))
    host = replace(HOST, loaded={"zones/public": loaded}, default_zone="public")
    assert drift(host, goal.documents, goal.default_zone, ["zones/public"]) == []


def test_what_somebody_has_changed_since_stays():
    ours = after(
        HOST, {"zones/public": Part((PORT,), attributes={"target": "DROP"})}, {"DefaultZone": "home"}
    )
    theirs = replace(
        ours,
        files={**ours.files, PUBLIC: ours.files[PUBLIC].replace('target="DROP"', 'target="ACCEPT"')},
        conf=(ours.conf or "").replace("=home", "=work"),
    )
    back = after(theirs, {})
    assert parse(back.files[PUBLIC]).attributes == {"target": "ACCEPT"}
    assert setting(back.conf or "", "DefaultZone") == "work"


@pytest.mark.parametrize(
    "conf", ["DefaultZone=public", "  DefaultZone = public\n", "a=b\nDefaultZone=home\n"]
)
def test_a_setting_is_written_in_a_line_of_its_own(conf):
    goal = target(replace(HOST, conf=conf), {}, {"DefaultZone": "work", "StrictForwardPorts": "yes"})
    lines = (goal.files[CONF] or "").splitlines()
    assert lines[-2:] == ["DefaultZone=work", "StrictForwardPorts=yes"]
