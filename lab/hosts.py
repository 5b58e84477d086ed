"""Lab hosts: systemd-nspawn containers, each on an overlay of its own over a release's image."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from lab import cgroup, images, keys, mirror, network
from lab.mirror import build as mirror_build
from lab.releases import DEFAULT_HOSTS, of_host
from lab.system import (
    LabError,
    check_machine,
    clear_killed_builds,
    fingerprint,
    known_hosts,
    lock,
    progress,
    remove,
    run,
    state_dir,
    unmount_below,
    write,
)

PORT = 22
DEFAULT_USER = "ops"

_BOOT_SECONDS = 90
_STOP_SECONDS = 30
# Docker cannot keep its layers on an overlay, so these live beside it.
_PLAIN = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}
_INOTIFY_INSTANCES = 8192
_VM = re.compile(r"vm\d+(-.*)?")
_POWER_OFF = signal.SIGRTMIN + 4


@dataclass(frozen=True)
class HostInfo:
    """What ``status`` tells about a host."""

    name: str
    address: str
    port: int
    user: str
    key: str
    known_hosts: str
    state: str
    release: str
    stand_in: bool


@dataclass
class Disk:
    """What a host's disk is made of; kept in ``host.json``.

    ``image`` and ``layers`` are directories below the host's own upper one, the topmost first; ``snapshots``
    has, for each name, the layers which the host had then. ``image`` maps a path to its inode: an image that
    was built anew under the same name is another image.
    """

    address: str
    image: dict[str, int]
    layers: list[str] = field(default_factory=list)
    snapshots: dict[str, list[str]] = field(default_factory=dict)


class Host:
    """One lab host, running or not."""

    user = DEFAULT_USER
    port = PORT
    boot_seconds = _BOOT_SECONDS

    def __new__(cls, name: str) -> "Host":
        """A name such as vm9 or vm9-a is a virtual machine; the calls are the same."""
        if _VM.fullmatch(name):
            from lab.vm import VirtualMachine

            cls = VirtualMachine
        return super().__new__(cls)

    def __init__(self, name: str) -> None:
        self.name = name
        self.release = of_host(re.sub("^vm", "el", name))
        self.folder = state_dir() / "hosts" / name

    @property
    def address(self) -> str:
        """The host's IPv4 address; known before the host was ever up."""
        try:
            return self.disk().address
        except LabError:
            return network.choose_address(self.name, {host.address for host in known()})

    @property
    def image(self) -> list[Path]:
        """The directories of the image which the host was made from; none if it was never up."""
        try:
            return [Path(layer) for layer in self.disk().image]
        except LabError:
            return []

    @property
    def key(self) -> Path:
        """The private SSH key for root and ops."""
        return keys.ssh_key()

    @property
    def root(self) -> Path:
        """The host's file system as seen from this machine, without the mounts made inside (/run, /tmp)."""
        return self.folder / "root"

    @property
    def pid(self) -> int | None:
        """This machine's process id of the host's PID 1, or None when the host is off."""
        return cgroup.first_pid(self._cgroup)

    @property
    def running(self) -> bool:
        """Whether any process of the host is alive."""
        return cgroup.populated(self._cgroup)

    @property
    def info(self) -> HostInfo:
        """What ``status`` tells."""
        state = "stopped" if not self.running else "running" if self._ssh_banner() else "starting"
        where = (self.name, self.address, PORT, DEFAULT_USER, str(self.key), str(known_hosts()))
        return HostInfo(*where, state, self.release.title, stand_in=True)

    def ssh_command(self, *command: str, user: str = DEFAULT_USER, shared: bool = False) -> list[str]:
        """
        Return the OpenSSH command line for this host.

        + shared: by a connection that stays open for the next of these
        """
        # Of this boot: a connection to a host that was killed would never answer.
        path = f"{self.folder}/{self.pid}-%r"
        sharing = {"ControlMaster": "auto", "ControlPersist": "15", "ControlPath": path}
        options = {
            "UserKnownHostsFile": str(known_hosts()),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            **(sharing if shared else {}),
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", *words, "-i", str(self.key), f"{user}@{self.address}", *command]

    def ssh(
        self, *command: str, user: str = DEFAULT_USER, shared: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host and return its exit status and output."""
        words = self.ssh_command(*command, user=user, shared=shared)
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )

    def up(self) -> None:
        """Boot the host, unless it runs."""
        with lock(f"host-{self.name}"):
            if self.running and self._ssh_works():
                return
            self._kill()
            if not self._bootable():
                self._make_pristine()
            self._boot()

    def down(self) -> None:
        """Power the host off; its disk is kept."""
        with lock(f"host-{self.name}"):
            self._power_off()
            unmount_below(self.folder)

    def destroy(self) -> None:
        """Power the host off and forget it."""
        with lock(f"host-{self.name}"):
            self._kill()
            remove(self.folder)

    def reset(self) -> None:
        """Put the release's pristine image back and boot it."""
        with lock(f"host-{self.name}"):
            self._kill()
            self._make_pristine()
            self._boot()

    def crash(self) -> None:
        """Stop the host as a power cut would: every process killed at once."""
        with lock(f"host-{self.name}"):
            self._kill()

    def snapshot(self, name: str) -> None:
        """Remember the host's disk under a name; the host is restarted."""
        with lock(f"host-{self.name}"):
            self._power_off()
            unmount_below(self.folder)
            disk = self.disk()
            layer = f"{time.time_ns():x}"
            (self.folder / "layers").mkdir(exist_ok=True)
            (self.folder / "upper").rename(self.folder / "layers" / layer)
            self._copy_plain(self.folder, self.folder / "snapshots" / name)
            disk.layers.insert(0, layer)
            disk.snapshots[name] = list(disk.layers)
            self._save(disk)
            self._boot()

    def restore(self, name: str) -> None:
        """Put the disk back to what it was at a snapshot, and boot it."""
        with lock(f"host-{self.name}"):
            disk = self.disk()
            if name not in disk.snapshots:
                raise LabError(f"{self.name} has no snapshot {name!r}")
            self._kill()
            self._restore(name)
            self._boot()

    def _restore(self, name: str) -> None:
        disk = self.disk()
        remove(self.folder / "upper")
        self._copy_plain(self.folder / "snapshots" / name, self.folder)
        disk.layers = list(disk.snapshots[name])
        self._save(disk)

    def _copy_plain(self, source: Path, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for name in _PLAIN:
            remove(target / name)
            run("cp", "-a", "--reflink=auto", source / name, target / name)

    @property
    def _cgroup(self) -> Path:
        return cgroup.root() / f"elforge{network.octet()}-{self.name}"

    @property
    def _machine(self) -> str:
        return f"e{network.octet()}-{self.name}"

    @property
    def _link(self) -> str:
        return f"vb-{self._machine}"

    def disk(self) -> Disk:
        """Return what the host's disk is made of; raise LabError if the host was never up."""
        try:
            return Disk(**json.loads((self.folder / "host.json").read_text()))
        except FileNotFoundError:
            raise LabError(f"{self.name} was never up: python -m lab up {self.name}") from None

    def _save(self, disk: Disk) -> None:
        write(self.folder / "host.json", json.dumps(vars(disk), indent=1) + "\n")

    def _bootable(self) -> bool:
        if not (self.folder / "host.json").exists():
            return False
        image = self.disk().image
        return all(Path(path).exists() and Path(path).stat().st_ino == inode for path, inode in image.items())

    def _make_pristine(self) -> None:
        images.ensure([self.release.major])
        with lock("addresses"):
            address = self.address
            remove(self.folder / "host.json")
            for name in ("upper", "work", "layers", "snapshots", *_PLAIN):
                remove(self.folder / name)
            for name in ("upper", *_PLAIN):
                (self.folder / name).mkdir(parents=True)
            self._write_identity(address)
            layers = images.layers(self.release.major)
            self._save(Disk(address, {str(layer): layer.stat().st_ino for layer in layers}))
            write_known_hosts()

    def _write_identity(self, address: str) -> None:
        etc = self.folder / "upper" / "etc"
        write(etc / "machine-id", fingerprint(self.name, str(state_dir())) + "0" * 20 + "\n", 0o444)
        write(etc / "hostname", f"{self.name}\n")
        write(etc / "hosts", f"127.0.0.1 localhost\n::1 localhost\n{address} {self.name}\n")
        # Sorts before systemd's own 80-container-host0.network.
        write(etc / "systemd" / "network" / "10-lab.network", network.guest_config(address))
        for folder in (self.folder / "upper", etc, etc / "systemd", etc / "systemd" / "network"):
            folder.chmod(0o755)

    def _boot(self) -> None:
        started = time.monotonic()
        cgroup.create(self._cgroup)
        # `down` elsewhere may just have ended what this one needs, with the last host that ran.
        with lock("boot"):
            mirror.serve()
            process = self._start()
            while not self.running and process.poll() is None:
                time.sleep(0.01)
        deadline = started + self.boot_seconds
        while not (self._ssh_banner() and self._ssh_works()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"{self.name} does not boot: see {self.folder / 'console.log'}")
            time.sleep(0.05)
        progress(f"{self.name}: up at {self.disk().address} ({time.monotonic() - started:.1f} s)")

    def _start(self) -> subprocess.Popen[bytes]:
        unmount_below(self.folder)
        disk = self.disk()
        layers = [self.folder / "layers" / name for name in disk.layers]
        lowers = [*layers, *(Path(path) for path in disk.image)]
        images.mount_overlay(self.root, lowers, self.folder / "upper", self.folder / "work")
        command = [
            "systemd-nspawn",
            "--quiet",
            f"--directory={self.root}",
            f"--machine={self._machine}",
            f"--hostname={self.name}",
            "--boot",
            f"--network-bridge={network.bridge()}",
            "--capability=all",
            "--system-call-filter=@mount @keyring bpf perf_event_open",
            "--register=no",
            "--keep-unit",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            *(f"--bind={self.folder / name}:{inside}" for name, inside in _PLAIN.items()),
        ]
        return self._enter(command, self.folder / "console.log")

    def _enter(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        with open(log, "wb") as console:
            return subprocess.Popen(
                # All that it becomes can be found there, and ended.
                cgroup.entering(self._cgroup, *command),
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _ssh_banner(self) -> bool:
        try:
            # A SYN that is lost while the host's interface comes up is repeated only after a second.
            with socket.create_connection((self.address, PORT), timeout=0.2) as connection:
                connection.settimeout(5)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _ssh_works(self) -> bool:
        # A banner is not enough: until the boot is over, pam_nologin keeps ops out.
        return self.ssh("true").returncode == 0

    def _power_off(self) -> None:
        if (pid := self.pid) is not None:
            os.kill(pid, _POWER_OFF)
            deadline = time.monotonic() + _STOP_SECONDS
            while self.running and time.monotonic() < deadline:
                time.sleep(0.05)
        self._kill()

    def _kill(self) -> None:
        cgroup.kill(self._cgroup)
        # The kernel takes a dead host's network apart in its own time; the next boot needs the name now.
        network.remove_link(self._link)
        unmount_below(self.folder)


def known() -> list[Host]:
    """Return every host that has a disk."""
    return [Host(path.parent.name) for path in sorted((state_dir() / "hosts").glob("*/host.json"))]


def status() -> list[HostInfo]:
    """Return what is known about every host."""
    return [host.info for host in known()]


def up(names: Iterable[str] = DEFAULT_HOSTS) -> list[Host]:
    """Boot hosts, after building whatever they need; return when SSH answers on each of them."""
    hosts = [Host(name) for name in names]
    prepare(hosts)
    _in_parallel(Host.up, hosts)
    return hosts


def reset(names: Iterable[str]) -> list[Host]:
    """Put hosts back to the pristine image and boot them."""
    hosts = [Host(name) for name in names]
    prepare(hosts)
    _in_parallel(Host.reset, hosts)
    return hosts


def down(names: Iterable[str] = (), *, purge: bool = False) -> None:
    """Power hosts off, by default all; with the last one go the mirror's server and the bridge."""
    check_machine()
    hosts = [Host(name) for name in names] or known()
    _in_parallel(Host.destroy if purge else Host.down, hosts)
    with lock("boot"):
        if not any(host.running for host in known()):
            mirror.stop_server()
            network.remove_bridge()


def prepare(hosts: Sequence[Host]) -> None:
    """Build images and mirror as far as these hosts need them, and serve the mirror."""
    check_machine()
    _raise_inotify_limit()
    build({host.release.major for host in hosts})
    mirror.serve()


def _raise_inotify_limit() -> None:
    # Every host's systemd needs some ten instances, and all hosts share root's: 128 by default.
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if int(limit.read_text()) < _INOTIFY_INSTANCES:
        limit.write_text(str(_INOTIFY_INSTANCES))


def build(majors: Iterable[int], *, force: bool = False) -> None:
    """Build the mirror and the images of these releases, as far as they are missing or outdated."""
    if force and (running := [host.name for host in known() if host.running]):
        raise LabError(f"{', '.join(running)}: running on an image; first python -m lab down")
    clear_killed_builds()
    with ThreadPoolExecutor() as pool:
        parts = [
            pool.submit(mirror_build.ensure, force=force),
            pool.submit(images.ensure, majors, force=force),
        ]
        for part in parts:
            part.result()
    images.collect_garbage({layer.name for host in known() for layer in host.image})


def _in_parallel(action: Callable[[Host], None], hosts: Sequence[Host]) -> None:
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        list(pool.map(action, hosts))


def write_known_hosts() -> None:
    """List every host's keys; all hosts of a release share theirs, and a line takes its reader a while."""
    names: dict[int, list[str]] = {}
    for host in known():
        names.setdefault(host.release.major, []).append(f"{host.name},{host.address}")
    lines = [
        f"{','.join(of)} {' '.join(public.read_text().split()[:2])}\n"
        for major, of in names.items()
        for public in sorted(keys.host_keys(major).glob("*.pub"))
    ]
    write(known_hosts(), "".join(lines))
