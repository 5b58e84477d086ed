"""The package manager: locks of others, moved repositories, somebody else's broken ones."""

from __future__ import annotations

import re

import pytest

from lab import mirror
from lab.hosts import Host
from tests.drill import BARE, OLD, converged, on, refused, twin
from tests.runner import pyinfra, root

pytestmark = pytest.mark.alike("el7")

DEPLOY = "tests/engine/deploy_packages.py"
# Holds the manager's locks as a transaction that has stalled does.
HOLD = (
    "import os, signal, sys, dnf\n"
    "base = dnf.Base(); base.read_all_repos()\n"
    "from dnf import lock\n"
    "conf = base.conf\n"
    "hold = [lock.build_rpmdb_lock(conf.persistdir, True), lock.build_metadata_lock(conf.cachedir, True)]\n"
    "[each.__enter__() for each in hold]\n"
    "open('/run/held', 'w').write(str(os.getpid()))\n"
    "os.kill(os.getpid(), signal.SIGSTOP)\n"
)


def repaired(host: Host) -> None:
    """Let the stock repositories answer; nothing else."""
    assert pyinfra(host.name, data={"base_timezone": "UTC"}, deploy="tests/faults/deploy_base.py").code == 0


@on("el7-e", "el9-e", start=BARE)
def test_h11_a_lock_that_another_manager_holds_ends_in_time_naming_its_pid(host: Host) -> None:
    repaired(host)
    root(host, f"cat > /root/hold.py <<'END'\n{HOLD}END")
    root(
        host,
        "nohup python3 /root/hold.py >/run/hold.log 2>&1 </dev/null & until test -s /run/held; do :; done",
    )
    pid = root(host, "cat /run/held")
    run = refused(
        host, "another package manager has held its lock for 5 s", f"pid {pid}", "hold.py", deploy=DEPLOY
    )
    assert run.code == 1
    root(host, f"kill -KILL {pid}")
    converged(host, deploy=DEPLOY)


@on("el7-e", start=BARE)
def test_h12_a_stale_yum_pid_is_no_obstacle(host: Host) -> None:
    repaired(host)
    root(host, "sh -c 'echo $$' > /var/run/yum.pid")
    converged(host, deploy=DEPLOY)


@on("el9-e")
def test_h20_a_mirror_that_has_moved_on_changes_nothing_without_a_pin(host: Host) -> None:
    version = root(host, "rpm -q docker-ce")
    converged(host, data=twin("moved"))
    assert root(host, "rpm -q docker-ce") == version


@pytest.mark.alike("el9")
@on("el7-e", "el9-e")
def test_h20_a_pinned_version_that_the_mirror_lost_is_named(host: Host) -> None:
    gone = {"docker_version": "19.3" if host.release.major == 7 else "26.1"}
    version = root(host, "rpm -q docker-ce")
    refused(host, f"docker-ce-{gone['docker_version']}", untouched=False, data={**twin("moved"), **gone})
    assert root(host, "rpm -q docker-ce") == version
    root(host, "docker info")
    converged(host)


@on("el9-e", start=BARE)
def test_h22_somebody_elses_broken_repository_is_not_asked_for_docker(host: Host) -> None:
    bad = f"[bad]\\nname=bad\\nbaseurl={mirror.down_url()}/nothing\\nenabled=1\\ngpgcheck=0\\n"
    root(host, f"printf '{bad}' > /etc/yum.repos.d/bad.repo")
    converged(host)
    refused(host, "bad", untouched=False, data={"base_packages": ["chrony"]})
    root(host, "rm /etc/yum.repos.d/bad.repo")
    converged(host, data={"base_packages": ["chrony"]})
    assert re.match("chrony-", root(host, "rpm -q chrony"))


@on("el9-e", start=OLD)
def test_h20_an_upgrade_that_the_mirror_cannot_give_leaves_the_old_engine_running(host: Host) -> None:
    refused(host, "docker-ce-28.5.2", untouched=False, data={**twin("empty"), "docker_version": "28.5.2"})
    root(host, "docker info")
    converged(host, data={"docker_version": "28.5.2"})
