"""The images: one Debian userland per suite, and over it one thin layer per release that makes it CentOS-like."""

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lab import apt, keys, userland
from lab.mirror import rpms
from lab.releases import RELEASES
from lab.system import PACKAGE, fingerprint, lock, progress, remove, run, state_dir, write

_PACKAGES = (
    "systemd systemd-sysv dbus openssh-server iproute2 procps rpm dnf dnf-plugins-core firewalld"
    " policycoreutils-python-utils selinux-policy-default python3 sudo curl ca-certificates iptables nftables"
    " gcc libc6-dev git make kmod netbase xz-utils tzdata less locales busybox-static libdevmapper1.02.1 e2fsprogs libpam-systemd hostname"
).split()

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


@contextmanager
def _building(name: str, *, force: bool) -> Iterator[Path | None]:
    """Give a directory to build in, which becomes the image when the block ends well; None if there is one."""
    with lock(f"image-{name}"):
        final, fresh = _folder(name), state_dir() / "building" / name
        if final.exists() and not force:
            yield None
            return
        _discard(fresh)
        fresh.mkdir(parents=True)
        yield fresh
        retired = fresh.with_name(f"{name}.retired")
        remove(retired)
        if final.exists():
            final.rename(retired)
        final.parent.mkdir(exist_ok=True)
        fresh.rename(final)
        remove(retired)


def _discard(fresh: Path) -> None:
    for mount in sorted(mounts_under(fresh), reverse=True):
        run("umount", "--lazy", mount)
    remove(fresh)


def mounts_under(folder: Path) -> list[str]:
    """Return the mount points at or below a directory."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point == str(folder) or point.startswith(f"{folder}/")]


def _ensure_base(suite: str, *, force: bool) -> None:
    with _building(_base_name(suite), force=force) as root:
        if root is None:
            return
        progress(f"image: {suite}, about a minute")
        options = root.with_name(f"{root.name}.apt.conf")
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
            *(
                f'--customize-hook=chroot "$1" localedef -i {name} -f UTF-8 {name}.UTF-8'
                for name in _LOCALES
            ),
            "--skip=check/empty",
            suite,
            root,
            apt.mirror(),
        )
        root.chmod(0o755)
        progress(f"image: {suite} done")


def _ensure_layer(major: int, *, force: bool) -> None:
    with _building(_layer_name(major), force=force) as layer:
        if layer is None:
            return
        progress(f"image: el{major}")
        side = layer.with_name(f"{layer.name}.side")
        _discard(side)
        with overlay(side / "root", [_folder(_base_name(RELEASES[major].suite))], layer, side / "work"):
            _fill(side / "root", side / "rpms", major)
        remove(side)
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


@contextmanager
def overlay(root: Path, lowers: list[Path], upper: Path, work: Path) -> Iterator[None]:
    """Mount an overlay for as long as the block runs."""
    mount_overlay(root, lowers, upper, work)
    try:
        yield
    finally:
        run("umount", root)


def mount_overlay(root: Path, lowers: list[Path], upper: Path, work: Path) -> None:
    """Mount directories one over the other; the topmost of ``lowers`` first."""
    for folder in (root, upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    lower = ":".join(str(path) for path in lowers)
    # Without these two, an upper directory could not serve as a lower one later (snapshots, layers).
    options = f"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off,index=off"
    run("mount", "-t", "overlay", "-o", options, "overlay", root)
