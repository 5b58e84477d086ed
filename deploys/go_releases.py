"""What is known about Go's releases: their files, which are safe to use, and what builds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from operations.go import VERSION, Artifact, order

LOCK = Path(__file__).with_name("go.lock")
# In Go's words, by what `uname -m` says.
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
SOURCE = "src"
KINDS = (SOURCE, *(f"linux-{arch}" for arch in ARCH.values()))

# The first safe patch of each line: before it a proxy could bypass the checksum database, toolchain downloads
# included. Source: go.dev/issue/80744 and 80745, CVE-2026-56864 and CVE-2026-56865, 2026-08.
SAFE = {"1.25": "1.25.13", "1.26": "1.26.6", "1.27": "1.27.0"}
# The oldest Go that builds each line, since 1.20 (go.dev/doc/install/source; make.bash of each line).
BOOTSTRAP = {
    "1.20": "1.17.13",
    "1.21": "1.17.13",
    "1.22": "1.20",
    "1.23": "1.20",
    "1.24": "1.22.6",
    "1.25": "1.22.6",
    "1.26": "1.24.6",
    "1.27": "1.24.6",
    "1.28": "1.26.0",
}
# The first Go whose programs go by the CPU limit of their control group, as long as no GOMAXPROCS is set
# (go.dev/doc/go1.25, "Container-aware GOMAXPROCS"), and what has them do so where go.mod names an older Go
# (go.dev/doc/godebug, "Go 1.25").
COUNTS_CPUS, COUNT_CPUS = "1.25", "containermaxprocs=1,updatemaxprocs=1"

# The first Go that reads a go.env, by which a policy reaches all users of a host (go.dev/doc/go1.21).
READS_POLICY = "1.21"

Files = Mapping[str, Mapping[str, Artifact]]  # by version and kind


@cache
def locked() -> Files:
    """Return the release files of ``deploys/go.lock``."""
    found: dict[str, dict[str, Artifact]] = {}
    for line in LOCK.read_text().splitlines():
        if not line.startswith("#"):
            sha256, size, file = line.split()
            version, kind = split(file)
            found.setdefault(version, {})[kind] = Artifact(file, sha256, None if size == "-" else int(size))
    return found


def split(file: str) -> tuple[str, str]:
    """Return version and kind of a release file: ``("1.27.0", "src")`` for ``go1.27.0.src.tar.gz``."""
    match = re.fullmatch(rf"go({VERSION.pattern})\.({'|'.join(KINDS)})\.tar\.gz", file)
    if not match:
        raise ValueError(f"{file}: not the name of a Go release file")
    return match[1], match[match.re.groups]


def unsafe(version: str) -> str:
    """
    Return why a release is not safe to use, or ``""``.

    ``unsafe("1.26.2")`` returns
    ``"1.26.2 lets a module proxy bypass the checksum database (CVE-2026-56864); 1.25.13, ... do not"``.
    """
    first = SAFE.get(line(version))
    newer = order(version) > max(map(order, SAFE.values()))
    if newer or (first and order(version) >= order(first)):
        return ""
    good = ", ".join(SAFE.values())
    return f"{version} lets a module proxy bypass the checksum database (CVE-2026-56864); {good} do not"


def counts_cpus(version: str) -> bool:
    """Return whether what a release builds heeds the CPU limit of its control group by itself."""
    return order(version) >= order(COUNTS_CPUS)


def reads_policy(version: str) -> bool:
    """Return whether a release reads the settings of the goenv deploy: ``False`` for ``"1.20.14"``."""
    return order(version)[:2] >= order(READS_POLICY)[:2]


def line(version: str) -> str:
    """Return the line that a release belongs to: ``"1.27"`` for ``"1.27.3"``."""
    return ".".join(map(str, order(version)[:2]))


def minimum(version: str) -> str:
    """Return the oldest Go that builds a release; raise KeyError for a line that nothing is known of."""
    return BOOTSTRAP[line(version)]


def bootstrap(version: str, files: Files, wanted: str | None) -> str:
    """
    Return the release whose binary builds another one from source.

    + version: what is to be built
    + files: the release files that may be used
    + wanted: what the user asked for; None takes the newest patch of the oldest line that can

    Raises ValueError with a sentence when there is none.
    """
    floor = minimum(version)
    if wanted is not None:
        if order(wanted) < order(floor):
            raise ValueError(f"{wanted} cannot build {version}, which needs {floor} or newer")
        if not files.get(wanted, {}).keys() & set(KINDS[1:]):
            raise ValueError(
                f"no binary of {wanted} is in deploys/go.lock; go_artifacts adds one with its SHA-256"
            )
        return wanted
    able = [
        each
        for each in files
        if line(each) == line(floor) and order(each) >= order(floor) and files[each].keys() & set(KINDS[1:])
    ]
    if not able:
        raise ValueError(f"{version} needs {floor} or newer to be built, and no such binary is known")
    return max(able, key=order)
