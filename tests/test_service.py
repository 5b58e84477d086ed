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
from deploys.service_options import ServiceOptions
from facts.release import ElRelease
from facts.service import Release
from operations.service import rollback
from pure.firewall_state import ETC, LIB
from tests.answers import ZONE, Answers, shown, shown_all
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
