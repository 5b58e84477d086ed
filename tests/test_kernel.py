"""What the kernel deploy does on each release, what its options refuse, and its script in a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import OperationError

from deploys.docker import DockerOptions
from deploys.kernel import LIMITS, PROFILES, KernelOptions, kernel
from deploys.options import problems
from deploys.release import RELEASES
from facts.release import ElRelease
from operations import script
from operations.kernel import MODULES, SYSCTL, comes_with
from tests.answers import Answers
from tests.plan import Plan, plan, text
from tests.shell import run_script

OPTIONS: dict[str, Any] = {
    "profiles": ["containers", "ci"],
    "modules": ["fuse"],
    "sysctl": {"fs.inotify.max_user_instances": 2048, "net.ipv4.tcp_rmem": "4096 131072 6291456"},
    "limits": [
        {"domain": "@ci", "item": "nofile", "value": 65536},
        {"domain": "*", "type": "soft", "item": "core", "value": 0},
    ],
}
HAS = {"overlay": "loaded", "br_netfilter": "available", "nf_tables": "loaded", "fuse": "available"}
SETTINGS = {
    "fs/inotify/max_queued_events": "16384",
    "fs/inotify/max_user_instances": "128",
    "fs/inotify/max_user_watches": "8192",
    "user/max_user_namespaces": "0",
    "net/ipv4/tcp_rmem": "4096 131072 6291456",
    "fs/nr_open": "65536",
}


def planned(answers: Answers, **options: Any) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())

    def deploy() -> None:
        kernel(KernelOptions.model_validate(options), RELEASES[answers.major], machine)

    return plan(deploy, answers)


def fresh(major: int = 9, **more: Any) -> Answers:
    return Answers(major, **{"modules": HAS, "settings": SETTINGS, **more})


def said(**options: Any) -> list[str]:
    given = {f"kernel_{name}": value for name, value in options.items()}
    return [line.removeprefix("h: kernel_") for line in problems("h", given, [KernelOptions])]


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    golden(f"el{major}/kernel_fresh", text(planned(fresh(major), **OPTIONS).steps))


@pytest.mark.parametrize("major", RELEASES)
def test_converged_host_changes_nothing_and_gives_all_back(major):
    files = planned(fresh(major), **OPTIONS).files
    lines = [line.split(" = ") for line in files[SYSCTL].splitlines()[1:]]
    settings = {"fs/nr_open": "65536", **{key.replace(".", "/"): value for key, value in lines}}
    there = fresh(major, files=files, modules=dict.fromkeys(HAS, "loaded"), settings=settings)
    assert [step.commands for step in planned(there, **OPTIONS).steps] == [[], [], []]
    gone = [step.commands for step in planned(there, state="absent").steps]
    assert gone == [[f"absent {path} no no ''"] for path in (MODULES, SYSCTL, LIMITS)]
    assert [step.commands for step in planned(fresh(major), state="absent").steps] == [[], [], []]


def test_without_an_option_nothing_is_done_and_nothing_asked():
    assert planned(Answers(9)) == Plan([], 0, {}, {})


def test_h63_what_a_kernel_does_not_have_is_left_out_and_named(caplog):
    files = planned(fresh(modules={"overlay": "loaded"}), profiles=["containers", "ci"]).files
    assert files[MODULES].splitlines()[1:] == ["overlay"]
    assert "net.bridge" not in files[SYSCTL]
    assert "kernel_profiles: this kernel has no module br_netfilter, nf_tables: left out" in caplog.text
    assert "this kernel has no setting net.bridge.bridge-nf-call-ip6tables, net.bridge" in caplog.text


def test_ones_own_setting_comes_before_a_profiles():
    assert "max_user_instances = 2048\n" in planned(fresh(), **OPTIONS).files[SYSCTL]


def test_a_profile_has_the_modules_of_its_settings():
    for each in PROFILES.values():
        assert {comes_with(key) for key in each.sysctl} - {""} <= set(each.modules)


# Options


def test_what_is_right():
    assert said(**OPTIONS) == said(state="absent") == []
    assert said(modules=["br_netfilter"], sysctl={"net.bridge.bridge-nf-call-iptables": 1}) == []
    most = {"domain": "ci", "item": "nofile", "value": 2_000_000}
    assert said(sysctl={"fs.nr_open": 2_000_000}, limits=[most]) == []


def limit(item: str, value: object, **more: object) -> dict[str, object]:
    return {"domain": "ci", "item": item, "value": value, **more}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"state": "absent", "modules": ["fuse"]},
            "state: 'absent' goes with no other option, not with kernel_modules",
        ),
        (
            {"modules": ["br-netfilter"]},
            "modules.0: must be a module's name as lsmod shows it, with _ (got 'br-netfilter')",
        ),
        (
            {"sysctl": {"net.bridge.bridge-nf-call-iptables": 1}},
            "sysctl.net.bridge.bridge-nf-call-iptables: comes with the module br_netfilter: "
            "name it in kernel_modules",
        ),
        ({"limits": [limit("nproc", 10)]}, "limits: ci nproc: 10 lets nobody in; 128 at least"),
        (
            {"limits": [limit("core", 2, type="soft"), limit("core", 1, type="hard")]},
            "limits: ci core: soft 2 is more than hard 1",
        ),
        (
            {"limits": [limit("core", 1), limit("core", 2, type="hard")]},
            "limits: ci hard core is there 2 times",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(options, line):
    assert line in said(**options)
    assert all(each == line or each.startswith("limits: ci core: soft") for each in said(**options))


@pytest.mark.parametrize("value", [1_048_577, "unlimited"])
def test_a_limit_that_lets_nobody_in_is_refused(value):
    line = f"limits: ci nofile: {value} is more than fs.nr_open, 1048576: pam_limits would let nobody in"
    assert said(limits=[limit("nofile", value)]) == [line]


def test_a_limit_is_compared_with_what_the_kernel_has_unless_that_is_declared():
    options = {"limits": [limit("nofile", 65537), limit("nproc", 4096)]}
    with pytest.raises(OperationError, match=r"nofile 65537 is more than this kernel's fs\.nr_open, 65536"):
        planned(fresh(), **options)
    assert LIMITS in planned(fresh(), **options, sysctl={"fs.nr_open": 65537}).files


@pytest.mark.parametrize("value", ["two  spaces", "", "a\nb", True, 1.5, 2**64])
def test_a_value_is_a_number_or_words(value):
    assert said(sysctl={"kernel.x": value})


@pytest.mark.parametrize("key", ["kernel", "../etc.x", "a.b = c", "kernel/x", "-a.b"])
def test_a_key_is_a_name_with_dots(key):
    assert said(sysctl={key: 1})


def test_docker_needs_forwarding():
    mine = KernelOptions.model_validate({"sysctl": {"net.ipv4.ip_forward": 0}})
    line = "kernel_sysctl.net.ipv4.ip_forward: with 0 no container on this docker host has a network"
    assert list(mine.among("h", {"h": {DockerOptions: DockerOptions()}})) == [line]
    assert list(mine.among("h", {"h": {}})) == []
    gone = DockerOptions.model_validate({"state": "absent"})
    assert list(mine.among("h", {"h": {DockerOptions: gone}})) == []


# The script: a kernel of files that takes what sysctl gives it, but for what ends in "stubborn"

SYSCTL_PROGRAM = """#!/bin/sh
cat $3 | sed -n 's/^\\([a-z][^ ]*\\) = /\\1 /p' | while read -r key value; do
    case $key in *stubborn) echo "setting $key: Invalid argument"; continue ;; esac
    echo "$value" | tr ' ' '\\t' >{0}/proc/$(echo $key | tr . /)
