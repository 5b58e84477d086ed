"""What the go deploy's options refuse, in which words; by the catalogue of bad inputs (I9, I10, ...)."""

from __future__ import annotations

from typing import Any

import pytest

from deploys.go import GoOptions
from deploys.options import problems

A = "a" * 64
EXACT = "must be an exact release, such as 1.27.0"
SHA256 = "must be 64 lower-case hexadecimal digits"
PREFIX = "must be an absolute path such as /opt/go, or deeper"
MEMORY = "must be a size such as 4G or 512M"
ADD = "`make golock` looks for new releases, go_artifacts adds one with its SHA-256"
BINARY = "linux-amd64 or linux-arm64"
HOLE = "lets a module proxy bypass the checksum database (CVE-2026-56864); 1.25.13, 1.26.6, 1.27.0 do not"


def said(data: dict[str, Any]) -> list[str]:
    return problems("build1", {"go_versions": ["1.27.0"], **data}, [GoOptions])


def artifact(kind: str = "linux-amd64", **digest: Any) -> dict[str, Any]:
    return {"1.27.9": {kind: {"sha256": A, **digest}}}


VERSIONS = [
    ("latest", f"go_versions.0: {EXACT} (got 'latest')"),
    ("1.22; rm -rf /", f"go_versions.0: {EXACT} (got '1.22; rm -rf /')"),
    ("go1.22.1", f"go_versions.0: {EXACT} (got 'go1.22.1')"),
    ("-1.22", f"go_versions.0: {EXACT} (got '-1.22')"),
    ("", f"go_versions.0: {EXACT} (got '')"),
    (1.20, "go_versions.0: Input should be a valid string (got 1.2)"),
    (1, "go_versions.0: Input should be a valid string (got 1)"),
    ("01.2", f"go_versions.0: {EXACT} (got '01.2')"),
    ("1.99.0", f"go_versions: no {BINARY} of 1.99.0 is known; {ADD}"),
    ("1.28rc1", f"go_versions: no {BINARY} of 1.28rc1 is known; {ADD}"),
    (
        "1.22",
        f"go_versions: no {BINARY} of 1.22 is known; the newest of its line is 1.22.12; {ADD}",
    ),
    (
        "1.21.99",
        f"go_versions: no {BINARY} of 1.21.99 is known; the newest of its line is 1.21.13; {ADD}",
    ),
]


@pytest.mark.parametrize(("version", "line"), VERSIONS, ids=[f"i9-{version}" for version, _ in VERSIONS])
def test_i9_a_version_is_exact_and_known(version, line):
    assert said({"go_versions": [version]}) == [f"build1: {line}"]


@pytest.mark.parametrize("digest", ["ab12", "A" * 64, f"sha256:{A}", "d41d8cd98f00b204e9800998ecf8427e", ""])
def test_i10_a_digest_is_64_lower_case_hexadecimal_digits(digest):
    assert said({"go_artifacts": artifact(sha256=digest)}) == [
        f"build1: go_artifacts.1.27.9.linux-amd64.sha256: {SHA256} (got {digest!r})"
    ]


