"""The faulty twins of the Docker repository: each a complete repository, wrong in exactly one way."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from lab import keys
from lab.mirror import rpms


class Twins:
    """Everything a twin of one release's stable repository is made from."""

    def __init__(self, healthy: Path, unsigned: Path, strangers: Path, moved: Path) -> None:
        self.healthy = healthy
        self.unsigned = unsigned
        self.strangers = strangers
        self.moved = moved

    def build(self, name: str, stable: Path) -> None:
        """Build one twin in its ``stable`` folder."""
        TWINS[name](self, stable)


def _unsigned(twins: Twins, stable: Path) -> None:
    _replaced(twins.healthy, twins.unsigned, stable)


def _wrong_key(twins: Twins, stable: Path) -> None:
    _replaced(twins.healthy, twins.strangers, stable)


def _replaced(healthy: Path, other: Path, stable: Path) -> None:
    """Build a repository whose newest engine comes from another folder."""
    packages = stable / "Packages"
    rpms.link_all(healthy, packages)
    for rpm in other.glob("*.rpm"):
        (packages / rpm.name).unlink()
        os.link(rpm, packages / rpm.name)
    rpms.index(stable)


def _truncated(twins: Twins, stable: Path) -> None:
    for rpm in _damageable(twins, stable):
        os.truncate(rpm, rpm.stat().st_size * 6 // 10)


def _altered(twins: Twins, stable: Path) -> None:
    for rpm in _damageable(twins, stable):
        _flip_a_byte(rpm)


def _damageable(twins: Twins, stable: Path) -> list[Path]:
    """Build the healthy repository; return the newest engine's packages, which no other repository shares."""
    rpms.link_all(twins.healthy, stable / "Packages")
    rpms.index(stable)
    return [rpms.unshare(stable / "Packages" / rpm.name) for rpm in twins.unsigned.glob("*.rpm")]


def _flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _corrupt_repodata(twins: Twins, stable: Path) -> None:
    rpms.link_all(twins.healthy, stable / "Packages")
    rpms.index(stable)
    (primary,) = (stable / "repodata").glob("*primary.xml.gz")
    _flip_a_byte(primary)


def _moved(twins: Twins, stable: Path) -> None:
    rpms.link_all(twins.moved, stable / "Packages")
    rpms.index(stable)


def _empty(_twins: Twins, stable: Path) -> None:
    rpms.index(stable)


TWINS: dict[str, Callable[[Twins, Path], None]] = {
    "unsigned": _unsigned,
    "wrong-key": _wrong_key,
    "impostor": _wrong_key,
    "truncated": _truncated,
    "altered": _altered,
    "corrupt-repodata": _corrupt_repodata,
    "moved": _moved,
    "empty": _empty,
}

# The impostor also hands out the key its packages are signed with: only the fingerprint tells.
_SERVED_KEY = {"impostor": keys.STRANGER}


def served_key(name: str) -> str:
    """Return whose public key a twin serves as ``gpg``."""
    return _SERVED_KEY.get(name, keys.DOCKER)


def newest(folder: Path, version: str, release: str) -> Iterable[Path]:
    """Return the packages built from the engine itself, of one version."""
    return folder.glob(f"docker-ce*-{version}-{release}.el*.rpm")
