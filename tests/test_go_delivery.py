"""A toolchain's way from the host that built it to another, by way of the control machine."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.connectors.util import CommandOutput, OutputLine

from operations.go import collected, delivery
from operations.script import Script
from tests.test_operations import RECIPE

ARCHIVE = b"the toolchain"
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make what ``pack`` leaves on the host that builds, which is this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "root" / "go1.27.0.tar.gz"
    path.parent.mkdir()
    path.write_bytes(ARCHIVE)
    path.with_name(f"{path.name}.sha256").write_text(f"{DIGEST}\n")
    return path


@pytest.fixture
def state() -> State:
    fake = {"fake_delay": 0, "fake_delay_jitter": 0}
    state = State(Inventory((["@local", ("@fake/host", fake)], {})), Config())
    connect_all(state)
    return state


def copy_of(state: State, path: Path) -> Path:
    return Path(collected(state, state.inventory.get_host("@local"), str(path)))


# From the host that built it


def test_an_archive_is_collected_once(state, packed):
    copy = copy_of(state, packed)
    assert (copy.name, copy.read_bytes()) == (f"{DIGEST}.tar.gz", ARCHIVE)
    packed.unlink()
    assert copy_of(state, packed) == copy
    assert list(copy.parent.iterdir()) == [copy]


def test_another_build_is_collected_beside_it(state, packed):
    first = copy_of(state, packed)
    packed.write_bytes(b"another build")
    packed.with_name(f"{packed.name}.sha256").write_text(hashlib.sha256(b"another build").hexdigest())
    assert copy_of(state, packed).read_bytes() == b"another build"
    assert first.read_bytes() == ARCHIVE


def test_an_archive_that_does_not_arrive_whole_is_not_kept(state, packed):
    packed.write_bytes(ARCHIVE[:5])
    with pytest.raises(OSError, match=r"go1\.27\.0\.tar\.gz of @local did not arrive whole$"):
        copy_of(state, packed)
    assert list((packed.parent.parent / "cache" / "elforge" / "go").iterdir()) == []


@pytest.mark.parametrize("said", [None, "", "not a digest"])
def test_a_host_that_has_built_nothing(state, packed, said):
    digest = packed.with_name(f"{packed.name}.sha256")
    digest.unlink() if said is None else digest.write_text(said)
    with pytest.raises(
        OSError, match=r"^@local, which was to build it, has no .*go1\.27\.0\.tar\.gz to give$"
    ):
        copy_of(state, packed)


# To the host that lacks it


class Receiver:
    """A connection that notes what is sent over it, and says who is logged in."""

    def __init__(self, state: State, user: str = "ops") -> None:
        self.host, self.state, self.user = state.inventory.get_host("@fake/host"), state, user
        self.sent: list[Any] = []
        self.host.connector.run_shell_command = self.run
        self.host.connector.put_file = self.put
        self.takes_files = True

    def run(self, command: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
        self.sent.append((command.name, *command.args) if isinstance(command, Script) else str(command))
        if isinstance(command, Script):
            self.last, self.sudo = command, arguments.get("_sudo")
        return True, CommandOutput([OutputLine("stdout", self.user)])

    def put(self, source: str, target: str, **_: Any) -> bool:
        self.sent.append(("file", Path(source).read_bytes(), target))
        return self.takes_files

    def get(self, packed: Path) -> tuple[bool, str]:
        recipe = replace(RECIPE, root=str(packed.parent))
        carried = delivery(recipe, self.state.inventory.get_host("@local"))
        done, said = carried.execute(self.state, self.host, {"_sudo": True})
        return done, said.stderr


def test_a_delivery(state, packed):
    receiver = Receiver(state)
    assert receiver.get(packed)[0]
    root, place = packed.parent, f"{packed.parent}/.incoming/{DIGEST}.tar.gz"
    assert receiver.sent == [
        "id -un",
        ("incoming", f"{root}/.incoming", "ops"),
        ("file", ARCHIVE, place),
        ("toolchain",),
    ]
    assert receiver.sudo
    recipe = dict(line.split(" ", 1) for line in receiver.last.content.splitlines())
    assert (recipe["method"], recipe["archive"], recipe["sha"]) == ("archive", place, DIGEST)
    assert (recipe["name"], recipe["cgo"], recipe["user"]) == ("go1.27.0", "1", "elforge-go")


def test_nothing_is_sent_when_there_is_nothing_to_give(state, packed):
    packed.write_bytes(b"")
    receiver = Receiver(state)
    done, said = receiver.get(packed)
    assert (done, receiver.sent) == (False, [])
    assert said == f"go1.27.0: {packed} of @local did not arrive whole"


@pytest.mark.parametrize("user", ["", "-r", "$(id)", "Last login: today"])
def test_who_is_logged_in_is_a_user(state, packed, user):
    receiver = Receiver(state, user)
    assert receiver.get(packed) == (False, "go1.27.0: the host does not say who is logged in")
    assert receiver.sent == ["id -un"]


def test_a_file_that_cannot_be_sent(state, packed):
    receiver = Receiver(state)
    receiver.takes_files = False
    done, said = receiver.get(packed)
    assert not done
    assert said.endswith(f"{DIGEST}.tar.gz cannot be sent")
    assert receiver.sent[-1][0] == "file"
