"""Build the whole mirror: distribution repositories, Docker repositories, faulty twins."""

import shutil
from pathlib import Path

from lab import keys
from lab.mirror import engines, faults, golang, rpms, stubs
from lab.releases import ENGINES, RELEASES, Build, Release
from lab.system import PACKAGE, building, fingerprint, lock, progress, put_in_place, state_dir, write

_CODE = ("apt.py", "releases.py", "specs", "mirror/stubs.py", "mirror/engines.py", "mirror/faults.py",
         "mirror/rpms.py", "mirror/build.py")  # fmt: skip


def tree() -> Path:
    """Return the directory behind the mirror's URL."""
    return state_dir() / "mirror" / "tree"


def ensure(*, force: bool = False) -> None:
    """Build the mirror unless it is complete and made from the present inputs."""
    golang.ensure(force=force)
    signers = [keys.public_key(name) for name in (keys.DOCKER, keys.DISTRO, keys.STRANGER)]
    wanted = fingerprint(*(PACKAGE / name for name in _CODE), *signers)
    with lock("mirror"):
        stamp = state_dir() / "mirror" / "fingerprint"
        if not force and stamp.exists() and stamp.read_text() == wanted:
            return
        with building("mirror") as folder:
            fresh = folder / "mirror"
            _build(fresh, engines.Programs(folder / "programs"), folder / "parts")
            write(fresh / "fingerprint", wanted)
            put_in_place(fresh, state_dir() / "mirror")
        progress("mirror: ready")


def _build(root: Path, programs: engines.Programs, parts: Path) -> None:
    programs.fetch()
    for release in RELEASES.values():
        _distribution(root / "tree", release.major)
        _docker(root / "tree", release, programs, parts / f"el{release.major}")
    keys.stop_agent()
    for folder in (root / "tree" / "docker", *(root / "tree" / "faults" / name for name in faults.TWINS)):
        _upstream_aliases(folder, faults.served_key(folder.name))


def _distribution(tree: Path, major: int) -> None:
    progress(f"mirror: distribution repositories of EL {major}")
    repositories = {**stubs.vault(major), f"epel/{major}/x86_64": stubs.epel(major)}
    for path, packages in repositories.items():
        folder = tree / path
        rpms.build_small(packages, folder / "Packages")
        rpms.sign(sorted(folder.rglob("*.rpm")), keys.DISTRO)
        rpms.index(folder, stubs.modules_file(major, path))


def _docker(tree: Path, release: Release, programs: engines.Programs, parts: Path) -> None:
    channels = {"stable": release.stable, "test": release.test, "moved": (release.moved,)}
    for channel, builds in channels.items():
        for build in builds:
            engines.package(programs, build, release.major, parts / channel)
    _set_aside(parts, release.stable[-1], programs)
    for channel in channels:
        rpms.sign(sorted((parts / channel).glob("*.rpm")), keys.DOCKER)
    rpms.sign(sorted((parts / "strangers").glob("*.rpm")), keys.STRANGER)
    arch = Path("linux", "centos", str(release.major), "x86_64")
    for channel in ("stable", "test"):
        rpms.link_all(parts / channel, tree / "docker" / arch / channel / "Packages")
        rpms.index(tree / "docker" / arch / channel)
    twins = faults.Twins(parts / "stable", parts / "unsigned", parts / "strangers", parts / "moved")
    for name in faults.TWINS:
        twins.build(name, tree / "faults" / name / arch / "stable")


def _set_aside(parts: Path, build: Build, programs: engines.Programs) -> None:
    """Keep unsigned copies of the newest engine, from which twins are made."""
    version = programs.version(ENGINES[build.engine].suite, "docker.io")
    for other in ("unsigned", "strangers"):
        (parts / other).mkdir()
        for rpm in faults.newest(parts / "stable", version, build.release):
            shutil.copyfile(rpm, parts / other / rpm.name)


def _upstream_aliases(folder: Path, signer: str) -> None:
    """Serve the key and the rhel path, where upstream has them."""
    linux = folder / "linux"
    (linux / "rhel").mkdir()
    for major in (8, 9):
        (linux / "rhel" / str(major)).symlink_to(f"../centos/{major}")
    for distribution in ("centos", "rhel"):
        shutil.copyfile(keys.public_key(signer), linux / distribution / "gpg")
