"""What the units of an application say, for each systemd, and the rest of what a host has of it."""

from __future__ import annotations

import pytest

from deploys.service_options import App
from deploys.service_unit import HARDENING, manifest
from operations.service import Manifest
from pure import unit
from tests.answers import SYSTEMD
from tests.test_service import SHOP


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")


def made(systemd: int, **app: object) -> Manifest:
    return manifest("shop", App.model_validate({**SHOP, **app}), systemd)


def unit_of(systemd: int, **app: object) -> str:
    return made(systemd, **app).units["shop@.service"]


@pytest.mark.parametrize(
    ("systemd", "lines"),
    [
        (
            219,
            [
                "MemoryLimit=256M",
                "StartLimitInterval=60",
                "ProtectSystem=full",
                "ReadWriteDirectories=/var/lib/shop",
            ],
        ),
        (239, ["MemoryMax=256M", "StartLimitIntervalSec=60", "ProtectSystem=strict", "RestrictSUIDSGID=yes"]),
        (252, ["MemoryMax=256M", "MemorySwapMax=0", "ProtectProc=invisible", "ReadWritePaths=/var/lib/shop"]),
    ],
)
def test_a_unit_speaks_the_words_of_its_systemd(systemd, lines):
    assert set(lines) <= set(unit_of(systemd).splitlines())


@pytest.mark.parametrize(
    ("systemd", "section"), [(219, "Service"), (229, "Service"), (230, "Unit"), (252, "Unit")]
)
def test_the_start_limit_stands_where_its_systemd_looks_for_it(systemd, section):
    parts = dict(part.split("]\n", 1) for part in unit_of(systemd).split("[")[1:])
    assert "StartLimitBurst=5\n" in parts[section]
    assert sum("StartLimitBurst" in part for part in parts.values()) == 1


@pytest.mark.parametrize("systemd", [219, 239])
def test_what_systemd_is_too_old_for_is_left_out_and_named(systemd):
    def keys(text: str) -> set[str]:
        return {line.split("=")[0] for line in text.splitlines() if "=" in line}

    old, new = unit_of(systemd), unit_of(252)
    gone = {name for name in keys(new) - keys(old) if unit.KNOWN.get(name, unit.Known()).older is None}
    said = next(line for line in made(systemd).dropped if line.startswith("shop@.service: "))
    assert gone
    assert gone <= {word.strip(",").split("=")[0] for word in said.removesuffix(": left out").split()}
    assert all(name in old.splitlines()[1] for name in gone), "and in the unit itself"
    assert made(252).dropped == ()


def test_of_a_value_that_systemd_is_too_old_for_the_directive_is_named_with_it():
    assert "SystemCallFilter=@system-service" in unit_of(219).splitlines()[1].split(", ")
    assert unit_of(239).count("SystemCallFilter=@system-service") == 1, "a line of its own"


@pytest.mark.parametrize(
    ("app", "options"),
    [
        ({}, ["probe, or notify", "probe, or watchdog"]),
        ({"restart": "no"}, ["probe, or notify"]),
        ({"notify": True}, ["probe, or watchdog"]),
        ({"notify": True, "restart": "no"}, []),
        ({"watchdog": 10}, []),
        ({"probe": SHOP["probe"]}, []),
    ],
)
def test_which_options_would_notice_more(app, options):
    assert [line.partition(": set ")[2] for line in made(252, **{"probe": None, **app}).unseen] == options


@pytest.mark.parametrize("profile", HARDENING)
def test_every_directive_has_a_first_systemd(profile):
    for systemd in SYSTEMD.values():
        made(systemd, hardening=profile, watchdog=10, listen=["8080"])


def test_i20_percent_dollar_and_quotes_are_the_programs():
    line = next(line for line in unit_of(252).splitlines() if line.startswith("ExecStart="))
    assert line == 'ExecStart=/opt/shop/current/bin/shop -listen ":808%i" -motto "50%% \\"off\\" $$1"'


def test_i20_a_word_that_begins_with_a_dollar_takes_a_variable_of_that_value():
    declared = made(219, arguments=["$HOME", "${HOME}", "$$", "a$"])
    line = next(
        line for line in declared.units["shop@.service"].splitlines() if line.startswith("ExecStart=")
    )
    words = '"${ELFORGE_DOLLAR}HOME" "${ELFORGE_DOLLAR}{HOME}" "${ELFORGE_DOLLAR}$$" "a$$"'
    assert line == f"ExecStart=/opt/shop/current/bin/shop {words}"
    assert declared.variables["ELFORGE_DOLLAR"] == "$"
    assert "ELFORGE_DOLLAR" not in made(219).variables


def test_a_privileged_port_needs_its_capability_and_no_user_namespace():
    text = unit_of(252, ports=["80/tcp"])
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in text
    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in text
    assert "PrivateUsers" not in text


def test_gos_limits_come_from_systemds():
    assert made(252).variables == {"GOMEMLIMIT": str(2**28 * 9 // 10), "GOMAXPROCS": "2", "LEVEL": "info"}
    assert made(252, cpus=0.5).variables["GOMAXPROCS"] == "2", "as Go 1.25 itself"
    assert made(252, cpus=3.1).variables["GOMAXPROCS"] == "4"
    assert made(252, environment={"GOMAXPROCS": "1"}).variables["GOMAXPROCS"] == "1"


def test_what_is_not_to_be_restarted_has_no_timer_that_restarts_it():
    once = made(252, restart="no")
    assert (once.watchers, list(once.units)) == ((), ["shop@.service"])
    assert once.probe, "a start has to answer all the same"


def test_a_process_is_told_by_all_that_it_was_started_with():
    def state(**app: object) -> str:
        return made(252, **app).text().split("ELFORGE_STATE=")[1]

    changes = [{}, {"version": "2"}, {"memory": "512M"}, {"environment": {"LEVEL": "debug"}}]
    assert len({state(**change) for change in changes}) == len(changes)
    assert state(probe_seconds=20) == state(), "how it is looked after is no reason to restart it"


def test_a_manifest_says_what_other_deploys_do_for_it():
    assert made(252).ports == (
        *("8081/tcp open in public", "8081/tcp of type http_port_t"),
        *("8082/tcp open in public", "8082/tcp of type http_port_t"),
    )
    assert made(252, open=False, selinux_type=None).ports == ()


def test_secrets_are_in_the_0600_file_alone():
    files = made(252).text().split("\n+ ")
    assert [each.split("\n")[0] for each in files if "s3cret" in each] == [
        "600 /etc/elforge/service/shop.env"
    ]
