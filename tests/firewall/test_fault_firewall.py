"""A firewall that is stopped, masked, in conflict, drifted, broken or about to shut its own master out."""

from __future__ import annotations

import pytest

from lab.hosts import Host
from tests.drill import BARE, converged, on, refused
from tests.lockout import STATE
from tests.runner import root

pytestmark = pytest.mark.alike("el7")

DEPLOY = "tests/firewall/deploy_firewall.py"
PORT = {"firewall_zones": {"public": {"ports": ["8080/tcp"]}}}
START, STOPPED = {**PORT, "firewall_running": True}, {**PORT, "firewall_running": False}
ZONE = "/etc/firewalld/zones/public.xml"


@on("el7-guard", "el9-guard", start=BARE)
def test_h33_a_stopped_firewall_is_started_or_written_when_told_and_never_half(host: Host) -> None:
    root(host, "systemctl stop firewalld")
    refused(host, "firewalld.service is inactive", "firewall_running = True", deploy=DEPLOY, data=PORT)
    converged(host, deploy=DEPLOY, data=STOPPED)
    assert root(host, f"systemctl is-active firewalld || true; grep -c 8080 {ZONE}") == "inactive\n1"
    converged(host, deploy=DEPLOY, data=START)
    assert root(host, "firewall-cmd --list-ports") == "8080/tcp"


@on("el7-guard", "el9-guard", start=BARE)
def test_h34_a_masked_firewall_is_refused_and_unmasked_on_demand(host: Host) -> None:
    for stop in ("systemctl stop firewalld", ":"):
        root(host, f"{stop}; systemctl mask firewalld")
        refused(host, "firewalld.service is masked", "firewall_unmask", deploy=DEPLOY, data=START)
        converged(host, deploy=DEPLOY, data={**START, "firewall_unmask": True})
        assert (
            root(host, "systemctl is-enabled firewalld; systemctl is-active firewalld") == "enabled\nactive"
        )


@on("el9-guard", start=BARE)
def test_h35_nftables_is_refused_by_name_and_disabled_on_demand(host: Host) -> None:
    root(host, "systemctl enable nftables")
    refused(host, "nftables.service: owns the packet filter", deploy=DEPLOY, data=START)
    converged(host, deploy=DEPLOY, data={**START, "firewall_conflicts": "disable"})
    assert root(host, "systemctl is-enabled nftables || true") == "disabled"
    assert root(host, "firewall-cmd --list-ports") == "8080/tcp"


@on("el7-guard", "el9-guard", start=BARE)
def test_h37_what_only_the_daemon_has_is_named_and_goes(host: Host) -> None:
    converged(host, deploy=DEPLOY, data=PORT)
    root(host, "firewall-cmd --add-port=9999/tcp; firewall-cmd --remove-port=8080/tcp")
    converged(host, deploy=DEPLOY, data=PORT)
    assert (
        root(host, "firewall-cmd --list-ports; firewall-cmd --permanent --list-ports") == "8080/tcp\n8080/tcp"
    )


@on("el7-guard", "el9-guard", start=BARE)
def test_h38_a_broken_file_is_refused_before_a_reload(host: Host) -> None:
    state = root(host, STATE)
    root(host, "printf '<?xml version=\"1.0\"?><zone><short>W' > /etc/firewalld/zones/work.xml")
    refused(host, "/etc/firewalld/zones/work.xml is broken", deploy=DEPLOY, data=PORT)
    # Well-formed, and yet nothing that firewalld takes.
    root(host, 'echo \'<zone><port port="99999" protocol="tcp"/></zone>\' > /etc/firewalld/zones/work.xml')
    refused(
        host,
        "firewalld refuses the new configuration",
        "INVALID_PORT",
        untouched=False,
        deploy=DEPLOY,
        data=PORT,
    )
    assert root(host, "firewall-cmd --state; firewall-cmd --list-ports") == "running"
    root(host, "rm /etc/firewalld/zones/work.xml")
    assert root(host, STATE) == state
    converged(host, deploy=DEPLOY, data=PORT)


