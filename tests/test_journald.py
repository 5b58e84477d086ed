"""What the journald deploy does on each release, what its options refuse, and its script in a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploys.docker import DockerOptions
from deploys.journald import JournaldOptions, journald
from deploys.options import problems
from deploys.release import RELEASES
from facts.journald import CONFIG
from facts.release import ElRelease
from operations import script
from pure.daemon import log_bytes
from pure.sizes import in_bytes, in_seconds
from tests.answers import Answers
from tests.plan import Plan, plan, text
from tests.shell import run_script

OPTIONS: dict[str, Any] = {
    "storage": "persistent",
    "max_use": "2G",
    "max_file_size": "128M",
    "keep_free": "1G",
    "retention": "30d",
    "rate_seconds": 30,
    "rate_burst": 10000,
    "forward_to_syslog": False,
    "budget": "4G",
}


def planned(answers: Answers, **options: Any) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())

    def deploy() -> None:
        journald(JournaldOptions.model_validate(options), RELEASES[answers.major], machine)

    return plan(deploy, answers)


def said(**options: Any) -> list[str]:
    given = {f"journald_{name}": value for name, value in options.items()}
    return [line.removeprefix("h: ") for line in problems("h", given, [JournaldOptions])]


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    golden(f"el{major}/journald_fresh", text(planned(Answers(major), **OPTIONS).steps))


@pytest.mark.parametrize("major", RELEASES)
def test_converged_host_changes_nothing(major):
    config = planned(Answers(major), **OPTIONS).files[CONFIG]
    there = Answers(major, files={CONFIG: config}, journal="directory systemd-journal 2755\ndisk")
    assert [step.commands for step in planned(there, **OPTIONS).steps] == [[]]
    assert [len(step.commands) for step in planned(there, **{**OPTIONS, "max_use": "1G"}).steps] == [2]
    assert [step.commands for step in planned(there, state="absent").steps] == [
        [f"journald {CONFIG} no no '' ''"]
    ]
    assert [step.commands for step in planned(Answers(major), state="absent").steps] == [[]]


def test_without_an_option_nothing_is_done_and_nothing_asked():
    assert planned(Answers(9)) == Plan([], 0, {}, {})


def lines(major: int, **options: Any) -> list[str]:
    return planned(Answers(major), **options).files[CONFIG].splitlines()[2:]


def test_a_key_has_the_name_that_its_systemd_knows():
    assert lines(7, rate_seconds=5) == ["RateLimitInterval=5"]
    assert lines(8, rate_seconds=5) == lines(9, rate_seconds=5) == ["RateLimitIntervalSec=5"]


@pytest.mark.parametrize(
    ("options", "spans"),
    [
        ({"retention": "7d"}, ["MaxRetentionSec=7d", "MaxFileSec=86400s"]),
        ({"retention": "2h"}, ["MaxRetentionSec=2h", "MaxFileSec=3600s"]),
        ({"retention": "30min"}, ["MaxRetentionSec=30min", "MaxFileSec=1800s"]),
        ({"retention": "7d", "file_span": "1w"}, ["MaxRetentionSec=7d", "MaxFileSec=1w"]),
    ],
)
def test_files_are_short_enough_for_retention(options, spans):
    assert lines(9, **options) == spans


def test_limits_of_a_journal_in_memory_are_said_to_have_no_effect(caplog):
    planned(Answers(9), max_use="2G", keep_free="1G")
    assert "journald_max_use, journald_keep_free: without effect, the journal is in memory" in caplog.text
    caplog.clear()
    planned(Answers(9), max_use="2G", storage="persistent")
    planned(Answers(9, journal="directory systemd-journal 2755\ndisk"), max_use="2G")
    assert caplog.text == ""


def test_logs_that_take_most_of_the_disk_are_named(caplog):
    planned(Answers(9), max_use="2G", budget="6G", storage="persistent")
    assert "logs may take 6144M, which is more than half of the disk of /var/log (10240M)" in caplog.text


# Options


def test_what_is_right():
    assert said(**OPTIONS) == []
    assert said(state="absent") == []
    assert said(storage="volatile", runtime_max_use="64M") == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"state": "absent", "max_use": "1G"},
            "state: 'absent' goes with no other option, not with journald_max_use",
        ),
        (
            {"storage": "volatile", "max_use": "1G"},
            "max_use: bounds journals on disk, and journald_storage = 'volatile' has none",
        ),
        ({"max_use": "8M"}, "max_use: is less than 16M, two files of a journal"),
        ({"max_file_size": "512K"}, "max_file_size: is less than 8M, by which a file grows"),
        (
            {"max_use": "1G", "max_file_size": "768M"},
            "max_file_size: is more than half of journald_max_use: the file that is written to never goes",
        ),
        (
            {"retention": "1d", "file_span": "1w"},
            "file_span: is longer than journald_retention: none would go in time",
        ),
        ({"budget": "1G"}, "budget: needs journald_max_use, or the journal may take what it likes"),
        ({"max_use": "10 GB"}, "max_use: must be a size such as 512M or 2G (got '10 GB')"),
        (
            {"retention": "3 fortnights"},
            "retention: must be a time such as 30min, 12h, 7d or 4w (got '3 fortnights')",
        ),
        ({"retention": "7m"}, "retention: must be a time such as 30min, 12h, 7d or 4w (got '7m')"),
    ],
)
def test_i18_what_is_wrong_is_said_in_one_line(options, line):
    assert said(**options) == [f"journald_{line}"]


def among(docker: dict[str, Any] | None, **options: Any) -> list[str]:
    mine = JournaldOptions.model_validate({"max_use": "1G", "budget": "1500M", **options})
    fleet = {"h": {DockerOptions: DockerOptions.model_validate(docker)} if docker is not None else {}}
    return list(mine.among("h", fleet))


def test_the_budget_is_one_with_dockers_logs():
    assert among({}) == [
        "journald_budget: 1500M is less than journald_max_use 1G and 30 MB (docker_log_opts) for each of "
        "20 containers (journald_containers): 1597M"
    ]
    assert among({}, budget="1597M") == among({}, containers=10) == []
    assert among({"log_opts": {"max-size": "5m"}}) == []
    assert among({"log_driver": "journald"}) == among({"state": "absent"}) == among(None) == []


def test_what_a_containers_log_takes():
    opts = DockerOptions.model_validate({"log_opts": {"max-size": "2g", "max-file": "2"}})
    assert log_bytes(opts) == 4 * 10**9
    assert log_bytes(DockerOptions.model_validate({"log_opts": {"max-size": "1000"}})) == 3000


def test_sizes_and_spans():
    assert [in_bytes(size) for size in ("3K", "2M", "1G")] == [3072, 2**21, 2**30]
    assert [in_seconds(span) for span in ("5s", "2min", "3h", "1d", "2w")] == [5, 120, 10800, 86400, 1209600]


# The script: real files, and a systemd that says and does what a test wants

SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>{0}/done
conf=etc/systemd/journald.conf.d/elforge.conf
case $* in
*restart*)
    {{ test ! -e {0}/once || ! rm {0}/once; }} && {{ test ! -e {0}/needed || test -e {0}/$conf; }} &&
        test ! -e {0}/broken && ! grep -qs bad {0}/$conf
    ;;
*ActiveEnterTimestamp*) echo ActiveEnterTimestamp=$(cat {0}/since 2>/dev/null || echo 1999-01-01) ;;
*USR1*) test ! -e {0}/works || {{ touch {0}/disk/id/system.journal; rm -f {0}/memory/id/system.journal; }} ;;
esac
"""
JOURNALCTL = """#!/bin/sh
echo "journalctl $*" >>{0}/done
"""
TMPFILES = """#!/bin/sh
chmod 2755 {0}/disk; mkdir -p {0}/disk/id
"""
STAT = """#!/bin/sh
case $* in *%G*) echo systemd-journal $(/usr/bin/stat -c %a {0}/disk) ;; *) exec /usr/bin/stat "$@" ;; esac
"""


