"""How the connector reaches a host: by which name, with which key, and for how long."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.context import ctx_state
from pyinfra_cli.inventory import make_inventory

from tests.ssh_server import SshServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with SshServer(tmp_path) as each:
        yield each


def test_nothing_waits_for_nagle(server):
    sock = connect(server, server.data()).connector.client.get_transport().sock
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_unknown_host_key_is_refused(server):
    with pytest.raises(ConnectError, match=r"key is not known; \.venv/bin/python -m tools\.hostkeys"):
        connect(server, {**server.data(), "ssh_known_hosts_file": "/dev/null"})


def test_another_host_key_is_refused(server):
    other = server.data(paramiko.ECDSAKey.generate())
    with pytest.raises(ConnectError, match="not the one in known_hosts"):
        connect(server, other)


def test_the_project_s_known_hosts_counts_where_there_is_one(server):
    data = server.data()
    del data["ssh_known_hosts_file"]
    connect(server, data)


def test_a_host_is_called_by_its_name(tmp_path):
    """--limit, go_build_host and the options of hosts know it by that."""
    path = tmp_path / "inventory.py"
    path.write_text('web = (["@elforge/h1", ("@elforge/h2", {"x": 1})], {"y": 2})\ndb = ["@elforge/h2"]\n')
    with ctx_state.use(State()):
        inventory = make_inventory(str(path), cwd=str(tmp_path))
    hosts = {host.name: sorted({*host.groups} - {"inventory"}) for host in inventory}
    assert hosts == {"h1": ["web"], "h2": ["db", "web"]}
    assert (inventory.get_host("h2").data.x, inventory.get_host("h2").data.y) == (1, 2)
    assert [host.name for host in inventory.get_group("db")] == ["h2"]
    assert inventory.get_host("h1").data.ssh_hostname == "h1"


WAITING = """
import sys
from gevent import monkey
monkey.patch_all()
from pyinfra.api import Config, Inventory, State, StringCommand
from connectors import transport
transport.INTERVAL, transport.PATIENCE = 0.1, 0.5
state = State(Inventory(([("@elforge/h1", eval(sys.argv[1]))], {})), Config())
state.cwd = "."
host = next(iter(state.inventory))
host.connect(raise_exceptions=True)
host.run_shell_command(StringCommand(sys.argv[2]))
"""


@pytest.mark.parametrize(("command", "said"), [("sleep 1.5", ""), ("touch asleep; sleep 30", "was lost")])
def test_nobody_waits_for_a_host_that_is_gone(server, command, said):
    program = [sys.executable, "-c", WAITING, repr(server.data()), command]
    child = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
    while said and not (server.home / "asleep").exists():
        time.sleep(0.05)
    if said:
        server.awake.clear()
    assert said in child.communicate(timeout=20)[1]
    assert bool(said) == bool(child.returncode)


def connect(server: SshServer, data: dict[str, Any]) -> Host:
    state = State(Inventory(([("@elforge/h1", data)], {})), Config())
    state.cwd = str(server.home)
    host = next(iter(state.inventory))
    host.connect(raise_exceptions=True)
    return host
