"""What the base deploy adds on request, planned."""

from __future__ import annotations

import pytest
from pyinfra.api.exceptions import OperationError

from deploys.base import SCL_FINGERPRINT, BaseOptions, base
from deploys.release import RELEASES
from tests.answers import Answers
from tests.plan import Plan, plan
from tests.test_mirrors import machine


def planned(major: int, arch: str = "x86_64", **options: object) -> Plan:
    asked = BaseOptions.model_validate(options)
    return plan(lambda: base(asked, RELEASES[major], machine(major, arch=arch)), Answers(major))


@pytest.mark.parametrize(("arch", "root"), [("x86_64", ""), ("aarch64", "/altarch")])
def test_software_collections_are_those_of_the_vault(arch, root):
    vaults = ["https://a.lan/", "https://b.lan/vault"]
    steps = {step.name: step.commands for step in planned(7, arch, scl=True, vault_urls=vaults).steps}
    (key,) = steps["Base | Trust the software collections' key"]
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
        planned(major, scl=True)
