"""What the service deploy does on each release: fresh, converged, with another version, removed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pyinfra.api import OperationError
from pyinfra_cli.commands import get_func_and_args

from deploys.firewall import firewall
from deploys.firewall_options import FirewallOptions
from deploys.go import GoOptions
from deploys.kernel import KernelOptions
from deploys.options import Options
from deploys.release import RELEASES
from deploys.selinux import SelinuxOptions
from deploys.service import service
from deploys.service_options import App, ServiceOptions
from deploys.service_unit import HARDENING, manifest
from facts.release import ElRelease
from facts.service import Release
from operations.service import Manifest, rollback
from pure import unit
from pure.firewall_state import ETC, LIB
from tests.answers import SYSTEMD, ZONE, Answers, shown, shown_all
from tests.answers import firewall as firewall_says
from tests.plan import Plan, plan, text

SHOP = {
    "version": "1.4.2",
    "git": "https://git.lan/shop.git",
    "ref": "v1.4.2",
    "package": "./cmd/shop",
    "arguments": ["-listen", ":808{instance}", "-motto", '50% "off" $1'],
    "environment": {"LEVEL": "info"},
    "secrets": {"TOKEN": "env:ELFORGE_TEST_TOKEN"},
    "ports": ["8081/tcp", "8082/tcp"],
    "open": True,
    "selinux_type": "http_port_t",
    "instances": ["1", "2"],
    "probe": "http://127.0.0.1:808{instance}/healthz",
    "memory": "256M",
    "cpus": 1.5,
    "tasks": 100,
    "files": 4096,
}
GO = GoOptions.model_validate({"versions": ["1.27.0"]})
DOC = (Path(__file__).parent.parent / "docs/service.md").read_text()
ORIGIN = "git https://git.lan/shop.git v1.4.2 ./cmd/shop"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")


def options(**app: object) -> ServiceOptions:
    return ServiceOptions.model_validate({"apps": {"shop": {**SHOP, **app}}})


def said_beside(others: Mapping[type[Options], Options | None], **app: object) -> list[str]:
    """Return what is wrong beside other options of the host; None for a deploy that is not for it."""
    own = options(**app)
    all_of_them = {
        GoOptions: GO,
        FirewallOptions: FirewallOptions(),
        SelinuxOptions: SelinuxOptions(),
        **others,
    }
    host = {model: own.adds(each) for model, each in all_of_them.items() if each}
    return list(own.among("web1", {"web1": host}))


def planned(answers: Answers, declared: ServiceOptions) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())
    return plan(lambda: service(GO.adds(declared), RELEASES[answers.major], machine), answers)


def converged(major: int) -> Answers:
    return Answers(
        major,
        rpms={"git": "0 2.43 1.el9"},
        groups={"shop": "shop", "elforge-go": "elforge-go"},
        directories={"/var/lib/shop": "shop shop 750"},
        releases={"shop": [Release("1.4.2", ORIGIN, True, 2, True), Release("1.4.1", "sha256 x", True, 1)]},
        deployed={"shop"},
    )


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    golden(f"el{major}/service_fresh", text(planned(Answers(major), options()).steps))


@pytest.mark.parametrize("major", RELEASES)
def test_converged_host_changes_nothing(major):
    again = planned(converged(major), options())
    assert {step.name: step.commands for step in again.steps if step.commands} == {}


def test_another_version_is_built_and_then_run():
    steps = planned(replace(converged(9), deployed=set()), options(version="1.4.3", keep=2)).steps
    changed = [(step.name, step.commands[0].split("\n")[0]) for step in steps if step.commands]
    assert changed == [
        ("Service | Get shop 1.4.3", "compile"),
        ("Service | Run shop 1.4.3", "deployed shop"),
        (
            "Service | Remove old releases of shop",
            "prune /opt/shop/releases /var/lib/elforge/service/shop/proven. 1.4.1",
        ),
    ]


@pytest.mark.parametrize("version", ["1.4.1", "1.10", "20261121"])
def test_the_rollback_that_is_documented_takes_every_version(version):
    (line,) = [each for each in DOC.splitlines() if "operations.service.rollback" in each]
    words = shlex.split(line.replace("1.4.1", version))
    function, (args, options) = get_func_and_args(words[words.index("operations.service.rollback") :])
    assert (function, args, options) == (rollback, [], {"name_": "shop", "version": version})


def test_what_has_failed_is_named_in_the_plan(caplog):
    planned(replace(converged(9), failed={"shop@2.service"}), options())
    assert "shop@2.service has failed, see journalctl -u shop@2.service: it is started again" in caplog.text
    assert "shop@1.service has failed" not in caplog.text


def test_what_systemd_is_too_old_for_is_named_in_a_plan_that_changes_something(caplog):
    planned(converged(7), options())
    assert "systemd 219" not in caplog.text
    planned(Answers(7), options())
    assert "shop-probe@.service: systemd 219 does not know LogLevelMax: left out" in caplog.text
    assert "shop@.service: systemd 219 does not know MemorySwapMax, " in caplog.text


def test_what_nothing_would_notice_is_named_in_a_plan_that_changes_something(caplog):
    planned(converged(9), options(probe=None))
    assert caplog.text == ""
    planned(Answers(9), options(probe=None))
    started = "a release that is active for two seconds counts as working: set probe, or notify"
    assert f"service_apps.shop: {started}" in caplog.text
    assert "service_apps.shop: nothing notices when it hangs: set probe, or watchdog" in caplog.text


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


def test_removal():
    gone = ServiceOptions.model_validate({"apps": {"shop": {"state": "absent"}}})
    assert [step.commands for step in planned(converged(9), gone).steps] == [["undeployed shop"]]
    assert [step.commands for step in planned(Answers(9), gone).steps] == [[]]


def test_one_that_goes_makes_room_for_what_comes():
    apps = {"store": {**SHOP, "instances": [], "arguments": [], "probe": None}, "shop": {"state": "absent"}}
    steps = planned(converged(9), ServiceOptions.model_validate({"apps": apps})).steps
    names = [step.name for step in steps]
    told = ("Service | Get store 1.4.2", "Service | Remove shop", "Service | Run store 1.4.2")
    assert sorted(told, key=names.index) == list(told), (
        "gone as late as can be, and before what takes its place"
    )


def test_i6_a_directory_of_the_systems_is_not_taken_over():
    theirs = replace(Answers(9), directories={"/var/lib/shop": "root root 755"})
    with pytest.raises(
        OperationError, match=r"^/var/lib/shop belongs to root, not to shop: choose another name"
    ):
        planned(theirs, options())


def test_nothing_declared_asks_nothing():
    assert planned(Answers(9), ServiceOptions()) == Plan([], 0, {}, {})


def test_a_local_program_that_is_not_there_is_named(tmp_path):
    declared = {"version": "1.0", "file": str(tmp_path / "shop")}
    with pytest.raises(OperationError, match=r"service_apps\.shop\.file: .* cannot be read where pyinfra"):
        planned(Answers(9), ServiceOptions.model_validate({"apps": {"shop": declared}}))


def test_what_a_look_at_a_converged_host_costs():
    """A question is one SSH exec, asked for the plan and again for the run. Lower it here when it sinks."""
    assert planned(converged(9), options()).asked == 6


def test_a_build_needs_go():
    line = "service_apps.shop.git: nothing builds without Go: put this host into go_hosts, too"
    assert said_beside({GoOptions: None}) == [line]
    assert said_beside({GoOptions: GO.model_copy(update={"state": "absent"})}) == [line]
    assert said_beside({}) == []


# Units


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


# What is asked of other deploys


def test_ports_are_opened_beside_the_firewalls_own():
    own = FirewallOptions.model_validate({"zones": {"public": {"ports": ["22/tcp", "8081/tcp"]}}})
    zone = options().adds(own).zones["public"]
    assert zone.ports == ["22/tcp", "8081/tcp", "8082/tcp"]
    assert options(open=False).adds(own) == own
    ranges = ["8080-8081/tcp", "8000-9000/udp"]
    own = FirewallOptions.model_validate({"zones": {"public": {"ports": ranges}}})
    merged = options().adds(own)
    assert merged.zones["public"].ports == [*ranges, "8082/tcp"]
    assert list(merged.contradictions()) == []


def closed(*own: str) -> Answers:
    """A host with a port in its public zone, which of old or by others."""
    port = '<port port="8081" protocol="tcp"/>'
    note = {"zones/public": {"items": list(own), "attributes": {}, "new": True}} if own else {}
    zone = ZONE.replace("</zone>", f"  {port}\n</zone>")
    lines = firewall_says(9, "loaded active enabled")
    at = lines.index("absent")
    lines[at] = shown(json.dumps(note))
    files = {f"{place}/zones/public.xml": text for place, text in ((ETC, zone), (LIB, ZONE))}
    lines[at + 1 : at + 4] = shown_all(files)
    return Answers(9, firewall=lines)


@pytest.mark.parametrize("app", [{**SHOP, "open": False}, {"state": "absent"}])
def test_a_port_is_closed_when_it_was_opened_for_a_service_alone(app):
    declared = ServiceOptions.model_validate({"apps": {"shop": app}})
    machine = ElRelease().process(Answers(9)("cat /etc/os-release").splitlines())

    def commands(answers: Answers) -> list[str]:
        options = declared.adds(FirewallOptions())
        steps = plan(lambda: firewall(options, RELEASES[9], machine), answers).steps
        return [command.split("\n")[0] for step in steps for command in step.commands]

    (first, _) = commands(closed('<port port="8081" protocol="tcp"/>'))
    assert first.startswith("firewalld (shell) reload 60")
    assert commands(closed()) == commands(Answers(9)) == []


def test_ports_get_their_type_unless_selinux_says_otherwise():
    own = SelinuxOptions.model_validate({"ports": {"8081/tcp": "other_t"}})
    assert options().adds(own).ports == {"8081/tcp": "other_t", "8082/tcp": "http_port_t"}
    assert options(selinux_type=None).adds(own) == own


def test_a_deploy_that_was_told_nothing_is_told_something():
    assert options().adds(FirewallOptions()).model_fields_set == {"zones"}
    assert options().adds(SelinuxOptions()).model_fields_set == {"ports"}
    assert options(open=False).adds(FirewallOptions()).model_fields_set == {"zones"}
    assert options(selinux_type=None).adds(SelinuxOptions()).model_fields_set == {"ports"}
    assert ServiceOptions().adds(FirewallOptions()).model_fields_set == set()


def test_what_the_firewall_forbids_cannot_be_opened():
    zones = {"public": {"absent": {"ports": ["8081/tcp"]}}}
    assert said_beside({FirewallOptions: FirewallOptions.model_validate({"zones": zones})}) == [
        "service_apps.shop.open: 8081/tcp is absent by firewall_zones.public"
    ]
    assert said_beside({FirewallOptions: None}) == [
        "service_apps.shop.open: nothing opens a port without the firewall deploy"
    ]
    assert said_beside({FirewallOptions: None}, open=False) == []


def test_what_selinux_cannot_record_is_refused():
    line = "service_apps.shop.selinux_type: no selinux deploy records it, or its state is 'absent'"
    assert said_beside({SelinuxOptions: None}) == [line]
    assert said_beside({SelinuxOptions: SelinuxOptions.model_validate({"state": "absent"})}) == [line]
    many = SelinuxOptions.model_validate({"ports": {"8080-8090/tcp": "http_port_t"}})
    assert said_beside({SelinuxOptions: many}) == [
        "selinux_ports: 8081/tcp and 8080-8090/tcp overlap",
        "selinux_ports: 8082/tcp and 8080-8090/tcp overlap",
    ]


def test_strict_needs_user_namespaces():
    none = KernelOptions.model_validate({"sysctl": {"user.max_user_namespaces": 0}})
    assert said_beside({KernelOptions: none}) == [
        "service_apps.shop.hardening: strict takes a user namespace; "
        "kernel_sysctl.user.max_user_namespaces is 0"
    ]
    assert said_beside({KernelOptions: none}, hardening="basic") == []
    assert said_beside({KernelOptions: none}, capabilities=["CAP_NET_RAW"]) == []
