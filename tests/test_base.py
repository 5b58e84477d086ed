"""What the base deploy does on each release: fresh, converged, drifted, and what it adds on request."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyinfra.api.exceptions import OperationError

from deploys.base import EPEL_FINGERPRINT, SCL_FINGERPRINT, TOOLS, BaseOptions, base
from deploys.release import RELEASES
from facts.release import ElRelease
from tests.answers import Answers, stored_key
from tests.plan import Plan, plan, text
from tests.test_repositories import STOCK

BARE = {
    major: Answers(
        major,
        files={
            f"/etc/yum.repos.d/{path.name}": path.read_text()
            for path in sorted(STOCK.glob(f"*{major}/*.repo"))
        },
        links={"/etc/localtime": "../usr/share/zoneinfo/America/New_York"},
    )
    for major in RELEASES
}
WANTED = {"epel": True, "packages": ["jq"], "timezone": "UTC"}


def planned(answers: Answers, arch: str = "x86_64", **options: object) -> Plan:
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())
    asked = BaseOptions.model_validate(options)
    return plan(lambda: base(asked, RELEASES[answers.major], replace(machine, arch=arch)), answers)


def converged(major: int) -> Answers:
    """Return a host as the deploy leaves it."""
    done = planned(BARE[major], **WANTED)
    key = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-EPEL-{major}"
    return replace(
        BARE[major],
        rpms=dict.fromkeys((*TOOLS, "jq"), f"0 1.0 1.el{major}"),
        keys=[EPEL_FINGERPRINT[major][-8:].lower()],
        files={**BARE[major].files, **done.files, **stored_key(key, EPEL_FINGERPRINT[major])},
        modes=done.modes,
        links={"/etc/localtime": "../usr/share/zoneinfo/UTC"},
    )


@pytest.mark.parametrize("major", RELEASES)
def test_fresh_host(major, golden):
    steps = planned(BARE[major], **WANTED).steps
    # The stock files, repaired, have golden files of their own.
    golden(f"el{major}/base_fresh", text([step for step in steps if "stock" not in step.name]))


@pytest.mark.parametrize("major", RELEASES)
def test_converged_host_changes_nothing(major):
    again = planned(converged(major), **WANTED)
    assert {step.name: step.commands for step in again.steps if step.commands} == {}


@pytest.mark.parametrize("major", RELEASES)
def test_drifted_host(major, golden):
    host = converged(major)
    del host.rpms["tar"]
    host.files["/etc/yum.repos.d/elforge-epel.repo"] = "[elforge-epel]\ngpgcheck=0\n"
    host.keys.clear()
    host.links["/etc/localtime"] = "../usr/share/zoneinfo/Asia/Tokyo"
    steps = planned(host, **WANTED).steps
    golden(f"el{major}/base_drifted", text([step for step in steps if step.commands]))


@pytest.mark.parametrize(("arch", "root"), [("x86_64", ""), ("aarch64", "/altarch")])
def test_software_collections_are_those_of_the_vault(arch, root):
    vaults = ["https://a.lan/", "https://b.lan/vault"]
    steps = {step.name: step.commands for step in planned(BARE[7], arch, scl=True, vault_urls=vaults).steps}
    (key,) = steps["Base | Trust the key of the software collections"]
    assert SCL_FINGERPRINT in key
    assert "https://www.centos.org/keys/RPM-GPG-KEY-CentOS-SIG-SCLo" in key
    (file,) = steps["Base | Add the software collections"]
    assert file.startswith("put /etc/yum.repos.d/elforge-scl.repo root root 644 ")
    for vault in ("https://a.lan", "https://b.lan/vault"):
        assert f"{vault}{root}/7.9.2009/sclo/$basearch/rh/\n" in file
    assert "  | gpgcheck=1\n" in file


@pytest.mark.parametrize("major", [8, 9])
def test_a_release_without_software_collections_is_refused(major):
    with pytest.raises(OperationError, match=rf"^base_scl: EL{major} has no software collections; "):
        planned(BARE[major], scl=True)
