"""The drop-in that remembers what a unit has loaded, run by a real shell; and the flags of ExecStart."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from facts.unit import Unit, _flags
from operations.docker import PROXY
from operations.script import snippet
from operations.template import rendered
from operations.unit import _actions
from pure.daemon import DAEMON_JSON
from pure.engine import needs_restart
from pure.unit import overridden

DROPIN = "/etc/systemd/system/docker.service.d/elforge-evidence.conf"


@pytest.fixture
def hooks(tmp_path):
    """Return what systemd would run before and after the start, for two files in tmp_path."""
    files = [str(tmp_path / name) for name in ("a.conf", "b.conf")]
    text = rendered("docker", DROPIN, record=tmp_path / "run" / "x.service", files=files)

    def run(hook: str) -> None:
        (command,) = re.findall(rf"^{hook}=-/bin/sh -c '([^']*)'$", text, re.MULTILINE)
        # systemd reads $$ as $ (systemd.service(5), "Command lines").
        subprocess.run(["/bin/sh", "-c", command.replace("$$", "$")], check=True)

    return run


def record(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "run" / "x.service"
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.is_dir() else {}


def test_a_start_records_what_it_read(tmp_path, hooks):
    (tmp_path / "a.conf").write_text("one")
    hooks("ExecStartPre")
    assert record(tmp_path) == {}
    (tmp_path / "a.conf").write_text("changed while it started")
    hooks("ExecStartPost")
    assert record(tmp_path) == {"a.conf": "one"}


def test_a_start_that_fails_changes_no_record(tmp_path, hooks):
    (tmp_path / "a.conf").write_text("good")
    hooks("ExecStartPre")
    hooks("ExecStartPost")
    (tmp_path / "a.conf").write_text("bad")
    hooks("ExecStartPre")
    assert record(tmp_path) == {"a.conf": "good"}


def test_the_next_start_forgets_a_file_that_is_gone(tmp_path, hooks):
    for text in ("one", "two"):
        (tmp_path / "a.conf").write_text(text)
        (tmp_path / "b.conf").write_text(text)
        hooks("ExecStartPre")
        hooks("ExecStartPost")
    assert record(tmp_path) == {"a.conf": "two", "b.conf": "two"}
    (tmp_path / "b.conf").unlink()
    hooks("ExecStartPre")
    hooks("ExecStartPost")
    assert record(tmp_path) == {"a.conf": "two"}


def test_a_start_that_failed_leaves_nothing_for_the_next(tmp_path, hooks):
    (tmp_path / "a.conf").write_text("bad")
    hooks("ExecStartPre")
    (tmp_path / "a.conf").unlink()
    hooks("ExecStartPre")
    hooks("ExecStartPost")
    assert record(tmp_path) == {}


def test_a_record_is_for_root_alone(tmp_path, hooks):
    (tmp_path / "a.conf").write_text("secret")
    hooks("ExecStartPre")
    hooks("ExecStartPost")
    assert (tmp_path / "run" / "x.service").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "run" / "x.service" / "a.conf").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("active", "started", "recorded"),
    [
        (True, "2000-01-01", {}),
        (True, "2100-01-01", {"a.conf": "it's one"}),
        (False, "2100-01-01", {}),
    ],
)
def test_a_unit_that_ran_before_it_kept_a_record(tmp_path, active, started, recorded):
    systemctl = tmp_path / "systemctl"
    answer = "exit 0" if active else "exit 3"
    systemctl.write_text(f'#!/bin/sh\n[ "$1" = show ] || {answer}\necho ActiveEnterTimestamp={started}\n')
    systemctl.chmod(0o755)
    (tmp_path / "a.conf").write_text("it's one")
    place, files = tmp_path / "run" / "x.service", [str(tmp_path / "a.conf"), str(tmp_path / "b.conf")]
    command = snippet("seed", "x.service", str(place), *files)
    for _ in range(2):  # what is recorded is never seeded again
        path = f"{tmp_path}:{os.environ['PATH']}"
        subprocess.run(["/bin/sh", "-c", command], check=True, env={**os.environ, "PATH": path})
        assert record(tmp_path) == recorded
        (tmp_path / "a.conf").write_text("it's one" if not recorded else "another")


def test_a_reload_forgets_the_record(tmp_path):
    (tmp_path / "x.service").mkdir()
    text = rendered("docker", DROPIN, record=tmp_path / "x.service", files=["/etc/x"])
    (command,) = re.findall(r"^ExecReload=-(.*)$", text, re.MULTILINE)
    subprocess.run(command.split(), check=True)
    assert not (tmp_path / "x.service").exists()


def test_the_drop_in():
    lines = rendered("docker", DROPIN, record="/run/x", files=["/etc/x"]).splitlines()
    assert "[Service]" in lines
    assert all("%" not in line for line in lines), "systemd would replace %"
    assert all(
        line.startswith(("#", "[", "ExecStartPre=-", "ExecStartPost=-", "ExecReload=-")) for line in lines
    )


@pytest.mark.parametrize(
    ("exec_start", "flags"),
    [
        (
            "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// ; ignore_errors=no ; pid=0 }",
            ["-H", "fd://"],
        ),
        ("{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd ; ignore_errors=no }", []),
        ("", []),
    ],
)
def test_flags(exec_start, flags):
    assert _flags(exec_start) == flags


@pytest.mark.parametrize(
    ("path", "old", "new", "restart"),
    [
        (DAEMON_JSON, "{}", '{"debug": true}', False),
        (DAEMON_JSON, '{"debug": true}', "{}", True),
        (DAEMON_JSON, "{}", '{"bip": "10.0.0.1/24"}', True),
        (DAEMON_JSON, "?", "{}", True),
        (DAEMON_JSON, "half a fi", "{}", True),
        (DAEMON_JSON, None, None, False),
        (PROXY, None, "[Service]\n", True),
    ],
)
def test_what_needs_a_restart(path, old, new, restart):
    assert needs_restart(path, old, new) is restart


def state(**changes: object) -> Unit:
    known = {"load": "loaded", "active": "active", "enabled": "enabled", "stale": False, "replaced": False}
    return Unit(**{**known, **changes})


@pytest.mark.parametrize(
    ("found", "running", "enabled", "actions"),
    [
        (state(), True, True, []),
        (state(), None, None, []),
        (state(), False, False, ["disable", "stop"]),
        (state(active="activating"), True, None, ["start"]),
        (state(active="reloading"), True, None, []),
        (state(active="activating"), False, None, ["stop"]),
        (state(active="failed"), False, None, []),
        (state(enabled="static"), None, True, []),
        (state(enabled="generated"), None, True, []),
        (state(enabled="enabled-runtime"), None, False, []),
        (state(enabled=""), None, True, ["enable"]),
        (state(load="masked", active="inactive", enabled="masked"), True, False, ["unmask", "start"]),
        (state(load="masked", active="inactive", enabled="masked"), False, False, []),
    ],
)
def test_actions(found, running, enabled, actions):
    assert _actions(found, running, enabled) == actions


@pytest.mark.parametrize(
    ("dropin", "names"),
    [
        ("[Unit]\nAfter=postgresql.service\nWants=postgresql.service\n", []),
        ("[Service]\nReadWritePaths=/srv/shop\nEnvironmentFile=/etc/shop\nNice=5\n", []),
        ("[Service]\nEnvironmentFile=\nEnvironmentFile=/etc/shop\n", ["EnvironmentFile"]),
        ("[Service]\nExecStart=\nExecStart=/bin/true\n#User=root\nUser = root\n", ["ExecStart", "User"]),
        ("[Service]\n  User=root\n\tExecStart=\n  # MemoryMax=1G\n", ["ExecStart", "User"]),
        ("[Service]\nUser \\\n# all that is root's\n = root\n", ["User"]),
        ("[Service]\nEnvironment=A=b \\\nUser=root\n", []),
        ("[Service]\nEnvironment=A=b\\\\\nUser=root\n", ["User"]),
        ("[Service]\n# of old \\\nUser=root\n", ["User"]),
        ("[Service]\nStartLimitInterval=0\nMemoryLimit=1G\n", ["MemoryLimit", "StartLimitInterval"]),
        ("[Service]\nReadWriteDirectories=/srv/shop\n", []),
        ("[Service]\nReadWriteDirectories=\nTimeoutSec=1h\n", ["ReadWriteDirectories", "TimeoutSec"]),
    ],
)
def test_what_a_dropin_overrides(dropin, names):
    own = ["After", "ReadWritePaths", "EnvironmentFile", "ExecStart", "User", "MemoryMax", "TimeoutStopSec"]
    own.append("StartLimitIntervalSec")
    assert overridden("".join(f"{name}=x\n" for name in own), dropin) == names
