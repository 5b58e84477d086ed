"""Services on a host with a kernel of its own: limits in force, SELinux enforcing, boots."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lab.hosts
from lab import fixture
from lab.hosts import Host
from tests.program import compiled
from tests.runner import Run, pyinfra, root, until

NAME, DEPLOY = "vm9-service", "tests/vm/deploy_service.py"
URL = "http://127.0.0.1:8080"
CACHE = "/srv/cache"
LISTEN = ("-listen", ":8080")
# Emulated, everything takes a while.
SECONDS = 120


class Application:
    """The fixture on its host; ``run`` deploys a version of it with more options."""

    def __init__(self, host: Host, programs: dict[str, Path]) -> None:
        self.host = host
        self.programs = programs

    def data(self, version: str = "1.0", **options: Any) -> dict[str, Any]:
        """Return the options of a host that runs it; it has half of the memory that a leak takes."""
        app = {
            "version": version,
            "file": str(self.programs[version]),
            "arguments": [*LISTEN, "-notify"],
            "notify": True,
            "probe": f"{URL}/healthz",
            "ready_seconds": SECONDS,
            "memory": "128M",
            **options,
        }
        cache = {"path": CACHE, "owner": "ops", "tmpfs": {"size": "64M"}}
        journal = {
            "journald_storage": "persistent",
            "journald_max_use": "32M",
            "journald_rate_burst": 0,
            "journald_rate_seconds": 0,
        }
        # A setting that comes with a module, and that the module itself begins with as 1.
        kernel = {
            "kernel_profiles": ["containers"],
            "kernel_sysctl": {"net.bridge.bridge-nf-call-arptables": 0},
        }
        return {"service_apps": {"app": app}, "caches_places": {"ci": cache}, **journal, **kernel}

    def run(self, *words: Any, **options: Any) -> Run:
        return pyinfra(self.host.name, deploy=DEPLOY, data=self.data(*words, **options))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    programs = {
        each: compiled(tmp_path_factory.mktemp("go"), fixture.SOURCE, version=each) for each in ("1.0", "1.1")
    }
    (host,) = lab.hosts.reset([NAME])
    assert root(host, "getenforce") == "Enforcing"
    found = Application(host, programs)
    done = found.run()
    assert done.code == 0, done.output
    yield found
    lab.hosts.down([NAME])


@pytest.fixture
def host(app: Application) -> Host:
    return app.host


@pytest.fixture
def up(app: Application) -> Application:
    """Release 1.0 at work, whatever the test before has left."""
    root(app.host, "systemctl reset-failed 'app*' || true")
    done = app.run()
    assert done.code == 0, done.output
    assert answers(app.host)
    return app


def answers(host: Host, version: str = "1.0") -> bool:
    return host.ssh(f"curl -fsS -m 5 {URL}/version", user="root").stdout.strip() == version


def of_unit(host: Host, *properties: str) -> str:
    said = root(host, f"systemctl show -p {','.join(properties)} app.service")
    return " ".join(sorted(said.split()))


def pid(host: Host) -> str:
    return root(host, "systemctl show -p MainPID app.service")


def mounted(host: Host) -> str:
    """Return what is mounted over the cache, with the label and the owner of its root."""
    said = root(host, f"findmnt -n -o FSTYPE,SIZE,OPTIONS {CACHE}; stat -c '%U %a %C' {CACHE}")
    return " ".join(said.split())


def of_kernel(host: Host) -> list[str]:
    """Return which module of a setting is loaded, and the setting."""
    words = "lsmod | cut -d ' ' -f 1 | grep -x br_netfilter; sysctl -n net.bridge.bridge-nf-call-arptables"
    return root(host, words).split()


def test_h47_what_is_put_there_has_the_label_of_its_path(host: Host) -> None:
    assert root(host, "restorecon -nRv /etc /opt /srv /var/lib/elforge") == ""
    assert root(host, "stat -L -c %C /opt/app/current/bin/app").split(":")[2] == "bin_t"
    assert answers(host)


def test_the_memory_limit_kills_and_a_restart_follows(host: Host) -> None:
    before = pid(host)
    host.ssh(f"curl -fsS -m 5 {URL}/leak", user="root")
    seconds = until(lambda: pid(host) != before and answers(host), SECONDS)
    print(f"{NAME}: killed and back after {seconds:.1f} s")
    assert "oom-kill" in root(host, "journalctl -b -u app.service -o cat")


def test_a_hang_is_noticed_and_ends_in_a_restart(up: Application) -> None:
    # The probe leaves alone what has not had its time to come up yet.
    assert up.run(probe_seconds=5, probe_timeout=5, ready_seconds=20).code == 0
    time.sleep(20)
    before = pid(up.host)
    up.host.ssh(f"curl -fsS -m 5 {URL}/hang", user="root")
    # Three looks, 5 s apart, 5 s for the last answer, and a minute more for what is emulated.
    seconds = until(lambda: pid(up.host) != before and answers(up.host), 3 * 5 + 5 + SECONDS / 2)
    print(f"{NAME}: a hang was over after {seconds:.1f} s")
    assert "restarting it, restart 1" in root(up.host, "journalctl -b -u app-probe.service -o cat")


def test_a_crash_loop_stops_at_the_limit_and_the_next_run_starts_it_again(up: Application) -> None:
    options = {"crash_limit": 3, "crash_seconds": 600, "restart_seconds": 1}
    assert up.run(**options).code == 0
    for _ in range(3):
        until(lambda: answers(up.host), SECONDS)
        up.host.ssh(f"curl -fsS -m 5 {URL}/crash", user="root")
    given_up = "ActiveState=failed Result=exit-code"
    until(lambda: of_unit(up.host, "ActiveState", "Result") == given_up, SECONDS)
    time.sleep(20)
    assert of_unit(up.host, "ActiveState", "Result") == given_up, "the probe left it alone"
    done = up.run(**options)
    assert done.code == 0, done.output
    assert "app.service had failed before: " in done.output
    assert answers(up.host)


def test_h51_a_bad_release_takes_itself_back(up: Application) -> None:
    done = up.run("1.1", arguments=[*LISTEN, "-refuse"], notify=False, ready_seconds=20)
    assert done.code != 0
    assert "app: release 1.1 did not come up within 20 seconds" in done.output, done.output
    assert "app: release 1.0 is back, as it was, and works" in done.output, done.output
    assert answers(up.host)


def test_rollback(up: Application) -> None:
    assert up.run("1.1").code == 0
    assert answers(up.host, "1.1")
    words = ["operations.service.rollback", "name_=app", 'version="1.0"']
    done = pyinfra(NAME, deploy=words, data=up.data())
    assert done.code == 0, done.output
    assert answers(up.host)
    assert up.run().changed == set(), "the release that is back is the one declared"


def test_the_log_budget_holds_after_200_mb_of_logging(host: Host) -> None:
    flood = "(head -c 150000000 /dev/urandom | base64 -w 900; echo end of the flood) | systemd-cat -t flood"
    root(host, f"{flood}; sleep 20")
    assert root(host, "journalctl -t flood -n 1 -o cat") == "end of the flood", "all of it was taken"
    used = int(root(host, "du -sb /var/log/journal | cut -f 1"))
    assert 16 * 2**20 < used <= 40 * 2**20, used


def test_a_full_tmpfs_leaves_the_host_at_work(up: Application) -> None:
    full = f"{CACHE}/full"
    try:
        done = up.host.ssh(f"head -c 100M /dev/zero >{full}", user="root")
        assert done.returncode != 0
        assert "No space left on device" in done.stderr
        assert int(root(up.host, f"stat -c %s {full}")) <= 64 * 2**20
        assert answers(up.host)
        again = up.run()
        assert (again.code, again.changed) == (0, set()), again.output
    finally:
        root(up.host, f"rm -f {full}")


def test_selinux_has_denied_nothing(host: Host) -> None:
    denied = re.compile(r"avc: +denied .*(comm=\"(app|systemctl|systemd-analyze)\"|/opt/app|elforge)")
    assert [line for line in root(host, "dmesg").splitlines() if denied.search(line)] == []


@pytest.mark.parametrize("how", ["down", "crash"])
def test_h69_a_boot_brings_it_back(up: Application, how: str) -> None:
    host = up.host
    before = mounted(host)
    assert before.startswith("tmpfs 64M "), before
    assert of_kernel(host) == ["br_netfilter", "0"]
    getattr(host, how)()
    host.up()
    until(lambda: answers(host), SECONDS)
    assert mounted(host) == before
    assert of_kernel(host) == ["br_netfilter", "0"]
    assert root(host, f"restorecon -nv {CACHE}") == ""
    done = up.run()
    assert (done.code, done.changed) == (0, set()), done.output
