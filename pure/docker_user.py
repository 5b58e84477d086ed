"""The allow list of published container ports: iptables rules, and the unit that keeps them, as text.

The rules are in a chain of our own, which Docker's chain DOCKER-USER jumps to: rules that others put there
are neither read nor moved. Its name begins as Docker's do: operations/sh/firewalld.sh restores it, too.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable

CHAIN, HOOK = "DOCKER-ELFORGE", "DOCKER-USER"
UNIT = "elforge-docker-user.service"
PROGRAM, UNIT_FILE = "/var/lib/elforge/docker-user", f"/etc/systemd/system/{UNIT}"
FAMILIES = {"iptables": 4, "ip6tables": 6}
JUMP = f"-A {HOOK} -j {CHAIN}"

# Wanted by Docker, it is there before Docker publishes anything, and again after each restart of Docker. Not
# required: when it fails, containers keep running, and the next run finds the rules missing.
UNIT_TEXT = f"""[Unit]
Description=Sources that may reach published container ports (elforge, firewall_docker_allow)
After=firewalld.service dbus.service
Before=docker.service
PartOf=docker.service

[Service]
ExecStartPre=/bin/sh {PROGRAM} apply
ExecStart=/bin/sh {PROGRAM} watch
Restart=always
RestartSec=2

[Install]
WantedBy=docker.service
"""

# With the iptables backend a reload of firewalld flushes every chain, and dockerd then brings back its own
# without ours (seen with 1.3 and 2.3). No unit is told of a reload, but the bus is. Its signal comes when the
# rules are gone, or before (a restart): so we look more than once. stdbuf: a pipe would hold the lines back.
_PROGRAM = f"""# Written by elforge (firewall_docker_allow): apply the rules, watch over them, or clear them.
set -u
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
families() {{
    for family in iptables ip6tables; do
        [ $family = iptables ] || [ -e /proc/sys/net/ipv6 ] || continue
        ! command -v $family >/dev/null || echo $family
    done
}}
apply() {{
    for family in $(families); do
        $family -w -n -L {HOOK} >/dev/null 2>&1 || $family -w -N {HOOK}
        rules $family | $family-restore -w -n || return 1
        $family -w -C {HOOK} -j {CHAIN} 2>/dev/null || $family -w -I {HOOK} -j {CHAIN} || return 1
    done
}}
clear() {{
    for family in $(families); do
        while $family -w -D {HOOK} -j {CHAIN} 2>/dev/null; do :; done
        $family -w -F {CHAIN} 2>/dev/null && $family -w -X {CHAIN}
    done
    return 0
}}
watch() {{
    stdbuf -oL busctl monitor \\
        --match="type='signal',interface='org.fedoraproject.FirewallD1',member='Reloaded'" \\
        --match="type='signal',member='NameOwnerChanged',arg0='org.fedoraproject.FirewallD1'" |
        while read -r line; do
            case $line in
            *Member=Reloaded* | *Member=NameOwnerChanged*)
                for seconds in 0 1 1 2 4; do
                    sleep $seconds
                    apply
                done
                ;;
            esac
        done
}}
"""


def rules(family: str, sources: Iterable[str], bridges: Iterable[str]) -> list[str]:
    """
    Return the rules of CHAIN as ``iptables -S`` prints them.

    What goes to one of Docker's bridges is dropped, unless it answers what a container began, comes from a
    container, or from an allowed source. All other forwarded traffic is left to the rules of others.

    + family: iptables or ip6tables
    + sources: addresses and networks of both families
    + bridges: Docker's, a ``+`` at the end stands for anything
    """
    networks = [
        network for each in sources if (network := ipaddress.ip_network(each)).version == FAMILIES[family]
    ]
    return [
        f"-A {CHAIN} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        *(f"-A {CHAIN} -i {bridge} -j RETURN" for bridge in bridges),
        *(f"-A {CHAIN} -s {network} -j RETURN" for network in networks),
        *(f"-A {CHAIN} -o {bridge} -j DROP" for bridge in bridges),
    ]


def program(sources: list[str], bridges: list[str]) -> str:
    """Return the text of PROGRAM; iptables-restore puts all rules of a family in place at once."""
    # Not a here-document: bash before 5.1 puts those into /tmp.
    cases = ""
    for family in FAMILIES:
        lines = ["*filter", f":{CHAIN} - [0:0]", *rules(family, sources, bridges), "COMMIT"]
        words = "".join(f" \\\n            {shlex.quote(line)}" for line in lines)
        cases += f"    {family})\n        printf '%s\\n'{words}\n        ;;\n"
    return f'{_PROGRAM}rules() {{\n    case $1 in\n{cases}    esac\n}}\n"$1"\n'
