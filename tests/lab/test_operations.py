"""Every operation: change, no-op, drift of each managed attribute."""

from __future__ import annotations

import shlex
from itertools import zip_longest

import pytest

import lab.hosts
from deploys.release import RELEASES
from lab import mirror
from lab.hosts import Host
from operations.script import script
from tests.lab.cases import ARTIFACT, FAILURES, PLACE, cases
from tests.runner import apply, pyinfra

pytestmark = pytest.mark.alike("el9")

DEPLOY = "tests/lab/operations_deploy.py"


@pytest.fixture(scope="module", params=RELEASES, ids=lambda major: f"el{major}")
def host(request):
    """Boot a pristine host whose repositories work."""
    (mirror.files_dir() / "artifact").write_text(ARTIFACT)
    name = f"el{request.param}-ops"
    lab.hosts.reset([name])
    assert pyinfra(name, deploy="tests/lab/base_deploy.py", user="root").code == 0
    yield Host(name)
    lab.hosts.down([name])


def shell(host: Host, script: str) -> bool:
    """Tell whether a script succeeds, run by root."""
    done = host.ssh("sh", "-c", shlex.quote(f"export LC_ALL=C.UTF-8; {script}"), user="root", shared=True)
    return done.returncode == 0


def test_each_operation_mends_what_drifted_and_nothing_else(host):
    manager = RELEASES[host.release.major].manager
    options = {"deploy": DEPLOY, "data": {"lab_manager": manager, "lab_mirror": mirror.url()}}
    todo = cases(manager, mirror.url())
    apply(host.name, **options)
    rounds = zip_longest(*(case.drifts for case in todo))
    for drifts in [[None] * len(todo), *rounds]:
        drifted = {case.name for case, drift in zip(todo, drifts, strict=True) if drift}
        for drift in filter(None, drifts):
            assert shell(host, drift), drift
        done = apply(host.name, **options)
        assert done.code == 0, done.output
        assert {operation for _, operation in done.changed} == drifted
        assert [case.name for case in todo if not shell(host, case.holds)] == []


def test_killed_while_our_locks_are_lifted_leaves_other_peoples_and_nothing_else(host):
    release = RELEASES[host.release.major]
    folder, theirs = release.locks.rpartition("/")[0], "git-0:2.43.0-1.*\n"
    before = f"mkdir -p {folder}; printf '{theirs}# elforge:\nmake-0:1-1.*\n' > {release.locks}"
    assert shell(host, f"{before}; printf '#!/bin/sh\nkill -9 $PPID\n' > /root/killer; chmod +x /root/killer")
    names = host.ssh("ls", "-A", folder, user="root", shared=True).stdout
    killed = script("packages", "/root/killer", "9", "1", "", release.locks, "install", "x", content=theirs)
    stdin = killed.connector_arguments["_stdin"]
    done = host.ssh(f"echo {stdin} | {killed.get_raw_value()}", user="root", shared=True)
    assert done.returncode == 137, done.stderr
    assert host.ssh("cat", release.locks, user="root", shared=True).stdout == theirs
    assert host.ssh("ls", "-A", folder, user="root", shared=True).stdout == names


@pytest.mark.alike("el7", "el9")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_leaves_what_was_there(host, failure):
    _, _, before, shown = FAILURES[failure]
    assert shell(host, f"mkdir -p {PLACE}; {before}"), before
    was = host.ssh(shown, user="root", shared=True).stdout
    manager = RELEASES[host.release.major].manager
    data = {"lab_manager": manager, "lab_mirror": mirror.url(), "lab_failure": failure}
    failed = pyinfra(host.name, deploy="tests/lab/failure_deploy.py", data=data)
    assert (failed.code, failed.changed) == (1, set()), failed.output
    assert host.ssh(shown, user="root", shared=True).stdout == was
