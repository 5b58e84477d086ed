"""journald on real hosts: to disk and back, within its limits, with no message lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import lab.hosts
from deploys.release import RELEASES
from lab.hosts import Host
from tests.runner import Run, apply, converge, root

pytestmark = pytest.mark.alike("el7")

DEPLOY = "tests/service/deploy_journald.py"
DATA = {"journald_storage": "persistent", "journald_max_use": "32M", "journald_max_file_size": "8M"}
# Messages are not to be dropped for their number here.
ALL = {**DATA, "journald_rate_burst": 0, "journald_rate_seconds": 0}


def changed(host: Host, **data: Any) -> Run:
    return apply(host.name, deploy=DEPLOY, data=data)


@pytest.fixture(scope="module", params=RELEASES, ids=lambda major: f"el{major}")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    name = f"el{request.param}-journal"
    (each,) = lab.hosts.reset([name])
    root(each, "rm -rf /var/log/journal; systemctl restart systemd-journald; logger before; sleep 1")
    converge(name, deploy=DEPLOY, data=ALL)
    yield each
    lab.hosts.down([name])


def test_the_journal_is_on_disk_with_what_was_in_memory(host: Host) -> None:
    assert root(host, "stat -c '%U %G %a' /var/log/journal") == "root systemd-journal 2755"
    root(host, "test -e /var/log/journal/$(cat /etc/machine-id)/system.journal")
    assert root(host, "journalctl -b -o cat -t root | grep -cx before") == "1"
    assert root(host, "journalctl -u systemd-journald | grep -ci 'unknown' || true") == "0"


def test_the_limit_holds_after_200_mb_of_logging(host: Host) -> None:
    flood = "(head -c 150000000 /dev/urandom | base64 -w 900; echo end of the flood) | systemd-cat -t flood"
    root(host, f"{flood}; sleep 5")
    assert root(host, "journalctl -t flood -n 1 -o cat") == "end of the flood", "all of it was taken"
    used = int(root(host, "du -sb /var/log/journal | cut -f 1"))
    assert 16 * 2**20 < used <= 40 * 2**20, used


def test_a_limit_that_shrinks_counts_at_once(host: Host) -> None:
    done = changed(host, **{**ALL, "journald_max_use": "16M"})
    assert done.code == 0, done.output
    assert int(root(host, "du -sb /var/log/journal | cut -f 1")) <= 24 * 2**20


def test_a_service_keeps_its_stream_through_the_restart(host: Host) -> None:
    loop = "n=0; while :; do n=$((n + 1)); echo $n; sleep 0.05; done"
    root(host, f"systemd-run --unit=ticker sh -c '{loop.replace('$', '$$')}'; sleep 1")
    done = changed(host, **{**ALL, "journald_keep_free": "1M"})
    assert done.code == 0, done.output
    root(host, "sleep 1")
    since = root(host, "systemctl show -p ActiveEnterTimestamp systemd-journald | cut -d = -f 2-")
    root(host, "systemctl is-active ticker && systemctl stop ticker")
    ticks = root(host, "journalctl _SYSTEMD_UNIT=ticker.service -o cat | grep -x '[0-9]*'").split()
    assert ticks == [str(number) for number in range(1, len(ticks) + 1)], "none is lost, none is twice"
    after = root(host, f"journalctl _SYSTEMD_UNIT=ticker.service --since '{since[4:-4]}' -o cat")
    assert len(after.split()) > 9


def test_taken_back_the_journals_on_disk_stay(host: Host) -> None:
    done = changed(host, journald_state="absent")
    assert done.code == 0, done.output
    root(host, "test ! -e /etc/systemd/journald.conf.d/elforge.conf")
    root(host, "ls /var/log/journal/*/system.journal")
    assert changed(host, journald_state="absent").changed == set()