done
"""


def taken(
    folder: Path, content: str, **kernel: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Let a kernel that has settings take a file, and return what it has then."""
    (folder / "bin").mkdir()
    (folder / "bin/sysctl").write_text(SYSCTL_PROGRAM.format(folder))
    (folder / "bin/sysctl").chmod(0o755)
    (folder / "proc/a").mkdir(parents=True)
    for name, value in kernel.items():
        (folder / "proc/a" / name).write_text(f"{value}\n")
    (folder / "new").write_text(content)
    text = script._text("sysctl")
    for old, new in {"PATH=": f"PATH={folder}/bin:", "proc=/proc/sys": f"proc={folder}/proc"}.items():
        assert old in text
        text = text.replace(old, new)
    done = run_script(folder, text, str(folder / "new"))
    return done, {path.name: path.read_text().strip() for path in (folder / "proc/a").iterdir()}


def test_settings_are_taken_and_read_back(tmp_path):
    done, has = taken(tmp_path, "# head\na.x = 2\na.y = 1 2 3\n", x="1", y="0\t0\t0")
    assert (done.returncode, done.stderr, has) == (0, "", {"x": "2", "y": "1\t2\t3"})


def test_all_go_back_when_the_kernel_does_not_take_one(tmp_path):
    done, has = taken(tmp_path, "a.x = 2\na.stubborn = 5\n", x="1", stubborn="7")
    assert (done.returncode, has) == (1, {"x": "1", "stubborn": "7"})
    assert "a.stubborn is 7, not 5; setting a.stubborn: Invalid argument" in done.stderr