ONE = [
    (
        {"go_versions": ["1.20.14"], "go_unsafe": {"1.20.14": "a test"}},
        "go_versions: 1.20.14 is too old to read go.env, so no policy (goenv_...) would reach it",
    ),
    ({"go_version": ["1.27.0"]}, "go_version: unknown option; did you mean go_versions?"),
    ({"go_versions": "1.27.0"}, "go_versions: Input should be a valid list (got '1.27.0')"),
    ({"go_versions": []}, "go_versions: name at least one release, such as 1.27.0"),
    ({"go_versions": ["1.27.0"] * 3}, "go_versions: 1.27.0 is listed twice"),
    ({"go_default": "1.26.7"}, "go_default: 1.26.7 is not among go_versions"),
    ({"go_default": "latest"}, f"go_default: {EXACT} (got 'latest')"),
    ({"go_state": "removed"}, "go_state: Input should be 'present' or 'absent' (got 'removed')"),
    ({"go_method": "rpm"}, "go_method: Input should be 'binary' or 'source' (got 'rpm')"),
    ({"go_cgo": "yes"}, "go_cgo: Input should be a valid boolean (got 'yes')"),
    ({"go_prefix": "/opt"}, f"go_prefix: {PREFIX} (got '/opt')"),
    ({"go_prefix": "opt/go"}, f"go_prefix: {PREFIX} (got 'opt/go')"),
    ({"go_prefix": "/opt/go/"}, f"go_prefix: {PREFIX} (got '/opt/go/')"),
    ({"go_prefix": "/opt/$(id)"}, f"go_prefix: {PREFIX} (got '/opt/$(id)')"),
    ({"go_prefix": "/opt/a b"}, f"go_prefix: {PREFIX} (got '/opt/a b')"),
    (
        {"go_prefix": "/home/ci/go"},
        "go_prefix: /home/ci/go is the system's, a user's or gone after a boot; try /opt/go-toolchains",
    ),
    ({"go_build_memory": "4GB"}, f"go_build_memory: {MEMORY} (got '4GB')"),
    ({"go_build_memory": "0G"}, f"go_build_memory: {MEMORY} (got '0G')"),
    ({"go_build_seconds": 59}, "go_build_seconds: Input should be greater than or equal to 60 (got 59)"),
    (
        {"go_build_seconds": 21601},
        "go_build_seconds: Input should be less than or equal to 21600 (got 21601)",
    ),
    ({"go_collection": "gcc-12"}, "go_collection: Input should be 'devtoolset-11' (got 'gcc-12')"),
    (
        {"go_collection": "devtoolset-11"},
        "go_collection: nothing is built with go_method = 'binary'; "
        "base_packages and goenv_cc give a compiler to go.dev's own toolchains",
    ),
    (
        {"go_download_urls": []},
        "go_download_urls: List should have at least 1 item after validation, not 0 (got [])",
    ),
    (
        {"go_download_urls": ["https://a.lan", "http://m.lan/go"]},
        "go_download_urls: http://m.lan/go is not https; go_insecure_mirror = True allows it",
    ),
    (
        {"go_download_urls": ["https://ada:secret@m.lan"]},
        "go_download_urls: a URL must not hold a user name or password",
    ),
    ({"go_download_urls": ["file:///srv/go"]}, "go_download_urls: 'file:///srv/go' is not an http(s) URL"),
    ({"go_download_urls": ["https://m/a b"]}, "go_download_urls: 'https://m/a b' is not an http(s) URL"),
    (
        {"go_artifacts": artifact("linux-386")},
        "go_artifacts.1.27.9.linux-386: Input should be 'src', 'linux-amd64' or 'linux-arm64' "
        "(got 'linux-386')",
    ),
    (
        {"go_artifacts": artifact(size=0)},
        "go_artifacts.1.27.9.linux-amd64.size: Input should be greater than 0 (got 0)",
    ),
    (
        {"go_artifacts": artifact(url="x")},
        "go_artifacts.1.27.9.linux-amd64.url: Extra inputs are not permitted (got 'x')",
    ),
    ({"go_artifacts": {"latest": {}}}, f"go_artifacts.latest: {EXACT} (got 'latest')"),
]


@pytest.mark.parametrize(
    ("data", "line"), ONE, ids=[f"{number}-{next(iter(data))}" for number, (data, _) in enumerate(ONE)]
)
def test_one_mistake_is_one_line(data, line):
    assert said(data) == [f"build1: {line}"]


def test_every_mistake_has_its_line():
    data = {"go_versions": ["1.27.0", "1.27.0", "1.22"], "go_default": "1.9", "go_method": "rpm"}
    assert said(data) == [
        "build1: go_method: Input should be 'binary' or 'source' (got 'rpm')",
        "build1: go_versions: 1.27.0 is listed twice",
        "build1: go_default: 1.9 is not among go_versions",
        f"build1: go_versions: no {BINARY} of 1.22 is known; the newest of its line is 1.22.12; {ADD}",
    ]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"go_versions": ["1.27.0", "1.26.7", "1.25.14"], "go_default": "1.25.14"},
        {"go_versions": ["1.28rc1"], "go_artifacts": {"1.28rc1": {"linux-amd64": {"sha256": A}}}},
        {"go_artifacts": {"1.27.0": {"src": {"sha256": A, "size": 7}}}},
        {"go_method": "source", "go_bootstrap": "1.24.6"},
        {"go_download_urls": ["http://m.lan/go"], "go_insecure_mirror": True},
        {"go_versions": [], "go_state": "absent"},
    ],
)
def test_what_is_right(data):
    assert said(data) == []


# Releases with known holes


def test_an_unsafe_release_needs_a_reason():
    assert said({"go_versions": ["1.26.2"]}) == [
        f'build1: go_versions: 1.26.2 {HOLE}; go_unsafe = {{"1.26.2": "REASON"}} installs it all the same'
    ]
    assert said({"go_versions": ["1.26.2"], "go_unsafe": {"1.26.2": "a compiler bug"}}) == []


@pytest.mark.parametrize("reason", ["", " ", "  "])
def test_a_blank_reason_is_none(reason):
    assert said({"go_versions": ["1.26.2"], "go_unsafe": {"1.26.2": reason}}) == [
        rf"build1: go_unsafe.1.26.2: must be a reason, in words (got {reason!r})"
    ]


def test_a_reason_for_another_release_is_a_mistake():
    assert said({"go_unsafe": {"1.26.2": "a compiler bug"}}) == [
        "build1: go_unsafe: 1.26.2 is not among go_versions"
    ]


def test_every_unsafe_release_is_named():
    lines = said({"go_versions": ["1.26.2", "1.27.0", "1.24.13"]})
    assert [line.split()[2] for line in lines] == ["1.26.2", "1.24.13"]


