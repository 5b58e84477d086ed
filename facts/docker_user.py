"""What keeps the allow list of published container ports on a host, and the rules that are in force."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, shown, text, unframed
from pure.docker_user import CHAIN, HOOK, PROGRAM, UNIT, UNIT_FILE


@dataclass(frozen=True)
class Kept:
    """The allow list as a host has it."""

    program: str | None  # text of pure.docker_user's PROGRAM
    unit: str | None  # and of its UNIT_FILE
    enabled: bool
    watching: bool  # whether the unit runs
    docker: bool  # whether Docker runs: without it there need be no rules
    rules: dict[str, list[str]] = field(default_factory=dict)  # iptables and ip6tables, as far as they work

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class DockerUser(FactBase[Kept]):
    """Return what is Kept; iptables is asked only while Docker runs."""

    def command(self) -> str:
        files = "; ".join(f"file={path}; {shown('file')}" for path in (PROGRAM, UNIT_FILE))
        return framed(
            f"{files}; echo enabled $(systemctl is-enabled {UNIT} 2>/dev/null)"
            f"; echo watching $(systemctl is-active {UNIT} 2>/dev/null)"
            "; docker=$(systemctl is-active docker.service 2>/dev/null); echo docker $docker"
            "; for family in iptables ip6tables; do "
            'if test "$docker" = active && { test $family = iptables || test -e /proc/sys/net/ipv6; } '
            "&& command -v $family >/dev/null; then "
            "if rules=$($family -w -S 2>/dev/null); then echo $family; "
            f"""printf '%s\\n' "$rules" | grep -E -e '^-A ({CHAIN} |{HOOK} -j {CHAIN}$)'; """
            "else echo unreadable $family; fi; fi; done"
        )

    def process(self, output: list[str]) -> Kept:
        lines = unframed(output)
        if [line.split(" ")[0] for line in lines[2:5]] != ["enabled", "watching", "docker"]:
            raise FactProcessError(f"cannot read the rules for containers: {lines[-3:]!r}")
        enabled, watching, docker = (line.partition(" ")[2] for line in lines[2:5])
        rules: dict[str, list[str]] = {}
        for line in lines[5:]:
            if line in ("iptables", "ip6tables"):
                rules[line] = []
            elif line.startswith("-A ") and rules:
                rules[list(rules)[-1]].append(line)
            else:
                raise FactProcessError(f"cannot read the rules for containers: {line!r}")
        return Kept(
            program=text(lines[0]),
            unit=text(lines[1]),
            enabled=enabled == "enabled",
            watching=watching == "active",
            docker=docker == "active",
            rules=rules,
        )
