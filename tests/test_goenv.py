"""What the goenv deploy does on each release, and the text of go.env."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deploys.goenv import GO_ENV, MODULES, GoenvOptions, go_env, goenv, settings
from deploys.release import RELEASES
from facts.release import ElRelease
from tests.answers import Answers
from tests.plan import Plan, plan, text

DIGEST = "0" * 64
CI = {"ci": "builders docker"}
COMPANY: dict[str, Any] = {
    "proxy": ["https://goproxy.example.com", "https://proxy.golang.org", "direct"],
    "proxy_fallback": ["any-error", "missing"],
    "private": ["git.example.com", "github.com/example/*"],
    "flags": ["-trimpath", "-ldflags=-s -w"],
    "vcs": {"git.example.com": ["git"], "public": ["off"]},
    "tmpdir": "/srv/go/tmp",
    "builder": "ci",
    "cache": "/srv/go/cache",
    "modules": {"url": "https://files.example.com/modules.tar.gz", "sha256": DIGEST},
    "credentials": [
        {"user": "ci", "machine": "git.example.com", "login": "bot", "secret": "env:ELFORGE_TEST_TOKEN"}
    ],
}


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")


def planned(answers: Answers, **options: Any) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())

    def deploy() -> None:
        goenv(GoenvOptions.model_validate(options), RELEASES[answers.major], machine)

    return plan(deploy, answers)


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    golden(f"el{major}/goenv_fresh", text(planned(Answers(major, groups=CI), **COMPANY).steps))


def converged(major: int = 9) -> Answers:
    """Return a host as the deploy leaves it."""
    return Answers(
        major,
        files=planned(Answers(major, groups=CI), **COMPANY).files,
        links={f"{MODULES}/current": DIGEST},
        directories={
            "/srv/go/tmp": "root root 1777",
            "/srv/go/cache": "ci builders 700",
            MODULES: "root root 755",
        },
        entries={MODULES: [DIGEST, "current"], "/var/lib/elforge/netrc": ["ci"]},
        netrcs={"ci": "same"},
        groups=CI,
    )


@pytest.mark.parametrize("major", RELEASES)
def test_converged_host_changes_nothing(major):
    again = planned(converged(major), **COMPANY)
    assert {step.name: step.commands for step in again.steps if step.commands} == {}


@pytest.mark.parametrize("major", RELEASES)
def test_removal(major, golden):
    golden(f"el{major}/goenv_removed", text(planned(converged(major), state="absent").steps))


def test_drift_is_mended_and_nothing_else(golden):
    host = converged()
    host.files[GO_ENV] += "GOSUMDB=off\n"
    host.netrcs["ci"] = "differs"
    steps = [step for step in planned(host, **COMPANY).steps if step.commands]
    assert [step.name.split(" | ")[1] for step in steps] == ["Write go.env", "Give users their credentials"]


def test_who_loses_a_login_loses_the_file():
    host = replace(converged(), entries={"/var/lib/elforge/netrc": ["ada", "ci"]})
    commands = [line for step in planned(host, **COMPANY).steps for line in step.commands]
    assert any(line.startswith("unnetrc ada ") for line in commands)


def test_no_secret_is_in_any_argument():
    steps = planned(Answers(9, groups=CI), **COMPANY).steps
    lines = [line for step in steps for command in step.commands for line in command.splitlines()]
    assert [line for line in lines if "s3cret" in line] == [
        "  | machine git.example.com login bot password s3cret"
    ]


def test_without_options_it_is_what_upstream_ships_but_for_the_toolchain():
    assert {name: value for name, value in settings(GoenvOptions()).items() if value} == {
        "GOPROXY": "https://proxy.golang.org,direct",
        "GOSUMDB": "sum.golang.org",
        "GOTOOLCHAIN": "local",
    }


@pytest.mark.parametrize(
    ("data", "name", "value"),
    [
        ({"proxy": ["off"]}, "GOPROXY", "off"),
        ({"proxy_fallback": "any-error"}, "GOPROXY", "https://proxy.golang.org|direct"),
        (
            {"modules": COMPANY["modules"], "proxy": ["off"]},
            "GOPROXY",
            f"file://{MODULES}/current/cache/download,off",
        ),
        ({"noproxy": []}, "GONOPROXY", "none"),
        ({"noproxy": ["a.lan", "b.lan"]}, "GONOPROXY", "a.lan,b.lan"),
        ({"noproxy": None}, "GONOPROXY", None),
        ({"flags": ["-v", "-ldflags=-X 'a=b'"]}, "GOFLAGS", "-v \"-ldflags=-X 'a=b'\""),
        ({"vcs": {"a.lan": ["git", "hg"], "public": ["off"]}}, "GOVCS", "a.lan:git|hg,public:off"),
    ],
)
def test_values_as_the_go_command_reads_them(data, name, value):
    assert settings(GoenvOptions.model_validate(data))[name] == value


def test_a_reason_stands_in_the_file():
    options = GoenvOptions.model_validate({"sumdb": "off", "allow": {"sumdb_off": "air-gapped, ticket 123"}})
    assert "# sumdb_off is allowed: air-gapped, ticket 123\n" in go_env(options)
