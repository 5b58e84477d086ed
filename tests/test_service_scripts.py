"""The scripts that bring a release up, in a real shell; systemctl is one that starts real processes."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations import script
from tests.shell import run_script, witnessed

# The unit is a process of the program, in the environment that the host has for it.
SYSTEMCTL = """#!/bin/sh
at=FOLDER PATH=/usr/bin:/bin
echo "$*" >>$at/calls
for unit; do :; done
pid=$(cat "$at/pids/$unit" 2>/dev/null)
case "$1 $2" in
"restart "*)
    case $unit in
    *.service)
        [ ! -e "$at/late" ] || exec sleep 6
        [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
        env -i $(cat $at/etc/elforge/service/shop.env) $at/opt/shop/current/bin/shop 60 >/dev/null 2>&1 &
        echo $! >"$at/pids/$unit"
        ;;
    *) [ ! -e "$at/deaf" ] || { echo "$unit cannot listen" >&2; exit 1; } ;;
    esac
    ;;
"is-active "*) [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null ;;
"is-failed "*) test -e $at/failed ;;
"reset-failed "*) rm -f $at/failed ;;
"show -p") case $3 in MainPID) echo "MainPID=$pid" ;; *) test ! -e $at/unread || echo "$3=yes" ;; esac ;;
"daemon-reload "*) rm -f $at/unread ;;
esac
"""
PROGRAMS = {
    "systemctl": SYSTEMCTL,
    "journalctl": "#!/bin/sh\necho the journal of $2\n",
    "systemd-analyze": '#!/bin/sh\ntest $1 != verify || ! grep -l bad "$2" || echo "$2:1: bad" >&2\n',
    "sync": '#!/bin/sh\necho "sync $*" >>FOLDER/calls\nexec /usr/bin/sync "$@"\n',
}
UNIT, TIMER = "shop.service", "shop-probe.timer"


class Machine:
    """Where a release is brought up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "pids"):
            (folder / name).mkdir()
        self.programs(PROGRAMS)

    def programs(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            (self.folder / "bin" / name).write_text(text.replace("FOLDER", str(self.folder)))
            (self.folder / "bin" / name).chmod(0o755)

    def release(self, version: str) -> None:
        place = self.folder / f"opt/shop/releases/{version}/bin"
        place.mkdir(parents=True)
        shutil.copy("/bin/sleep", place / "shop")

    def text(self, name: str) -> str:
        return script._text(name).replace("PATH=/usr", f"PATH={self.folder}/bin:/usr")

    def run(
        self, name: str, *args: str, stdin: str = "", seconds: int = 60
    ) -> subprocess.CompletedProcess[str]:
        text = self.text(name)
        for place in ("/opt/", "/etc/systemd/", "/etc/elforge/", "/var/cache/"):
            text = text.replace(place, f"{self.folder}{place}")
        stdin = base64.b64encode(stdin.encode()).decode()
        return run_script(self.folder, text, *args, stdin=stdin, seconds=seconds)

    def deployed(
        self, version: str, unit: str = "", socket: bool = False, seconds: int = 60, port: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Bring a release up: on a dead machine none answers, and no process that hangs."""
        state = hashlib.sha256(f"{version}{unit}".encode()).hexdigest()
        lines = [f"release {version}", "probe http://x", "timeout 1", "ready 1"]
        lines += [*(["socket shop.socket"] if socket else []), f"unit {UNIT}", f"watcher {TIMER}"]
        lines += [f"port {port}"] if port else []
        system, own = f"{self.folder}/etc/systemd/system", f"{self.folder}/etc/elforge/service"
        files = {
            f"644 {system}/{UNIT}": f"[Service]\n{unit}",
            f"644 {system}/{TIMER}": "[Timer]",
            **({f"644 {system}/shop.socket": "[Socket]"} if socket else {}),
            f"755 {own}/shop.probe": f"cd {self.folder}; ! test -e dead && ! cmp -s hangs pids/{UNIT} && "
            '! readlink opt/shop/current | grep -qF "$(cat dies 2>/dev/null || echo none)"',
            f"600 {own}/shop.env": f"ELFORGE_STATE={state}",
        }
        for head, text in files.items():
            lines += [f"+ {head}", *(f"|{line}" for line in text.splitlines())]
        return self.run("deployed", "shop", stdin="\n".join([*lines, "# end\n"]), seconds=seconds)

    def restart(self) -> str:
        """Restart the unit as an admin does, and return its process."""
        subprocess.run([self.folder / "bin/systemctl", "restart", UNIT], check=True)
        return self.pid()

    def kill(self) -> None:
        for pid in (self.folder / "pids").iterdir():
            subprocess.run(["kill", "-9", pid.read_text().strip()], check=False, capture_output=True)

    def pid(self) -> str:
        return (self.folder / "pids" / UNIT).read_text()

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    each = Machine(tmp_path)
    each.release("1.0")
    yield each
    each.kill()


def store(machine: Machine) -> set[str]:
    place = machine.folder / "state/service/shop"
    return {path.name for path in place.iterdir()} if place.exists() else set()


def test_what_runs_as_declared_is_not_restarted(machine):
    done = machine.deployed("1.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert store(machine) == {"good", "proven.1.0", "seal"}
    before = machine.pid()
    assert machine.deployed("1.0").returncode == 0
    assert machine.pid() == before


def test_no_program_is_told_of_a_digest_of_the_secrets(machine):
    said = witnessed(machine.folder, machine.text("deployed"))
    for _ in range(2):
        assert machine.deployed("1.0").returncode == 0
    (state,) = re.findall("[0-9a-f]{64}", (machine.folder / "etc/elforge/service/shop.env").read_text())
    assert "sed -n s/^ELFORGE_STATE=//p" in said.read_text()
    assert state not in said.read_text()


def test_what_is_tried_is_known_after_a_power_cut_before_anything_is_in_place(machine):
    assert machine.deployed("1.0").returncode == 0
    calls = machine.calls()
    tried = calls.index(f"sync {machine.folder}/state/service/shop/tried")
    assert tried < calls.index(f"sync {machine.folder}/etc/systemd/system")


def test_nor_where_opt_is_a_link(machine):
    (machine.folder / "opt").rename(machine.folder / "srv")
    (machine.folder / "opt").symlink_to("srv")
    assert machine.deployed("1.0").returncode == 0
    before = machine.pid()
    assert machine.deployed("1.0").returncode == 0
    assert machine.pid() == before


def test_what_hangs_is_restarted_once_although_it_runs_as_declared(machine):
    assert machine.deployed("1.0").returncode == 0
    before = machine.pid()
    (machine.folder / "hangs").write_text(before)
    record = machine.folder / f"run/probe/{UNIT}"
    record.parent.mkdir(parents=True)
    record.write_text("0 5 99999999 0")
    done = machine.deployed("1.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.pid() != before
    assert not record.exists(), "what was counted of another process counts no more"


def edited(machine: Machine) -> tuple[Path, str]:
    """Bring a release up and let somebody change its unit and restart it; return the unit and the process."""
    assert machine.deployed("1.0").returncode == 0
    unit = machine.folder / "etc/systemd/system" / UNIT
    unit.write_text("[Service]\nUser=root\n")
    return unit, machine.restart()


def test_what_was_started_from_somebody_elses_unit_is_restarted_with_ours(machine):
    unit, theirs = edited(machine)
    assert machine.deployed("1.0").returncode == 0
    ours = machine.pid()
    assert (ours != theirs, unit.read_text()) == (True, "[Service]\n")
    assert machine.deployed("1.0").returncode == 0
    assert machine.pid() == ours


def test_nor_is_that_forgotten_when_a_run_is_killed_that_has_put_the_unit_right(machine):
    unit, theirs = edited(machine)
    (machine.folder / "late").touch()
    assert machine.deployed("1.0", seconds=3).returncode == 124
    assert (machine.pid(), unit.read_text()) == (theirs, "[Service]\n")
    (machine.folder / "late").unlink()
    assert machine.deployed("1.0").returncode == 0
    assert machine.pid() != theirs


def test_what_systemd_has_not_read_may_be_anything(machine):
    assert machine.deployed("1.0").returncode == 0
    before = machine.pid()
    (machine.folder / "unread").touch()
    assert machine.deployed("1.0").returncode == 0
    assert machine.pid() != before


def test_what_has_failed_is_told_with_its_journal_before_it_is_forgotten(machine):
    assert machine.deployed("1.0").returncode == 0
    machine.kill()
    (machine.folder / "failed").touch()
    done = machine.deployed("1.0")
    assert (done.returncode, done.stderr) == (0, f"{UNIT} had failed before: the journal of {UNIT}\n")


def test_what_does_not_work_either_is_looked_after_all_the_same(machine):
    assert machine.deployed("1.0").returncode == 0
    (machine.folder / "dead").touch()
    machine.release("1.1")
    calls = machine.calls().count(f"restart {TIMER}")
    done = machine.deployed("1.1")
    assert (done.returncode, store(machine)) == (1, {"good", "proven.1.0", "seal", "tried"})
    assert f"shop: release 1.1 did not come up within 1 seconds: {UNIT}\nthe journal of {UNIT}" in done.stderr
    assert "shop: release 1.0 is back, as it was, but does not work either" in done.stderr
    assert machine.calls().count(f"restart {TIMER}") == calls + 1


IN_FORCE = (
    "shop: firewall and SELinux have what release {} was declared with (9090/tcp open in public), not what "
    "release {} had (8080/tcp open in public): until that is declared, clients may not reach it"
)


def test_a_release_that_is_back_has_not_its_ports_back_and_that_is_said(machine):
    assert machine.deployed("1.0", port="8080/tcp open in public").returncode == 0
    (machine.folder / "dies").write_text("1.1")
    machine.release("1.1")
    done = machine.deployed("1.1", port="9090/tcp open in public")
    assert "shop: release 1.0 is back, as it was, and works\n" in done.stderr
    assert IN_FORCE.format("1.1", "1.0") in done.stderr
    (machine.folder / "dies").unlink()
    done = machine.deployed("1.1", port="9090/tcp open in public")
    assert (done.returncode, done.stderr) == (0, "")
    done = machine.run("deployed", "shop", "1.0")
    assert (done.returncode, done.stderr) == (0, f"{IN_FORCE.format('1.1', '1.0')}\n")


def test_nothing_is_said_of_ports_that_stay(machine):
    assert machine.deployed("1.0", port="8080/tcp open in public").returncode == 0
    (machine.folder / "dies").write_text("1.1")
    machine.release("1.1")
    assert "firewall" not in machine.deployed("1.1", port="8080/tcp open in public").stderr


def test_what_is_ended_by_its_time_limit_is_looked_after_all_the_same(machine):
    assert machine.deployed("1.0").returncode == 0
    (machine.folder / "late").touch()
    machine.release("1.1")
    calls = machine.calls().count(f"restart {TIMER}")
    done = machine.deployed("1.1", seconds=3)
    assert (done.returncode, store(machine)) == (124, {"declared", "good", "proven.1.0", "seal", "tried"})
    assert machine.calls().count(f"restart {TIMER}") == calls + 1


def test_a_first_release_that_does_not_come_up_leaves_nothing_that_is_known(machine):
    (machine.folder / "dead").touch()
    done = machine.deployed("1.0")
    assert "shop: there was no release before it, so none runs" in done.stderr
    assert not (machine.folder / "state/service/shop").exists()
    assert not (machine.folder / "etc/systemd/system" / UNIT).exists()


def test_what_systemd_refuses_leaves_nothing(machine):
    done = machine.deployed("1.0", unit="bad")
    assert done.returncode == 1
    assert f"shop: systemd refuses {UNIT}, nothing was changed: " in done.stderr
    assert not (machine.folder / "state/service/shop").exists()
    assert list((machine.folder / "run").glob("service-*")) == []


def test_a_socket_that_cannot_listen_is_what_failed(machine):
    (machine.folder / "deaf").touch()
    done = machine.deployed("1.0", socket=True)
    assert "shop.socket cannot listen" in done.stderr
    assert "did not come up within 1 seconds: shop.socket\nthe journal of shop.socket" in done.stderr


def obtained(machine: Machine, content: bytes) -> subprocess.CompletedProcess[str]:
    (machine.folder / "program").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return machine.run("obtain", "shop", "2.0", digest, f"{machine.folder}/program")


def test_a_program_is_what_the_kernel_runs_itself(machine):
    assert obtained(machine, Path("/bin/sleep").read_bytes()).returncode == 0
    done = obtained(machine, b"#!/bin/sh\nsleep 1\n")
    assert (done.returncode, done.stderr) == (
        1,
        "shop: release 2.0 is no program of this system's own (ELF)\n",
    )
    assert (machine.folder / "opt/shop/releases/2.0/bin/shop").read_bytes() == Path("/bin/sleep").read_bytes()


def test_a_program_by_url_is_fetched_and_only_with_its_digest(machine):
    program = Path("/bin/sleep").read_bytes()
    (machine.folder / "program").write_bytes(program)
    url = f"file://{machine.folder}/program"
    wrong, right = "0" * 64, hashlib.sha256(program).hexdigest()
    done = machine.run("obtain", "shop", "2.0", wrong, url)
    assert done.returncode == 1
    assert f"{url}: sha256 is {right}, expected {wrong}" in done.stderr
    assert "shop: release 2.0 was not to be had; nothing has changed" in done.stderr
    release = machine.folder / "opt/shop/releases/2.0"
    assert not release.exists()
    done = machine.run("obtain", "shop", "2.0", right, url)
    assert (done.returncode, done.stderr) == (0, "")
    assert (release / "bin/shop").read_bytes() == program
    assert f"origin sha256 {right}\n" in (release / "elforge.record").read_text()


def test_a_release_may_be_called_like_an_archive_of_another(machine):
    for version in ("1.1", "1.1.tar.gz"):
        machine.release(version)
    (machine.folder / "opt/shop/releases/1.0.tar.gz").write_text("")
    done = machine.run("prune", f"{machine.folder}/opt/shop/releases", "", "1.0", "1.1")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in (machine.folder / "opt/shop/releases").iterdir()] == ["1.1.tar.gz"]


def test_the_environment_of_a_release_goes_with_it(machine):
    assert machine.deployed("1.0").returncode == 0
    machine.release("1.1")
    assert machine.deployed("1.1").returncode == 0
    records = machine.folder / "state/service/shop/proven."
    done = machine.run("prune", f"{machine.folder}/opt/shop/releases", str(records), "1.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert store(machine) == {"good", "proven.1.1", "seal"}


def test_what_goes_is_ours_alone(machine):
    releases = machine.folder / "opt/shop/releases"
    assert machine.deployed("1.0").returncode == 0
    assert obtained(machine, Path("/bin/sleep").read_bytes()).returncode == 0
    for name in ("20240101", ".snapshot", ".build.2.1"):
        (releases / name).mkdir()
        (releases / name / "data.db").write_text("precious")
    done = machine.run("undeployed", "shop")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in releases.iterdir()) == [".snapshot", "20240101"]
    assert (releases / "20240101/data.db").read_text() == "precious"
    assert [path.name for path in (machine.folder / "opt/shop").iterdir()] == ["releases"]


def test_of_what_never_ran_the_current_release_is_somebody_elses(machine):
    assert obtained(machine, Path("/bin/sleep").read_bytes()).returncode == 0
    current = machine.folder / "opt/shop/current"
    current.symlink_to("releases/1.0")
    done = machine.run("undeployed", "shop")
    assert (done.returncode, done.stderr, current.is_symlink()) == (0, "", True)
    assert [path.name for path in (machine.folder / "opt/shop/releases").iterdir()] == ["1.0"]
