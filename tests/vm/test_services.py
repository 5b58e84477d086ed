"""Services on a host with a kernel of its own: limits in force, SELinux enforcing, boots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import lab.hosts
from lab import fixture
from lab.hosts import Host
from tests.program import compiled
from tests.runner import pyinfra, root, until

NAME, DEPLOY = "vm9-service", "tests/vm/deploy_service.py"
URL = "http://127.0.0.1:8080"
CACHE = "/srv/cache"
# Emulated, everything takes a while.
SECONDS = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of a host that runs the fixture; it has half of the memory that a leak takes."""
    program = compiled(tmp_path_factory.mktemp("go"), fixture.SOURCE, version="1.0")
    app = {
        "version": "1.0",
        "file": str(program),
        "arguments": ["-listen", ":8080", "-notify"],
        "notify": True,
        "probe": f"{URL}/healthz",
        "ready_seconds": SECONDS,
        "memory": "128M",
    }
    cache = {"path": CACHE, "owner": "ops", "tmpfs": {"size": "64M"}}
    return {"service_apps": {"app": app}, "caches_places": {"ci": cache}}


@pytest.fixture(scope="module")
def host(data: dict[str, Any]) -> Iterator[Host]:
    (each,) = lab.hosts.reset([NAME])
    assert root(each, "getenforce") == "Enforcing"
    done = pyinfra(NAME, deploy=DEPLOY, data=data)
    assert done.code == 0, done.output
    yield each
    lab.hosts.down([NAME])


def answers(host: Host) -> bool:
    return host.ssh(f"curl -fsS -m 5 {URL}/version", user="root").stdout.strip() == "1.0"


def pid(host: Host) -> str:
    return root(host, "systemctl show -p MainPID app.service")


def mounted(host: Host) -> str:
    """Return what is mounted over the cache, with the label and the owner of its root."""
    said = root(host, f"findmnt -n -o FSTYPE,SIZE,OPTIONS {CACHE}; stat -c '%U %a %C' {CACHE}")
    return " ".join(said.split())


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


def test_selinux_has_denied_nothing(host: Host) -> None:
    denied = re.compile(r"avc: +denied .*(comm=\"(app|systemctl|systemd-analyze)\"|/opt/app|elforge)")
    assert [line for line in root(host, "dmesg").splitlines() if denied.search(line)] == []


@pytest.mark.parametrize("how", ["down", "crash"])
def test_h69_a_boot_brings_it_back(host: Host, data: dict[str, Any], how: str) -> None:
    before = mounted(host)
    assert before.startswith("tmpfs 64M "), before
    getattr(host, how)()
    host.up()
    until(lambda: answers(host), SECONDS)
    assert mounted(host) == before
    assert root(host, f"restorecon -nv {CACHE}") == ""
    done = pyinfra(NAME, deploy=DEPLOY, data=data)
    assert (done.code, done.changed) == (0, set()), done.output
