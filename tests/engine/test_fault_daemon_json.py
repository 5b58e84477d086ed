"""daemon.json as somebody else left it, and settings that an engine does not start with."""

from __future__ import annotations

import json

import pytest

from lab.hosts import Host
from tests.drill import BARE, DAEMON_JSON, converged, leftovers, on, refused
from tests.runner import pyinfra, root

# dockerd --validate accepts any name; the start does not.
NO_SUCH_DRIVER = {"docker_storage_driver": "nope"}


def settings(host: Host) -> dict[str, object]:
    return json.loads(root(host, f"cat {DAEMON_JSON}"))


def backups(host: Host) -> str:
    return root(host, f"cat /var/lib/elforge/backup{DAEMON_JSON}/*")


@on("el7-e", "el9-e")
def test_h1_invalid_json_is_kept_and_replaced_and_the_failed_engine_starts(host: Host) -> None:
    root(host, f"echo '{{ \"bip\": ' > {DAEMON_JSON}; systemctl restart docker || true")
    assert root(host, "systemctl is-active docker || true") != "active"
    run = converged(host)
    assert "is not JSON" in run.output
    assert "kept and replaced" in run.output
    assert '{ "bip":' in backups(host)
    root(host, "docker info")


def test_h2_foreign_keys_are_merged_or_refused_by_name_or_replaced_on_demand(host: Host) -> None:
    ours = settings(host)
    root(host, f"echo '{json.dumps({**ours, 'bip': '10.99.0.1/24'})}' > {DAEMON_JSON}")
    converged(host)
    assert settings(host) == {**ours, "bip": "10.99.0.1/24"}
    own = {"docker_daemon_merge": False}
    refused(host, "bip", DAEMON_JSON, "docker_daemon_replace = True", data=own)
    converged(host, data={**own, "docker_daemon_replace": True})
    assert settings(host) == ours
    assert "10.99.0.1/24" in backups(host)


@pytest.mark.alike("el7")
@on("el7-e", "el9-e")
def test_h3_a_key_that_is_a_flag_of_the_unit_too_is_refused_naming_the_dropin(host: Host) -> None:
    dropin = "/etc/systemd/system/docker.service.d/admin.conf"
    start = "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock --log-driver journald"
    root(host, f"printf '[Service]\\nExecStart=\\nExecStart={start}\\n' > {dropin}; systemctl daemon-reload")
    refused(host, "log-driver", dropin, "take it out there", data={"docker_log_driver": "json-file"})
    root(host, f"rm {dropin}; systemctl daemon-reload")
    converged(host, data={"docker_log_driver": "json-file"})


@pytest.mark.alike("el7")
@on("el7-e", "el8-e", "el9-e")
def test_h4_engine_refuses_at_start_and_the_old_file_comes_back(host: Host) -> None:
    before = settings(host)
    run = refused(host, "previous configuration is back", untouched=False, data=NO_SUCH_DRIVER)
    assert "nope" in run.output  # the engine's own words
    assert settings(host) == before
    root(host, "docker info")
    assert leftovers(host) == ""
    converged(host)


def test_h4_a_value_that_came_back_with_the_old_file_is_not_taken_for_an_admins(host: Host) -> None:
    ours = settings(host)
    converged(host, data={"docker_debug": True})
    refused(
        host,
        "previous configuration is back",
        untouched=False,
        data={"docker_debug": False, **NO_SUCH_DRIVER},
    )
    assert settings(host) == {**ours, "debug": True}
    converged(host)
    assert settings(host) == ours


@on("el9-e", start=BARE)
def test_h4_a_setting_that_never_came_into_force_goes_with_its_option(host: Host) -> None:
    refused(host, "docker.service", "nope", untouched=False, data=NO_SUCH_DRIVER)
    assert settings(host)["storage-driver"] == "nope"
    converged(host)
    assert "storage-driver" not in settings(host)


def test_h4_the_old_file_comes_back_with_nobody_listening(host: Host) -> None:
    """The connection breaks while the engine fails to come up: the rollback is the host's own work."""
    before = settings(host)
    cut = {"CRASH_AT": "3", "CRASH_HOW": "close"}
    run = pyinfra(host.name, program=("tests/sweep/crash.py",), env=cut, data=NO_SUCH_DRIVER)
    assert run.code == -9, run.output
    back = f"until ! grep -q nope {DAEMON_JSON} && docker info; do sleep 1; done"
    root(host, f"timeout 90 sh -c '{back}' >/dev/null 2>&1")
    assert settings(host) == before
    converged(host)


@pytest.mark.alike("el7")
@on("el7-e", "el9-e")
def test_h4_a_stopped_engine_that_does_not_start_gets_the_old_file_back(host: Host) -> None:
    before = settings(host)
    root(host, "systemctl stop docker.socket docker")
    run = refused(host, "previous configuration is back", untouched=False, data=NO_SUCH_DRIVER)
    assert "nope" in run.output  # the engine's own words
    assert settings(host) == before
    root(host, "docker info")
    converged(host)


@pytest.mark.alike("el7")
@on("el7-e")
def test_h4_a_reload_that_the_engine_does_not_take_fails_and_stops_nothing(host: Host) -> None:
    """An engine without dockerd --validate: systemctl reload succeeds all the same."""
    before, started = settings(host), root(host, "systemctl show -p MainPID docker")
    root(host, f"echo '{json.dumps({**before, 'registry-mirrors': ['ftp://m.lan']})}' > {DAEMON_JSON}")
    run = refused(host, "previous configuration is back", untouched=False)
    assert "ftp" in run.output  # the engine's own words
    assert settings(host) == before
    assert root(host, "systemctl show -p MainPID docker") == started
    converged(host)


def test_h5_an_engine_over_its_start_limit_is_reset_once_and_its_journal_shown(host: Host) -> None:
    dropin = "/etc/systemd/system/docker.service.d/admin.conf"
    broken = '[Service]\\nExecStart=\\nExecStart=/bin/sh -c "echo no luck today; exit 1"\\n'
    root(host, f"systemctl stop docker.socket docker; printf '{broken}' > {dropin}; systemctl daemon-reload")
    root(host, "for i in 1 2 3 4 5 6; do systemctl start docker || true; done")
    refused(host, "docker.service", "no luck today", untouched=False)
    root(host, f"rm {dropin}; systemctl daemon-reload")
    converged(host)
