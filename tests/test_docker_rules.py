"""Which of Docker's rules a reload of the firewall has lost: the awk of firewalld_steps.sh, on saves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

STEPS = Path(__file__).parent.parent / "operations/sh/firewalld_steps.sh"
# As iptables-save prints it with engine 28.
RAW = (
    "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    "-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP\n"
    "-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP\n"
    "-A PREROUTING -d 198.51.100.9/32 -j DROP\nCOMMIT\n"
)
FILTER = (
    "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n"
    "-A FORWARD -j DOCKER-USER\n-A FORWARD -j ours\n"
    "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -j ACCEPT\n-A DOCKER-USER -j RETURN\nCOMMIT\n"
)
BARE = "*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"


def lost(before: str, after: str, tmp_path: Path) -> str:
    text = re.search(r"^lost_rules\(\) \{\n.*?^\}\n", STEPS.read_text(), re.MULTILINE | re.DOTALL)
    assert text
    for name, content in (("before", before), ("after", after)):
        (tmp_path / f"iptables.{name}").write_text(content)
    script = f"stage={tmp_path}\n{text[0]}lost_rules iptables"
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout


def test_what_is_still_there_is_not_lost(tmp_path):
    assert lost(RAW + FILTER, RAW + FILTER, tmp_path) == ""


def test_rules_of_the_table_raw_come_back_without_those_of_others(tmp_path):
    assert lost(RAW + FILTER, FILTER, tmp_path) == (
        "*raw\n"
        "-I PREROUTING 1 -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP\n"
        "-I PREROUTING 1 -d 172.17.0.2/32 ! -i docker0 -j DROP\nCOMMIT\n"
    )


def test_chains_of_docker_come_back_whole(tmp_path):
    said = lost(RAW + FILTER, BARE, tmp_path)
    filtered = said[said.index("*filter") :]
    assert ":DOCKER - [0:0]\n" in filtered
    assert "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -j ACCEPT\n" in filtered
    assert "-I FORWARD 1 -j DOCKER-USER\n" in filtered
    assert "ours" not in said
