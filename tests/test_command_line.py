"""pyinfra's command line, as a user types it, against a host that writes down what it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.ssh_server import SshServer

ROOT = Path(__file__).parent.parent


def said(inventory: Path) -> tuple[int, str]:
    """Run deploy.py on an inventory; return its exit code and what the user reads."""
    done = subprocess.run(
        [sys.executable, "-m", "pyinfra", "-y", str(inventory), "deploy.py"],
        cwd=ROOT, env={**os.environ, "PYINFRA_PROGRESS": "off"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_a_typo_in_a_file_of_group_data_is_one_line_and_the_host_is_asked_nothing(tmp_path: Path) -> None:
    with SshServer(tmp_path) as server:
        server.login = "exit 1; "  # it is this machine: were it asked after all, nothing is to happen
        inventory = tmp_path / "inventory.py"
        inventory.write_text(f"docker_hosts = [('@elforge/web1', {server.data()!r})]\n")
        (tmp_path / "group_data").mkdir()
        (tmp_path / "group_data/docker_hosts.py").write_text('docker_verson = "26.1"\n')
        code, text = said(inventory)
    assert code == 1
    lines = [line.strip() for line in text.splitlines() if "docker_ver" in line]
    assert lines == ["web1: docker_verson: unknown option; did you mean docker_version?"], text
    assert "nothing was changed" in text
    assert "Traceback" not in text
    assert server.execs == []
