"""An SSH server on loopback that runs what it is sent in a real shell; needs neither root nor sshd."""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko

KEY = paramiko.ECDSAKey.generate()


class SshServer(paramiko.ServerInterface):
    """Lets everybody in; ``execs`` holds each command that it was sent."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.execs: list[str] = []
        self.login = ""  # what the login shell does first
        self.awake = threading.Event()  # cleared, it answers nothing any more
        self.awake.set()
        self._transports: list[paramiko.Transport] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def known_hosts(self, key: paramiko.PKey) -> str:
        """Write the file that knows this server by a key."""
        path = self.home / "known_hosts"
        path.write_text(f"[127.0.0.1]:{self.port} {key.get_name()} {key.get_base64()}\n")
        return str(path)

    def data(self, key: paramiko.PKey = KEY) -> dict[str, Any]:
        """Return the data of a pyinfra host that is this server, whose key is believed to be this one."""
        return {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": self.port,
            "ssh_user": "ada",
            "ssh_password": "any",
            "ssh_known_hosts_file": self.known_hosts(key),
            "ssh_config_file": "/dev/null",
            "ssh_file_transfer_protocol": "scp",
        }

    def drop(self) -> None:
        """Break all connections."""
        for transport in self._transports:
            transport.close()

    def __enter__(self) -> SshServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.awake.set()
        self._socket.close()
        self.drop()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = paramiko.Transport(client)
            transport.add_server_key(KEY)
            self._transports.append(transport)
            transport.start_server(event=threading.Event(), server=self)

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_global_request(self, kind: str, msg: paramiko.Message) -> bool:
        self.awake.wait()
        return False

    def check_channel_pty_request(self, channel: paramiko.Channel, *size: Any) -> bool:
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.execs.append(command.decode())
        threading.Thread(target=self._run, args=(channel, command), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: bytes) -> None:
        pipe = subprocess.PIPE
        shell = subprocess.Popen(
            ["sh", "-c", self.login + command.decode()],
            cwd=self.home,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
        )
        assert shell.stdin
        assert shell.stdout
        assert shell.stderr
        _pouring(channel.recv, shell.stdin.write, shell.stdin.close)
        outputs = [
            _pouring(shell.stdout.read, channel.sendall),
            _pouring(shell.stderr.read, channel.sendall_stderr),
        ]
        for each in outputs:
            each.join()
        with suppress(OSError, EOFError):
            channel.send_exit_status(shell.wait())
            channel.close()


def _pouring(read: Any, write: Any, close: Any = None) -> threading.Thread:
    def pour() -> None:
        with suppress(OSError):
            while data := read(65536):
                write(data)
        if close:
            close()

    thread = threading.Thread(target=pour, daemon=True)
    thread.start()
    return thread
