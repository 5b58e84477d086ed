"""A Go program that misbehaves when told to, built on real hosts and run as a service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

import lab.hosts
from deploys.release import RELEASES
from lab import fixture, mirror
from lab.hosts import Host
from lab.mirror import golang
from tests.forks import ROOT
from tests.runner import INVENTORY, Run, apply, converge, pyinfra, root, until
from tests.tree import difference, tree

pytestmark = pytest.mark.alike("el7")

DEPLOY, REFUSED = "tests/service/deploy_service.py", "tests/service/deploy_refused.py"
URL = "http://127.0.0.1:8080"
SECURITY = "systemd-analyze security --no-pager app.service"
PLACES = ("/etc/systemd", "/etc/elforge", "/opt")


def app(**options: Any) -> dict[str, Any]:
    """Return the data of a host that builds the fixture from source; ``arguments`` come after its address."""
    mine = {"arguments": [], "version": "1.0", **options}
    mine["arguments"] = ["-listen", ":8080", *mine["arguments"]]
    source = {"git": fixture.repository(), "ref": fixture.TAG}
    probe = {"probe": f"{URL}/healthz", "probe_seconds": 2, "probe_timeout": 2, "ready_seconds": 10}
    return {
        "service_apps": {"app": {**source, **probe, **mine}},
        "service_insecure_mirror": True,
        "go_versions": ["1.27.3"],
        "go_cgo": False,
    }


def get(host: Host, path: str) -> str:
    """Return what the application says, "" while it says nothing."""
    return host.ssh(f"curl -fsS -m 2 '{URL}{path}'", user="root", shared=True).stdout.strip()


def pid(host: Host) -> str:
    return root(host, "systemctl show -p MainPID app.service")


def run(host: Host, **options: Any) -> Run:
    """What succeeds does as predicted."""
    return apply(host.name, deploy=DEPLOY, data=app(**options))


@pytest.fixture(scope="module", params=RELEASES, ids=lambda major: f"el{major}")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host that has built the fixture and runs it."""
    name = f"el{request.param}-service"
    (each,) = lab.hosts.reset([name])
    converge(name, deploy=DEPLOY, data=app())
    yield each
    lab.hosts.down([name])


@pytest.fixture
def up(host: Host) -> Host:
    """The host with release 1.0, whatever the test before it has left."""
    root(host, "systemctl reset-failed 'app*' || true; rm -rf /run/elforge/probe")
    done = pyinfra(host.name, deploy=DEPLOY, data=app())
    assert done.code == 0, done.output
    return host


def test_what_was_built_runs_as_declared(up: Host) -> None:
    assert get(up, "/version") == "1.0"
    assert root(up, "readlink /opt/app/current") == "releases/1.0"
    assert root(up, "stat -c '%a %U' /etc/elforge/service/app.env") == "600 root"
    assert root(up, "ps -o user= -p $(systemctl show -p MainPID app.service | cut -d = -f 2)") == "app"
    assert root(up, "journalctl -b -u app.service | grep -c 'Unknown' || true") == "0"
    (score,) = re.findall(r"Overall exposure level for app.service: ([0-9.]+)", root(up, SECURITY))
    print(f"{up.name}: exposure {score}")
    assert 0 < float(score) < 3
    before = pid(up)
    done = apply(up.name, deploy=DEPLOY, data=app(probe_seconds=3))
    assert [name for _, name in done.changed] == ["Service | Run app 1.0"]
    assert pid(up) == before, "how it is looked after is no reason to restart it"


def test_a_damaged_release_is_replaced_and_run_as_predicted(up: Host) -> None:
    for damage in ("chmod 700 bin/app", "rm elforge.record"):
        root(up, f"cd /opt/app/releases/1.0; {damage}")
        done = apply(up.name, deploy=DEPLOY, data=app())
        assert done.code == 0, done.output
        assert {name for _, name in done.changed} == {"Service | Get app 1.0", "Service | Run app 1.0"}
        assert get(up, "/version") == "1.0"


def test_what_was_started_from_another_unit_than_ours_is_started_again(up: Host) -> None:
    place = "/etc/systemd/system/app.service"
    changes = (
        f"mkdir {place}.d && printf '[Service]\\nNice=5\\n' >{place}.d/x.conf",
        f"sed -i 's/^User=.*/User=root/' {place}",
    )
    for change in changes:
        root(up, f"{change} && systemctl daemon-reload && systemctl restart app && rm -rf {place}.d")
        before = pid(up)
        assert run(up).changed == {(up.name, "Service | Run app 1.0")}
        assert pid(up) != before
        assert root(up, "systemctl show -p User -p Nice app").split() == ["Nice=0", "User=app"]
        assert run(up).changed == set()