# Building from source


def source(*versions: str, **more: Any) -> list[str]:
    return said({"go_versions": list(versions), "go_method": "source", **more})


def test_h28_a_bootstrap_that_is_too_old_names_the_minimum():
    assert source("1.27.0", "1.25.14", go_bootstrap="1.22.6") == [
        "build1: go_bootstrap: 1.22.6 cannot build 1.27.0, which needs 1.24.6 or newer"
    ]


def test_a_line_whose_bootstrap_nobody_knows():
    files = {"1.99.0": {"src": {"sha256": A}}}
    assert source("1.99.0", go_artifacts=files) == [
        "build1: go_versions: what builds 1.99.0 is not known; see deploys/go_releases.py"
    ]


@pytest.mark.parametrize(("method", "lacking"), [("source", "src"), ("binary", BINARY)])
def test_each_method_needs_its_own_kind_of_file(method, lacking):
    other = {"source": "linux-amd64", "binary": "src"}[method]
    data = {"go_versions": ["1.27.9"], "go_method": method, "go_artifacts": artifact(other)}
    assert said(data) == [
        f"build1: go_versions: no {lacking} of 1.27.9 is known; the newest of its line is 1.27.0; {ADD}"
    ]


# What users add to the lock file


def test_a_users_file_wins_over_the_locks_and_leaves_the_others():
    options = GoOptions(versions=["1.27.0"], artifacts={"1.27.0": {"src": {"sha256": A, "size": 7}}})
    files = options.files()["1.27.0"]
    assert str(files["src"]) == f"go1.27.0.src.tar.gz {A} 7"
    assert files["linux-amd64"] == GoOptions(versions=["1.27.0"]).files()["1.27.0"]["linux-amd64"]


@pytest.mark.parametrize(
    ("versions", "default", "chosen"),
    [
        (["1.26.7", "1.27.0"], None, "1.27.0"),
        (["1.26.6", "1.26.7"], None, "1.26.7"),
        (["1.27.0", "1.26.7"], "1.26.7", "1.26.7"),
    ],
)
def test_the_newest_one_is_the_default(versions, default, chosen):
    assert GoOptions(versions=versions, default=default).chosen == chosen


# Between hosts


def among(giver: GoOptions | None, **options: Any) -> list[str]:
    own = GoOptions.model_validate({"versions": ["1.27.0"], "build_host": "build1", **options})
    fleet = {"web1": {GoOptions: own}, **({"build1": {GoOptions: giver}} if giver else {})}
    return list(own.among("web1", fleet))


def builder(**options: Any) -> GoOptions:
    given = {"versions": ["1.27.0"], "method": "source", "build_host": "build1"}
    return GoOptions.model_validate({**given, **options})


def test_a_host_that_builds_the_same():
    assert among(builder(versions=["1.26.7", "1.27.0"]), method="source") == []


def test_a_host_that_builds_for_itself_asks_nobody():
    own = builder()
    assert list(own.among("build1", {"build1": {GoOptions: own}})) == []


def test_a_builder_outside_of_the_run_is_judged_by_the_operation():
    assert among(None, method="source") == []


def test_binaries_are_not_built():
    assert among(builder(), method="binary") == ["go_build_host: nothing is built with go_method = 'binary'"]


@pytest.mark.parametrize("other", [{"method": "binary"}, {"cgo": False}, {"collection": "devtoolset-11"}])
def test_a_host_that_builds_otherwise(other):
    assert among(builder(**other), method="source") == [
        "go_build_host: build1 has another go_method, go_cgo, go_collection or go_prefix"
    ]


def test_a_host_that_lacks_a_version():
    wanted = ["1.27.0", "1.26.7", "1.25.14"]
    assert among(builder(), versions=wanted, method="source") == [
        "go_build_host: build1 does not build 1.26.7, 1.25.14; see its go_versions"
    ]


@pytest.mark.parametrize("other", [None, "build2"])
def test_a_host_that_does_not_build_itself(other):
    assert among(builder(build_host=other), method="source") == [
        f"go_build_host: build1 itself has go_build_host = {other!r}"
    ]


@pytest.mark.parametrize("prefix", ["/opt/../etc", "/usr/local/..", "/opt/."])
def test_i21_a_prefix_does_not_go_upwards(prefix):
    assert len(said({"go_prefix": prefix})) == 1


def test_h28_a_bootstrap_that_nobody_knows():
    assert len(source("1.27.0", go_bootstrap="1.99.1")) == 1


@pytest.mark.parametrize("version", ["1.26.2", "1.99.0"])
def test_what_is_removed_need_be_neither_known_nor_safe(version):
    assert said({"go_state": "absent", "go_versions": [version]}) == []


def test_a_host_that_builds_elsewhere():
    assert len(among(builder(prefix="/opt/go"), method="source")) == 1


def test_a_host_that_removes_go_builds_nothing():
    assert len(among(builder(state="absent"), method="source")) == 1
