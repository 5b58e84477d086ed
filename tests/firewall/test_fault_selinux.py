"""SELinux off, as in every container: a store that is kept; what is refused before anything is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from lab.hosts import Host
from tests.drill import BARE, on
from tests.lockout import LISTEN, OTHER_PORT, PORT
from tests.runner import Run, converge, pyinfra, root

pytestmark = pytest.mark.alike("el7")

DEPLOY = "tests/firewall/deploy_selinux.py"
LOCAL = (
    "cd /var/lib/selinux/default/active && cat ports.local file_contexts.local 2>/dev/null | grep -v ^#; true"
)
# Brings semanage, by which the policy is read.
ANY = {"ports": {"15777/tcp": "http_port_t"}}
MINE = {"selinux_ports": {"15601-15605/tcp": "http_port_t"}, "selinux_paths": {"/srv/ci": "runner"}}


def run(host: Host, dry: bool = False, **data: Any) -> Run:
    return pyinfra(
        host.name, deploy=DEPLOY, data={f"selinux_{key}": value for key, value in data.items()}, dry=dry
    )


def refused(host: Host, message: str, **data: Any) -> None:
    """See that a plan is refused with this message, and that no record has changed."""
    before = root(host, LOCAL)
    planned = run(host, dry=True, **data)
    assert (planned.code, planned.changed) == (1, set()), planned.output
    assert message in planned.output
    assert root(host, LOCAL) == before


@on("el7-guard", "el9-guard", start=BARE)
def test_h42_while_selinux_is_off_records_are_kept_and_it_is_said(host: Host) -> None:
    first = converge(host.name, deploy=DEPLOY, data=MINE)
    assert "SELinux is off: recorded for the day it is on" in first.output
    assert "portcon tcp 15601 - 15605 system_u:object_r:http_port_t:s0" in root(host, LOCAL)
    root(host, "semanage port -a -N -t http_port_t -p tcp 15777")
    converge(host.name, deploy=DEPLOY, data={"selinux_state": "absent"})
    assert root(host, LOCAL).split("\n") == ["portcon tcp 15777 system_u:object_r:http_port_t:s0"]
    refused(host, "to enforce it every file needs a label first", mode="enforcing")


@on("el7-guard", "el9-guard", start=BARE)
def test_h41_sshd_keeps_the_port_that_elforge_comes_in_by(host: Host) -> None:
    refused(host, "elforge comes in by port 22", ports={"22/tcp": "http_port_t"}, port_reassign=True)
    root(host, f"{LISTEN}; firewall-cmd -q --add-port={PORT}/tcp")
    label = {"selinux_ports": {f"{PORT}/tcp": "ssh_port_t"}}
    converge(host.name, deploy=DEPLOY, data={**label, **OTHER_PORT})
    none = {"selinux_ports": {}, **OTHER_PORT}
    gone = pyinfra(host.name, deploy=DEPLOY, data=none, dry=True)
    assert gone.code == 1, gone.output
    assert f"elforge comes in by port {PORT}: it stays ssh_port_t" in gone.output
    assert "ssh_port_t" in root(host, LOCAL)
    converge(host.name, deploy=DEPLOY, data={"selinux_ports": {}})


@on("el9-guard", start=BARE)
def test_h42_without_a_policy_there_is_nothing_to_manage(host: Host) -> None:
    root(host, "rm -r /var/lib/selinux /etc/selinux")
    done = run(host, ports={"8081/tcp": "http_port_t"})
    assert (done.code, {name for _, name in done.changed if "records" in name}) == (0, set()), done.output


@on("el7-guard", "el9-guard", start=BARE)
def test_h44_semanage_comes_with_the_package_of_the_release(host: Host) -> None:
    done = run(host, ports={"15601/tcp": "http_port_t"})
    assert done.code == 0, done.output
    assert {"SELinux | Install semanage", "SELinux | Keep SELinux's records"} <= {
        name for _, name in done.changed
    }


@on("el9-guard", start=BARE)
def test_h45_a_port_of_another_type_is_refused_by_both_names(host: Host) -> None:
    assert run(host, **ANY).code == 0
    wanted = {"8081/tcp": "http_port_t"}
    refused(host, "tcp 8081 cannot be http_port_t: it belongs to transproxy_port_t (8081)", ports=wanted)
    assert run(host, ports=wanted, port_reassign=True).code == 0
    assert "8081" in root(host, LOCAL)
    assert run(host, ports=wanted).changed == set()


@on("el9-guard", start=BARE)
def test_h46_a_port_inside_of_another_types_range_is_refused(host: Host) -> None:
    assert run(host, **ANY).code == 0
    belongs = "cannot be http_port_t: it belongs to http_cache_port_t (10001-10010)"
    for ports in ("10005/tcp", "10000-10003/tcp", "9998-10020/tcp"):
        refused(host, belongs, ports={ports: "http_port_t"})


@on("el9-guard", start=BARE)
def test_i26_types_and_booleans_that_the_policy_does_not_have(host: Host) -> None:
    assert run(host, **ANY).code == 0
    refused(host, "not a type of the policy: nosuch_t", ports={"15601/tcp": "nosuch_t"})
    refused(host, "not a boolean of the policy: nosuch", booleans={"nosuch": True})
