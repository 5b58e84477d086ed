"""The images: one Debian userland per suite, and over it a thin layer per release that makes it CentOS."""

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import apt, keys, userland
from lab.mirror import rpms
from lab.releases import RELEASES
from lab.system import (
    PACKAGE,
    building,
    fingerprint,
    lock,
    progress,
    put_in_place,
    remove,
    run,
    state_dir,
    write,
)

_PACKAGES = (PACKAGE / "image-packages.txt").read_text().split()

_LOCALES = ("en_US", "de_DE", "ja_JP")

_LAYER_INPUTS = ("files", "userland.py", "images.py", "mirror/rpms.py")


def ensure(majors: Iterable[int], *, force: bool = False) -> None:
    """Build the images of these releases, unless they are complete and made from the present inputs."""
    wanted = sorted(set(majors))
    suites = sorted({RELEASES[major].suite for major in wanted})
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda suite: _ensure_base(suite, force=force), suites))
        list(pool.map(lambda major: _ensure_layer(major, force=force), wanted))


def layers(major: int) -> list[Path]:
    """Return the directories which, one over the other, are the release's image; the topmost first."""
    return [_folder(_layer_name(major)), _folder(_base_name(RELEASES[major].suite))]


def collect_garbage(used: set[str]) -> None:
    """Remove images that are neither current nor under any host."""
    current = {_layer_name(major) for major in RELEASES}
    current |= {_base_name(release.suite) for release in RELEASES.values()}
    for folder in (state_dir() / "images").glob("*"):
        if folder.name not in current | used:
            remove(folder)


def _folder(name: str) -> Path:
    return state_dir() / "images" / name


def _base_name(suite: str) -> str:
    return f"{suite}-{fingerprint(suite, *_PACKAGES, *_LOCALES)}"


def _layer_name(major: int) -> str:
    key_texts = (keys.public_key(keys.DISTRO), keys.ssh_key().with_suffix(".pub"), keys.host_keys(major))
    inputs = (PACKAGE / name for name in _LAYER_INPUTS)
    return f"el{major}-{fingerprint(str(major), _base_name(RELEASES[major].suite), *inputs, *key_texts)}"


def _ensure_base(suite: str, *, force: bool) -> None:
    name = _base_name(suite)
    with lock(f"image-{name}"):
        if _folder(name).exists() and not force:
            return
        progress(f"image: {suite}, a minute or more")
        with building(name) as folder:
            _debootstrap(suite, folder)
            put_in_place(folder / "root", _folder(name))
        progress(f"image: {suite} done")


def _debootstrap(suite: str, folder: Path) -> None:
    options = folder / "apt.conf"
    write(options, f'Acquire::Languages "none";\n{apt.network_options()}')
    excluded = ("doc/*", "man/*", "info/*", "locale/*")
    included = ("locale/de/*", "locale/ja/*", "locale/locale.alias")
    run(
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--aptopt={options}",
        *(f"--dpkgopt=path-exclude=/usr/share/{path}" for path in excluded),
        *(f"--dpkgopt=path-include=/usr/share/{path}" for path in included),
        f"--include={','.join(_PACKAGES)}",
        *(f'--customize-hook=chroot "$1" localedef -i {name} -f UTF-8 {name}.UTF-8' for name in _LOCALES),
        suite,
        folder / "root",
        apt.mirror(),
    )
    (folder / "root").chmod(0o755)


def _ensure_layer(major: int, *, force: bool) -> None:
    name = _layer_name(major)
    with lock(f"image-{name}"):
        if _folder(name).exists() and not force:
            return
        progress(f"image: el{major}")
        with building(name) as folder:
            layer, root = folder / "layer", folder / "root"
            mount_overlay(root, [_folder(_base_name(RELEASES[major].suite))], layer, folder / "work")
            _fill(root, folder / "rpms", major)
            run("umount", root)
            put_in_place(layer, _folder(name))
        progress(f"image: el{major} done")


def _fill(root: Path, rpm_folder: Path, major: int) -> None:
    for tree in ("common", f"el{major}"):
        run("cp", "-r", "--no-preserve=ownership", f"{PACKAGE / 'files' / tree}/.", root)
    shared = root / "usr/share/elforge-lab"
    shared.mkdir()
    distro = keys.public_key(keys.DISTRO)
    shutil.copyfile(distro, shared / "distro.asc")
    shutil.copyfile(keys.ssh_key().with_suffix(".pub"), shared / "authorized_keys")
    for key in keys.host_keys(major).iterdir():
        shutil.copyfile(key, root / "etc/ssh" / key.name)
    listed = run("chroot", root, "dpkg-query", "-W", "-f", "${Package} ${Version}\n").splitlines()
    versions = {name: apt.upstream_version(version) for name, version in map(str.split, listed)}
    rpms.build_small(userland.packages(major, versions, distro.read_text()), rpm_folder)
    _install(root, rpm_folder)
    shutil.copyfile(PACKAGE / "files" / "finish.sh", root / "finish.sh")
    run("chroot", root, "sh", "/finish.sh", str(major))
    (root / "finish.sh").unlink()


def _install(root: Path, rpm_folder: Path) -> None:
    # Where EL keeps its database; Debian 12's rpm would use one per home directory.
    write(root / "etc/rpm/macros.dbpath", "%_dbpath /var/lib/rpm\n")
    inside = root / "tmp" / "rpms"
    shutil.copytree(rpm_folder, inside)
    names = [f"/tmp/rpms/{rpm.name}" for rpm in inside.glob("*.rpm")]
    run("chroot", root, "rpm", "-U", "--nodeps", "--replacefiles", "--nosignature", *names)
    remove(inside)


def mount_overlay(root: Path, lowers: list[Path], upper: Path, work: Path) -> None:
    """Mount directories one over the other; the topmost of ``lowers`` first."""
    for folder in (root, upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    lower = ":".join(str(path) for path in lowers)
    # With an index, an upper directory could not serve as a lower one later (snapshots, layers). Without
    # redirects, `mv` of a directory out of a lower one copies it: no rename(2), as on no host's file system.
    options = f"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=on,index=off"
    run("mount", "-t", "overlay", "-o", options, "overlay", root)
