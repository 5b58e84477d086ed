"""The image of a release's VM: its userland as a labelled disk, with a kernel and an initrd of its own."""

import lzma
import re
import shutil
import subprocess
from pathlib import Path

from lab import apt, images
from lab.releases import RELEASES
from lab.system import PACKAGE, LabError, building, fingerprint, lock, progress, put_in_place, run, state_dir

TOOLS = ("qemu-system-x86_64", "qemu-img", "mke2fs")
DISK, KERNEL, INITRD = "disk.img", "vmlinuz", "initrd"

_KERNEL_PACKAGE = "linux-image-cloud-amd64"
_GIGABYTES = 8
# What the initrd fills in. They exist in the image: a file made before the policy is loaded has no label.
_IDENTITY = ("etc/hostname", "etc/machine-id", "etc/hosts")
_DRIVERS = ("virtio_blk", "failover", "net_failover", "virtio_net")
# What Debian's policy does not let work while it is enforced, or nobody needs.
_MASKED = (
    "firewalld.service",
    "serial-getty@ttyS0.service",
    "systemd-network-generator.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
)
_INPUTS = ("vm_image.py", "vm-init.sh")


def ensure(major: int) -> Path:
    """Return the directory with a release's disk, kernel and initrd, after building what is missing."""
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        raise LabError(
            f"not installed: {', '.join(missing)}; apt-get install qemu-system-x86 qemu-utils e2fsprogs"
        )
    images.ensure([major])
    inputs = (PACKAGE / name for name in _INPUTS)
    name = f"el{major}-{fingerprint(images.layers(major)[0].name, *inputs)}"
    final = state_dir() / "vm" / name
    with lock(f"vm-{name}"):
        if not final.exists():
            progress(f"vm: el{major}, about a minute")
            with building(name) as folder:
                _build(major, folder)
                put_in_place(folder / "image", final)
            progress(f"vm: el{major} done")
    return final


def _build(major: int, folder: Path) -> None:
    root, image, unpacked = (folder / name for name in ("root", "image", "kernel"))
    image.mkdir()
    images.mount_overlay(root, images.layers(major), folder / "upper", folder / "work")
    package = _kernel(RELEASES[major].suite)
    apt.unpack([package], unpacked)
    (vmlinuz,) = (unpacked / "boot").glob("vmlinuz-*")
    shutil.copyfile(vmlinuz, image / KERNEL)
    version = vmlinuz.name.removeprefix("vmlinuz-")
    modules = next(path for path in (unpacked / "usr/lib/modules", unpacked / "lib/modules") if path.exists())
    shutil.copytree(modules / version, root / "usr/lib/modules" / version)
    run("chroot", root, "depmod", version)
    _initrd(root, modules / version, image / INITRD, folder / "initrd")
    _settings(root)
    # Without /proc, setfiles cannot see that the file system is not one that SELinux labels.
    run("chroot", root, "setfiles", "-F", "/etc/selinux/default/contexts/files/file_contexts", "/")
    run("mke2fs", "-q", "-t", "ext4", "-d", root, image / DISK, f"{_GIGABYTES}G")


def _kernel(suite: str) -> Path:
    """Download the kernel that the meta package stands for; return its file."""
    files = apt.download({suite: (_KERNEL_PACKAGE,)})
    said = run("dpkg-deb", "--field", files[suite][0], "Depends")
    (name,) = re.findall(r"linux-image-\S+", said)
    return apt.download({suite: (name,)})[suite][0]


def _initrd(root: Path, modules: Path, target: Path, folder: Path) -> None:
    (folder / "bin").mkdir(parents=True)
    shutil.copy(root / "usr/bin/busybox", folder / "bin/busybox")
    shutil.copy(PACKAGE / "vm-init.sh", folder / "init")
    (folder / "init").chmod(0o755)
    for name in _DRIVERS:
        (driver,) = modules.rglob(f"{name}.ko*")
        content = driver.read_bytes()
        (folder / f"{name}.ko").write_bytes(lzma.decompress(content) if driver.suffix == ".xz" else content)
    names = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))) + "\n"
    with open(target, "wb") as archive:
        subprocess.run(
            [folder / "bin/busybox", "cpio", "-o", "-H", "newc"],
            input=names.encode(),
            stdout=archive,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            check=True,
        )


def _settings(root: Path) -> None:
    for name in _IDENTITY:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    run("chroot", root, "systemctl", "--quiet", "mask", *_MASKED)
    config = root / "etc/selinux/config"
    config.write_text(config.read_text().replace("SELINUX=permissive", "SELINUX=enforcing"))