@on("el7-guard", "el9-guard", start=BARE)
def test_h39_an_interface_in_another_zone_counts_there(host: Host) -> None:
    root(host, "firewall-cmd --zone=work --change-interface=host0")
    shut = {"firewall_zones": {"work": {"absent": {"services": ["ssh"]}}}}
    refused(host, "this would lock elforge out", "zone work, which it comes in by", deploy=DEPLOY, data=shut)
    # Not for good: after the next boot the interface is in the default zone.
    public = {"firewall_zones": {"public": {"absent": {"services": ["ssh"]}}}}
    why = "zone public, which it comes in by"
    refused(host, "this would lock elforge out", why, deploy=DEPLOY, data=public)
    root(host, "firewall-cmd --permanent --zone=work --change-interface=host0")
    converged(host, deploy=DEPLOY, data=public)
    assert root(host, "firewall-cmd --get-zone-of-interface=host0") == "work"


@on("el7-guard", "el9-guard", start=BARE)
def test_h39_an_interface_that_follows_the_default_zone_by_its_name_moves_with_it(host: Host) -> None:
    """So NetworkManager puts one of no zone into the default zone: by its name, and not in any file."""
    daemon = "org.fedoraproject.FirewallD1"
    place = f"/{daemon.replace('.', '/')} {daemon}.zone addInterface ss public host0"
    root(host, f"busctl call {daemon} {place}")
    drop = {"firewall_default_zone": "drop"}
    refused(host, "this would lock elforge out", "zone drop, which it comes in by", deploy=DEPLOY, data=drop)


@on("el7-guard", "el9-guard", start=BARE)
def test_h40_a_firewalld_that_was_refused_is_started_by_no_boot(host: Host) -> None:
    converged(host, deploy="tests/faults/deploy_base.py")  # repositories that have it
    root(host, "systemctl stop firewalld")
    data = {**START, "firewall_default_zone": "drop"}
    refused(host, "this would lock elforge out", deploy=DEPLOY, data=data)
    # EL's own preset enables it.
    preset = "/etc/systemd/system-preset/90-default.preset"
    root(host, f"mkdir -p {preset.rpartition('/')[0]}; echo enable firewalld.service >{preset}")
    root(host, "rpm -e --nodeps firewalld; systemctl disable firewalld")
    refused(host, "this would lock elforge out", untouched=False, deploy=DEPLOY, data=data)
    assert root(host, "systemctl is-enabled firewalld || true; systemctl is-active firewalld || true") == (
        "disabled\ninactive"
    )
    # As it would have been.
    root(host, "rpm -e --nodeps firewalld")
    root(host, "yum -q -y install firewalld")
    assert root(host, "systemctl is-enabled firewalld") == "enabled"


@on("el7-guard", "el9-guard", start=BARE)
def test_h40_closing_the_port_that_elforge_comes_in_by_is_refused(host: Host) -> None:
    root(host, "sed -i 's/^#*Port .*/Port 22/' /etc/ssh/sshd_config")
    shut = {"firewall_zones": {"public": {"target": "DROP", "absent": {"services": ["ssh"]}}}}
    refused(host, "this would lock elforge out", "port 22/tcp", deploy=DEPLOY, data=shut)
    converged(host, deploy=DEPLOY, data={"firewall_zones": {"public": {"target": "DROP"}}})


@on("el7-guard", "el9-guard", start=BARE)
def test_h69_what_a_power_cut_has_left_of_a_change_goes_with_the_next_run(host: Host) -> None:
    converged(host, deploy=DEPLOY, data=PORT)
    stage = "/var/lib/elforge/guard/firewalld"
    assert root(host, f"test -e {stage} || echo none") == "none"
    root(host, f"mkdir -p {stage}/new; echo half >{stage}/how")
    assert converged(host, deploy=DEPLOY, data=PORT).changed == {
        (host.name, "Firewall | Configure the firewall")
    }
    assert root(host, f"test -e {stage} || echo none") == "none"
