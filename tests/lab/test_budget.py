"""What checking a converged host costs: SSH execs are held to tests/lab/budget.yaml, CPU time is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import lab.hosts
from lab import cgroup
from lab.hosts import Host
from lab.inventory import GO, service
from tests.figures import FIGURES
from tests.runner import Run, pyinfra

NAME = "el9-budget"
BUDGET = yaml.safe_load((Path(__file__).parent / "budget.yaml").read_text())
DATA: dict[str, dict[str, Any]] = {
    "deploy.py": {"go_versions": [GO], **service()},
    "tests/lab/base_deploy.py": {},
    "tests/golang/goenv_deploy.py": {"goenv_private": ["git.lan"]},
}
COUNTING = ("tests/count.py",)


@pytest.fixture(scope="module")
def host():
    lab.hosts.reset([NAME])
    yield Host(NAME)
    lab.hosts.down([NAME])


@pytest.fixture
def cache(tmp_path):
    """An empty place for what runs learn."""
    return {"XDG_CACHE_HOME": str(tmp_path)}


def again(deploy: str, connector: str, env: dict[str, str], **options: Any) -> tuple[Run, int]:
    """Run on a converged host, and return how many execs it took."""
    env = {**env, "ELFORGE_LAB_CONNECTOR": connector}
    run = pyinfra(NAME, deploy=deploy, program=COUNTING, data=DATA[deploy], env=env, **options)
    assert (run.code, run.changed) == (0, set()), run.output
    return run, int(re.findall(r"commands sent: (\d+)", run.output)[0])


def busy(host: Host) -> float:
    """Return the CPU time that the host has used, in milliseconds."""
    group = Path(f"/proc/{host.pid}/cgroup").read_text().splitlines()
    path = next(line.split(":", 2)[2] for line in group if line.startswith("0:"))
    whole = cgroup.root() / path.lstrip("/").partition("/payload")[0]
    return 1000 * cgroup.cpu_seconds(whole)


def test_the_budget_is_of_these_deploys():
    assert BUDGET.keys() == DATA.keys()


@pytest.mark.parametrize("deploy", DATA)
def test_a_converged_host_costs_what_it_did(host, cache, deploy):
    first = pyinfra(NAME, deploy=deploy, data=DATA[deploy], env=cache)
    assert first.code == 0, first.output
    found = {"learning": again(deploy, "elforge", cache)[1]}
    for connector in ("elforge", "ssh"):
        before = busy(host)
        found[connector] = again(deploy, connector, cache)[1]
        FIGURES.append(
            f"{deploy} by {connector}: {found[connector]} execs, {busy(host) - before:.0f} ms of host CPU"
        )
    found["plan"] = again(deploy, "elforge", cache, dry=True)[1]
    assert found == BUDGET[deploy]
