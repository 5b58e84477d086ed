"""A Docker build host: the engine, its builder, its settings, its users."""

import json
import re
from configparser import ConfigParser

import pytest

DOCKERFILE = """\
FROM scratch AS one
COPY hello.txt /from-one.txt
FROM scratch AS unused
COPY missing.txt /
FROM scratch
COPY --from=one /from-one.txt /hello.txt
"""


@pytest.fixture
def version(host):
    """Return the version that the running engine says it has."""
    return host.check_output("docker version --format '{{.Server.Version}}'").split("+")[0]


@pytest.mark.parametrize("name", ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin"])
def test_installed_from_packages(host, docker, name):
    assert host.check_output(f"rpm -q --qf '%{{NAME}}' {name}") == name


def test_the_pinned_version_runs(docker, version):
    pin = docker.version or ""
    assert not pin or f"{version}.".startswith(f"{pin}.")


def test_the_installed_version_runs(host, docker, version):
    assert host.check_output("rpm -q --qf '%{VERSION}' docker-ce") == version


def test_starts_at_boot_and_runs(host, docker):
    service = host.service("docker")
    assert service.is_enabled
    assert service.is_running


def test_the_repository_checks_signatures(host, docker):
    text = host.file("/etc/yum.repos.d/elforge-docker-ce.repo").content_string
    file = ConfigParser(interpolation=None)
    file.read_string(text)
    assert [repo["gpgcheck"] for repo in map(file.__getitem__, file.sections())] == ["1"]
    assert "$releasever" not in text


def test_buildkit_is_the_builder(host, docker):
    answer = host.check_output("curl -si --unix-socket /run/docker.sock http://docker/_ping")
    assert re.search(r"^Builder-Version: 2\r?$", answer, re.MULTILINE)


def test_a_multi_stage_build_runs_in_buildkit(host, docker):
    """Only BuildKit leaves out a stage that nothing needs, and would fail here."""
    folder = host.check_output("mktemp -d /var/tmp/elforge-acceptance.XXXXXX")
    try:
        for name, content in (("Dockerfile", DOCKERFILE), ("hello.txt", "hello\n")):
            host.run_test(f"printf %s '{content}' > {folder}/{name}")
        built = host.run(f"docker build --iidfile {folder}/id -t elforge-acceptance {folder}")
        assert built.rc == 0, built.stderr
        image = host.check_output(f"cat {folder}/id")
        assert host.check_output(f"docker image inspect -f '{{{{.Id}}}}' {image}") == image
    finally:
        host.run(f"docker image rm -f elforge-acceptance; rm -rf {folder}")


def test_compose_is_there(host, docker):
    assert host.run("docker compose version").rc == 0


def test_daemon_json_says_what_was_declared(host, docker):
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert settings["log-driver"] == docker.log_driver
    assert settings["builder"]["gc"]["enabled"] is docker.builder_gc


def test_the_engine_works_with_the_declared_settings(host, docker):
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert info["LoggingDriver"] == docker.log_driver
    if docker.debug is not None:
        assert info["Debug"] is docker.debug
    if docker.live_restore is not None:
        assert info["LiveRestoreEnabled"] is docker.live_restore


def test_the_cache_limit_is_in_force(host, docker, version):
    size = re.fullmatch(r"(\d+)GB", docker.builder_max_used_space or "")
    if not docker.builder_gc or docker.builder_gc_policy or not size:
        pytest.skip("no absolute cache limit in whole GB is declared")
    rules = host.check_output("docker buildx inspect default")
    # buildx of 0.17 and later calls the limit of an older engine reserved space.
    limit = "Max Used Space" if int(version.split(".")[0]) >= 28 else "(Keep Bytes|Reserved Space)"
    assert re.search(rf"{limit}:\s+{size[1]}GiB", rules), rules


def test_users_may_use_the_socket(host, docker):
    for user in docker.users:
        assert "docker" in host.user(user).groups


def test_the_environment_asks_for_buildkit_only_where_needed(host, docker, version):
    needed = int(version.split(".")[0]) < 23
    assert host.file("/etc/profile.d/elforge-buildkit.sh").exists is needed


def test_the_firewall_was_up_first(host, docker):
    if not host.service("firewalld").is_enabled:
        pytest.skip("firewalld is not enabled on this host")
    stamps = [
        int(host.check_output(f"systemctl show -p ActiveEnterTimestampMonotonic {unit}").split("=")[1])
        for unit in ("firewalld", "docker")
    ]
    assert 0 < stamps[0] <= stamps[1]