class Host:
    """A journal in memory; with ``works``, one that a signal brings to disk."""

    def __init__(self, folder: Path, *, works: bool = True) -> None:
        self.folder, self.file = folder, folder / "etc/systemd/journald.conf.d/elforge.conf"
        for each in ("bin", "memory/id"):
            (folder / each).mkdir(parents=True)
        self.file.parent.mkdir(parents=True)
        self.file.write_text("[Journal]\n")
        (folder / "id").write_text("id\n")
        (folder / "memory/id/system.journal").touch()
        if works:
            (folder / "works").touch()
        programs = {
            "systemctl": SYSTEMCTL,
            "journalctl": JOURNALCTL,
            "systemd-tmpfiles": TMPFILES,
            "stat": STAT,
        }
        for name, program in programs.items():
            (folder / "bin" / name).write_text(program.format(folder))
            (folder / "bin" / name).chmod(0o755)

    def run(self, present: str, persistent: str, *vacuum: str) -> subprocess.CompletedProcess[str]:
        text, places = (
            script._text("journald"),
            {
                "PATH=/usr/sbin": f"PATH={self.folder}/bin:/usr/sbin",
                "disk=/var/log/journal": f"disk={self.folder}/disk",
                "memory=/run/log/journal": f"memory={self.folder}/memory",
                "/etc/machine-id": f"{self.folder}/id",
                "settle /etc/systemd": "true",
                "sleep 1": "true",
            },
        )
        for old, new in places.items():
            assert old in text
            text = text.replace(old, new)
        return run_script(self.folder, text, str(self.file), present, persistent, *vacuum)

    @property
    def done(self) -> list[str]:
        found = self.folder / "done"
        return [line for line in found.read_text().splitlines() if "show" not in line and "reset" not in line]

    @property
    def loaded(self) -> Path:
        return self.folder / "run/systemd-journald.service/elforge.conf"

    @property
    def record(self) -> str | None:
        return self.loaded.read_text() if self.loaded.exists() else None


