"""Go's downloads: altered, cut off, somebody else's page; and what has to be on the host for a build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import lab.hosts
from lab import mirror
from lab.hosts import Host
from lab.mirror import golang
from tests.drill import leftovers
from tests.runner import Run, pyinfra, requests, root

DEPLOY = "tests/golang/go_deploy.py"
OLD, NEW = "1.26.6", "1.27.3"
FILE = f"go{NEW}.linux-amd64.tar.gz"
ROOT = "/usr/local/go-toolchains"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host with the older toolchain, which each of these faults has to leave at work."""
    (each,) = lab.hosts.reset(["el9-gofault"])
    first = run(each, go_versions=[OLD])
    assert first.code == 0, first.output
    yield each
    lab.hosts.down([each.name])


def run(host: Host, **data: Any) -> Run:
    return pyinfra(host.name, deploy=DEPLOY, data={"go_cgo": False, **data})


def fails(host: Host, *said: str, **data: Any) -> None:
    """See a run fail with these texts, the old toolchain at work, and nothing new beside it."""
    failed = run(host, go_versions=[NEW, OLD], **data)
    assert failed.code
    assert "Traceback" not in failed.output, failed.output
    for text in said:
        assert text in failed.output, f"{text!r} is not in:\n{failed.output}"
    assert root(host, f"go version; ls -A {ROOT}").split("\n") == [
        f"go version go{OLD} linux/amd64",
        f"go{OLD}",
    ]
    assert leftovers(host) == ""


def twin(name: str) -> dict[str, Any]:
    return {"go_download_urls": [f"{mirror.url()}/faults/{name}/go/dl"]}


def test_h23_an_altered_file_is_refused_with_both_digests(host: Host) -> None:
    wanted = golang.artifacts()[NEW]["linux-amd64"]["sha256"]
    fails(host, f"{FILE}: sha256 is ", f", expected {wanted}; it sent ", **twin("altered"))


def test_h24_a_download_that_is_cut_off_is_named_and_goes_on_from_there(host: Host) -> None:
    fails(
        host,
        f"{FILE}: curl: (18)",
        f"{FILE} was not to be had (see go_download_urls); nothing has changed",
        **twin("cut"),
    )


def test_h25_a_captive_portals_page_is_called_what_it_is(host: Host) -> None:
    said = "it sent an HTML page: a captive portal or an error page"
    fails(host, f"{FILE}: sha256 is ", said, **twin("html"))


def test_h23_the_next_source_is_tried(host: Host) -> None:
    urls = [f"{mirror.url()}/faults/html/go/dl", f"{mirror.url()}/go/dl"]
    done = run(host, go_versions=[NEW, OLD], go_download_urls=urls)
    assert done.code == 0, done.output
    assert root(host, "go version") == f"go version go{NEW} linux/amd64"
    healed = run(host, go_versions=[OLD], go_prune=True)
    assert healed.code == 0, healed.output


def test_h26_no_compiler_is_said_before_anything_is_downloaded(host: Host) -> None:
    installed = run(host, go_versions=[OLD], go_cgo=True)
    assert installed.code == 0, installed.output
    root(host, "mv /usr/bin/gcc /usr/bin/gcc.away")
    before = requests(host, FILE)
    fails(host, f"go{NEW}: no C compiler: there is no gcc on this host", go_cgo=True)
    assert requests(host, FILE) == before
    root(host, "mv /usr/bin/gcc.away /usr/bin/gcc")


def test_h26_too_little_disk_is_said_before_anything_is_downloaded(host: Host) -> None:
    root(host, f"mkdir -p {ROOT}/small && mount -t tmpfs -o size=50m none {ROOT}/small")
    before = requests(host, FILE)
    failed = run(host, go_versions=[NEW], go_prefix=f"{ROOT}/small")
    assert f"go{NEW}: {ROOT}/small has 50 MB free, 600 MB are needed" in failed.output, failed.output
    assert requests(host, FILE) == before
    root(host, f"umount {ROOT}/small && rmdir {ROOT}/small")


def test_h28_a_builder_that_is_too_old_is_refused_naming_the_minimum(host: Host) -> None:
    data = {"go_method": "source", "go_versions": ["1.27.1"], "go_bootstrap": "1.22.10"}
    refused = run(host, **data)
    said = "go_bootstrap: 1.22.10 cannot build 1.27.1, which needs 1.24.6 or newer"
    assert refused.code
    assert said in refused.output, refused.output


def test_i9_versions_that_are_none_come_in_one_message(host: Host) -> None:
    refused = run(host, go_versions=["latest", "1.22; rm -rf /", "go1.22.1", "1.22"])
    assert refused.code
    lines = [line for line in refused.output.splitlines() if f"{host.name}: go_versions" in line]
    assert len(lines) == 3, refused.output  # those that are no version; "1.22" is one that never was
