"""Who is measured: how each is started, and how many changes it says it has made."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pyinfra.api import StringCommand
from pyinfra.connectors.util import make_unix_command

from bench.cost import ROOT, Command
from bench.fleet import Fleet, Place
from connectors import lessons, questions
from lab import mirror
from lab.hosts import DEFAULT_USER, Host
from lab.inventory import GO, connection, docker, go
from lab.mirror import build, golang
from lab.system import fingerprint, run, state_dir

PEERS = ROOT / "bench" / "peers"
LOCK = ROOT / "bench" / "requirements.lock"
# What deploy.py is told beyond what the lab needs; the peers have it in their files.
FIREWALL = {
    "firewall_running": True,
    "firewall_services": {"shop": {"ports": ["18080-18089/tcp"]}},
    "firewall_zones": {"public": {"services": ["shop"]}},
}


class Contender(NamedTuple):
    """One way to do it; ``makes`` names the end state that it brings its hosts to."""

    title: str
    makes: str
    command: Callable[[Fleet, Path], Command]  # of hosts, and of a directory to keep things in
    changes: Callable[[str], int] | None = None  # in what it prints; None for a floor, which makes none


def elforge(
    fleet: Fleet, scratch: Path, connector: str = "@elforge/", program: tuple[str, ...] = ("-m", "pyinfra")
) -> Command:
    """Run deploy.py as its users do."""
    asked = {
        "hosts": [(f"{connector}{place.name}", _pyinfra(place, fleet)) for place in fleet.places],
        "data": {**docker(), **go(), **FIREWALL},
    }
    env = {**_quiet(asked), "XDG_CACHE_HOME": str(scratch)}
    return Command([sys.executable, *program, "-y", "--json", "bench/inventory.py", "deploy.py"], env)


def by_pyinfra_ssh(fleet: Fleet, scratch: Path) -> Command:
    """Run deploy.py by pyinfra's own connector."""
    return elforge(fleet, scratch, connector="")


def stock(fleet: Fleet, scratch: Path) -> Command:
    """Run pyinfra's own operations."""
    asked = {
        "hosts": [(place.name, _pyinfra(place, fleet)) for place in fleet.places],
        "data": described(),
    }
    words = [str(peers() / "bin/pyinfra"), "-y", "--json", "stock_inventory.py", "stock.py"]
    return Command(words, _quiet(asked), PEERS)


def ansible(fleet: Fleet, scratch: Path) -> Command:
    """Run the playbook by Ansible."""
    inventory = scratch / "hosts.json"
    inventory.write_text(json.dumps(ansible_inventory(fleet, Host(fleet.places[0].name).key, described())))
    env = {"ANSIBLE_HOME": str(scratch / "ansible"), "LC_ALL": "C.UTF-8"}
    return Command([str(peers() / "bin/ansible-playbook"), "-i", str(inventory), "site.yml"], env, PEERS)


def mitogen(fleet: Fleet, scratch: Path) -> Command:
    """Run the playbook by Ansible with Mitogen's strategy."""
    command = ansible(fleet, scratch)
    (plugins,) = peers().glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy")
    env = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
    return command._replace(env={**command.env, **env})


def python_starts(fleet: Fleet, scratch: Path) -> Command:
    """Import what every run of pyinfra imports."""
    return Command([sys.executable, "-c", "import pyinfra_cli.main"])


def ssh_true(fleet: Fleet, scratch: Path) -> Command:
    """Log in and do nothing."""
    return _side_by_side([ssh(fleet, place, "true") for place in fleet.places])


def ssh_facts(fleet: Fleet, scratch: Path) -> Command:
    """Ask all questions of deploy.py in one exec, by ssh itself."""
    lines = []
    for place in fleet.places:
        (path,) = scratch.glob(f"elforge/facts/*/{place.name}.json")
        lesson = lessons.load(path.parent, place.name)
        assert lesson, f"{path} cannot be read"
        groups = questions.groups(lesson.questions)
        command, data = questions.exec_command(groups, _wrapped, questions.marks_of(groups))
        stdin = scratch / f"{place.name}.stdin"
        stdin.write_bytes(data)
        lines.append(f"{ssh(fleet, place, command)} <{stdin}")
    return _side_by_side(lines)


