"""What each operation is put through on a real host: apply, drift each thing that it manages, apply again."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from lab import keys

PLACE = "/srv/elforge-lab"
ARTIFACT = "the artifact\n" * 1000
UNIT = """[Service]
ExecStartPre=/bin/mkdir -p /run/elforge/lab.service
ExecStartPre=/bin/cp /srv/elforge-lab/lab.conf /run/elforge/lab.service/
ExecStart=/bin/sleep infinity
ExecReload=/bin/true
[Install]
WantedBy=multi-user.target
"""


class Case(NamedTuple):
    """An operation, what a second look must find (shell), and what drifts it (shell)."""

    name: str
    operation: str
    arguments: dict[str, Any]
    holds: str
    drifts: tuple[str | None, ...] = ()  # one a round


def cases(manager: str, mirror: str) -> list[Case]:
    """Return the cases for a host with this package manager, beside this mirror."""
    return [
        *_files(),
        *_links_and_downloads(mirror),
        *_packages(manager, mirror),
        *_keys(mirror),
        *_locks(manager),
        *_unit_files(),
        *_services(),
        *_accounts(),
    ]


def _files() -> list[Case]:
    return [
        Case(
            "a file",
            "files.put",
            {
                "path": f"{PLACE}/put.conf",
                "content": "größe='$1' `x`\n",
                "group": "daemon",
                "mode": "640",
                "validate": "grep -q '[$]1' \"$1\"",
            },
            f"grep -qx \"größe='[$]1' .x.\" {PLACE}/put.conf && "
            f"test \"$(stat -c '%U %G %a' {PLACE}/put.conf)\" = 'root daemon 640'",
            (
                f"echo changed > {PLACE}/put.conf",
                f"chmod 666 {PLACE}/put.conf",
                f"chown daemon {PLACE}/put.conf",
                f"chgrp root {PLACE}/put.conf",
                f"rm {PLACE}/put.conf",
            ),
        ),
        Case(
            "a directory",
            "files.directory",
            {"path": f"{PLACE}/deep/er", "user": "daemon", "group": "daemon", "mode": "1770"},
            f"test \"$(stat -c '%F %U %G %a' {PLACE}/deep/er)\" = 'directory daemon daemon 1770'",
            (
                f"chmod 700 {PLACE}/deep/er",
                f"chown root {PLACE}/deep/er",
                f"chgrp root {PLACE}/deep/er",
                f"rmdir {PLACE}/deep/er",
            ),
        ),
    ]


def _links_and_downloads(mirror: str) -> list[Case]:
    digest = hashlib.sha256(ARTIFACT.encode()).hexdigest()
    return [
        Case(
            "a link",
            "files.link",
            {"path": f"{PLACE}/link", "target": "deep/er"},
            f"test $(readlink {PLACE}/link) = deep/er",
            (f"ln -sfn /etc {PLACE}/link", f"rm {PLACE}/link"),
        ),
        Case(
            "no file",
            "files.absent",
            {"path": f"{PLACE}/gone"},
            f"test ! -e {PLACE}/gone",
            (f"echo precious > {PLACE}/gone", f"mkdir {PLACE}/gone", f"ln -s /etc/passwd {PLACE}/gone"),
        ),
        Case(
            "no tree",
            "files.absent",
            {"path": f"{PLACE}/tree", "recursive": True},
            f"test ! -e {PLACE}/tree",
            (f"mkdir -p {PLACE}/tree/a/b && touch {PLACE}/tree/a/b/c",),
        ),
        Case(
            "a download",
            "files.fetch",
            {
                "path": f"{PLACE}/artifact",
                "urls": [f"{mirror}/files/missing", f"{mirror}/files/artifact"],
                "digest": digest,
                "mode": "755",
            },
            f"echo '{digest}  {PLACE}/artifact' | sha256sum -c --quiet && test -x {PLACE}/artifact",
            (f"echo x >> {PLACE}/artifact", f"chmod 600 {PLACE}/artifact", f"rm {PLACE}/artifact"),
        ),
    ]


def _packages(manager: str, mirror: str) -> list[Case]:
    return [
        Case(
            "packages",
            "rpm.packages",
            {"specs": ["make", "chrony"], "manager": manager},
            "rpm -q make chrony",
            ("rpm -e make", "rpm -e make chrony"),
        ),
        Case(
            "no package",
            "rpm.packages",
            {"specs": ["git"], "manager": manager, "present": False},
            "! rpm -q git",
            (f"{manager} -qy install git",),
        ),
        Case(
            "a repository",
            "rpm.repository",
            {
                "repo": "lab",
                "title": "Lab",
                "baseurl": [f"{mirror}/docker/linux/centos/9/$basearch/test"],
                "gpgkey": f"{mirror}/docker/linux/centos/gpg",
                "enabled": False,
            },
            "grep -q gpgcheck=1 /etc/yum.repos.d/lab.repo",
            ("sed -i s/gpgcheck=1/gpgcheck=0/ /etc/yum.repos.d/lab.repo", "rm /etc/yum.repos.d/lab.repo"),
        ),
    ]


def _locks(manager: str) -> list[Case]:
    locks = {"yum": "/etc/yum/pluginconf.d/versionlock.list", "dnf": "/etc/dnf/plugins/versionlock.list"}
    return [
        Case(
            "a lock",
            "rpm.versionlock",
            {"specs": ["make"], "manager": manager, "path": locks[manager]},
            f"grep -q '^[^#]*make-' {locks[manager]}",
            (
                f"echo '# theirs' > {locks[manager]}",
                f"grep '# theirs' {locks[manager]} && sed -i '/make/s/-1/-2/' {locks[manager]}",
            ),
        ),
    ]


def _unit_files() -> list[Case]:
    return [
        Case(
            "what a unit reads",
            "files.put",
            {"path": f"{PLACE}/lab.conf", "content": "declared\n"},
            f"grep -qx declared {PLACE}/lab.conf",
        ),
        Case(
            "a unit file",
            "files.put",
            {
                "path": "/etc/systemd/system/lab.service",
                "content": UNIT,
                "validate": 'systemd-analyze verify "$1"',
                "after": "systemctl daemon-reload",
            },
            "systemctl cat lab.service",
        ),
        Case(
            "a drop-in",
            "unit.dropin",
            {"unit": "lab.service", "file": "nice.conf", "content": "[Service]\nNice=7\n"},
            "systemctl show -p Nice lab.service | grep -qx Nice=7",
            ("rm /etc/systemd/system/lab.service.d/nice.conf",),
        ),
    ]


def _services() -> list[Case]:
    return [
        Case(
            "a service",
            "unit.service",
            {"unit": "lab.service"},
            "systemctl is-active --quiet lab && systemctl is-enabled --quiet lab",
            (
                "systemctl stop lab",
                "systemctl -q disable lab",
                "systemctl kill -s KILL lab; until systemctl is-failed --quiet lab; do sleep 0.1; done",
            ),
        ),
        Case(
            "what it has loaded",
            "unit.loaded",
            {"unit": "lab.service", "contents": {f"{PLACE}/lab.conf": "declared\n"}},
            f"cmp {PLACE}/lab.conf /run/elforge/lab.service/lab.conf && systemctl is-active --quiet lab",
            (None, None, None, "echo older > /run/elforge/lab.service/lab.conf"),
        ),
        Case(
            "no service",
            "unit.service",
            {"unit": "systemd-timesyncd.service", "running": False, "enabled": False},
            "! systemctl is-active --quiet systemd-timesyncd",
        ),
    ]


def _accounts() -> list[Case]:
    return [
        Case(
            "a user",
            "accounts.user",
            {"name_": "labuser", "home": "/srv/elforge-lab/home"},
            "getent passwd labuser | grep -q nologin",
            ("userdel labuser",),
        ),
        Case(
            "members",
            "accounts.members",
            {"group": "daemon", "users": ["ops"]},
            "id -nG ops | grep -qw daemon",
            ("gpasswd -d ops daemon",),
        ),
        Case(
            "no members",
            "accounts.members",
            {"group": "games", "users": ["ops"], "present": False},
            "! id -nG ops | grep -qw games",
            ("gpasswd -a ops games",),
        ),
    ]


def _keys(mirror: str) -> list[Case]:
    fingerprint, path = keys.key_fingerprint(), "/etc/pki/rpm-gpg/RPM-GPG-KEY-lab"
    known = f"rpm -q gpg-pubkey | grep -i {fingerprint[-8:]}"
    return [
        Case(
            "a key",
            "rpm.key",
            {"url": f"{mirror}/docker/linux/centos/gpg", "fingerprint": fingerprint, "path": path},
            f"{known} && grep -q BEGIN {path}",
            (f"rm {path}", f"echo another > {path}", f"rpm -e --allmatches $({known})"),
        ),
        Case("nothing in the way", "rpm.removable", {"names": ["make"]}, "rpm -q make"),
    ]


# Mounted read-only, so that everything fails which would write there.
READ_ONLY = f"{PLACE}/read-only"
MOUNT = f"mount --bind {READ_ONLY} {READ_ONLY}; mount -o remount,bind,ro {READ_ONLY}"

# What fails, and what must be as it was: the name of the operation, its arguments, and shell that sets up
# and then prints what must not change.
FAILURES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "refused by its program": (
        "files.put",
        {"path": f"{PLACE}/kept", "content": "new\n", "validate": "exit 1"},
        f"echo old > {PLACE}/kept",
        f"cat {PLACE}/kept; ls -A {PLACE}",
    ),
    "not what was asked for": (
        "files.fetch",
        {"path": f"{PLACE}/kept", "urls": ["file:///etc/passwd"], "digest": "0" * 64},
        f"echo old > {PLACE}/kept",
        f"cat {PLACE}/kept; ls -A {PLACE}",
    ),
    "not empty": (
        "files.absent",
        {"path": f"{PLACE}/full"},
        f"mkdir -p {PLACE}/full && touch {PLACE}/full/x",
        f"ls {PLACE}/full",
    ),
    "no such package": (
        "rpm.packages",
        {"specs": ["make", "nosuchpackage"]},
        "true",
        # yum installs those that there are, and trusts the key of their repository.
        "rpm -qa | grep -v -e make -e gpg-pubkey | sort",
    ),
    "no such unit": ("unit.service", {"unit": "nosuch.service"}, "true", "systemctl list-units --failed -q"),
    "another key": (
        "rpm.key",
        {"fingerprint": "0" * 40, "path": "/etc/pki/rpm-gpg/RPM-GPG-KEY-other"},
        "true",
        "rpm -q gpg-pubkey; ls -A /etc/pki/rpm-gpg",
    ),
    "nobody's directory": (
        "files.directory",
        {"path": f"{PLACE}/theirs", "user": "nosuchuser", "mode": "700"},
        f"mkdir -p {PLACE}/theirs && chmod 751 {PLACE}/theirs && touch {PLACE}/theirs/x",
        f"stat -c '%U %G %a' {PLACE}/theirs; ls {PLACE}/theirs",
    ),
    "a link that cannot be flipped": (
        "files.link",
        {"path": f"{READ_ONLY}/link", "target": "new"},
        f"umount {READ_ONLY}; mkdir -p {READ_ONLY} && ln -sfn old {READ_ONLY}/link && {MOUNT}",
        f"readlink {READ_ONLY}/link; ls -A {READ_ONLY}",
    ),
    "locks that cannot be written": (
        "rpm.versionlock",
        {"specs": ["make"], "path": f"{READ_ONLY}/versionlock.list"},
        f"umount {READ_ONLY}; mkdir -p {READ_ONLY} && echo 'git-0:2.43.0-1.*' "
        f"> {READ_ONLY}/versionlock.list && {MOUNT}",
        f"cat {READ_ONLY}/versionlock.list; ls -A {READ_ONLY}",
    ),
    "a group of that name is there": (
        "accounts.user",
        {"name_": "labtaken", "home": "/srv/elforge-lab/home"},
        "groupadd -f labtaken",
        "cat /etc/passwd /etc/group",
    ),
    "no such group": (
        "accounts.members",
        {"group": "nosuchgroup", "users": ["ops"]},
        "true",
        "cat /etc/group; id ops",
    ),
}
