"""What the benchmark reads and writes; that it measures is for `make bench` to show."""

import json

import pytest

from bench.__main__ import AIMS, LETTERS
from bench.contenders import CONTENDERS, ansible_changes, ansible_inventory, pyinfra_changes
from bench.cost import Cost
from bench.fleet import Fleet, Place, relayed
from bench.report import OURS, Aim, Row, Scenario, table, verdict
from bench.state import differences

ONE, TEN = Scenario(1, "LAN"), Scenario(10, "50 ms")
ROWS = {
    "true": Row(None, [Cost(0.25, 0.01)]),
    OURS: Row(Cost(30, 1), [Cost(0.4, 0.3), Cost(9, 0.5), Cost(0.5, 0.4)]),
    "other": Row(Cost(45, 9), [Cost(4, 3)]),
}
RECAP = """\
ok: [el9-a2]

PLAY RECAP *********************************************************************
el9-a1                     : ok=21   changed=12   unreachable=0    failed=0    skipped=4
el9-a2                     : ok=21   changed=0    unreachable=0    failed=0    skipped=4
"""


def test_a_table_has_medians_and_ratios():
    assert table(ONE, ROWS).splitlines() == [
        "## 1 host, LAN",
        "",
        "|  | first run | second run | control CPU per host, second run |",
        "|---|---:|---:|---:|",
        "| true |  | 0.25 s (0.5 x) | 10 ms |",
        "| elforge | 30.00 s (1.0 x) | 0.50 s (1.0 x) | 400 ms |",
        "| other | 45.00 s (1.5 x) | 4.00 s (8.0 x) | 3000 ms |",
    ]


def test_cpu_is_per_host():
    assert "| other | 45.00 s (1.5 x) | 4.00 s (8.0 x) | 300 ms |" in table(TEN, ROWS)
    assert table(TEN, ROWS).startswith("## 10 hosts, 50 ms\n")


def test_a_first_run_that_was_not_measured_is_no_number():
    rows = {title: row._replace(first=None) for title, row in ROWS.items()}
    assert "| other |  | 4.00 s (8.0 x) | 3000 ms |" in table(ONE, rows)


@pytest.mark.parametrize(
    ("aim", "line"),
    [
        (
            Aim(1, "LAN", [OURS], ["true", "other"], most=2),
            "- 1 host, LAN: elforge / (true + other) = 0.1, at most 2: yes",
        ),
        (
            Aim(1, "LAN", [OURS], ["true"], most=1.5),
            "- 1 host, LAN: elforge / true = 2.0, at most 1.5: **no**",
        ),
        (Aim(1, "LAN", ["other"], [OURS], least=8), "- 1 host, LAN: other / elforge = 8.0, at least 8: yes"),
        (
            Aim(1, "LAN", ["other"], [OURS], least=9),
            "- 1 host, LAN: other / elforge = 8.0, at least 9: **no**",
        ),
        (Aim(10, "50 ms", ["other"], [OURS], least=1), ""),
    ],
)
def test_an_aim_is_met_or_not(aim, line):
    assert verdict(aim, {ONE: ROWS}) == line


def test_aims_and_hosts_are_of_contenders():
    titles = [each.title for each in CONTENDERS]
    assert len({*titles}) == len(titles)
    assert {title for aim in AIMS for title in (*aim.over, *aim.under)} <= {*titles}
    assert {each.makes for each in CONTENDERS} == LETTERS.keys()


def test_changes_by_ansible_are_those_of_all_hosts():
    assert ansible_changes(RECAP) == 12


def test_a_play_without_a_recap_is_no_success():
    with pytest.raises(ValueError, match="no recap"):
        ansible_changes("PLAY [Build hosts]\nsomething : ok=1 changed=0 ")


def test_changes_by_pyinfra_are_those_of_all_hosts():
    operations = [{"name": "a", "success": ["one", "two"]}, {"name": "b", "success": []}]
    assert pyinfra_changes(json.dumps({"results": {"operations": operations}})) == 2


def test_a_relay_has_the_keys_of_its_host():
    known = "10.0.0.9,el9 ssh-ed25519 AAAA a comment\n10.0.0.8 ssh-ed25519 BBBB\n10.0.0.9 ssh-rsa CCCC\n"
    assert (
        relayed(known, {"10.0.0.9": 2222})
        == "[127.0.0.1]:2222 ssh-ed25519 AAAA\n[127.0.0.1]:2222 ssh-rsa CCCC\n"
    )


def test_ansible_reaches_hosts_by_their_places(tmp_path):
    fleet = Fleet([Place("el9-a1", "127.0.0.1", 2222)], tmp_path / "known")
    said = ansible_inventory(fleet, tmp_path / "key", {"go_version": "1.27.3"})["all"]
    assert said["hosts"] == {"el9-a1": {"ansible_host": "127.0.0.1", "ansible_port": 2222}}
    assert said["vars"]["go_version"] == "1.27.3"
    assert f"UserKnownHostsFile={tmp_path}/known" in said["vars"]["ansible_ssh_common_args"]


def test_states_differ_by_lines():
    one, other = {"go": "1\n2\n", "users": "ops\n"}, {"go": "2\n3\n", "users": "ops\n"}
    assert differences(one, other) == {"go": (["1"], ["3"])}
    assert differences(one, one) == {}
