"""A host that can install packages."""

from configparser import ConfigParser

import pytest


def test_no_enabled_repository_asks_the_dead_mirrorlist(host, base):
    if base.repositories != "repair":
        pytest.skip("the repositories are not elforge's to repair here")
    files = ConfigParser(interpolation=None, strict=False)
    files.read_string(host.check_output("cat /etc/yum.repos.d/*.repo"))
    dead = [
        repo
        for repo in files.sections()
        if files[repo].get("enabled", "1") == "1"
        and "//mirrorlist.centos.org" in files[repo].get("mirrorlist", "")
    ]
    assert dead == []


def test_backups_are_no_repositories(host):
    assert host.run("ls /etc/yum.repos.d | grep -v '\\.repo$'").stdout == ""


def test_the_enabled_repositories_answer(host):
    manager = "dnf" if host.exists("dnf") else "yum"
    made = host.run(f"{manager} -q makecache")
    assert made.rc == 0, made.stderr


def test_no_temporary_file_is_left(host):
    assert host.run("find /etc /usr/local /var/lib -xdev -name '.elforge*'").stdout == ""


def test_backups_are_for_root_only(host):
    folder = host.file("/var/lib/elforge")
    assert not folder.exists or (folder.user, folder.mode) == ("root", 0o700)
