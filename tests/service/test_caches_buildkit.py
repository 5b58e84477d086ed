"""Docker's build cache is cut back in the words of each engine's client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import lab.hosts
from deploys.release import RELEASES
from lab.hosts import Host
from tests.runner import converge, root

# Docker 20.10 and 28.5.
pytestmark = pytest.mark.alike("el7", "el9")

SERVICE = "elforge-buildkit.service"
LIMITS = {"caches_buildkit": {"max_age": "14d", "max_size": "1M"}, "caches_schedule": "03:30"}
# Docker builds from nothing here: what counts is that a layer of some size is cached.
BUILD = (
    "mkdir -p /root/image && cd /root/image && head -c 8M /dev/urandom >file && "
    "printf 'FROM scratch\\nCOPY file /file\\n' >Dockerfile && DOCKER_BUILDKIT=1 docker build -q . && "
    "docker image prune --all --force"
)


@pytest.fixture(scope="module", params=RELEASES, ids=lambda major: f"el{major}")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    name = f"el{request.param}-caches"
    (each,) = lab.hosts.reset([name])
    converge(name, data=LIMITS)
    yield each
    lab.hosts.down([name])


def cached(host: Host) -> str:
    """Return what the engine says that its build cache takes."""
    return root(host, "docker system df --format '{{.Type}} {{.Size}}' | sed -n 's/^Build Cache //p'")


def test_what_is_more_than_its_size_goes(host: Host) -> None:
    root(host, BUILD)
    before = cached(host)
    assert "MB" in before, before
    root(host, f"systemctl start {SERVICE}")
    assert "MB" not in cached(host)
    said = root(host, f"journalctl -b -u {SERVICE} -o cat")
    assert "otal" in said
    assert "deprecated" not in said
    assert "unknown flag" not in said


def test_without_docker_there_is_nothing_to_do(host: Host) -> None:
    root(host, "systemctl stop docker.socket docker.service")
    root(host, f"systemctl start {SERVICE}")
    assert root(host, "systemctl is-active docker.service || true") == "inactive"
