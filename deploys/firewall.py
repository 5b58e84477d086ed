"""firewalld: zones, services, ipsets and policies, changed so that the host stays reachable."""

from __future__ import annotations

from pyinfra.api import deploy

from deploys.firewall_options import FirewallOptions
from deploys.release import Release
from facts.release import Machine
from operations import docker_user, firewalld

# What a host that has no firewalld yet will get (facts.md 1.3; 2026-08).
NEWEST = {7: "0.6.3", 8: "0.9.3", 9: "1.3.4"}

# Options that ask nothing of firewalld: with these alone it need not be there.
CONTAINERS = {"docker_allow", "docker_bridges"}


@deploy("Firewall")
def firewall(options: FirewallOptions, release: Release, machine: Machine) -> None:
    """Bring firewalld to what is declared; with nothing declared, leave it alone and ask nothing."""
    if not options.model_fields_set:
        return
    if options.running:
        firewalld.installed(name="Install firewalld", manager=release.manager)
    if options.model_fields_set - CONTAINERS:
        firewalld.configured(name="Configure the firewall", wanted=_wanted(options, NEWEST[release.major]))
    docker_user.allowed(
        name="Keep the sources that may reach containers",
        sources=options.docker_allow,
        bridges=options.docker_bridges,
    )


def _wanted(options: FirewallOptions, newest: str) -> firewalld.Wanted:
    conf = {}
    if options.default_zone:
        conf["DefaultZone"] = options.default_zone
    if options.strict_forward_ports is not None:
        conf["StrictForwardPorts"] = "yes" if options.strict_forward_ports else "no"
    return firewalld.Wanted(
        files=options.parts(),
        conf=conf,
        running=options.running,
        unmask=options.unmask,
        rivals=options.conflicts == "disable",
        newest=newest,
        seconds=options.confirm_seconds,
        limited=options.docker_allow is not None,
    )
