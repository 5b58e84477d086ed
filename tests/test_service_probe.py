"""The probe that looks after a service: real sockets, and a systemctl that says what a test wants."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from operations.script import snippet

UNIT, SELF = "shop.service", "shop-probe.service"
LIMIT, EVERY, GRACE = 3, 10, 0
NOW = 5_000_000  # seconds that systemd's clock shows; the machine's own is younger by far
SYSTEMCTL = """#!/bin/sh
case $1 in
show)
    case $3-$4 in
    ActiveState-shop.service) echo $3=$(cat {0}/state) ;;
    ActiveEnterTimestampMonotonic-shop.service) echo $3=$(cat {0}/since)000000 ;;
    InactiveExitTimestampMonotonic-shop-probe.service) echo $3=$(cat {0}/now)000000 ;;
    esac
    ;;
*) echo "$*" >>{0}/done ;;
esac
"""


class Host:
    """A unit, and where its probe keeps what it has seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin/systemctl").write_text(SYSTEMCTL.format(folder))
        (folder / "bin/systemctl").chmod(0o755)
        (folder / "state").write_text("active")
        (folder / "since").write_text("0")
        (folder / "now").write_text(str(NOW))
        self.script = snippet("probe").replace("/run/elforge", str(folder))

    def look(self, target: str, *more: int | str, shell: str = "sh") -> int:
        path = f"{self.folder}/bin:/usr/bin:/bin"
        words = [shell, "-c", self.script, "probe", target, "1", *map(str, more)]
        return subprocess.run(words, env={"PATH": path}, capture_output=True, timeout=20).returncode

    def watch(self, target: str, times: int = 1, grace: int = GRACE, shell: str = "sh") -> int:
        """Look some times, and return how often the unit has been restarted since ever."""
        for _ in range(times):
            assert self.look(target, UNIT, LIMIT, EVERY, grace, SELF, shell=shell) == 0
        done = self.folder / "done"
        lines = done.read_text().splitlines() if done.exists() else []
        assert set(lines) <= {f"restart --no-block {UNIT}"}
        return len(lines)

    @property
    def record(self) -> list[int]:
        """Failures and restarts in a row, until when there is no other restart, and answers in a row."""
        path = self.folder / "probe" / UNIT
        return [int(word) for word in path.read_text().split()] if path.exists() else []

    def later(self) -> None:
        """Let the time pass in which there is no restart."""
        (self.folder / "now").write_text(str(self.record[2]))


class Answers(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Answer with the status in the path."""
        self.send_response(int(self.path[1:]))
        self.end_headers()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def up() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def down() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_what_counts_as_an_answer(host, up, down, shell):
    found = {
        target: host.look(target, shell=shell) == 0
        for target in (f"http://{up}/200", f"http://{up}/404", f"http://{up}/503", f"tcp://{up}", down)
    }
    assert list(found.values()) == [True, False, False, True, False], found


def test_so_many_failures_in_a_row_bring_a_restart(host, up, down):
    assert host.watch(down, LIMIT - 1) == 0
    assert host.watch(f"tcp://{up}") == 0
    assert host.watch(down, LIMIT - 1) == 0, "an answer begins the count anew"
    assert host.watch(down) == 1


def test_a_restart_that_does_not_help_doubles_the_wait(host, up, down):
    waits = []
    for restarts in range(1, 9):
        assert host.watch(down, LIMIT) == restarts
        failures, counted, until, _ = host.record
        assert (failures, counted) == (0, restarts)
        waits.append(until - int((host.folder / "now").read_text()))
        assert host.watch(down, 2 * LIMIT - 1) == restarts, "not before that time has passed"
        host.later()
        host.watch(f"tcp://{up}")
    assert waits == [min(LIMIT * EVERY * 2**n, 3600) for n in range(1, 9)]


def test_after_a_restart_that_helped_a_hang_is_as_good_as_the_first(host, up, down):
    host.watch(down, LIMIT)
    host.watch(f"tcp://{up}", LIMIT - 1)
    assert host.record[1] == 1, "it has yet to prove itself"
    host.watch(f"tcp://{up}")
    assert host.record == []
    assert host.watch(down, LIMIT) == 2


def test_what_always_answers_leaves_no_record(host, up):
    host.watch(f"tcp://{up}")
    assert host.record == []


def test_a_start_has_its_time_by_systemds_own_clock(host, down):
    (host.folder / "since").write_text(str(NOW - 59))
    assert host.watch(down, 2 * LIMIT, grace=60) == 0
    (host.folder / "since").write_text(str(NOW - 60))
    assert host.watch(down, LIMIT, grace=60) == 1


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_what_does_not_run_is_left_alone_and_its_record_goes(host, down, state):
    host.watch(down, LIMIT - 1)
    assert host.record
    (host.folder / "state").write_text(state)
    assert (host.watch(down, 2 * LIMIT), host.record) == (0, [])


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("state", ["deactivating", "activating"])
def test_what_is_slow_to_stop_or_to_start_has_its_record_still(host, down, state, shell):
    assert host.watch(down, LIMIT) == 1
    before = host.record
    (host.folder / "state").write_text(state)
    assert host.watch(down, 2 * LIMIT, shell=shell) == 1
    (host.folder / "state").write_text("active")
    assert (host.record, host.watch(down, LIMIT)) == (before, 1), "and the wait is as long as it was"


def test_what_reloads_runs(host, down):
    (host.folder / "state").write_text("reloading")
    assert host.watch(down, LIMIT) == 1