def test_journald_is_restarted_and_what_it_took_is_recorded(tmp_path):
    host = Host(tmp_path)
    assert host.run("yes", "no", "", "").returncode == 0
    assert host.done[0] == "systemctl restart systemd-journald.service"
    assert not any("USR" in line or "journalctl" in line for line in host.done)
    assert host.record == "[Journal]\n"
    assert not (tmp_path / "disk").exists()


def test_a_journal_in_memory_gets_to_disk(tmp_path):
    host = Host(tmp_path)
    assert host.run("yes", "yes", "", "").returncode == 0
    assert f"{(tmp_path / 'disk').stat().st_mode & 0o7777:o}" == "2755"
    assert (tmp_path / "disk/id/system.journal").exists()
    assert host.done[-2:] == [
        "journalctl --flush",
        "systemctl kill --kill-who=main -s USR1 systemd-journald.service",
    ]


def test_what_is_archived_is_vacuumed_after_the_restart(tmp_path):
    host = Host(tmp_path)
    assert host.run("yes", "no", "1048576", "60s").returncode == 0
    assert host.done[-3:] == [
        "systemctl kill --kill-who=main -s USR2 systemd-journald.service",
        "journalctl -q --vacuum-size=1048576",
        "journalctl -q --vacuum-time=60s",
    ]


def test_h48_a_journal_that_does_not_get_to_disk_fails_and_is_tried_again(tmp_path):
    host = Host(tmp_path, works=False)
    done = host.run("yes", "yes", "", "")
    assert done.returncode == 1
    assert "journald does not write to" in done.stderr
    assert host.record == "pending\n", "which is what nobody declares"


def test_h48_a_journald_that_does_not_come_back_fails_and_is_tried_again(tmp_path):
    host = Host(tmp_path)
    (tmp_path / "broken").touch()
    done = host.run("yes", "no", "", "")
    assert (done.returncode, host.record) == (1, "pending\n")
    assert "systemd-journald.service does not come back, nor with its previous configuration" in done.stderr


@pytest.mark.parametrize("killed", [False, True])
def test_h48_a_journald_that_does_not_come_back_gets_what_it_had_loaded(tmp_path, killed):
    host = Host(tmp_path)
    assert host.run("yes", "no", "", "").returncode == 0
    host.file.write_text("[Journal]\nbad\n")
    if killed:
        # As by a run that has got no further than that, and the next one with something else that is bad.
        (tmp_path / "run/systemd-journald.service.old").mkdir()
        host.loaded.rename(tmp_path / "run/systemd-journald.service.old/elforge.conf")
        host.loaded.write_text("pending\n")
    done = host.run("yes", "no", "", "")
    assert done.returncode == 1
    assert "the previous one is back in place and works" in done.stderr
    assert (host.file.read_text(), host.record) == ("[Journal]\n", "[Journal]\n")
    assert f"{host.file.stat().st_mode & 0o777:o}" == "644"


@pytest.mark.parametrize(
    ("since", "back"), [("1999-01-01", "[Journal]\n#before\n"), ("2099-01-01", "[Journal]\n")]
)
def test_h48_without_a_record_that_is_what_it_started_with(tmp_path, since, back):
    host = Host(tmp_path)
    kept = tmp_path / f"state/backup{host.file}"
    kept.mkdir(parents=True)
    (kept / ("0" * 64)).write_text("[Journal]\n#before\n")
    (tmp_path / "since").write_text(since)
    (tmp_path / "once").touch()
    assert host.run("yes", "no", "", "").returncode == 1
    assert (host.file.read_text(), host.record) == (back, back)


def test_h48_a_journald_that_came_without_a_file_gets_none(tmp_path):
    host = Host(tmp_path)
    host.file.write_text("[Journal]\nbad\n")
    assert host.run("yes", "no", "", "").returncode == 1
    assert (host.file.exists(), host.record) == (False, None)


def test_h48_what_was_to_go_is_back(tmp_path):
    host = Host(tmp_path)
    assert host.run("yes", "no", "", "").returncode == 0
    (tmp_path / "needed").touch()
    assert host.run("no", "no", "", "").returncode == 1
    assert (host.file.read_text(), host.record) == ("[Journal]\n", "[Journal]\n")


def test_removed_it_is_kept_and_journald_goes_on_without_it(tmp_path):
    host = Host(tmp_path)
    assert host.run("no", "no", "", "").returncode == 0
    assert not host.file.parent.exists()
    assert host.done[0] == "systemctl restart systemd-journald.service"
    assert host.record is None
    (kept,) = (tmp_path / f"state/backup{host.file}").iterdir()
    assert kept.read_text() == "[Journal]\n"
