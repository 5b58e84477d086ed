"""Show the SSH host keys of an inventory by fingerprint, and keep those that are new in ./known_hosts.

    .venv/bin/python -m tools.hostkeys inventory.py           # look, and compare with the hosts' consoles
    .venv/bin/python -m tools.hostkeys inventory.py --save    # keep the new ones

A key that differs from the one in known_hosts is shown and never replaced.
"""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from paramiko import HostKeys, PKey, SSHException, Transport
from pyinfra.api import Config, Inventory, State
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient import SSHClient
from pyinfra.context import ctx_state
from pyinfra_cli.inventory import make_inventory

from connectors.elforge import KNOWN_HOSTS

SECONDS = 10
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512")


class Place(NamedTuple):
    """A host of the inventory, and where ssh finds it."""

    host: str
    address: str
    port: int

    @property
    def name(self) -> str:
        """Return its name in known_hosts."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"


def main(inventory: str, save: bool) -> int:
    """Return 0 when each host has shown keys, and none that differs from a known one."""
    known = HostKeys(KNOWN_HOSTS) if Path(KNOWN_HOSTS).exists() else HostKeys()
    silent, states = [], []
    for place in places(inventory):
        keys = offered(place)
        if not keys:
            silent.append(place.host)
        for key in keys:
            states.append(state := compared(known, place.name, key))
            print(f"{place.host}  {place.name}  {key.get_name()}  {key.fingerprint}  {state}")
            if state == "new":
                known.add(place.name, key.get_name(), key)
    if save:
        known.save(KNOWN_HOSTS)
    elif "new" in states:
        print(
            f"not saved to {KNOWN_HOSTS}: compare with what the hosts say (ssh-keygen -lf FILE), add --save"
        )
    for host in silent:
        print(f"{host}: no answer; a host behind a jump host has to be looked up from there", file=sys.stderr)
    return 1 if silent or "CHANGED" in states else 0


def places(inventory: str) -> list[Place]:
    """Return the hosts of an inventory that are reached by SSH."""
    state = State()
    state.cwd = str(Path.cwd())
    with ctx_state.use(state):
        found: Inventory = make_inventory(inventory, cwd=state.cwd)
        state.init(found, Config())
    return [_place(each.connector, each.name) for each in found if isinstance(each.connector, SSHConnector)]


def _place(connector: SSHConnector, host: str) -> Place:
    """Ask what ssh's own configuration says of it, as pyinfra does."""
    data = connector.data
    hostname, config, *_ = SSHClient().parse_config(
        data["ssh_hostname"] or host, ssh_config_file=data["ssh_config_file"], strict_host_key_checking="yes"
    )
    return Place(host, hostname, int(data["ssh_port"] or config["port"]))


def offered(place: Place) -> list[PKey]:
    """Return the keys that a host shows."""
    return [key for kind in KINDS if (key := _offered(place, kind))]


def _offered(place: Place, kind: str) -> PKey | None:
    try:
        with socket.create_connection((place.address, place.port), SECONDS) as sock:
            transport = Transport(sock)
            transport.get_security_options().key_types = [kind]
            try:
                transport.start_client(timeout=SECONDS)
                return transport.get_remote_server_key()
            finally:
                transport.close()
    except (SSHException, OSError, EOFError):
        return None


def compared(known: HostKeys, name: str, key: PKey) -> str:
    """Return what a key is: known, new, or CHANGED."""
    before = known.lookup(name)
    if not before or key.get_name() not in before:
        return "new"
    return "known" if before[key.get_name()] == key else "CHANGED"


if __name__ == "__main__":
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it tells of each kind of key that a host lacks
    arguments = [each for each in sys.argv[1:] if each != "--save"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    sys.exit(main(arguments[0], save="--save" in sys.argv))
