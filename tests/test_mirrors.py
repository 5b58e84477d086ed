"""Where the stock repositories of each release are."""

from __future__ import annotations

import pytest

from deploys.mirrors import PATHS, stock_urls
from deploys.release import RELEASES
from facts.release import Machine

VAULT = ["https://vault.centos.org", "https://archive.kernel.org/centos-vault"]


def machine(major: int, *, stream: bool = False, arch: str = "x86_64") -> Machine:
    return Machine("centos", str(major), f"CentOS {major}", stream, arch, 1, 252, "/bin/bash", "", ())


@pytest.mark.parametrize(
    ("host", "repo", "urls"),
    [
        (
            machine(7),
            "base",
            [
                "https://vault.centos.org/7.9.2009/os/$basearch/",
                "https://archive.kernel.org/centos-vault/7.9.2009/os/$basearch/",
            ],
        ),
        (
            machine(7, arch="aarch64"),
            "updates",
            [
                "https://vault.centos.org/altarch/7.9.2009/updates/$basearch/",
                "https://archive.kernel.org/centos-vault/altarch/7.9.2009/updates/$basearch/",
            ],
        ),
        (
            machine(8),
            "powertools",
            [
                "https://vault.centos.org/8.5.2111/PowerTools/$basearch/os/",
                "https://archive.kernel.org/centos-vault/8.5.2111/PowerTools/$basearch/os/",
            ],
        ),
        (
            machine(8, arch="aarch64"),
            "ha",
            [
                "https://vault.centos.org/8.5.2111/HighAvailability/$basearch/os/",
                "https://archive.kernel.org/centos-vault/8.5.2111/HighAvailability/$basearch/os/",
            ],
        ),
        (
            machine(8, stream=True),
            "baseos",
            [
                "https://vault.centos.org/8-stream/BaseOS/$basearch/os/",
                "https://archive.kernel.org/centos-vault/8-stream/BaseOS/$basearch/os/",
            ],
        ),
    ],
)
def test_a_dead_release_is_in_the_vault(host, repo, urls):
    assert stock_urls(host.major, host, VAULT, live=[])[repo] == urls


def test_a_live_release_is_left_alone():
    assert stock_urls(9, machine(9, stream=True), VAULT, live=[]) == {}


def test_a_live_release_on_a_mirror_of_ones_own():
    urls = stock_urls(9, machine(9, stream=True), VAULT, live=["https://mirror.lan/centos-stream/"])
    assert urls["crb"] == ["https://mirror.lan/centos-stream/9-stream/CRB/$basearch/os/"]
    assert urls["extras-common"] == [
        "https://mirror.lan/centos-stream/SIGs/9-stream/extras/$basearch/extras-common/"
    ]


def test_every_release_has_its_paths():
    assert PATHS.keys() == RELEASES.keys()


@pytest.mark.parametrize("major", PATHS)
def test_a_path_joins_a_root(major):
    assert all(path.endswith("/") and not path.startswith("/") for path in PATHS[major].values())


@pytest.mark.parametrize("major", [7, 8])
def test_a_slash_at_the_end_of_a_mirror_changes_nothing(major):
    with_slash = stock_urls(major, machine(major), [f"{VAULT[0]}/"], live=[])
    assert with_slash == stock_urls(major, machine(major), VAULT[:1], live=[])
