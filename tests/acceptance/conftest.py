"""Read hosts through testinfra: a second implementation, that knows nothing of ours.

    pytest tests/acceptance --inventory inventory.py

works against any pyinfra inventory of hosts that are reached by ssh, with a key, or are this one: the lab,
Vagrant machines, or your own hosts.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
import testinfra
from pyinfra.api import State
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.context import ctx_state
from pyinfra_cli.inventory import make_inventory
from testinfra.host import Host

from connectors.elforge import KNOWN_HOSTS
from deploys.base import BaseOptions
from deploys.caches import CachesOptions
from deploys.docker import DockerOptions
from deploys.firewall_options import FirewallOptions
from deploys.go import GoOptions
from deploys.goenv import GoenvOptions
from deploys.journald import JournaldOptions
from deploys.options import Options
from deploys.service_options import ServiceOptions

Declared = TypeVar("Declared", bound=Options)
SSH_OPTIONS = {
    "ssh_known_hosts_file": "UserKnownHostsFile",
    "ssh_strict_host_key_checking": "StrictHostKeyChecking",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        targets = load(metafunc.config.getoption("--inventory"))
        assert targets, f"no hosts in {metafunc.config.getoption('--inventory')}"
        metafunc.parametrize("target", targets, ids=[target.name for target in targets], scope="session")


@cache
def load(inventory: str) -> list[PyinfraHost]:
    """Return the hosts of an inventory with their data, as pyinfra's command line would."""
    state = State()
    state.cwd = str(Path.cwd())
    with ctx_state.use(state):
        return list(make_inventory(inventory, cwd=state.cwd))


@pytest.fixture(scope="session")
def sockets() -> Iterator[str]:
    """Make a directory for the ends of connections; TMPDIR may be too long for one, or another user's."""
    with TemporaryDirectory(prefix="elforge-", dir="/tmp") as folder:
        yield folder


@pytest.fixture(scope="session")
def host(target: PyinfraHost, sockets: str) -> Host:
    """Connect as pyinfra does, once a session; everything is asked as root."""
    data = target.data.dict()
    if target.name == "@local":
        return testinfra.get_host("local://", sudo=bool(data.get("_sudo")))
    if Path(KNOWN_HOSTS).exists():
        data.setdefault("ssh_known_hosts_file", KNOWN_HOSTS)
    words = [f"-o {option}={shlex.quote(data[key])}" for key, option in SSH_OPTIONS.items() if data.get(key)]
    return testinfra.get_host(
        f"ssh://{data.get('ssh_hostname', target.name)}",
        ssh_extra_args=" ".join(["-o BatchMode=yes", *_login(data), *words]),
        # Of this session: an older connection would keep the groups that its user had at login.
        controlpath=f"{sockets}/%%C",
        sudo=bool(data.get("_sudo")),
    )


@pytest.fixture
def docker(target: PyinfraHost) -> DockerOptions:
    """Return what was declared for Docker; skip hosts that it was not declared for."""
    options = declared(DockerOptions, target)
    if "docker_hosts" not in target.groups or options.state == "absent":
        pytest.skip(f"Docker is not declared for {target.name}")
    return options


@pytest.fixture
def go(target: PyinfraHost) -> GoOptions:
    """Return what was declared for Go; skip hosts that it was not declared for."""
    options = declared(GoOptions, target)
    if "go_hosts" not in target.groups or options.state == "absent":
        pytest.skip(f"Go is not declared for {target.name}")
    return options


@pytest.fixture
def goenv(target: PyinfraHost, go: GoOptions) -> GoenvOptions:
    """Return what was declared for the go command's settings."""
    return declared(GoenvOptions, target)


@pytest.fixture
def service(target: PyinfraHost) -> ServiceOptions:
    """Return which services were declared; skip hosts that none was declared for."""
    options = declared(ServiceOptions, target)
    if "service_hosts" not in target.groups or not options.apps:
        pytest.skip(f"no service is declared for {target.name}")
    return options


@pytest.fixture
def caches(target: PyinfraHost) -> CachesOptions:
    """Return which caches were declared; skip hosts that none was declared for."""
    options = declared(CachesOptions, target)
    if not options.places and not options.buildkit:
        pytest.skip(f"no cache is declared for {target.name}")
    return options


@pytest.fixture
def journald(target: PyinfraHost) -> JournaldOptions:
    """Return what was declared for the journal; skip hosts where its place was not."""
    options = declared(JournaldOptions, target)
    if options.storage in (None, "auto"):
        pytest.skip(f"where the journal is kept is not declared for {target.name}")
    return options


@pytest.fixture
def firewall(target: PyinfraHost) -> FirewallOptions:
    """Return what was declared for the firewall; skip hosts that nothing was declared for."""
    options = declared(FirewallOptions, target)
    if not options.zones and not options.services:
        pytest.skip(f"no zone or service of the firewall is declared for {target.name}")
    return options


@pytest.fixture
def base(target: PyinfraHost) -> BaseOptions:
    """Return what was declared for the base deploy."""
    return declared(BaseOptions, target)


def declared(model: type[Declared], target: PyinfraHost) -> Declared:
    """Return the options of a host for one deploy."""
    return model.of(target.data.dict(), target.connector_cls.data_meta)


def _login(data: dict[str, Any]) -> list[str]:
    flags = {"ssh_user": "-l", "ssh_port": "-p", "ssh_key": "-i"}
    return [f"{flag} {shlex.quote(str(data[key]))}" for key, flag in flags.items() if data.get(key)]