def test_one_that_the_kernel_does_not_have_fails(tmp_path):
    done, has = taken(tmp_path, "a.x = 2\na.stubborn = 5\n", x="1")
    assert (done.returncode, has) == (1, {"x": "1"})


# A module brings the setting a.NAME, as 1; what begins with "alias" loads something else.
MODPROBE = """#!/bin/sh
echo "$1" >>{0}/done
case $1 in bad) exit 1 ;; alias*) exit 0 ;; esac
mkdir -p {0}/modules/$1
echo 1 >{0}/proc/a/$1
"""


def loaded(folder: Path, content: str, *names: str) -> subprocess.CompletedProcess[str]:
    (folder / "modprobe").write_text(MODPROBE.format(folder))
    (folder / "modprobe").chmod(0o755)
    (folder / "proc/a").mkdir(parents=True)
    (folder / "proc/a/there").write_text("0\n")
    (folder / "file").write_text(content)
    text = script.snippet("modprobe", str(folder / "file"), *names)
    for old, new in {"/proc/sys": f"{folder}/proc", "/sys/module": f"{folder}/modules"}.items():
        assert old in text
        text = text.replace(old, new)
    env = {"PATH": f"{folder}:/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", text], env=env, check=False, capture_output=True, text=True)


def test_modprobes_refusal_ends_it(tmp_path):
    assert loaded(tmp_path, "", "good", "bad", "never").returncode == 1
    assert (tmp_path / "done").read_text() == "good\nbad\n"


def test_what_modprobe_has_not_loaded_under_that_name_fails(tmp_path):
    done = loaded(tmp_path, "", "alias_name", "never")
    assert done.returncode == 1
    assert "modprobe alias_name has loaded no module of that name" in done.stderr


def test_a_module_that_comes_back_has_the_settings_that_are_declared(tmp_path):
    assert loaded(tmp_path, "# head\na.x = 0 5\na.there = 7\na.other = 1\n", "x", "y").returncode == 0
    has = {path.name: path.read_text() for path in (tmp_path / "proc/a").iterdir()}
    assert has == {"x": "0 5\n", "y": "1\n", "there": "0\n"}, "what was there is left to its own step"


def test_a_module_that_somebody_has_unloaded_is_one_change():
    options = {"modules": ["br_netfilter"], "sysctl": {"net.bridge.bridge-nf-call-iptables": 0}}
    files = planned(fresh(), **options).files
    there = fresh(files=files)
    assert [step.commands for step in planned(there, **options).steps] == [
        [f"modprobe {SYSCTL} br_netfilter"],
        [],
        [],
    ]
