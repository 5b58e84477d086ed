"""Mistakes in the inventory and on the command line: named, all of them, and nothing touched."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import mirror
from lab.hosts import Host
from lab.inventory import connection
from tests.drill import converged, refused
from tests.forks import ROOT
from tests.runner import root
from tests.tree import difference, tree

# id: data, what the user has to read.
MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "i1_unknown_keys": (
        {"docker_insecure_registrys": [], "dokcer_version": "26.1"},
        ["docker_insecure_registrys: unknown option; did you mean docker_insecure_registries?",
         "dokcer_version: unknown option; did you mean docker_version?"],
    ),
    "i2_wrong_types": (
        {"docker_debug": "true", "docker_lock": 1, "docker_version": 26.1, "docker_dns": "10.0.0.2"},
        ["docker_debug:", "'true'", "docker_lock:", "docker_version:", "(got 26.1)", "docker_dns:"],
    ),
    "i7_shell_text": (
        {"docker_users": ["$(touch /run/canary)"], "docker_group": "a;touch /run/canary",
         "base_timezone": "`id`", "docker_data_root": "/srv/a && touch x",
         "base_packages": ["-rf", "x;touch /run/canary"]},
        ["docker_users", "docker_group", "base_timezone", "docker_data_root",
         "base_packages"],
    ),
    "i7_shell_url": (
        {"docker_repo_url": "https://x/$(touch /run/canary)"},
        ["docker_repo_url", "not an http(s) URL"],
    ),
    "i8_control_characters": (
        {"docker_labels": ["a=b\nc"], "docker_cgroup_parent": "x\x1b[2J",
         "base_epel_key_url": "https://a\u202eb/"},
        ["docker_labels: character U+000A", "docker_cgroup_parent: character U+001B",
         "base_epel_key_url: character U+202E"],
    ),
    "i16_daemon_values": (
        {"docker_builder_max_used_space": "10 GB", "docker_insecure_registries": ["reg.lan:5000/path"],
         "docker_no_such_key": 1, "docker_log_opts": {"max-sise": "10m"}},
        ["docker_builder_max_used_space", "10 GB", "without a path", "docker_no_such_key: unknown option"],
    ),
    "i17_plain_http": (
        {"docker_insecure_mirror": False, "base_insecure_mirror": False},
        [f"docker_repo_url: {mirror.url()}", "docker_insecure_mirror = True allows it",
         "base_insecure_mirror = True allows it"],
    ),
    "i17_plain_registry": (
        {"docker_registry_mirrors": ["http://mirror.lan"]},
        ["http://mirror.lan is insecure", "docker_allow_insecure_registries = True"],
    ),
    "i21_paths": (
        {"docker_data_root": "srv/docker", "docker_pidfile": "/run/../etc/passwd", "docker_exec_root": "/"},
        ["docker_data_root", "docker_pidfile", "docker_exec_root", "absolute path"],
    ),
}  # fmt: skip


def command(*words: str, inventory: str = "tests/lab_inventory.py", name: str = "el9-f") -> tuple[int, str]:
    """Run the real command line with these words; return its exit code and what the user reads."""
    asked = json.dumps({"names": [name], "user": "ops", "data": {}})
    done = subprocess.run(
        [sys.executable, "-m", "pyinfra", *words, inventory, "deploy.py"],
        cwd=ROOT, env={**os.environ, "PYINFRA_PROGRESS": "off", "ELFORGE_TEST": asked},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stderr


def _refused(host: Host, mistake: str) -> None:
    data, said = MISTAKES[mistake]
    run = refused(host, "mistakes in the inventory data; nothing was changed", *said, data=data)
    lines = [line for line in run.output.splitlines() if f"{host.name}: " in line]
    assert len(lines) == len(set(lines)), lines
    assert root(host, "ls /run/canary 2>/dev/null || true") == ""


def test_i1_unknown_keys_are_named_with_the_nearest_option(host: Host) -> None:
    _refused(host, "i1_unknown_keys")


def test_i1_mistakes_of_every_kind_come_together(host: Host) -> None:
    data = {"docker_debugg": True, "docker_repo_url": "http://mirror.lan", "docker_insecure_mirror": False}
    refused(host, "docker_debugg: unknown option", "docker_insecure_mirror = True allows it", data=data)


def test_i2_wrong_types_are_not_guessed_at(host: Host) -> None:
    _refused(host, "i2_wrong_types")


@pytest.mark.parametrize("mistake", ["i7_shell_text", "i7_shell_url"])
def test_i7_shell_text_is_refused_where_it_has_no_business(host: Host, mistake: str) -> None:
    _refused(host, mistake)


def test_i7_shell_text_stays_text_where_it_is_allowed(host: Host) -> None:
    text = "$(touch /run/canary) `touch /run/canary`;touch /run/canary 'x\" %n {{.ID}}"
    converged(host, data={"docker_log_opts": {"tag": text}})
    assert root(host, "ls /run/canary 2>/dev/null || true") == ""
    assert json.loads(root(host, "cat /etc/docker/daemon.json"))["log-opts"]["tag"] == text


def test_i8_control_characters_are_refused_by_code_point(host: Host) -> None:
    _refused(host, "i8_control_characters")


def test_i16_values_an_engine_would_not_take_are_refused(host: Host) -> None:
    _refused(host, "i16_daemon_values")


@pytest.mark.parametrize("mistake", ["i17_plain_http", "i17_plain_registry"])
def test_i17_plain_http_needs_a_word(host: Host, mistake: str) -> None:
    _refused(host, mistake)


@pytest.mark.parametrize("mode", [420, "999", "rw-r--r--", ""])
def test_i19_a_mode_is_an_octal_string(host: Host, mode: object) -> None:
    data = {"test_file": {"path": "/etc/elforge-fault", "mode": mode}}
    refused(
        host,
        "/etc/elforge-fault: not an octal mode",
        repr(mode),
        deploy="tests/faults/deploy_unit.py",
        data=data,
        dry=True,
    )


def test_i21_paths_are_absolute_and_below_the_root(host: Host) -> None:
    _refused(host, "i21_paths")


@pytest.mark.parametrize("path", ["etc/x", "/etc/../x"])
def test_i21_an_operation_takes_no_other_path_either(host: Host, path: str) -> None:
    data = {"test_file": {"path": path}}
    refused(host, "not an absolute path", deploy="tests/faults/deploy_unit.py", data=data, dry=True)


def test_i24_an_empty_inventory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("docker_hosts = []\n")
    code, said = command("-y", inventory=str(tmp_path / "empty.py"))
    assert code == 2
    assert "no host to work on" in said


def test_i24_an_inventory_that_is_not_there_is_an_error() -> None:
    code, said = command("-y", inventory="inventroy.py")
    assert code == 2
    assert "no host to work on" in said


@pytest.mark.parametrize(
    "words", [["--limit", "el9-g"], ["--dry", "--limit", "el9-g"], ["--exclude", "el9-f"]]
)
def test_i24_a_limit_that_leaves_no_host_is_an_error_naming_the_hosts(words: list[str]) -> None:
    code, said = command(*words)
    assert code == 2
    assert "no host to work on" in said
    assert "el9-f" in said


def test_i24_a_limit_of_which_half_is_mistyped_is_an_error(host: Host) -> None:
    code, said = command("--dry", "--limit", "el9-f", "--limit", "el9-g")
    assert code != 0
    assert "--limit el9-g: no such host or group" in said
    assert command("--dry", "--limit", "el9-*", "--limit", "docker_hosts")[0] == 0


def test_i24_a_host_under_two_names_is_refused(host: Host, tmp_path: Path) -> None:
    """Known by its boot and its namespace, not by its address: it may have several."""
    entry = repr(connection(host.name))
    inventory = tmp_path / "twice.py"
    inventory.write_text(
        f"twice = [{', '.join(entry.replace(host.name, name, 1) for name in ('one', 'two'))}]\n"
    )
    before = tree(host)
    code, said = command("-y", inventory=str(inventory))
    assert code == 1
    assert re.search("(one is the host two|two is the host one) by another name; nothing was changed", said)
    assert difference(before, tree(host)) == {}
