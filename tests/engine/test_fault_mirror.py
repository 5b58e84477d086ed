"""Docker's mirror: down, slow, damaged, or somebody else's."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from lab import mirror
from lab.hosts import Host
from tests.drill import BARE, OLD, converged, on, refused, twin
from tests.engine.expired import repository
from tests.runner import pyinfra, requests, root

pytestmark = pytest.mark.alike("el9")

UPGRADE = {"docker_version": "28.5"}
NONE = "package docker-ce is not installed"
# dnf says the second about all but the first package, and only the end of what it says is shown.
FOREIGN = r"not correct for this package|Public key for docker-ce\S* is not installed"
UNVERIFIED = {
    "unsigned": r"(?s)Package docker-ce\S* is not signed.*GPG check FAILED",
    "wrong-key": rf"(?s)({FOREIGN}).*GPG check FAILED",
}


def nothing_installed(host: Host) -> bool:
    return root(host, "rpm -q docker-ce || true") == NONE


@on("el9-e", start=BARE)
def test_h15_a_mirror_that_is_down_is_named_before_anything_is_installed(host: Host) -> None:
    down = mirror.down_url()
    refused(
        host,
        f"{down}/linux/centos/gpg",
        "Could not connect",
        untouched=False,
        data={"docker_repo_url": f"{down}/linux"},
    )
    assert nothing_installed(host)
    converged(host)


@on("el7-e", "el9-e")
def test_h15_a_converged_host_needs_no_network(host: Host) -> None:
    root(host, "iptables -I OUTPUT -p tcp --dport 8080:8081 -j REJECT")
    asked = requests(host)
    run = pyinfra(host.name)
    assert (run.code, run.changed) == (0, set()), run.output
    assert requests(host) == asked


@on("el9-e", start=BARE)
def test_h16_a_mirror_that_drips_is_given_up_in_time(host: Host) -> None:
    trusted = pyinfra(host.name, data=twin("empty"))  # the key is there, the packages are not
    assert trusted.code
    started = time.monotonic()
    refused(host, "Operation too slow", untouched=False, data=twin("slow"))
    assert time.monotonic() - started < 150
    assert nothing_installed(host)
    converged(host)


def keeps_the_old_engine(host: Host, fault: str, said: str) -> None:
    """See an upgrade from a faulty mirror fail, with the old engine installed and at work; then heal it."""
    before = root(host, "rpm -q docker-ce docker-ce-cli; docker version -f '{{.Server.Version}}'")
    run = refused(host, "Install Docker Engine", untouched=False, data={**twin(fault), **UPGRADE})
    assert re.search(said, run.output), run.output
    assert root(host, "rpm -q docker-ce docker-ce-cli; docker version -f '{{.Server.Version}}'") == before
    converged(host, data=UPGRADE)


@on("el9-e", start=OLD)
def test_h17_damaged_metadata_fails_and_the_old_engine_works_on(host: Host) -> None:
    keeps_the_old_engine(host, "corrupt-repodata", r"(?s)(?=.*elforge-docker-ce).*checksum doesn't match")


@on("el9-e", start=OLD)
def test_h18_a_truncated_package_fails_and_the_old_engine_works_on(host: Host) -> None:
    keeps_the_old_engine(host, "truncated", r"docker-ce\S*: (Inconsistent server data|Cannot download)")


@pytest.mark.parametrize("fault", ["unsigned", "wrong-key"])
@on("el9-e", start=OLD)
def test_h19_without_the_right_signature_nothing_is_upgraded(host: Host, fault: str) -> None:
    keeps_the_old_engine(host, fault, UNVERIFIED[fault])


@pytest.mark.parametrize("fault", ["unsigned", "wrong-key"])
@on("el7-e", start=BARE)
def test_h19_without_the_right_signature_nothing_is_installed(host: Host, fault: str) -> None:
    run = refused(host, "Install Docker Engine", untouched=False, data=twin(fault))
    assert re.search(UNVERIFIED[fault], run.output), run.output
    assert nothing_installed(host)
    converged(host)


@on("el9-e", start=BARE)
def test_h19_a_key_that_is_not_the_expected_one_is_not_imported(host: Host) -> None:
    keys = root(host, "rpm -q gpg-pubkey || true")
    refused(host, "holds the key", "expected", "not imported", untouched=False, data=twin("impostor"))
    assert root(host, "rpm -q gpg-pubkey || true") == keys
    assert nothing_installed(host)
    converged(host)


@on("el9-e", start=BARE)
def test_h19_a_captive_portal_is_no_key(host: Host) -> None:
    refused(host, "does not hold exactly one key block", "not imported", untouched=False, data=twin("html"))
    converged(host)


@on("el7-e", "el9-e", start=BARE)
def test_h19_an_expired_key_is_not_imported(host: Host, tmp_path: Path) -> None:
    keys = root(host, "rpm -q gpg-pubkey || true")
    data = repository(tmp_path, host.release.major)
    refused(host, data["docker_fingerprint"], "expired on 2020-01-02", untouched=False, data=data)
    assert root(host, "rpm -q gpg-pubkey || true") == keys
    assert nothing_installed(host)
    converged(host)
