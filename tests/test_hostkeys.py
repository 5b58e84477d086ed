"""python -m tools.hostkeys, against a real SSH server."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from tests.ssh_server import KEY, SshServer
from tools.hostkeys import main


@pytest.fixture
def inventory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SshServer(tmp_path) as server:
        data = {key: value for key, value in server.data().items() if key != "ssh_known_hosts_file"}
        (tmp_path / "known_hosts").unlink()
        Path("inventory.py").write_text(f"hosts = [('@elforge/h1', {data!r})]\n")
        yield str(tmp_path / "inventory.py")  # pyinfra reads a name once a process


def test_keys_are_shown_and_kept_on_request(inventory, capsys):
    assert main(inventory, save=False) == 0
    assert f"{KEY.get_name()}  {KEY.fingerprint}  new" in capsys.readouterr().out
    assert not Path("known_hosts").exists()
    assert main(inventory, save=True) == 0
    capsys.readouterr()
    assert main(inventory, save=False) == 0
    assert "known\n" in capsys.readouterr().out


def test_a_key_that_has_changed_is_named_and_not_replaced(inventory, capsys):
    main(inventory, save=True)
    name = Path("known_hosts").read_text().split()[0]
    other = paramiko.ECDSAKey.generate()
    Path("known_hosts").write_text(f"{name} {other.get_name()} {other.get_base64()}\n")
    assert main(inventory, save=True) == 1
    assert "CHANGED" in capsys.readouterr().out
    assert other.get_base64() in Path("known_hosts").read_text()


def test_a_host_that_does_not_answer_is_named(inventory, capsys):
    data = {"ssh_hostname": "127.0.0.1", "ssh_port": 1}
    Path(inventory).write_text(f"hosts = [('@elforge/h1', {data!r})]\n")
    assert main(inventory, save=False) == 1
    assert "h1: no answer" in capsys.readouterr().err
