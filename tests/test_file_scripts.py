"""What the scripts make and where they refuse to work, run by a real shell: parents, owners, links."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from operations import script
from tests.shell import run_script

CONTENT = b"content\n"


def ran(folder: Path, name: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that makes ``path``."""
    owner, digest = (folder.owner(), folder.group()), hashlib.sha256(CONTENT).hexdigest()
    (folder / "source").write_bytes(CONTENT)
    arguments = {
        "directory": (str(path), *owner, "1777"),
        "put": (str(path), *owner, "640", digest, "", ""),
        "link": (str(path), "target"),
        "fetch": (str(path), *owner, "640", digest, f"file://{folder}/source"),
    }
    return run_script(folder, script._text(name), *arguments[name], stdin=base64.b64encode(CONTENT).decode())


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o7777:o}"


SCRIPTS = ["directory", "put", "link", "fetch"]
every_script = pytest.mark.parametrize("name", SCRIPTS)


@every_script
def test_everybody_reaches_what_is_made_below_missing_directories(tmp_path, name):
    done = ran(tmp_path, name, tmp_path / "a" / "b" / "c")
    assert (done.returncode, done.stderr) == (0, "")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == ("755", "755")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c"]


@every_script
def test_the_state_stays_roots(tmp_path, name):
    assert ran(tmp_path, name, tmp_path / "state" / "a" / "b").returncode == 0
    assert mode(tmp_path / "state") == "700"


@every_script
def test_directories_that_are_there_keep_their_mode(tmp_path, name):
    (tmp_path / "a").mkdir(mode=0o711)
    assert ran(tmp_path, name, tmp_path / "a" / "b" / "c").returncode == 0
    assert mode(tmp_path / "a") == "711"


@every_script
def test_root_does_not_work_in_what_others_can_change(tmp_path, name):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o777)
    done = ran(tmp_path, name, tmp_path / "a" / "b" / "c")
    assert (done.returncode, done.stderr) == (
        1,
        f"{tmp_path}/a is not root's alone (ls -ld {tmp_path}/a): "
        "root does not work in what others can change\n",
    )
    assert list((tmp_path / "a").iterdir()) == []


@every_script
def test_nor_where_a_link_leads_into_it(tmp_path, name):
    (tmp_path / "theirs" / "deep").mkdir(parents=True)
    (tmp_path / "theirs").chmod(0o777)
    (tmp_path / "link").symlink_to("theirs/deep")
    done = ran(tmp_path, name, tmp_path / "link" / "c")
    assert f"{tmp_path}/theirs is not root's alone" in done.stderr
    assert list((tmp_path / "theirs" / "deep").iterdir()) == []


@every_script
def test_a_sticky_directory_and_a_link_of_roots_are_fine(tmp_path, name):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o1777)
    (tmp_path / "link").symlink_to("a")
    assert ran(tmp_path, name, tmp_path / "link" / "c").returncode == 0


@every_script
@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another user")
def test_nor_in_a_directory_of_somebody_else(tmp_path, name):
    (tmp_path / "a" / "b").mkdir(parents=True)
    os.chown(tmp_path / "a", 12345, 0)
    done = ran(tmp_path, name, tmp_path / "a" / "b" / "c")
    assert f"{tmp_path}/a is not root's alone" in done.stderr
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_directory_is_made_with_its_mode_and_mended(tmp_path):
    for _ in range(2):
        assert ran(tmp_path, "directory", tmp_path / "a").returncode == 0
        assert mode(tmp_path / "a") == "1777"
        (tmp_path / "a").chmod(0o700)


def test_what_a_killed_run_left_beside_a_directory_goes(tmp_path):
    (tmp_path / "place" / ".elforge.a.AbCdEf" / "a").mkdir(parents=True)
    assert ran(tmp_path, "directory", tmp_path / "place" / "a").returncode == 0
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["a"]


def test_a_link_that_came_in_between_is_not_followed(tmp_path):
    (tmp_path / "etc").mkdir(mode=0o711)
    (tmp_path / "a").symlink_to("etc")
    done = ran(tmp_path, "directory", tmp_path / "a")
    assert (done.returncode, done.stderr) == (
        1,
        f"{tmp_path}/a is a symbolic link, and links are not followed\n",
    )
    assert mode(tmp_path / "etc") == "711"


def test_h64_a_user_does_not_join_a_group_that_is_there(tmp_path):
    group = tmp_path.group()
    done = run_script(tmp_path, script._text("user"), group, "/nowhere", "/sbin/nologin")
    assert (done.returncode, "useradd" in done.stderr) == (1, False)
    assert f"there is a group {group} already" in done.stderr
