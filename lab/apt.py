"""Debian's archive, by way of this machine's own apt configuration."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from lab.system import LabError, progress, run, state_dir, write

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = ("bookworm", "trixie", "forky")
# Of a version that is not the newest, the index may be there without the file.
_GONE = re.compile(r"Can not find version|404 +Not Found")
SOURCE_SUITES = ("trixie", "trixie-backports", "forky")


def mirror() -> str:
    """Return the URI of the Debian mirror this machine is configured to use."""
    if uri := os.environ.get("ELFORGE_LAB_APT_MIRROR"):
        return uri
    listed = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    candidates = [uri for uri in dict.fromkeys(listed) if uri.rstrip("/").endswith("/debian")]
    if not candidates:
        raise LabError(
            "this machine's apt configuration names no Debian mirror: set ELFORGE_LAB_APT_MIRROR to one"
        )
    return candidates[0]


def network_options() -> str:
    """Return the machine's proxy and validity settings in apt.conf syntax, for apts that do not read them."""
    wanted = re.compile(r"Acquire::(https?|ftp|Check-|Retries|Proxy)", re.IGNORECASE)
    lines = run("apt-config", "dump", "Acquire").splitlines()
    return "".join(f"{line}\n" for line in lines if wanted.match(line) and not line.endswith(' "";'))


def download(packages: dict[str, tuple[str, ...]]) -> dict[str, list[Path]]:
    """Download the newest version of each package from its suite; return the files of each suite."""
    config = _prepare()
    files: dict[str, list[Path]] = {}
    for suite, names in packages.items():
        folder = state_dir() / "cache" / "debs" / suite
        folder.mkdir(parents=True, exist_ok=True)
        _get(config, folder, "download", *(f"{name}/{suite}" for name in names))
        files[suite] = [folder / name for name in _file_names(config, suite, names)]
    return files


def sources(packages: Iterable[str]) -> dict[str, Path]:
    """
    Return upstream's tarball of each source package, by the package as it was asked for.

    What Debian's archive no longer has is left out.

    + packages: exact versions, such as ``golang-1.24=1.24.4-1``
    """
    folder = state_dir() / "cache" / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    config = _prepare("apt-src", "deb-src", SOURCE_SUITES)
    found = {}
    for package in packages:
        try:
            printed = _get(config, config.parent, "--print-uris", "--tar-only", "source", package)
            _get(config, folder, "--download-only", "--tar-only", "source", package)
        except LabError as error:
            if not _GONE.search(str(error)):
                raise
            progress(f"mirror: Debian's archive no longer has the source of {package}")
            continue
        found[package] = folder / re.findall(r"^'[^']+' (\S+)", printed, re.MULTILINE)[0]
    return found


def versions(suite: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return upstream's version of each package in a suite, as last downloaded from the archive."""
    config = state_dir() / "cache" / "apt" / "apt.conf"
    files = (name.split("_") for name in _file_names(config, suite, names))
    return {package: upstream_version(version) for package, version, _ in files}


def upstream_version(debian: str) -> str:
    """Return upstream's part of a Debian version: 26.1.5 of ``1:26.1.5+dfsg1-9``."""
    match = re.match(r"(?:\d+(?::|%3a))?(\d+(?:\.\d+)*)", debian)
    if not match:
        raise ValueError(f"not a version: {debian!r}")
    return match[1]


def _file_names(config: Path, suite: str, names: tuple[str, ...]) -> list[str]:
    # Asked from a directory without packages: apt prints no URI for what is already there.
    printed = _get(config, config.parent, "--print-uris", "download", *(f"{name}/{suite}" for name in names))
    return re.findall(r"^'[^']+' (\S+)", printed, re.MULTILINE)


def _get(config: Path, folder: Path, *words: str) -> str:
    return run("apt-get", "-qq", *words, env={"APT_CONFIG": str(config)}, cwd=folder)


def _prepare(name: str = "apt", kind: str = "deb", suites: tuple[str, ...] = SUITES) -> Path:
    root = state_dir() / "cache" / name
    for folder in ("lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    uri = mirror()
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    write(root / "sources.list", "".join(f"{kind} {signed}{uri} {suite} main\n" for suite in suites))
    config = root / "apt.conf"
    write(
        config,
        f'Dir::Etc::sourcelist "{root}/sources.list";\nDir::Etc::sourceparts "-";\n'
        f'Dir::Etc::preferencesparts "-";\nDir::State::lists "{root}/lists";\n'
        f'Dir::State::status "/dev/null";\nDir::Cache "{root}/cache";\n'
        'Acquire::Languages "none";\nAPT::Sandbox::User "root";\n',
    )
    _get(config, root, "update")
    return config


def unpack(debs: list[Path], folder: Path) -> None:
    """Unpack packages into a folder, which then looks like a file system root."""
    for deb in debs:
        folder.mkdir(parents=True, exist_ok=True)
        run("dpkg-deb", "-x", deb, folder)
