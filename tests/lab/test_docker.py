"""deploy.py on real hosts: apply, again, predict, move between versions, remove."""

from __future__ import annotations

import json
import re

import pytest

import lab.hosts
from deploys.release import RELEASES
from lab.hosts import Host
from tests.runner import converge, pyinfra, root
from tests.tree import difference, tree

pytestmark = pytest.mark.alike("el7")

# What removal leaves on purpose (docs/docker.md), and what the stand-in's package manager writes for itself.
LEFT = re.compile(
    r"/etc/(group|gshadow)-?$|/var/lib/(docker|containerd|elforge)\b|/etc/docker(/key\.json)?$"
    r"|/etc/firewalld/(zones/docker|policies/docker-forwarding)\.xml$|/etc/dnf/modules\.d/|/usr/libexec/docker\b"
    r"|__pycache__"
)


@pytest.fixture(scope="module", params=RELEASES, ids=lambda major: f"el{major}")
def host(request):
    name = f"el{request.param}-docker"
    lab.hosts.reset([name])
    yield Host(name)
    lab.hosts.down([name])


def engine(host: Host) -> str:
    return root(host, "docker version --format '{{.Server.Version}}'").split("+")[0]


def test_apply_again_predict_and_remove(host):
    bare = tree(host)
    converge(host.name, data={"docker_users": ["ops"]})
    # The other way in: root without sudo finds nothing left to do.
    again = pyinfra(host.name, user="root", data={"docker_users": ["ops"]})
    assert (again.code, again.changed) == (0, set()), again.output
    assert build(host) == ""
    root(host, "docker volume create kept && touch /var/lib/docker/volumes/kept/_data/precious")
    converge(host.name, data={"docker_state": "absent", "base_repositories": "restore"})
    left = {path: pair for path, pair in difference(bare, tree(host)).items() if not LEFT.search(path)}
    assert left == {}
    assert root(host, "ls /var/lib/docker/volumes/kept/_data") == "precious"


def build(host: Host) -> str:
    """Build as ops, over the command that a user types; return what went wrong."""
    dockerfile = "FROM scratch AS one\\nCOPY x /x\\nFROM scratch AS unused\\nCOPY nowhere /\\nFROM one\\n"
    make = f"d=$(mktemp -d) && cd $d && touch x && printf '{dockerfile}' > Dockerfile && docker build ."
    done = host.ssh(make)
    return "" if done.returncode == 0 and "[internal]" in done.stderr + done.stdout else done.stderr


def test_a_purge_takes_the_data_and_only_when_asked(host):
    converge(host.name, data={"docker_state": "absent", "docker_purge_data": True})
    assert host.ssh("test -e /var/lib/docker/volumes").returncode == 1


def test_el9_moves_between_engines_with_its_limits():
    """Up and down again, with the limits in force as each engine names them."""
    name = "el9-moves"
    lab.hosts.reset([name])
    host = Host(name)
    for version, limit in (("26.1", "Reserved Space:[ ]+7GiB"), ("28.5", "Max Used Space:[ ]+7GiB")) * 2:
        converge(name, data={"docker_version": version, "docker_builder_max_used_space": "7GB"})
        assert engine(host).startswith(f"{version}.")
        assert re.search(limit, root(host, "docker buildx inspect default"))
        assert root(host, "rpm -q --qf '%{VERSION}' docker-ce").startswith(f"{version}.")
        assert f":{version}." in root(host, "cat /etc/dnf/plugins/versionlock.list")
    lab.hosts.down([name])


def test_a_reload_is_enough_for_what_can_be_reloaded():
    name = "el8-reload"
    lab.hosts.reset([name])
    host = Host(name)
    converge(name, data={"docker_debug": False})
    started = root(host, "systemctl show -p MainPID docker")
    converge(name, data={"docker_debug": True, "docker_max_concurrent_downloads": 5})
    assert root(host, "systemctl show -p MainPID docker") == started
    assert json.loads(root(host, "docker info --format '{{json .Debug}}'")) is True
    converge(name, data={"docker_debug": True, "docker_log_driver": "local"})
    assert root(host, "systemctl show -p MainPID docker") != started
    lab.hosts.down([name])


def test_requiretty_and_the_demo_user():
    """EL once shipped sudoers with requiretty: refused by name, before anything changes."""
    name = "el7-tty"
    lab.hosts.reset([name])
    host = Host(name)
    before = tree(host)
    root(host, "mv /etc/sudoers.d/requiretty.off /etc/sudoers.d/requiretty")
    refused = pyinfra(name)
    assert refused.code == 1
    assert "cannot become root: sudo: sorry, you must have a tty" in refused.output
    root(host, "mv /etc/sudoers.d/requiretty /etc/sudoers.d/requiretty.off")
    assert difference(before, tree(host)) == {}
    lab.hosts.down([name])