def test_a_build_downloads_modules_though_the_go_command_is_told_of_another_users_place(up: Host) -> None:
    root(up, "id ci 2>/dev/null || useradd -m ci")
    greeting = {
        "version": "1.0",
        "git": fixture.repository("greeting"),
        "ref": fixture.TAG,
        "probe": "http://127.0.0.1:8090/",
    }
    goenv = {
        "goenv_builder": "ci",
        "goenv_modcache": "/srv/ci/modules",
        "goenv_flags": ["-mod=mod"],
        "goenv_proxy": [f"{mirror.url()}/goproxy", "off"],
        "goenv_sumdb": golang.sumdb_verifier(),
        "goenv_allow": {"http": "the lab has no certificates"},
    }
    done = apply(up.name, deploy=DEPLOY, data={**app(), **goenv, "service_apps": {"greeting": greeting}})
    assert done.code == 0, done.output
    assert root(up, "curl -fsS http://127.0.0.1:8090/").startswith("Good morning, ")
    assert root(up, "ls /var/cache/elforge-build/path/pkg/mod/example.org") != ""
    assert root(up, "ls -A /srv/ci/modules") == ""
    gone = {**app(), "service_apps": {"greeting": {"state": "absent"}}}
    assert apply(up.name, deploy=DEPLOY, data=gone).code == 0


def test_arguments_arrive_as_they_are(up: Host) -> None:
    arguments = ["$HOME", "${PATH}", "$$", "a$b", "50%n", 'say "so"', "a\\nb", "it's"]
    done = run(up, arguments=arguments)
    assert done.code == 0, done.output
    words = root(
        up, "tr '\\000' '\\n' < /proc/$(systemctl show -p MainPID app.service | cut -d = -f 2)/cmdline"
    )
    assert words.splitlines()[3:] == arguments


