"""Which hosts are refused, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploys.release import FAMILY, RELEASES, refusal
from facts.release import Machine

GOOD = Machine("centos", "9", "CentOS Stream 9", True, "x86_64", 2, 252, "/bin/bash", "", ())
ONLY = "supported: EL 7, 8, 9 on x86_64, aarch64"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"id": "debian", "version": "12", "name": "Debian GNU/Linux 12 (bookworm)"},
            f"runs Debian GNU/Linux 12 (bookworm) on x86_64; {ONLY}",
        ),
        (
            {"id": "unknown", "version": "", "name": "an unknown system", "systemd": 0},
            f"runs an unknown system on x86_64; {ONLY}",
        ),
        (
            {"id": "rhel", "version": "6.10", "name": "Red Hat Enterprise Linux Server 6.10 (Santiago)"},
            f"runs Red Hat Enterprise Linux Server 6.10 (Santiago) on x86_64; {ONLY}",
        ),
        (
            {"version": "10", "name": "CentOS Stream 10 (Coughlan)"},
            f"runs CentOS Stream 10 (Coughlan) on x86_64; {ONLY}",
        ),
        (
            {"id": "almalinux", "version": "10.0", "name": "AlmaLinux 10.0 (Purple Lion)"},
            f"runs AlmaLinux 10.0 (Purple Lion) on x86_64; {ONLY}",
        ),
        (
            {"id": "fedora", "version": "9", "name": "Fedora Linux 9"},
            f"runs Fedora Linux 9 on x86_64; {ONLY}",
        ),
        (
            {"id": "amzn", "version": "2023", "name": "Amazon Linux 2023"},
            f"runs Amazon Linux 2023 on x86_64; {ONLY}",
        ),
        (
            {"version": "7", "name": "CentOS Linux 7 (AltArch)", "arch": "i686"},
            f"runs CentOS Linux 7 (AltArch) on i686; {ONLY}",
        ),
        ({"arch": "ppc64le"}, f"runs CentOS Stream 9 on ppc64le; {ONLY}"),
        (
            {"shell": "/bin/tcsh"},
            "has the login shell /bin/tcsh; elforge needs one of sh, bash, dash, zsh, ksh, mksh",
        ),
        (
            {"shell": "/usr/bin/fish"},
            "has the login shell /usr/bin/fish; elforge needs one of sh, bash, dash, zsh, ksh, mksh",
        ),
        ({"shell": ""}, "has the login shell ; elforge needs one of sh, bash, dash, zsh, ksh, mksh"),
        ({"systemd": 0}, "has no systemd"),
        (
            {"root": "sudo: a password is required"},
            "cannot become root: sudo: a password is required; add to /etc/sudoers.d/elforge: "
            "USER ALL=(ALL) NOPASSWD: ALL and Defaults:USER !requiretty",
        ),
        ({"readonly": ("/usr",)}, "has /usr mounted read-only"),
        ({"readonly": ("/etc", "/usr", "/var")}, "has /etc, /usr, /var mounted read-only"),
        (
            {"busy": "/run/elforge/lock"},
            "is still busy with a command of an earlier run after 10 minutes: see fuser /run/elforge/lock",
        ),
        # Without root nothing looks writable: the cause is named, not the symptom.
        (
            {"root": "sudo: not found", "readonly": ("/etc",)},
            "cannot become root: sudo: not found; add to /etc/sudoers.d/elforge: "
            "USER ALL=(ALL) NOPASSWD: ALL and Defaults:USER !requiretty",
        ),
    ],
)
def test_refused(changes, message):
    assert refusal(replace(GOOD, **changes)) == message


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("version", ["7", "7.9", "8", "8.10", "9", "9.6"])
@pytest.mark.parametrize("family", FAMILY)
def test_centos_and_its_clones_are_accepted(family, version, arch):
    assert refusal(replace(GOOD, id=family, version=version, arch=arch)) == ""


@pytest.mark.parametrize("shell", ["/bin/sh", "/usr/bin/zsh", "/bin/ksh", "bash"])
def test_posix_shells_are_accepted(shell):
    assert refusal(replace(GOOD, shell=shell)) == ""


def test_a_row_knows_its_release():
    assert {major: row.major for major, row in RELEASES.items()} == {major: major for major in RELEASES}


def test_the_example_is_true():
    debian = replace(GOOD, id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)")
    assert f'"{refusal(debian)}"' in refusal.__doc__
