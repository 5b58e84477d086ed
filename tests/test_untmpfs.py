"""What is in a tmpfs gets to the disk beneath it: real mounts, in a mount namespace of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from facts.caches import Caches
from operations import script
from tests.shell import PLACES

UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
pytestmark = pytest.mark.skipif(
    subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0,
    reason="this machine lets us mount nothing",
)
SYSTEMCTL = """#!/bin/sh
echo "$*" >>{0}/done
"""
# Stopping takes until the process has gone.
STOPPING = """#!/bin/sh
if [ "$*" = "stop elforge-cache-go.service" ]; then
    kill "$(cat {0}/pid)"
    while [ "$(ps -o stat= -p "$(cat {0}/pid)" | cut -c 1)" = S ]; do sleep 0.1; done
fi
"""
# Killed in the middle, with the shell that runs it.
KILLING = """#!/bin/sh
for each in "$@"; do
    if [ -e "$each/file" ]; then /bin/rm "$each/file"; kill -9 $PPID; exit; fi
done
exec /bin/rm "$@"
"""
# Written before the host booted, and since.
MOUNT = "mount -t tmpfs -o size=16m,mode=700 none srv/go; echo new >srv/go/file; echo b >'srv/go/a b'"


class Disk:
    """A directory on disk with a file, and a unit that is to go."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.go = folder, folder / "srv/go"
        self.unit = folder / "srv-go.mount"
        self.go.mkdir(parents=True)
        (self.go / "file").write_text("old\n")
        (folder / "bin").mkdir()
        (folder / "bin/systemctl").write_text(SYSTEMCTL.format(folder))
        (folder / "bin/systemctl").chmod(0o755)
        self.unit.write_text("[Mount]\n")
        places = {
            **{old: new.format(folder) for old, new in PLACES.items()},
            "file=/etc/systemd/system/$unit": f"file={self.unit}",
            "PATH=/usr/sbin": f"PATH={folder}/bin:/usr/sbin",
        }
        for name in ("untmpfs", "tmpfs"):
            text = script._text(name)
            for old, new in places.items():
                assert old in text or old.startswith("file=")
                text = text.replace(old, new)
            (folder / name).write_text(text)
        assert str(self.unit) in (folder / "untmpfs").read_text()

    def run(self, before: str = MOUNT, after: str = "", change: str = "") -> subprocess.CompletedProcess[str]:
        """Run it between two pieces of shell; ``change`` takes the place of its umount."""
        text = (self.folder / "untmpfs").read_text()
        (self.folder / "run.sh").write_text(text.replace('umount "$path"', change) if change else text)
        run = f'sh run.sh srv-go.mount "$PWD/srv/go"; code=$?; {after}\nexit $code'
        return subprocess.run(
            [*UNSHARE, "sh", "-c", f"{before}\n{run}"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def there(self) -> dict[str, str]:
        """What is on disk, by its path."""
        base = self.folder / "srv"
        return {
            str(path.relative_to(base)): path.read_text().strip()
            for path in base.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


NEW = {"go/file": "new", "go/a b": "b"}
DONE = {**NEW, "go.before/file": "old"}


def test_all_of_it_gets_to_disk_and_what_was_there_stays_beside_it(disk):
    done = disk.run()
    assert (done.returncode, disk.there) == (0, DONE), done.stderr
    assert f"{disk.go}: what its disk had there before the tmpfs is now {disk.go}.before" in done.stderr
    assert f"{disk.go.stat().st_mode & 0o7777:o}" == "700"
    assert not disk.unit.exists()
    assert (disk.folder / "done").read_text().splitlines() == [
        "-q disable srv-go.mount",
        "daemon-reload",
        "reset-failed srv-go.mount",
    ]


def test_an_empty_directory_beneath_leaves_nothing(disk):
    (disk.go / "file").unlink()
    assert disk.run().returncode == 0
    assert disk.there == NEW


def test_what_was_put_aside_once_stays(disk):
    (disk.go.parent / "go.before").mkdir()
    (disk.go.parent / "go.before/x").write_text("x")
    assert disk.run().returncode == 0
    assert disk.there == {**NEW, "go.before/x": "x", "go.before1/file": "old"}


def test_modes_links_and_owners_are_kept(disk):
    more = "mkdir mod; ln -s ../x link; ln file hard; chmod 444 file; chmod 555 mod"
    assert disk.run(f"{MOUNT}; cd srv/go; {more}; cd ../..").returncode == 0
    assert (disk.go / "link").readlink() == Path("../x")
    assert (disk.go / "file").samefile(disk.go / "hard")
    assert [f"{(disk.go / name).stat().st_mode & 0o777:o}" for name in ("file", "mod")] == ["444", "555"]


@pytest.mark.parametrize(
    ("holder", "message"),
    [
        ("exec 5>srv/go/open", "is being written to by sh ("),
        ("exec 5<srv/go/file", "is in use by sh ("),
    ],
)
def test_one_that_is_in_use_is_refused_and_stays_as_it_is(disk, holder, message):
    done = disk.run(
        f"{MOUNT}; {holder}", after="echo still >>srv/go/file; cat srv/go/file >seen; ls -A srv >ls"
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "nothing was changed" in done.stderr
    assert (disk.folder / "seen").read_text() == "new\nstill\n", "it can be written to"
    assert (disk.folder / "ls").read_text() == "go\n"
    assert (disk.there, disk.unit.exists()) == ({"go/file": "old"}, True)


def test_who_cuts_it_back_is_stopped(disk):
    """Its shell has the cache as its directory."""
    (disk.folder / "bin/systemctl").write_text(STOPPING.format(disk.folder))
    before = f"{MOUNT}; (cd srv/go && exec sleep 60) & echo $! >pid; sleep 0.2"
    again = 'sh untmpfs srv-go.mount "$PWD/srv/go" elforge-cache-go.service; code=$?'
    done = disk.run(before, after=again)
    assert (done.returncode, disk.there) == (0, DONE), done.stderr


def test_killed_before_the_unmount_it_is_refused_while_it_is_in_use(disk):
    again = (
        'exec 5<srv/go/file; sh untmpfs srv-go.mount "$PWD/srv/go"; code=$?; echo x >srv/go/x; ls -A srv >ls'
    )
    done = disk.run(change="kill -9 $$", after=again)
    assert (done.returncode, (disk.folder / "ls").read_text()) == (1, "go\n")
    assert "is in use by sh (" in done.stderr
    assert "cannot create" not in done.stderr


@pytest.mark.parametrize("size", ["1m", "1025m"])
def test_what_does_not_fit_is_refused(disk, size):
    """A disk is not filled to its last block: a gigabyte stays free at least."""
    small = f"mount -t tmpfs -o size={size} none srv; mkdir srv/go"
    fill = "head -c 2000000 /dev/zero >srv/go/big"
    done = disk.run(
        f"{small}; {MOUNT}; {fill}", after="ls -A srv >ls; stat -c %s srv/go/big >>ls; touch srv/go/x"
    )
    assert done.returncode == 1
    assert "KiB do not fit on its disk" in done.stderr
    assert (disk.folder / "ls").read_text() == "go\n2000000\n"


@pytest.mark.parametrize("moment", ["kill -9 $$", 'umount "$path"; kill -9 $$'])
def test_killed_around_the_unmount_it_goes_on(disk, moment):
    again = 'sh untmpfs srv-go.mount "$PWD/srv/go"'
    done = disk.run(change=moment, after=f"ls -A srv >ls; {again}; code=$?")
    assert (done.returncode, disk.there) == (0, DONE), done.stderr
    assert ".go.elforge-whole" in (disk.folder / "ls").read_text(), "it was killed in between"


@pytest.mark.parametrize("moment", ['umount "$path"; false', 'umount "$path"; kill -TERM $$'])
def test_once_it_is_unmounted_the_copy_is_never_removed(disk, moment):
    """umount may have unmounted and fail to say so in /run; a bound or a hung up line end a shell at once."""
    done = disk.run(change=f"{{ {moment}; }}")
    assert (done.returncode, disk.there) == (0, DONE), done.stderr


def test_killed_while_it_removes_what_it_has_copied_it_copies_anew(disk):
    """Half a copy does not pass for all of it."""
    killing = disk.folder / "bin/rm"
    killing.write_text(KILLING)
    killing.chmod(0o755)
    again = 'ls -A srv >ls; /bin/rm bin/rm; exec 5<&-; sh untmpfs srv-go.mount "$PWD/srv/go"; code=$?'
    done = disk.run(f"{MOUNT}; exec 5<srv/go/file", after=again)
    assert ".elforge" in (disk.folder / "ls").read_text(), "it was killed in between"
    assert (done.returncode, disk.there) == (0, DONE), done.stderr


@pytest.mark.parametrize("since", ["true", f"umount srv/go; {MOUNT}"])
def test_killed_while_it_copies_it_begins_again(disk, since):
    """What it has copied may be of a tmpfs that was there before the host has booted."""
    text = (disk.folder / "untmpfs").read_text()
    assert "settle_all" in text
    (disk.folder / "killed").write_text(text.replace('settle_all "$new"', "kill -9 $$"))
    killed = 'touch srv/go/gone; sh killed srv-go.mount "$PWD/srv/go"; ls -A srv >ls'
    done = disk.run(f"{MOUNT}; {killed}; {since}")
    gone = {} if "umount" in since else {"go/gone": ""}
    assert (done.returncode, disk.there) == (0, {**DONE, **gone}), done.stderr
    assert ".go.elforge-new" in (disk.folder / "ls").read_text()


def test_what_a_boot_has_mounted_anew_is_no_loss(disk):
    """Killed after the unmount, then the host boots: its tmpfs is a new one, with other content."""
    again = (
        f'{MOUNT.replace("new", "newer")}; rm -f "srv/go/a b"; sh untmpfs srv-go.mount "$PWD/srv/go"; code=$?'
    )
    done = disk.run(change='umount "$path"; kill -9 $$', after=again)
    assert done.returncode == 0, done.stderr
    assert disk.there == {
        "go/file": "newer",
        "go.before/file": "new",
        "go.before/a b": "b",
        "go.before1/file": "old",
    }


# Killed, and then it is to be in memory again.
DECLARED = 'sh tmpfs srv-go.mount "$PWD/srv/go" 8388608; code=$?; ls -A srv >ls'


def test_killed_before_the_unmount_it_can_be_written_to_when_it_is_declared_again(disk):
    (disk.folder / "ask").write_text(Caches().command([str(disk.go)], ["root"]))
    left = "findmnt -n -o SIZE srv/go | tr -d ' ' >>ls; echo more >>srv/go/file; cat srv/go/file >>ls"
    done = disk.run(change="kill -9 $$", after=f"sh ask >asked; {DECLARED}; {left}; sh ask >>asked")
    assert (done.returncode, disk.there) == (0, {"go/file": "old"}), done.stderr
    assert (disk.folder / "ls").read_text().split() == ["go", "8M", "new", "more"]
    asked = (disk.folder / "asked").read_text().splitlines()
    assert [line.split()[-3:-1] for line in asked if " tmpfs " in line] == [["ro", "whole"], ["rw", "-"]]


def test_killed_after_the_unmount_what_was_in_it_is_beneath_when_it_is_declared_again(disk):
    done = disk.run(change='umount "$path"; kill -9 $$', after=DECLARED)
    assert (done.returncode, disk.there) == (0, DONE), done.stderr
    assert "start srv-go.mount" in (disk.folder / "done").read_text()


def test_killed_after_the_unmount_what_was_in_it_outlives_a_boot(disk):
    done = disk.run(change='umount "$path"; kill -9 $$', after=f"{MOUNT}; {DECLARED}")
    assert done.returncode == 0, done.stderr
    assert disk.there == {"go/file": "old", "go.before/file": "new", "go.before/a b": "b"}
    assert "what was in its tmpfs before the host booted is now" in done.stderr


def test_what_nobody_has_mounted_leaves_the_disk_alone(disk):
    done = disk.run("true")
    assert (done.returncode, disk.there) == (0, {"go/file": "old"}), done.stderr
    assert not disk.unit.exists()
    kept = disk.folder / f"state/backup{disk.unit}"
    assert [path.read_text() for path in kept.iterdir()] == ["[Mount]\n"]
