"""Units that are masked, overridden, invalid, or gone at once."""

from __future__ import annotations

import pytest

from lab.hosts import Host
from tests.drill import converged, on, refused
from tests.runner import root

pytestmark = pytest.mark.alike("el9")

DEPLOY = "tests/faults/deploy_unit.py"
DROPINS = "/etc/systemd/system/docker.service.d"


@on("el7-f", "el9-f")
def test_h49_a_masked_unit_is_refused_with_the_command_that_unmasks_it(host: Host) -> None:
    root(host, "systemctl disable --now docker.service docker.socket; systemctl mask docker.service")
    refused(host, "docker.service is masked", "systemctl unmask docker.service", untouched=False)
    assert root(host, "systemctl is-enabled docker.service || true") == "masked"
    root(host, "systemctl unmask docker.service")
    converged(host)


def test_h49_an_admins_dropin_that_overrides_ours_is_refused_by_name(host: Host) -> None:
    data = {"docker_hosts": ["fd://", "unix:///run/other.sock"]}
    flags = "-H fd:// --containerd=/run/containerd/containerd.sock"
    root(
        host,
        f"printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/dockerd {flags}\\n' > {DROPINS}/zz-admin.conf",
    )
    root(host, "systemctl daemon-reload")
    try:
        refused(host, "zz-admin.conf", data=data, dry=True)
        # Without a plan, what comes before it in the deploy is done by then.
        refused(host, "zz-admin.conf", data=data, untouched=False)
    finally:
        root(host, f"rm {DROPINS}/zz-admin.conf; systemctl daemon-reload")
    converged(host, data=data)


@on("el7-f", "el9-f")
def test_h50_a_dropin_that_systemd_does_not_take_is_not_installed(host: Host) -> None:
    data = {"test_dropin": "[Service]\nExecStart=\n"}
    refused(
        host,
        "docker.service.d/fault.conf: refused by",
        "the old file stays",
        "ExecStart",
        deploy=DEPLOY,
        data=data,
    )
    assert root(host, "systemctl show -p LoadState docker.service") == "LoadState=loaded"
    converged(host, deploy=DEPLOY, data={"test_dropin": "[Service]\nLimitNOFILE=65536\n"})


@on("el7-f", "el9-f")
def test_h51_a_unit_that_stops_at_once_fails_with_its_journal(host: Host) -> None:
    dying = {"test_start": "/bin/sh -c 'echo no luck today; exit 3'"}
    said = ("fault.service: started, then stopped again", "no luck today")
    refused(host, *said, untouched=False, deploy=DEPLOY, data=dying)
    # What was written before the unit failed is there: the next run goes on from it.
    refused(host, *said, deploy=DEPLOY, data=dying)
    converged(host, deploy=DEPLOY, data={"test_start": "/bin/sleep 1000"})
    assert root(host, "systemctl is-active fault") == "active"
