"""The VM tier: lab hosts with a kernel of their own, with SELinux enforcing, in QEMU without KVM."""

import os
import shutil
import subprocess
import time
import zlib
from pathlib import Path

from lab import hosts, network, vm_image
from lab.system import LabError, fingerprint, lock, remove, run, state_dir

_MEGABYTES = 1536
_BOOT_SECONDS, _STOP_SECONDS = 240, 60
# QEMU 7.2 returns garbage for flags from cmpxchg16b, on which the kernel's allocator panics.
_CPU = "qemu64,-cx16,+rdrand"


class VirtualMachine(hosts.Host):
    """A lab host that is a machine of its own: the same calls, but its own kernel, labels, page cache."""

    boot_seconds = _BOOT_SECONDS

    @property
    def image(self) -> list[Path]:
        """The directory of the image which the host's disk lies over."""
        return [Path(path) for path in self.disk().image] if (self.folder / "host.json").exists() else []

    @property
    def root(self) -> Path:
        """Refused: the disk of a VM cannot be seen from outside."""
        raise LabError(f"{self.name} is a VM: its files can only be reached by ssh")

    def snapshot(self, name: str) -> None:
        """Remember the host's disk under a name; the host is restarted."""
        with lock(f"host-{self.name}"):
            self._power_off()
            disk = self.disk()
            (self.folder / "snapshots").mkdir(exist_ok=True)
            shutil.copyfile(self.folder / "disk.qcow2", self.folder / "snapshots" / name)
            disk.snapshots[name] = []
            self._save(disk)
            self._boot()

    def _restore(self, name: str) -> None:
        shutil.copyfile(self.folder / "snapshots" / name, self.folder / "disk.qcow2")

    def _make_pristine(self) -> None:
        image = vm_image.ensure(self.release.major)
        with lock("addresses"):
            address = self.address
            remove(self.folder)
            self.folder.mkdir(parents=True)
            backing = ("-F", "raw", "-b", str(image / vm_image.DISK))
            run("qemu-img", "create", "-q", "-f", "qcow2", *backing, self.folder / "disk.qcow2")
            self._save(hosts.Disk(address, {str(image): image.stat().st_ino}))
            hosts.write_known_hosts()

    def _start(self) -> subprocess.Popen[bytes]:
        network.add_tap(self._link)
        address = self.disk().address
        words = {
            "lab.name": self.name,
            "lab.id": fingerprint(self.name, str(state_dir())) + "0" * 20,
            "lab.hosts": f"{address},{self.name}",
            "lab.address": f"{address}/24",
            "lab.gateway": network.gateway(),
        }
        kernel = "root=/dev/vda console=ttyS0 net.ifnames=0 security=selinux selinux=1 panic=1 " + " ".join(
            f"{key}={value}" for key, value in words.items()
        )
        (image,) = self.image
        digits = f"{zlib.crc32(self._link.encode()):08x}"
        mac = "52:54:" + ":".join(digits[at : at + 2] for at in range(0, 8, 2))
        options = {
            "-accel": "tcg,thread=multi",
            "-cpu": _CPU,
            "-smp": str(os.cpu_count() or 1),
            "-m": str(_MEGABYTES),
            "-display": "none",
            "-monitor": "none",
            "-serial": f"file:{self.folder / 'console.log'}",
            "-kernel": str(image / vm_image.KERNEL),
            "-initrd": str(image / vm_image.INITRD),
            "-append": kernel,
            "-drive": f"file={self.folder / 'disk.qcow2'},if=virtio,cache=writeback",
            "-netdev": f"tap,id=lab,ifname={self._link},script=no,downscript=no",
            "-device": f"virtio-net-pci,netdev=lab,mac={mac}",
        }
        flags = [word for pair in options.items() for word in pair]
        command = ["qemu-system-x86_64", "-nodefaults", *flags, "-device", "virtio-rng-pci"]
        return self._enter(command, self.folder / "qemu.log")

    def _power_off(self) -> None:
        if self.running:
            self.ssh("systemctl", "poweroff", user="root")
            deadline = time.monotonic() + _STOP_SECONDS
            while self.running and time.monotonic() < deadline:
                time.sleep(0.1)
        self._kill()

    @property
    def _link(self) -> str:
        # 15 characters are the most a kernel takes.
        return f"vt{network.octet()}-{zlib.crc32(self.name.encode()):08x}"
