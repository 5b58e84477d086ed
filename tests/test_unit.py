"""What a unit has loaded, remembered and brought about by a real shell; and the flags of ExecStart."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from facts.unit import Unit, _flags
from operations.docker import PROXY
from operations.script import _text, snippet
from operations.template import rendered
from operations.unit import _actions
from pure.daemon import DAEMON_JSON
from pure.engine import needs_restart
from pure.unit import overridden
from tests.shell import run_script

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


# A unit that takes what is not bad: at a restart it stops otherwise, at a reload nothing happens.
SYSTEMCTL = """#!/bin/sh
cd FOLDER
echo "$1" >>done
case $1 in
restart | start | reload)
    rm -f taken
    if ! grep -q bad a.conf; then touch taken up; elif [ $1 != reload ]; then rm -f up; exit 1; fi
    ;;
is-active) test -e up ;;
show) test ! -e unread || echo "$3=yes" ;;
esac
"""


class Machine:
    """Where a unit runs that has loaded a file, which then says something else."""

    def __init__(self, folder: Path, content: str) -> None:
        self.folder, self.file = folder, folder / "a.conf"
        programs = {"systemctl": SYSTEMCTL, "sleep": "#!/bin/sh\n", "journalctl": "#!/bin/sh\necho no luck\n"}
        (folder / "bin").mkdir()
        for name, text in programs.items():
            (folder / "bin" / name).write_text(text.replace("FOLDER", str(folder)))
            (folder / "bin" / name).chmod(0o755)
        (folder / "run/x.service").mkdir(parents=True)
        (folder / "run/x.service/a.conf").write_text("good")
        (folder / "up").touch()
        self.file.write_text(content)

    def load(self, verb: str) -> subprocess.CompletedProcess[str]:
        text = _text("loaded").replace("PATH=/usr", f"PATH={self.folder}/bin:/usr")
        taken = f'test -n "$since" && test -e {self.folder}/taken'
        return run_script(self.folder, text, "x.service", verb, "true", taken, str(self.file))

    def start(self) -> subprocess.CompletedProcess[str]:
        (self.folder / "up").unlink()
        text = _text("service").replace("PATH=/usr", f"PATH={self.folder}/bin:/usr")
        return run_script(self.folder, text, "x.service", "enable", "start", "--", str(self.file))

    @property
    def verbs(self) -> list[str]:
        done = (self.folder / "done").read_text().split()
        return [verb for verb in done if verb in ("enable", "start", "restart", "reload")]


def test_a_reload_that_was_taken_is_recorded(tmp_path):
    host = Machine(tmp_path, "better")
    assert host.load("reload").returncode == 0
    assert (host.verbs, record(tmp_path)) == (["reload"], {"a.conf": "better"})


@pytest.mark.parametrize("unread", [True, False])
def test_systemd_reads_unit_files_again_only_when_it_has_not(tmp_path, unread):
    host = Machine(tmp_path, "better")
    if unread:
        (tmp_path / "unread").touch()
    assert host.load("restart").returncode == 0
    assert ("daemon-reload" in (tmp_path / "done").read_text()) is unread


def test_a_reload_that_was_not_taken_is_not_recorded_and_stops_nothing(tmp_path):
    host = Machine(tmp_path, "bad")
    done = host.load("reload")
    assert (done.returncode, host.verbs) == (5, ["reload", "reload"])
    assert "no luck\nthe previous configuration is back in place and x.service works with it" in done.stderr
    assert (host.file.read_text(), record(tmp_path)) == ("good", {"a.conf": "good"})


def test_a_unit_that_does_not_come_back_starts_with_its_previous_configuration(tmp_path):
    host = Machine(tmp_path, "bad")
    done = host.load("restart")
    assert (done.returncode, host.verbs) == (5, ["restart", "restart"])
    assert (host.file.read_text(), (tmp_path / "up").exists()) == ("good", True)


def test_a_stopped_unit_starts(tmp_path):
    host = Machine(tmp_path, "better")
    assert (host.start().returncode, host.verbs) == (0, ["enable", "start"])
    assert host.file.read_text() == "better"


def test_a_stopped_unit_that_does_not_start_comes_back_with_its_previous_configuration(tmp_path):
    host = Machine(tmp_path, "bad")
    done = host.start()
    assert (done.returncode, host.verbs) == (5, ["enable", "start", "start"])
    assert "x.service: systemctl start failed\nno luck\nthe previous configuration is back" in done.stderr
    assert (host.file.read_text(), (tmp_path / "up").exists()) == ("good", True)


@pytest.mark.parametrize("ran", [True, False])
def test_a_stopped_unit_that_had_loaded_nothing_else_keeps_its_files(tmp_path, ran):
    """An earlier file that nobody has seen to work is no better."""
    host = Machine(tmp_path, "bad")
    if ran:
        (tmp_path / "run/x.service/a.conf").write_text("bad")
    else:
        shutil.rmtree(tmp_path / "run")
        kept = tmp_path / f"state/backup{host.file}"
        kept.mkdir(parents=True)
        (kept / ("0" * 64)).write_text("older")
    done = host.start()
    assert (done.returncode, host.verbs) == (1, ["enable", "start"])
    assert done.stderr.endswith("no luck\n")
    assert host.file.read_text() == "bad"


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