def test_a_secret_reaches_the_program_and_nobody_else(up: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_TOKEN", 's3cr"et \\ $HOME %i')
    done = run(up, secrets={"APP_TOKEN": "env:APP_TOKEN"})
    assert done.code == 0, done.output
    assert get(up, "/env?APP_TOKEN") == 's3cr"et \\ $HOME %i'
    assert "s3cr" not in done.output
    assert "s3cr" not in root(up, "systemctl show app.service; journalctl -b | grep -v curl; ls -R /tmp")
    found = root(
        up, "grep -rlF s3cr /etc /opt /var/lib/elforge /run/elforge | sort | xargs stat -c '%a %U %n'"
    )
    assert all(line.startswith("600 root ") for line in found.splitlines()), found
    monkeypatch.setenv("APP_TOKEN", "another")
    assert [name for _, name in run(up, secrets={"APP_TOKEN": "env:APP_TOKEN"}).changed] == [
        "Service | Run app 1.0"
    ]
    assert get(up, "/env?APP_TOKEN") == "another"


def test_a_hang_is_noticed_and_ends_in_a_restart(up: Host) -> None:
    assert run(up, ready_seconds=3).code == 0
    time.sleep(3)

    def hung() -> float:
        before = pid(up)
        get(up, "/hang")
        # As documented: three looks, 2 s apart, and 2 s for the last answer; 4 s for the restart and asking.
        return until(lambda: pid(up) != before and get(up, "/version") == "1.0", 3 * (2 + 0.1) + 2 + 4)

    for _ in range(2):
        print(f"{up.name}: a hang was over after {hung():.1f} s")
        until(lambda: root(up, "ls -A /run/elforge/probe") == "", 20)
    said = root(up, "journalctl -b -u app-probe.service -o cat")
    assert said.count("restarting it, restart 1") >= 2
    assert "restart 2" not in said


def test_a_run_restarts_what_hangs_although_it_runs_as_declared(up: Host) -> None:
    root(up, "systemctl stop app-probe.timer")
    before = pid(up)
    get(up, "/hang")
    done = run(up, probe_seconds=3)
    assert done.code == 0, done.output
    assert (get(up, "/version"), pid(up) != before) == ("1.0", True)
    assert root(up, "systemctl is-active app-probe.timer") == "active"


def test_what_does_not_work_either_is_looked_after_all_the_same(up: Host) -> None:
    assert run(up, ready_seconds=3).code == 0
    rule = "INPUT -i lo -p tcp --dport 8080 -j DROP"
    root(up, f"iptables -I {rule}")
    try:
        done = run(up, ready_seconds=3, probe_seconds=3)
        assert done.code != 0
        assert "app: release 1.0 is back, as it was, but does not work either" in done.output, done.output
        assert root(up, "systemctl is-active app-probe.timer") == "active"
    finally:
        root(up, f"iptables -D {rule}")


def test_a_hang_is_noticed_by_the_watchdog(up: Host) -> None:
    # So that a look is on its way when looking ends.
    get(up, "/hang")
    done = run(up, notify=True, watchdog=3, probe=None, arguments=["-notify"])
    assert done.code == 0, done.output
    assert root(up, "systemctl list-units --no-legend 'app-probe*'") == ""
    before = pid(up)
    get(up, "/hang")
    # The watchdog's three, restart_seconds, and 4 s for asking.
    seconds = until(lambda: pid(up) != before and get(up, "/version") == "1.0", 3 + 2 + 4)
    print(f"{up.name}: the watchdog had it over after {seconds:.1f} s")


def test_a_crash_loop_stops_at_the_limit_and_the_next_run_starts_it_again(up: Host) -> None:
    options = {"crash_limit": 3, "crash_seconds": 60, "restart_seconds": 1}
    assert run(up, **options).code == 0
    for _ in range(3):
        until(lambda: get(up, "/version") == "1.0", 10)
        get(up, "/crash")
    until(lambda: root(up, "systemctl is-active app.service || true") == "failed", 10)
    time.sleep(8)
    assert root(up, "systemctl is-active app.service || true") == "failed", "the probe left it alone"
    done = apply(up.name, deploy=DEPLOY, data=app(**options))
    assert (done.code, [name for _, name in done.changed]) == (0, ["Service | Run app 1.0"])
    assert "app.service has failed, see journalctl -u app.service" in done.output
    assert "app.service had failed before: " in done.output
    assert get(up, "/version") == "1.0"


def test_the_memory_limit_kills_and_a_restart_follows(up: Host) -> None:
    assert run(up, memory="64M").code == 0
    limit = root(up, "systemctl show -p MemoryMax app.service")
    assert limit == f"MemoryMax={64 * 2**20}"
    assert get(up, "/env?GOMEMLIMIT") == str(64 * 2**20 * 9 // 10)
    if "memory" not in root(up, "cat /sys/fs/cgroup/cgroup.controllers").split():
        pytest.skip("the lab's containers have no memory controller: nothing enforces the limit there")
    before = pid(up)
    get(up, "/leak")
    until(lambda: pid(up) != before and get(up, "/version") == "1.0", 60)
    assert "oom-kill" in root(up, "journalctl -b -u app.service -o cat")


@pytest.mark.parametrize("flag", ["-refuse", "-die"])
def test_h51_a_bad_release_takes_itself_back(up: Host, flag: str) -> None:
    before = tree(up, *PLACES)
    for _ in range(2):
        done = run(up, version="1.1", arguments=[flag], ready_seconds=4)
        assert done.code != 0
        assert "app: release 1.1 did not come up within 4 seconds: app.service" in done.output
        assert "app: release 1.0 is back, as it was, and works" in done.output, done.output
        assert flag != "-die" or "no luck today" in done.output
        assert get(up, "/version") == "1.0"
    after = {
        path: change for path, change in difference(before, tree(up, *PLACES)).items() if "/1.1" not in path
    }
    assert after == {}
    assert run(up).changed == set(), "what is back is what was declared before"


def rollback(host: Host, version: str, quote: str = '"', dry: bool = False) -> Run:
    """Go back as docs/service.md says."""
    words = ["operations.service.rollback", "name_=app", f"version={quote}{version}{quote}"]
    if dry:
        return pyinfra(host.name, deploy=words, data=app(), dry=True)
    return apply(host.name, deploy=words, data=app())


def test_rollback_and_old_releases_go(up: Host) -> None:
    assert run(up, version="1.2", keep=2).code == 0
    converge(up.name, deploy=DEPLOY, data=app(version="1.3", keep=2))
    assert get(up, "/version") == "1.3"
    assert root(up, "ls /opt/app/releases").split() == ["1.2", "1.3"]
    done = rollback(up, "1.2")
    assert (done.code, len(done.changed)) == (0, 1), done.output
    assert (get(up, "/version"), rollback(up, "1.2").changed) == ("1.2", set())
    root(up, "systemctl stop app; touch /var/lib/elforge/service/app/tried")
    assert len(rollback(up, "1.2").changed) == 1, "as a run that was killed left it"
    assert (get(up, "/version"), rollback(up, "1.2").changed) == ("1.2", set())
    assert "no release 1.0 on this host has come up before; those that have: 1.2, 1.3" in (
        rollback(up, "1.0", dry=True).output
    )
    assert "makes the number 1.2 of the version" in rollback(up, "1.2", quote="", dry=True).output
    assert run(up, version="1.2", keep=2).changed == set()


def test_h69_a_host_that_dies_while_a_release_is_tried(up: Host) -> None:
    asked = {
        "names": [up.name],
        "user": "ops",
        "data": app(version="1.4", arguments=["-refuse"], ready_seconds=60),
    }
    environment = {**os.environ, "PYINFRA_PROGRESS": "off", "ELFORGE_TEST": json.dumps(asked)}
    command = [sys.executable, "-m", "pyinfra", "-y", INVENTORY, DEPLOY]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as control:
        until(lambda: "1.4" in up.ssh("readlink /opt/app/current", user="root", shared=True).stdout, 120)
        up.crash()
        control.kill()
    up.up()
    before = root(up, "ls -A /var/lib/elforge/service/app")
    assert "tried" in before.split()
    converge(up.name, deploy=DEPLOY, data=app())
    assert get(up, "/version") == "1.0"
    assert "tried" not in root(up, "ls -A /var/lib/elforge/service/app").split()


def test_instances_take_turns_and_leave_no_gap(up: Host) -> None:
    arguments = ["-listen", ":808{instance}"]
    both = {
        "instances": ["1", "2"],
        "arguments": arguments,
        "probe": "http://127.0.0.1:808{instance}/healthz",
    }
    done = apply(up.name, deploy=DEPLOY, data=app(**both))
    assert done.code == 0, done.output
    assert root(up, "systemctl list-units --no-legend 'app.service' 'app-probe.timer'") == ""
    loop = (
        "for i in $(seq 400); do curl -fsS -m 1 http://127.0.0.1:8081/version || "
        "curl -fsS -m 1 http://127.0.0.1:8082/version || echo gap; sleep 0.05; done 2>/dev/null"
    )
    with subprocess.Popen(up.ssh_command(loop, user="root"), stdout=subprocess.PIPE, text=True) as asking:
        assert run(up, version="1.5", **both).code == 0
        said = asking.communicate(timeout=60)[0].split()
    assert {"1.0", "1.5"} == set(said), set(said)


def test_a_socket_loses_no_connection(up: Host) -> None:
    assert run(up, listen=["8080"]).code == 0
    loop = f"for i in $(seq 300); do curl -fsS -m 10 {URL}/version || echo gap; sleep 0.05; done 2>/dev/null"
    with subprocess.Popen(up.ssh_command(loop, user="root"), stdout=subprocess.PIPE, text=True) as asking:
        assert run(up, listen=["8080"], version="1.6").code == 0
        said = asking.communicate(timeout=60)[0].split()
    assert {"1.0", "1.6"} == set(said), set(said)


def test_h49_a_masked_unit_is_refused(up: Host) -> None:
    root(
        up,
        "systemctl -q disable --now app; rm /etc/systemd/system/app.service; systemctl mask app.service",
    )
    try:
        done = pyinfra(up.name, deploy=DEPLOY, data=app())
        assert done.code != 0
        assert "app.service is masked; run systemctl unmask app.service" in done.output
    finally:
        root(up, "systemctl unmask app.service")
    assert run(up).code == 0


def test_h50_a_unit_that_systemd_does_not_take_is_not_installed(up: Host) -> None:
    before = tree(up, *PLACES)
    for line, why in (("Bogus=yes", "Bogus"), ("ExecStart=", "ExecStart")):
        done = pyinfra(up.name, deploy=REFUSED, data={**app(), "lab_line": line})
        assert done.code != 0
        assert "app: systemd refuses app.service, nothing was changed: " in done.output, done.output
        assert why in done.output.split("systemd refuses", 1)[1]
    assert difference(before, tree(up, *PLACES)) == {}
    assert run(up).changed == set()


def test_a_port_is_opened_and_closed_again(up: Host) -> None:
    def outside() -> bool:
        url = f"http://{up.address}:8080/version"
        return (
            subprocess.run(["curl", "-fsS", "-m", "3", "--noproxy", "*", url], capture_output=True).returncode
            == 0
        )

    done = apply(up.name, deploy=DEPLOY, data={**app(), "firewall_running": True})
    assert done.code == 0, done.output
    for opened in (False, True, False, True):
        done = apply(up.name, deploy=DEPLOY, data=app(ports=["8080/tcp"], open=opened))
        assert done.code == 0, done.output
        assert outside() is opened
    converge(up.name, deploy=DEPLOY, data={**app(), "service_apps": {"app": {"state": "absent"}}})
    assert root(up, "firewall-cmd --query-port=8080/tcp || true") == "no"
    root(up, "systemctl disable --now firewalld")


def test_removal_keeps_the_data_alone(up: Host) -> None:
    root(up, "echo precious > /var/lib/app/data")
    gone = {**app(), "service_apps": {"app": {"state": "absent"}}}
    converge(up.name, deploy=DEPLOY, data=gone)
    assert root(up, "cat /var/lib/app/data") == "precious"
    left = root(up, "find /opt /etc/systemd /etc/elforge /var/lib/elforge/service /run/elforge -name '*app*'")
    assert left == ""
    assert get(up, "/version") == ""
