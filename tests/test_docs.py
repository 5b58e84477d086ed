"""What is written down is what there is."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deploys.options import problems
from tools import options

ROOT = Path(__file__).parent.parent


def test_options_page_is_fresh(capsys):
    options.main()
    assert capsys.readouterr().out == (ROOT / "docs/options.md").read_text(), "run make docs"


@pytest.mark.parametrize("name", ["group_data/all.py", "group_data/docker_hosts.py"])
def test_group_data_holds_options_only(name):
    values: dict[str, object] = {}
    exec((ROOT / name).read_text(), values)
    data = {key: value for key, value in values.items() if not key.startswith("__")}
    assert problems(name, data, options.MODELS.values()) == []
    known = {key for model in options.MODELS.values() for key in model.names()}
    assert {key for key in data if not key.startswith("_")} <= known


def test_example_inventory_is_valid():
    values: dict[str, object] = {}
    exec((ROOT / "inventories/example.py").read_text(), values)
    hosts, data = values["docker_hosts"]
    for host in hosts:
        own = host[1] if isinstance(host, tuple) else {}
        assert (
            problems(
                "host", {**data, **own}, options.MODELS.values(), {key for key in own if key[:4] == "ssh_"}
            )
            == []
        )


@pytest.mark.skipif(not shutil.which("vagrant"), reason="vagrant is not installed here")
def test_vagrantfile_is_valid():
    subprocess.run(["vagrant", "validate"], cwd=ROOT, check=True)
