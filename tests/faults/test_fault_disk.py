"""File systems that are read-only, full, or immutable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.hosts import Host
from lab.system import run
from tests.drill import BARE, DAEMON_JSON, converged, leftovers, on, refused
from tests.runner import root

pytestmark = pytest.mark.alike("el9")

FOLDER = "/etc/docker"
CHANGE = {"docker_debug": True}


@pytest.mark.parametrize("place", ["/etc", "/usr", "/var"])
def test_h6_a_read_only_tree_is_refused_by_name(host: Host, place: str) -> None:
    root(host, f"mount --bind {place} {place} && mount -o remount,bind,ro {place}")
    refused(host, f"{place} mounted read-only", "nothing was changed", data=CHANGE)
    root(host, f"umount -l {place}")
    converged(host, data=CHANGE)


@on("el9-f", start=BARE)
def test_h7_a_full_disk_is_seen_before_packages_are_installed(host: Host) -> None:
    root(host, "mkdir /run/var; mount -t tmpfs -o size=200m tmpfs /run/var; cp -a /var/. /run/var/")
    root(host, "umount /var/lib/docker /var/lib/containerd; mount --bind /run/var /var")
    refused(host, "/var has", "MB free", "nothing was installed", untouched=False)
    assert root(host, "rpm -q docker-ce || true") == "package docker-ce is not installed"
    root(host, "umount -l /var")
    host.down(), host.up()
    converged(host)


@on("el7-f", "el9-f")
def test_h7_a_disk_that_fills_up_leaves_the_old_file_whole(host: Host) -> None:
    before = root(host, f"sha256sum {DAEMON_JSON}")
    root(
        host,
        f"cp -a {FOLDER} /run/kept; mount -t tmpfs -o size=64k tmpfs {FOLDER}; cp -a /run/kept/. {FOLDER}/",
    )
    root(host, f"cat /dev/zero > {FOLDER}/big 2>/dev/null || true")
    # elforge's own note of what it is about to write has room elsewhere.
    refused(host, DAEMON_JSON, "No space left on device", untouched=False, data=CHANGE)
    assert root(host, f"sha256sum {DAEMON_JSON}") == before
    assert leftovers(host) == ""
    root(host, f"rm {FOLDER}/big")
    converged(host, data=CHANGE)


FILL_TMP = "mount -t tmpfs -o size=32k tmpfs /tmp; cat /dev/zero > /tmp/big 2>/dev/null || true"


@on("el7-f", "el9-f")
def test_h8_tmp_is_full_and_not_needed(host: Host) -> None:
    root(host, FILL_TMP)
    converged(host, data=CHANGE)
    assert root(host, "ls /tmp") == "big"


@on("el9-f", start=BARE)
def test_h8_a_full_tmp_is_named_before_packages_are_installed(host: Host) -> None:
    root(host, FILL_TMP)
    refused(host, "/tmp has 0 MB free", "nothing was installed", untouched=False)
    root(host, "umount /tmp")
    converged(host)


def test_h10_an_immutable_file_is_refused_naming_the_attribute(host: Host) -> None:
    root(host, f"chattr +i {DAEMON_JSON}")
    refused(
        host,
        f"{DAEMON_JSON} is immutable (chattr +i)",
        f"chattr -i {DAEMON_JSON}",
        untouched=False,
        data=CHANGE,
    )
    assert "i" in root(host, f"lsattr {DAEMON_JSON}").split()[0]
    assert leftovers(host) == ""
    root(host, f"chattr -i {DAEMON_JSON}")
    converged(host, data=CHANGE)


@contextmanager
def quota(host: Host, folder: Path) -> Iterator[None]:
    """Put FOLDER on a disk with a quota of 1 MB; btrfs has the ones that bind root, too."""
    image, place = folder / "image", folder / "place"
    make = (
        f"truncate -s 128M {image}; mkfs.btrfs -q {image} >&2; mkdir {place}; mount -o loop {image} {place}; "
        f"cp -a {host.root}{FOLDER}/. {place}/; btrfs quota enable {place}; btrfs qgroup limit 1M {place}; "
        f"sync; umount {place}; losetup --find --show {image}"
    )
    loop = run("sh", "-ec", make).strip()
    # From outside: a host may not open the machine's disks.
    device = f"mknod /dev/quota b 7 {loop.removeprefix('/dev/loop')}"
    try:
        inside = ("nsenter", "--target", str(host.pid), "--mount", "sh", "-ec")
        run(*inside, f"{device}; mount -t btrfs /dev/quota {FOLDER}")
        yield
        root(host, f"umount -l {FOLDER}")
    finally:
        run("losetup", "--detach", loop)


@pytest.mark.skipif(not shutil.which("mkfs.btrfs"), reason="btrfs-progs is not installed here")
def test_h10_a_quota_that_is_used_up_leaves_the_old_file_whole(host: Host, tmp_path: Path) -> None:
    before = root(host, f"sha256sum {DAEMON_JSON}")
    with quota(host, tmp_path):
        root(host, f"cat /dev/zero > {FOLDER}/big 2>/dev/null || true")
        refused(host, FOLDER, "Disk quota exceeded", untouched=False, data=CHANGE)
        assert root(host, f"sha256sum {DAEMON_JSON}") == before
        assert leftovers(host) == ""
        root(host, f"rm {FOLDER}/big; sync")
        converged(host, data=CHANGE)


def test_h10_an_append_only_directory_is_refused_naming_the_attribute(host: Host) -> None:
    root(host, f"chattr +a {FOLDER}")
    refused(host, f"{FOLDER} is append-only (chattr +a)", untouched=False, data=CHANGE)
    root(host, f"chattr -a {FOLDER}")
    converged(host, data=CHANGE)
    assert leftovers(host) == ""


def test_h65_a_symlink_in_place_of_our_file_is_not_followed(host: Host) -> None:
    passwd = root(host, "sha256sum /etc/passwd")
    root(host, f"mv {DAEMON_JSON} /root/; ln -s /etc/passwd {DAEMON_JSON}")
    refused(host, f"{DAEMON_JSON} is a symbolic link to /etc/passwd")
    assert root(host, "sha256sum /etc/passwd") == passwd
    root(host, f"rm {DAEMON_JSON}; mv /root/daemon.json {DAEMON_JSON}")
    assert converged(host).changed == set()


def test_h65_a_directory_in_place_of_our_file_is_refused(host: Host) -> None:
    root(host, f"mv {DAEMON_JSON} /root/; mkdir {DAEMON_JSON}")
    refused(host, f"{DAEMON_JSON} is a directory")
    root(host, f"rmdir {DAEMON_JSON}; mv /root/daemon.json {DAEMON_JSON}")
    converged(host)
