"""The module proxy's and the checksum database's formats, against known values."""

import base64
import io
import zipfile
from pathlib import Path

import pytest

from lab.mirror.golang import modules, sumdb

# golang.org/x/mod/sumdb/note, example_test.go.
_NAME = "PeterNeumann"
_SECRET = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


@pytest.fixture
def key(tmp_path: Path) -> Path:
    pkcs8 = bytes.fromhex("302e020100300506032b657004220420") + base64.b64decode(_SECRET)[1:]
    path = tmp_path / "key.pem"
    path.write_text(
        f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(pkcs8).decode()}\n-----END PRIVATE KEY-----\n"
    )
    return path


def test_verifier_and_note_are_those_of_gos_example(key: Path) -> None:
    assert sumdb.verifier(_NAME, sumdb.public_bytes(key)) == _VERIFIER
    assert sumdb.sign(_TEXT, _NAME, key) == f"{_TEXT}\n\u2014 {_NAME} {_SIGNATURE}\n"


# The log of RFC 6962's reference implementation (merkle_tree_test.cc).
_ENTRIES = (
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)


@pytest.mark.parametrize(
    ("size", "root"),
    [
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_tree_hash(size: int, root: str) -> None:
    leaves = [sumdb.leaf_hash(bytes.fromhex(entry)) for entry in _ENTRIES[:size]]
    assert sumdb.tree_hash(leaves).hex() == root


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("github.com/pkg/errors", "h1:bwawxfHBFNV+L2hUp1rHADufV3IMtnDRdf1r5NINEl0="),
        ("github.com/davecgh/go-spew", "h1:J7Y8YcW2NihsgmVo/mv3lAwl/skON4iLHjSsI+c5H38="),
    ],
)
def test_h1_of_well_known_go_mods(path: str, expected: str) -> None:
    assert modules.h1({"go.mod": f"module {path}\n"}) == expected


def test_zip_has_the_prefix_of_its_version_and_the_same_bytes_again() -> None:
    module = modules.Module(
        "a.example/b", "v1.2.3", {"go.mod": "module a.example/b\n", "b.go": "package b\n"}
    )
    content = modules.archive(module)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert packed.namelist() == ["a.example/b@v1.2.3/b.go", "a.example/b@v1.2.3/go.mod"]
    assert modules.archive(module) == content


def test_proxy_and_its_twin_differ_in_one_zip_only(tmp_path: Path, key: Path) -> None:
    modules.build(tmp_path, key)
    healthy, twin = tmp_path / "goproxy", tmp_path / "goproxy-tampered"
    names = {path.relative_to(healthy) for path in healthy.rglob("*") if path.is_file()}
    assert names == {path.relative_to(twin) for path in twin.rglob("*") if path.is_file()}
    differing = {str(name) for name in names if (healthy / name).read_bytes() != (twin / name).read_bytes()}
    assert differing == {"example.org/greet/@v/v1.1.0.zip"}
    assert (healthy / "example.org/greet/@v/list").read_text() == "v1.0.0\nv1.1.0\n"


def test_lookup_is_the_record_under_the_signed_tree(tmp_path: Path, key: Path) -> None:
    sumdb.build(
        tmp_path, _NAME, [sumdb.Record("a@v1", "a v1 h1:x\n"), sumdb.Record("b@v1", "b v1 h1:y\n")], key
    )
    latest = (tmp_path / _NAME / "latest").read_text()
    assert latest.startswith("go.sum database tree\n2\n")
    assert (tmp_path / _NAME / "lookup/b@v1").read_text() == f"1\nb v1 h1:y\n\n{latest}"
    tile = (tmp_path / _NAME / "tile/8/0/000.p/2").read_bytes()
    assert tile == sumdb.leaf_hash(b"a v1 h1:x\n") + sumdb.leaf_hash(b"b v1 h1:y\n")
