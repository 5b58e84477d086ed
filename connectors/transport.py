"""The TCP and SSH side of a connection: no delays, and an end to waiting for a peer that is gone."""

from __future__ import annotations

import socket
from typing import Any

import gevent
from paramiko import Channel, SSHException, Transport
from pyinfra import logger

# A question to the peer each so many seconds; how long it may take to answer it.
INTERVAL, PATIENCE = 15, 60


def prompt(sock: Any, **arguments: Any) -> Transport:
    """
    Return a transport that sends what it has at once, for paramiko's ``transport_factory``.

    paramiko leaves Nagle's algorithm on: each exec then waits 40 ms for the peer's delayed ACK.

    + sock: a socket, or what a jump host or a ProxyCommand gives in its place
    """
    lowest = sock
    while isinstance(lowest, Channel):
        lowest = lowest.get_transport().sock
    if isinstance(lowest, socket.socket):
        lowest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Transport(sock, **arguments)


def watch(transport: Transport, name: str) -> None:
    """
    Close a connection whose peer no longer answers; whoever waits for a command over it gets an error.

    paramiko's own keepalive asks and does not wait for the answer (4.0.0, ``set_keepalive``).

    + name: of the host, for the log
    """
    while transport.is_active():
        gevent.sleep(INTERVAL)
        try:
            with gevent.Timeout(PATIENCE, TimeoutError):
                transport.global_request("keepalive@openssh.com", wait=True)
        except TimeoutError:
            logger.error(f"[{name}] has not answered for {PATIENCE} s: connection closed")
            transport.close()
        except (OSError, EOFError, SSHException):
            return


def peer(transport: Transport) -> str:
    """Return where a connection goes, the same for two names of one machine; a jump host is all behind it."""
    try:
        return str(transport.getpeername()[:2])
    except (AttributeError, OSError):
        return "?"
