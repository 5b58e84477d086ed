"""Applications of tests/fixtures as git repositories beside the mirror, for hosts to build them from."""

import os
import tempfile
from pathlib import Path

from lab import mirror
from lab.system import PACKAGE, fingerprint, lock, run

SOURCES = PACKAGE.parent / "tests" / "fixtures"
SOURCE = SOURCES / "app"
TAG = "v1"


def version() -> str:
    """Return a version that changes with the source, as a release never does."""
    return f"1.0.0+{_digest('app')[:8]}"


def repository(source: str = "app") -> str:
    """Publish the repository of a source, with the tag TAG, unless it is there; return its URL."""
    name = f"{source}-{_digest(source)}.git"
    place = mirror.files_dir() / name
    with lock("fixture"):
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=mirror.files_dir()) as work:
                _make(SOURCES / source, Path(work)).rename(place)
    return f"{mirror.url()}/files/{name}"


def _digest(source: str) -> str:
    return fingerprint(*sorted((SOURCES / source).iterdir()))


def _make(files: Path, work: Path) -> Path:
    """Make a bare repository that a server of plain files can give out."""
    source, bare = work / "source", work / "bare"
    who = {f"GIT_{role}_{key}": "lab" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    env = {**os.environ, **who, "GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
    env |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    run("git", "init", "-q", source, env=env)
    for file in sorted(files.iterdir()):
        (source / file.name).write_bytes(file.read_bytes())
    for words in (["add", "."], ["commit", "-qm", "The application"], ["tag", TAG]):
        run("git", "-C", source, *words, env=env)
    run("git", "clone", "-q", "--bare", source, bare, env=env)
    run("git", "-C", bare, "update-server-info", env=env)
    bare.chmod(0o755)
    return bare
