"""Refresh deploys/go.lock from go.dev's list of releases: new files are added, sizes filled in.

A digest that differs from the one already locked is an error: Go never publishes a release twice.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterable
from typing import Any

from deploys.go_releases import KINDS, LOCK, Files, locked, split
from operations.go import Artifact, order

LIST = "https://go.dev/dl/?mode=json&include=all"
# Older lines are of no use but to build 1.20 and 1.21.
OLDEST, BUILDER = (1, 20), "1.17.13"
HEADER = """\
# Every Go release that elforge installs: sha256, size in bytes (- where not known), file on go.dev/dl.
# `make golock` refreshes it from go.dev's list. First filled from docker-library/golang, 2026-08.
"""


def published(releases: Iterable[dict[str, Any]]) -> dict[str, dict[str, Artifact]]:
    """Return the release files that elforge can use, out of go.dev's list."""
    found: dict[str, dict[str, Artifact]] = {}
    for release in releases:
        for each in release["files"]:
            try:
                version, kind = split(each["filename"])
            except ValueError:
                continue
            if order(version)[:2] >= OLDEST or version == BUILDER:
                artifact = Artifact(each["filename"], each["sha256"], each["size"])
                found.setdefault(version, {})[kind] = artifact
    return found


def merged(old: Files, new: Files) -> dict[str, dict[str, Artifact]]:
    """Return both; raise ValueError when they disagree about a file."""
    both = {version: dict(kinds) for version, kinds in old.items()}
    for version, kinds in new.items():
        for kind, artifact in kinds.items():
            known = both.setdefault(version, {}).get(kind, artifact)
            if known.sha256 != artifact.sha256:
                raise ValueError(
                    f"{artifact.file}: locked with {known.sha256}, published with {artifact.sha256}"
                )
            both[version][kind] = artifact
    return both


def lines(files: Files) -> str:
    """Return the text of the lock file, newest release first."""
    rows = [
        f"{files[version][kind].sha256} {files[version][kind].size or '-'} {files[version][kind].file}\n"
        for version in sorted(files, key=order, reverse=True)
        for kind in KINDS
        if kind in files[version]
    ]
    return HEADER + "".join(rows)


def main(url: str = LIST) -> None:
    """Rewrite the lock file, and say what is new."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        new = published(json.load(answer))
    old = locked()
    LOCK.write_text(lines(merged(old, new)))
    added = sorted(new.keys() - old.keys(), key=order)
    print(f"{LOCK.name}: {len(added)} new releases{': ' if added else ''}{', '.join(added)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
