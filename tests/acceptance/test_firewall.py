"""What firewalld lets in, now and after a reload."""

import pytest

KINDS = {"now": "", "after a reload": "--permanent"}


@pytest.fixture
def zones(firewall):
    """Return the zones that were declared to be there."""
    return {name: zone for name, zone in firewall.zones.items() if zone.state == "present"}


@pytest.mark.parametrize("kind", KINDS)
def test_zones_let_in_what_was_declared(host, zones, kind):
    for name, zone in zones.items():
        command = f"firewall-cmd {KINDS[kind]} --zone={name}"
        assert set(zone.services) <= set(host.check_output(f"{command} --list-services").split())
        assert set(zone.ports) <= set(host.check_output(f"{command} --list-ports").split())


def test_services_have_the_declared_ports(host, firewall):
    for name, service in firewall.services.items():
        if service.state == "present":
            said = host.check_output(f"firewall-cmd --permanent --service={name} --get-ports")
            assert set(service.ports) <= set(said.split())
