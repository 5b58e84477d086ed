"""The hosts of a measurement, and how they are reached: at once, or as if from another continent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from bench.relay import relay
from lab.hosts import Host
from lab.system import known_hosts

LOOPBACK = "127.0.0.1"


class Place(NamedTuple):
    """Where a host answers."""

    name: str
    address: str
    port: int


class Fleet(NamedTuple):
    """Hosts, and the file with their keys."""

    places: list[Place]
    known: Path


@contextmanager
def reached(names: Sequence[str], seconds: float) -> Iterator[Fleet]:
    """
    Yield lab hosts that were up before, through relays where they are to be far.

    + seconds: what a round trip takes longer than it does
    """
    hosts = [Host(name) for name in names]
    if not seconds:
        yield Fleet([Place(host.name, host.address, host.port) for host in hosts], known_hosts())
        return
    with ExitStack() as stack, NamedTemporaryFile("w") as file:
        ports = {host.address: stack.enter_context(relay(host.address, host.port, seconds)) for host in hosts}
        file.write(relayed(known_hosts().read_text(), ports))
        file.flush()
        yield Fleet([Place(host.name, LOOPBACK, ports[host.address]) for host in hosts], Path(file.name))


def relayed(known: str, ports: Mapping[str, int]) -> str:
    """
    Return the known_hosts of relays.

    + known: that of the hosts themselves
    + ports: of the relays, by the hosts' addresses
    """
    keys = [line.split()[:3] for line in known.splitlines()]
    return "".join(
        f"[{LOOPBACK}]:{port} {kind} {key}\n"
        for address, port in ports.items()
        for names, kind, key in keys
        if address in names.split(",")
    )