def pyinfra_changes(stdout: str) -> int:
    """Return how many operations changed something, over all hosts."""
    return sum(len(each["success"]) for each in json.loads(stdout)["results"]["operations"])


def ansible_changes(stdout: str) -> int:
    """Return how many tasks changed something, over all hosts."""
    recap = re.findall(r"^\S+ +: ok=\d+ +changed=(\d+) ", stdout.partition("PLAY RECAP")[2], re.MULTILINE)
    if not recap:
        raise ValueError(f"no recap of a play: {stdout[-200:]!r}")
    return sum(map(int, recap))


CONTENDERS = (
    Contender("Python starts pyinfra", "elforge", python_starts),
    Contender("`ssh HOST true`", "elforge", ssh_true),
    Contender("`ssh HOST` asks all facts of deploy.py", "elforge", ssh_facts),
    Contender("elforge", "elforge", elforge, pyinfra_changes),
    Contender("elforge by pyinfra's own connector", "elforge", by_pyinfra_ssh, pyinfra_changes),
    Contender("stock pyinfra operations", "pyinfra", stock, pyinfra_changes),
    Contender("Mitogen for Ansible", "ansible", mitogen, ansible_changes),
    Contender("Ansible", "ansible", ansible, ansible_changes),
)


def peers() -> Path:
    """Return the virtual environment of the peers, made when it is not there."""
    folder = state_dir() / "peers" / fingerprint(LOCK, sys.version)
    if not (folder / "done").exists():
        run(ROOT / "tools" / "venv.sh", sys.executable, folder, LOCK)
        (folder / "done").touch()
    return folder


def described() -> dict[str, Any]:
    """Return what the peers are told: where the lab has what a real host gets from the Internet."""
    url = f"{mirror.url()}/docker/linux/centos"
    key = (build.tree() / "docker/linux/centos/gpg").read_bytes()
    return {
        "mirror_url": f"{mirror.url()}/stream",
        "docker_url": url,
        "docker_key_sha256": hashlib.sha256(key).hexdigest(),
        "docker_users": [DEFAULT_USER],
        "go_version": GO,
        "go_url": f"{mirror.url()}/go/dl/go{GO}.linux-amd64.tar.gz",
        "go_sha256": golang.artifacts()[GO]["linux-amd64"]["sha256"],
    }


def ansible_inventory(fleet: Fleet, key: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an inventory as Ansible reads it."""
    hosts = {
        place.name: {"ansible_host": place.address, "ansible_port": place.port} for place in fleet.places
    }
    login = {
        "ansible_user": DEFAULT_USER,
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={fleet.known}",
    }
    return {"all": {"hosts": hosts, "vars": {**login, **data}}}


def ssh(fleet: Fleet, place: Place, command: str) -> str:
    """Return the shell that runs a command on a host by OpenSSH."""
    options = ("BatchMode=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={fleet.known}")
    words = [word for option in options for word in ("-o", option)]
    login = ["-i", str(Host(place.name).key), "-p", str(place.port), f"{DEFAULT_USER}@{place.address}"]
    return shlex.join(["ssh", "-F", "none", *words, *login, command])


def _side_by_side(lines: list[str]) -> Command:
    started = "".join(f'{line} & pids="$pids $!"\n' for line in lines)
    return Command(["sh", "-c", f"{started}for pid in $pids; do wait $pid || exit 1; done"])


def _pyinfra(place: Place, fleet: Fleet) -> dict[str, Any]:
    _, data = connection(place.name)
    where = {"ssh_hostname": place.address, "ssh_port": place.port, "ssh_known_hosts_file": str(fleet.known)}
    return {**data, **where}


def _quiet(asked: Mapping[str, Any]) -> dict[str, str]:
    return {"ELFORGE_BENCH": json.dumps(asked), "PYINFRA_PROGRESS": "off"}


def _wrapped(command: str, who: Mapping[str, Any]) -> str:
    return str(make_unix_command(StringCommand(command), **who).get_raw_value())
