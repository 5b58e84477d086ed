"""A Go build host: its toolchains, what each way of calling go finds, and where its settings come from."""

import pytest

from deploys.goenv import GO_ENV, settings

# What it imports, each host compiles; of the standard library it is something for cgo, and nothing without.
PROGRAM = "package main\n%s\nfunc main() { %s }\n"
CGO = 'import "fmt"\n// #include <stdlib.h>\nimport "C"\n'
# A transient unit that finds go by its own PATH. EL7's systemd 219 does not wait for one (--wait came with
# 232), nor does it hand on what one says (--pipe, with 235): it goes by way of a file.
UNIT = """
out=$(mktemp -d /run/elforge-acceptance.XXXXXX) &&
systemd-run --quiet --setenv=HOME=/ sh -c "%s >$out/part 2>&1; mv $out/part $out/said" &&
timeout 60 sh -c "until [ -e $out/said ]; do sleep 0.2; done" && cat $out/said
code=$?
rm -rf "$out"
exit $code
"""
# How the go command is started, as everybody but root's login shell does it; cron by its environment alone.
WAYS = {
    "root": "%s",
    "sudo": "sudo -u nobody env HOME=/ %s",
    "login shell": "bash -lc '%s'",
    "systemd unit": UNIT,
    "cron": "env -i HOME=/ SHELL=/bin/sh PATH=/usr/bin:/bin sh -c '%s'",
}
NAMES = ("GOPROXY", "GOPRIVATE", "GOSUMDB", "GOTOOLCHAIN")


@pytest.fixture(scope="session")
def folder(host):
    """Return a directory for programs and what go caches of them, which goes afterwards."""
    path = host.check_output("mktemp -d /var/tmp/elforge-acceptance.XXXXXX")
    yield path
    host.run(f"rm -rf {path}")


def built(host, folder, program: str, env: str) -> str:
    """Return what a program prints once it is compiled."""
    text = program.replace("'", "'\\''")
    return host.check_output(
        f"printf '%s' '{text}' > {folder}/main.go && cd {folder} && "
        f"HOME={folder} GOFLAGS= {env} go build -o program main.go && ./program 2>&1"
    )


@pytest.mark.parametrize("way", WAYS)
def test_every_way_finds_the_default(host, go, way):
    assert host.check_output(WAYS[way] % "go version").split()[:3] == ["go", "version", f"go{go.chosen}"]


def test_every_version_is_there(host, go):
    for version in go.versions:
        found = host.check_output(f"cat {go.prefix}/go{version}*/VERSION").splitlines()
        assert f"go{version}" in found


def test_a_static_program(host, go, folder):
    assert built(host, folder, PROGRAM % ("", "println(42)"), "CGO_ENABLED=0") == "42"
    assert "not a dynamic executable" in host.run(f"ldd {folder}/program 2>&1").stdout


def test_a_program_with_cgo(host, go, folder):
    if not go.cgo:
        pytest.skip("go_cgo is off")
    assert built(host, folder, PROGRAM % (CGO, "fmt.Println(int(C.abs(-42)))"), "CGO_ENABLED=1") == "42"


@pytest.mark.parametrize("way", WAYS)
def test_every_way_has_the_policy(host, goenv, way):
    said = host.check_output(WAYS[way] % f"go env {' '.join(NAMES)}").splitlines()
    wanted = settings(goenv)
    assert [line.strip() for line in said] == [wanted[name] or "" for name in NAMES]


def test_the_policy_comes_from_the_file_that_all_toolchains_share(host, goenv, go):
    shared = host.check_output(f"readlink {go.prefix}/*/go.env").splitlines()
    assert set(shared) == {GO_ENV}
    proxy = settings(goenv)["GOPROXY"]
    assert f"GOPROXY={proxy}" in host.file(GO_ENV).content_string.splitlines()
    # Neither the user's own file nor the environment says it.
    assert host.check_output("GOENV=off env -u GOPROXY go env GOPROXY") == proxy
    assert host.check_output("GOPROXY=off go env GOPROXY") == "off"
