"""What is written down is what there is."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pyinfra.api import State
from pyinfra.context import ctx_state
from pyinfra_cli.inventory import make_inventory

from deploys.options import Options, problems
from tools import options

ROOT = Path(__file__).parent.parent


def test_options_page_is_fresh(capsys):
    options.main()
    assert capsys.readouterr().out == (ROOT / "docs/options.md").read_text(), "run make docs"


# Each file of group_data, and each group of the example, with the deploys that read it.
GROUPS = {
    "all": ["base", "docker"],
    "docker_hosts": ["base", "journald", "kernel", "docker", "caches"],
    "go_hosts": ["base", "caches", "goenv", "go"],
    "service_hosts": ["base", "service"],
}


def models(group: str) -> list[type[Options]]:
    return [options.MODELS[name] for name in GROUPS[group]]


@pytest.mark.parametrize("group", sorted(path.stem for path in (ROOT / "group_data").glob("*.py")))
def test_group_data_holds_options_only(group):
    values: dict[str, object] = {}
    exec((ROOT / f"group_data/{group}.py").read_text(), values)
    data = {key: value for key, value in values.items() if not key.startswith("__")}
    # Which versions is for the inventory to say: the lab has others than go.dev.
    needed = {"go_versions": ["1.27.0"]} if group == "go_hosts" else {}
    assert problems(group, {**needed, **data}, models(group)) == []
    known = {key for model in models(group) for key in model.names()}
    assert {key for key in data if not key.startswith("_")} <= known


@pytest.mark.parametrize("name", ["example", "vagrant"])
def test_inventories_are_valid(name):
    groups: dict[str, object] = {}
    exec((ROOT / f"inventories/{name}.py").read_text(), groups)
    for group in GROUPS.keys() & groups.keys():
        hosts, data = groups[group] if isinstance(groups[group], tuple) else (groups[group], {})
        for host in hosts:
            own = host[1] if isinstance(host, tuple) else {}
            of_ssh = {key for key in own if key[:4] == "ssh_"}
            assert problems("host", {**data, **own}, models(group), of_ssh) == []


def test_what_the_example_says_is_what_its_hosts_get():
    with ctx_state.use(State()):
        hosts = make_inventory(str(ROOT / "inventories/example.py"), cwd=str(ROOT))
    assert hosts.get_host("build1.example.org").data.docker_builder_max_used_space == "50GB"


@pytest.mark.skipif(not shutil.which("vagrant"), reason="vagrant is not installed here")
def test_vagrantfile_is_valid():
    subprocess.run(["vagrant", "validate"], cwd=ROOT, check=True)
