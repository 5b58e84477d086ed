"""What the login does: other shells, banners, bytes, languages, sudo."""

from __future__ import annotations

import pytest

from lab.hosts import Host
from tests.drill import BARE, converged, on, refused
from tests.runner import apply, pyinfra, root

pytestmark = pytest.mark.alike("el9")

CHANGE = {"docker_debug": True}


def test_h52_a_foreign_login_shell_is_refused_by_name(host: Host) -> None:
    root(host, "ln -s bash /usr/bin/fish; usermod -s /usr/bin/fish ops")
    refused(host, "login shell /usr/bin/fish", "elforge needs one of", data=CHANGE)
    root(host, "usermod -s /bin/bash ops")
    converged(host, data=CHANGE)


@on("el9-f", start=BARE)
def test_h52_a_banner_of_the_login_shell_is_not_taken_for_an_answer(host: Host) -> None:
    banner = "echo Welcome to the machine; echo ROOT=; echo absent; echo >&2 be good\n"
    root(host, f"printf '{banner}' | tee /root/.bashrc > /home/ops/.bashrc")
    assert "Welcome" in host.ssh("true").stdout
    converged(host)


@on("el7-f", "el9-f")
def test_h53_bytes_that_are_no_utf8_change_nothing(host: Host) -> None:
    root(host, "printf 'K\\344se' > /etc/motd; touch \"$(printf '/etc/yum.repos.d/K\\344se')\"")
    root(host, "printf '# K\\344se\\n' > /etc/yum.repos.d/admin.repo")
    run = pyinfra(host.name)
    assert (run.code, run.changed) == (0, set()), run.output
    converged(host, data=CHANGE)


def test_h53_a_repository_file_with_such_a_name_is_left_alone(host: Host) -> None:
    root(host, "touch \"$(printf '/etc/yum.repos.d/K\\344se.repo')\"")
    run = pyinfra(host.name)
    assert (run.code, run.changed) == (0, set()), run.output


def test_h53_a_banner_of_such_bytes_is_refused_and_named(host: Host) -> None:
    root(host, "printf 'echo \"K\\344se\"\\n' > /home/ops/.bashrc")
    # The traceback is pyinfra's own reader's.
    refused(host, "did not say what it is", "login", "not UTF-8", noisy=True, data=CHANGE)
    root(host, "rm /home/ops/.bashrc")
    converged(host, data=CHANGE)


@on("el9-f", start=BARE)
def test_h54_other_languages_change_nothing(host: Host) -> None:
    plan = pyinfra(host.name, dry=True)
    for language in ("de_DE.UTF-8", "ja_JP.UTF-8"):
        root(host, f"echo LANG={language} > /etc/locale.conf; echo LC_ALL={language} > /etc/environment")
        assert host.ssh("echo $LC_ALL").stdout.strip() == language
        assert pyinfra(host.name, dry=True).changed == plan.changed
    converged(host)


def test_h55_sudo_that_asks_for_a_password_is_refused_with_the_line_to_add(host: Host) -> None:
    root(host, "echo 'ops ALL=(ALL) ALL' > /etc/sudoers.d/ops")
    refused(
        host, "cannot become root", "password is required", "NOPASSWD: ALL", "/etc/sudoers.d/", data=CHANGE
    )
    root(host, "echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops")
    converged(host, data=CHANGE)


def test_h55_requiretty_is_refused_with_the_line_to_add(host: Host) -> None:
    root(host, "cd /etc/sudoers.d; cp requiretty.off requiretty")
    refused(host, "cannot become root", "tty", "!requiretty", data=CHANGE)
    root(host, "rm /etc/sudoers.d/requiretty")
    converged(host, data=CHANGE)


def test_h55_no_sudo_is_refused_for_ops_and_fine_for_root(host: Host) -> None:
    root(host, "mv /usr/bin/sudo /usr/bin/sudo.away")
    refused(host, "cannot become root", "sudo", data=CHANGE)
    converged(host, data=CHANGE, user="root")


def test_h55_a_lecture_is_not_taken_for_an_answer(host: Host) -> None:
    root(host, "echo 'Defaults lecture = always' > /etc/sudoers.d/lecture")
    converged(host, data=CHANGE)


def test_h55_a_secure_path_without_sbin_is_enough(host: Host) -> None:
    root(host, "echo 'Defaults secure_path = /usr/bin:/bin' > /etc/sudoers.d/path")
    assert apply(host.name, data=CHANGE).code == 0
    converged(host, data=CHANGE)
