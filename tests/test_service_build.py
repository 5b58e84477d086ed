"""How a release is built, in a real shell, from a real repository; go is one that tells what it was given."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deploys.firewall_options import FirewallOptions
from deploys.go import GoOptions
from deploys.service_options import App, ServiceOptions
from deploys.service_unit import manifest
from operations.service import Build
from tests.test_service_scripts import Machine

GO = """#!/bin/sh
env >FOLDER/environment
git -C "$PWD" rev-parse HEAD >FOLDER/built
while [ "$1" != -o ]; do shift; done
cp /bin/sleep "$2"
"""
# Who builds is who runs the test.
PROGRAMS = {
    "go": GO,
    "systemd-run": '#!/bin/sh\nwhile [ "$1" != timeout ]; do shift; done\nexec "$@"\n',
    "runuser": '#!/bin/sh\nshift 3\nexec "$@"\n',
}


class Workshop(Machine):
    """Where a release is built."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.programs(PROGRAMS)
        (folder / "var/cache").mkdir(parents=True)
        self.git("init", "-q", "-b", "main", str(self.repository))
        self.commit("first")

    def text(self, name: str) -> str:
        """None of the processes of who runs the test is to be ended."""
        text = super().text(name).replace("pkill -KILL -u", "echo")
        assert "pkill" not in text
        return text

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    def git(self, *words: str) -> str:
        who = {f"GIT_{role}_{key}": "x" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        env = {**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"}
        return subprocess.check_output(["git", *words], env=env, text=True).strip()

    def commit(self, text: str) -> str:
        (self.repository / "main.go").write_text(text)
        self.git("-C", str(self.repository), "add", ".")
        self.git("-C", str(self.repository), "commit", "-qm", text)
        return self.git("-C", str(self.repository), "rev-parse", "HEAD")

    def compile(self, ref: str = "main") -> subprocess.CompletedProcess[str]:
        user = subprocess.check_output(["id", "-un"], text=True).strip()
        go = str(self.folder / "bin/go")
        recipe = Build(str(self.repository), ref, ".", False, go, user, "MemoryMax=1G", 60)
        return self.run("compile", stdin=recipe.text(name="shop", version="1.0"))

    def built(self) -> str:
        return (self.folder / "built").read_text().strip()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_a_build_keeps_to_directories_of_its_own(workshop):
    done = workshop.compile()
    assert (done.returncode, done.stderr) == (0, "")
    environment = dict(
        line.split("=", 1) for line in (workshop.folder / "environment").read_text().splitlines()
    )
    for name in ("GOCACHE", "GOPATH", "GOMODCACHE", "GOTMPDIR"):
        assert environment[name].startswith(str(workshop.folder)), name


def damaged(workshop: Workshop) -> None:
    (workshop.folder / "opt/shop/releases/1.0/bin/shop").chmod(0o700)


def replaced(workshop: Workshop) -> None:
    """What a run leaves that is killed between its two renames."""
    releases = workshop.folder / "opt/shop/releases"
    (releases / "1.0").rename(releases / ".old.1.0")


@pytest.mark.parametrize("happens", [damaged, replaced])
def test_a_release_is_built_again_from_the_commit_that_it_was(workshop, happens):
    assert workshop.compile().returncode == 0
    first = workshop.built()
    workshop.commit("second")
    happens(workshop)
    assert workshop.compile().returncode == 0
    assert workshop.built() == first
    record = workshop.folder / "opt/shop/releases/1.0/elforge.record"
    assert record.read_text().splitlines()[2:] == [f"commit {first}"]


def test_nor_is_it_another_one_when_that_is_gone(workshop):
    assert workshop.compile().returncode == 0
    first = workshop.built()
    git = ("-C", str(workshop.repository))
    workshop.git(*git, "checkout", "-q", "--orphan", "other")
    workshop.commit("other")
    workshop.git(*git, "branch", "-qM", "other", "main")
    workshop.git(*git, "reflog", "expire", "--expire=now", "--all")
    workshop.git(*git, "gc", "-q", "--prune=now")
    done = workshop.compile()
    assert done.returncode == 1
    assert f"{workshop.repository} no longer has {first}, which release 1.0 was built from" in done.stderr


LIMITED = {"version": "1.0", "git": "https://git.lan/shop.git", "cpus": 1.5}
SENT = {"version": "1.0", "file": "/home/me/shop", "cpus": 1.5}
ITSELF, TOLD = {"GODEBUG": "containermaxprocs=1,updatemaxprocs=1"}, {"GOMAXPROCS": "2"}


@pytest.mark.parametrize(
    ("go", "app", "variables"),
    [
        ("1.25.13", LIMITED, ITSELF),
        ("1.27.0", LIMITED, ITSELF),
        ("1.24.6", LIMITED, TOLD),
        ("", LIMITED, TOLD),
        ("1.27.0", SENT, TOLD),
        ("1.27.0", {**LIMITED, "secrets": {"GODEBUG": "env:PATH"}}, TOLD),
        ("1.27.0", {**LIMITED, "environment": {"GODEBUG": "a=1"}}, {**TOLD, "GODEBUG": "a=1"}),
        ("1.27.0", {**LIMITED, "cpus": None}, {}),
    ],
)
def test_a_go_that_knows_the_limit_of_cpus_by_itself_is_left_to_it(go, app, variables):
    assert manifest("shop", App.model_validate(app), 252, go).variables == variables


def test_which_go_builds_is_what_the_go_deploy_says():
    go = GoOptions.model_validate({"versions": ["1.26.6", "1.27.0"], "default": "1.26.6"})
    declared = ServiceOptions.model_validate({"apps": {"shop": LIMITED}})
    assert (declared.go, go.adds(declared).go, go.adds(declared).apps) == ("", "1.26.6", declared.apps)
    assert GoOptions.model_validate({"state": "absent"}).adds(declared).go == ""
    assert go.adds(FirewallOptions()) == FirewallOptions()
