"""Power cuts while a run changes the host: no file is torn or empty, and one more run converges.

Only a VM can tell: its page cache dies with it, a container's is the machine's.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from lab.hosts import Host
from tests.figures import FIGURES
from tests.runner import Run, pyinfra
from tests.vm.permissive import permissive

NAME, DEPLOY = "vm9-power", "tests/vm/deploy_power.py"
# Two states of one host, with every kind of change in between: files, links, directories, records, a daemon.
STATES: tuple[dict[str, Any], ...] = (
    {
        "base_timezone": "UTC",
        "selinux_ports": {},
        "firewall_default_zone": "public",
        "goenv_private": ["git.example.com/*"],
    },
    {
        "base_timezone": "Europe/Berlin",
        "selinux_ports": {"15601/tcp": "http_port_t"},
        "firewall_zones": {"public": {"ports": ["8080/tcp"]}, "inside": {"services": ["ssh"]}},
        "firewall_default_zone": "inside",
        "goenv_private": ["git.example.com/*"],
        "goenv_proxy": ["https://proxy.example.org", "direct"],
        "goenv_tmpdir": "/srv/go/tmp",
    },
)
# With what says when something happened left out.
FILES = (
    "cd / && find etc var/lib/elforge usr/local ! -path 'var/lib/elforge/backup*' ! -path 'etc/ld.so.cache' "
    "\\( -type f -exec sha256sum {} + -o -type l -printf '%l  %p\\n' \\)"
)
SEED = 20261121


def run(state: dict[str, Any], **options: Any) -> Run:
    return pyinfra(NAME, deploy=DEPLOY, data=state, **options)


def files(host: Host) -> dict[str, str]:
    """Return the digest of every file, and the target of every link, by path."""
    done = host.ssh(FILES, user="root")
    assert done.returncode == 0, done.stderr
    return {path: digest for digest, path in (line.split("  ", 1) for line in done.stdout.splitlines())}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    yield from permissive(NAME)


def cut(host: Host, state: dict[str, Any], seconds: float) -> None:
    """Start a run, and cut the host's power after so many seconds of it."""
    with ThreadPoolExecutor(1) as pool:
        # The control process knows nothing of it, and is ended a moment later.
        dying = pool.submit(run, state, seconds=int(seconds) + 3)
        time.sleep(seconds)
        host.crash()
        with suppress(subprocess.TimeoutExpired):
            dying.result()
    host.up()


def test_h69_power_cuts_tear_no_file_and_the_next_run_converges(host, request):
    cuts = request.config.getoption("--power-cuts")
    moments = random.Random(SEED)
    known, seconds = {}, 0.0
    # What once was declared leaves records: a host that has seen both states is another one than a bare one.
    for number in (0, 1, 0):
        started = time.monotonic()
        done = run(STATES[number])
        seconds = time.monotonic() - started
        assert done.code == 0, done.output
        known[number] = files(host)
    one, other = known[0], known[1]
    assert len({path for path in one | other if one.get(path) != other.get(path)}) > 3
    for number in range(1, cuts + 1):
        moment = moments.uniform(0, seconds)
        cut(host, STATES[number % 2], moment)
        # What only one of the states has is there whole or is not, and what is on its way has another name.
        left = {path: digest for path, digest in files(host).items() if path in one or path in other}
        assert {path for path, each in left.items() if each not in (one.get(path), other.get(path))} == set()
        again = run(STATES[number % 2])
        assert again.code == 0, (moment, again.output)
        assert files(host) == known[number % 2], moment
        last = run(STATES[number % 2])
        assert (last.code, last.changed) == (0, set()), (moment, last.output)
        print(f"{NAME}: cut {number} of {cuts}, {moment:.0f} s after the start of a run: converged")
    FIGURES.append(f"{NAME}: power cuts converged {cuts}/{cuts}")
