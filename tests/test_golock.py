"""The lock of Go's releases is refreshed from go.dev's list, and never against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploys.go_releases import LOCK, locked
from operations.go import Artifact
from tools import golock
from tools.golock import lines, merged, published

A, B = "a" * 64, "b" * 64


def listed(version: str, *files: tuple[str, str, int]) -> dict:
    """Return a release as go.dev lists it."""
    return {
        "version": f"go{version}",
        "stable": True,
        "files": [{"filename": name, "sha256": digest, "size": size} for name, digest, size in files],
    }


def test_the_lock_file_is_as_it_would_be_written():
    assert lines(locked()) == LOCK.read_text()


def test_only_what_can_be_installed_is_taken():
    release = listed(
        "1.27.1",
        ("go1.27.1.src.tar.gz", A, 1),
        ("go1.27.1.linux-arm64.tar.gz", B, 2),
        ("go1.27.1.windows-amd64.msi", A, 3),
        ("go1.27.1.linux-386.tar.gz", A, 4),
    )
    assert published([release, listed("1.19.1", ("go1.19.1.src.tar.gz", A, 5))]) == {
        "1.27.1": {
            "src": Artifact("go1.27.1.src.tar.gz", A, 1),
            "linux-arm64": Artifact("go1.27.1.linux-arm64.tar.gz", B, 2),
        }
    }


def test_a_size_is_filled_in_and_a_new_release_comes_first():
    old = {"1.27.0": {"src": Artifact("go1.27.0.src.tar.gz", A)}}
    new = published(
        [
            listed("1.27.0", ("go1.27.0.src.tar.gz", A, 7)),
            listed("1.27.1", ("go1.27.1.src.tar.gz", B, 8)),
        ]
    )
    assert lines(merged(old, new)).splitlines()[2:] == [
        f"{B} 8 go1.27.1.src.tar.gz",
        f"{A} 7 go1.27.0.src.tar.gz",
    ]


def test_another_digest_for_a_known_file_is_an_error():
    old = {"1.27.0": {"src": Artifact("go1.27.0.src.tar.gz", A)}}
    new = published([listed("1.27.0", ("go1.27.0.src.tar.gz", B, 7))])
    with pytest.raises(ValueError, match=f"go1.27.0.src.tar.gz: locked with {A}, published with {B}"):
        merged(old, new)


def test_the_file_is_rewritten_from_a_list_and_what_is_new_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock, index = tmp_path / "go.lock", tmp_path / "index.json"
    monkeypatch.setattr(golock, "LOCK", lock)
    monkeypatch.setattr(golock, "locked", lambda: {"1.26.0": {"src": Artifact("go1.26.0.src.tar.gz", A)}})
    releases = [
        listed("1.27.1", ("go1.27.1.src.tar.gz", B, 2)),
        listed("1.26.0", ("go1.26.0.src.tar.gz", A, 1)),
    ]
    index.write_text(json.dumps(releases))
    golock.main(index.as_uri())
    assert lock.read_text().endswith(f"\n{B} 2 go1.27.1.src.tar.gz\n{A} 1 go1.26.0.src.tar.gz\n")
    assert capsys.readouterr().out == "go.lock: 1 new releases: 1.27.1\n"
