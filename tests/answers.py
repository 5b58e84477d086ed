"""Hosts that answer facts from a description, for plans: what is installed, what stands where."""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass, field

from deploys.firewall import NEWEST
from facts.caches import HEAD
from facts.frame import BEGIN, END
from facts.go import Toolchain
from facts.rpm import VERIFIED
from facts.service import Release
from facts.unit import UNITS
from operations.script import sha256
from pure.firewall_state import RIVALS

OS_RELEASE = {
    7: 'NAME="CentOS Linux"\nID="centos"\nVERSION_ID="7"\nPRETTY_NAME="CentOS Linux 7 (Core)"',
    8: 'NAME="CentOS Linux"\nID="centos"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Linux 8"',
    9: 'NAME="CentOS Stream"\nID="centos"\nVERSION_ID="9"\nPRETTY_NAME="CentOS Stream 9"',
}
SYSTEMD = {7: 219, 8: 239, 9: 252}


# The public zone.
ZONE = '<zone>\n  <short>Public</short>\n  <service name="ssh"/>\n</zone>\n'


def firewall(major: int, state: str, rivals: str = "not-found inactive ") -> list[str]:
    """Return what a stock firewalld says, with its unit in a state such as ``loaded inactive enabled``."""
    found = {"firewalld.service": state, **dict.fromkeys(RIVALS, rivals)}
    names = ("LoadState", "ActiveState", "UnitFileState")
    lines = [f"version {NEWEST[major]}"]
    for unit, each in found.items():
        lines += [f"unit Id={unit}", *(f"unit {n}={v}" for n, v in zip(names, each.split(" "), strict=True))]
    lines += [shown("DefaultZone=public\n"), "absent"]
    lines += [*shown_all({"/usr/lib/firewalld/zones/public.xml": ZONE}), "services http ssh", "open ssh"]
    if "inactive" not in state:
        lines += ['default s "public"', 'loaded zones/public a{sv} 1 "services" as 1 "ssh"']
    return [*lines, 'session 192.0.2.7 22 eth0 - s ""']


@dataclass
class Answers:
    """A host in words; ``host(command)`` is its answer to a fact, None to anything it does not know."""

    major: int
    rpms: dict[str, str] = field(default_factory=dict)  # name to "epoch version release"
    keys: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)  # path to text
    modes: dict[str, str] = field(default_factory=dict)  # path to mode, 644 when missing
    links: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)  # unit to "load active enabled"
    loaded: dict[str, str] = field(default_factory=dict)  # path to text; files when missing
    groups: dict[str, str] = field(default_factory=dict)  # user to groups
    containers: int = 0
    flags: str = "-H fd://"
    dropins: list[str] = field(default_factory=list)
    firewall: list[str] = field(default_factory=list)  # the lines of its answer
    docker_user: list[str] = field(
        default_factory=lambda: ["absent", "absent", "enabled", "watching inactive", "docker inactive"]
    )
    directories: dict[str, str] = field(default_factory=dict)  # path to "owner group mode"
    entries: dict[str, list[str]] = field(default_factory=dict)  # directory to names
    netrcs: dict[str, str] = field(default_factory=dict)  # user to the state of their .netrc
    toolchains: dict[str, list[Toolchain]] = field(default_factory=dict)  # by the directory that holds them
    releases: dict[str, list[Release]] = field(default_factory=dict)  # by application
    deployed: set[str] = field(default_factory=set)  # applications that run as declared
    failed: set[str] = field(default_factory=set)  # units of theirs that have failed
    selinux: list[str] = field(default_factory=list)  # as facts/selinux.py reads them
    policy: list[str] = field(default_factory=list)
    mislabelled: list[str] = field(default_factory=list)
    denials: list[str] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)  # to loaded or available
    settings: dict[str, str] = field(default_factory=dict)  # of the kernel, by path below /proc/sys
    memory: int = 16  # GiB
    places: dict[str, str] = field(default_factory=dict)  # path to how facts/caches.py reads it
    journal: str = "directory\nmemory"  # where it is, as facts/journald.py reads it

    def __call__(self, command: str) -> str | None:
        """Answer a framed fact."""
        for pattern, answer in self._table():
            if match := re.search(pattern, command, re.DOTALL):
                return "\n".join([BEGIN, *answer(*match.groups()), END])
        return None

    def _table(self):
        return [
            (r"cat /etc/os-release", self._release),
            (r"file=(\S+journald.conf.d\S+);", self._journald),
            (r"MemTotal.*; set -- (.*?); while", self._places),
            (r"grep -ls ", self._cache_units),
            (r"containerd-shim\)' /proc", lambda: [str(self.containers)]),
            (r"for name in (.*?); do if test -e /sys/module", self._modules),
            (r"set -f; for file in (.*?); do", self._settings),
            (r"avc:", lambda: self.denials),
            (r"rules=\$\(ls /etc/selinux", lambda: self.policy),
            (r"/sys/fs/selinux/enforce", lambda: self.selinux),
            (r"restorecon -n", lambda: self.mislabelled),
            (r"file=(\S+); noted=(\S+);.*rpm -q gpg-pubkey", self._key),
            (r"file=/var/lib/elforge/docker-user;", lambda: self.docker_user),
            (r"VERSION}\\n' firewalld", lambda: self.firewall or self._stock_firewall()),
            (r"echo \$\{port:-0\}", lambda: ["22"]),
            (r"echo version \$\(rpm", self._docker),
            (r"rpm -e --test", list),
            (r"rpm -q --qf '[^']*' (.*?) 2>&1", self._rpms),
            (r"for path in /etc/yum\.repos\.d/\*", self._repositories),
            (r"for path in (.*?); do if test -L", self._paths),
            (r"for path in (.*?); do if test -f", self._contents),
            (r"record=.*?for file in (.*?); do", self._loaded),
            (r"cd (\S+) \|\| exit 1; for place in go1", self._toolchains),
            (r"cd /opt/(\S+)/releases \|\| exit 1;", self._releases),
            (r"store=/var/lib/elforge/service/(\S+);.*?for unit in (.*?); do", self._service),
            (r"systemctl show -p LoadState\S* ([^ ;)]+)", self._unit),
            (r"mountpoint -q", list),
            (r"if test -d (\S+); then ls -A", lambda path: self.entries.get(path, [])),
            (r"getent passwd (\S+) .*runuser", lambda user: [self.netrcs.get(user, "absent")]),
            (r"id -gn -- (\S+) ", lambda user: [self.groups.get(user, "").partition(" ")[0]]),
            (r"for user in (.*?); do id -nG", self._users),
        ]

    def _stock_firewall(self) -> list[str]:
        """As the package brings it, looked at over SSH."""
        return firewall(self.major, self.units.get("firewalld.service", "not-found inactive "))

    def _release(self) -> list[str]:
        host = (
            f"ARCH=x86_64\nCGROUP=cgroup2fs\nSYSTEMD=systemd {SYSTEMD[self.major]}\nSHELL=/bin/bash\nROOT=ok"
        )
        return [*OS_RELEASE[self.major].splitlines(), *host.splitlines()]

    def _journald(self, config: str) -> list[str]:
        return [self._text(config), *self.journal.splitlines(), "size 2621440 4096"]

    def _places(self, words: str) -> list[str]:
        there = self.places
        found = [
            there.get(path, "990 985 - 0 0 0 empty local 64768 26214400 2621440 4096 0 rw - -")
            for path in shlex.split(words)[::2]
        ]
        return [str(self.memory * 2**20), *found]

    def _cache_units(self) -> list[str]:
        ours = [path for path, text in self.files.items() if text.startswith(HEAD) and path.startswith(UNITS)]
        return [line for path in ours for line in (path.removeprefix(f"{UNITS}/"), self._text(path))]

    def _modules(self, names: str) -> list[str]:
        return [self.modules.get(name, "absent") for name in shlex.split(names)]

    def _settings(self, paths: str) -> list[str]:
        found = [self.settings.get(path.removeprefix("/proc/sys/")) for path in shlex.split(paths)]
        return ["absent" if value is None else f"value {value}" for value in found]

    def _rpms(self, words: str) -> list[str]:
        return [
            f"{name} {self.rpms[name]} x86_64" if name in self.rpms else f"package {name} is not installed"
            for name in shlex.split(words)
        ]

    def _key(self, file: str, noted: str) -> list[str]:
        digest = sha256(self.files[file]) if file in self.files else ""
        known = self.keys or ["package gpg-pubkey is not installed"]
        return [f"file {digest}  -", f"verified {self.files.get(noted, '')}", *known]

    def _repositories(self) -> list[str]:
        return shown_all(
            {path: text for path, text in self.files.items() if path.startswith("/etc/yum.repos.d/")}
        )

    def _paths(self, words: str) -> list[str]:
        return [self._path(path) for path in shlex.split(words)]

    def _path(self, path: str) -> str:
        if path in self.links:
            return f"link\t{self.links[path]}"
        if path in self.directories:
            return "\t".join(["directory", *self.directories[path].split()])
        if path not in self.files:
            return "absent"
        digest = sha256(self.files[path])
        return "\t".join(["file", "root", "root", self.modes.get(path, "644"), f"{digest}  -"])

    def _contents(self, words: str) -> list[str]:
        return [self._text(path) for path in shlex.split(words)]

    def _loaded(self, words: str) -> list[str]:
        texts = {**self.files, **self.loaded}
        return [shown(texts.get(path)) for path in shlex.split(words)]

    def _text(self, path: str) -> str:
        return shown(self.files.get(path))

    def _unit(self, name: str) -> list[str]:
        load, active, enabled = self.units.get(*shlex.split(name), "not-found inactive ").split(" ")
        exec_start = f"{{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd {self.flags} ; ignore_errors=no }}"
        return [
            f"LoadState={load}",
            f"ActiveState={active}",
            f"UnitFileState={enabled}",
            "NeedDaemonReload=no",
            f"DropInPaths={' '.join(self.dropins)}",
            f"ExecStart={exec_start}",
            "MainPID=1",
            "Exe=/usr/bin/program",
        ]

    def _toolchains(self, root: str) -> list[str]:
        return [line for each in self.toolchains.get(root, []) for line in _toolchain(each)]

    def _releases(self, app: str) -> list[str]:
        return [line for each in self.releases.get(app, []) for line in _released(each)]

    def _service(self, app: str, units: str) -> list[str]:
        if app not in self.deployed:
            words = ["unknown", "differs", "broken"]
            state = ["LoadState=not-found", "ActiveState=inactive", "UnitFileState=", "FragmentPath="]
        else:
            words = ["known", "same", "whole"]
            state = ["LoadState=loaded", "ActiveState=active", "UnitFileState=enabled"]
        lines = []
        for unit in units.split():
            file = f"/etc/systemd/system/{re.sub('@[^.]*', '@', unit)}"
            own = [f"FragmentPath={file}"] if app in self.deployed else []
            lines += [f"unit {unit}", *state, *own, "NeedDaemonReload=no", "Fresh=yes"]
            lines += ["ActiveState=failed"] if unit in self.failed else []
        return [*words, *lines]

    def _users(self, words: str) -> list[str]:
        return [self.groups.get(user, "") for user in shlex.split(words)]

    def _docker(self) -> list[str]:
        version = (
            self.rpms["docker-ce"].split()[1]
            if "docker-ce" in self.rpms
            else "package docker-ce is not installed"
        )
        return [
            f"version {version}",
            self._text("/etc/docker/daemon.json"),
            self._text("/var/lib/elforge/docker/daemon.json"),
            "disk 26214400 4096",
            f"containers {self.containers}",
            "route 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.7",
        ]


def stored_key(path: str, fingerprint: str) -> dict[str, str]:
    """Return the files of a key that is there, path to text."""
    return {path: "", f"{VERIFIED}/{path.rpartition('/')[2]}": f"{fingerprint} {sha256('')}"}


def shown(text: str | None) -> str:
    return "absent" if text is None else f"text {base64.b64encode(text.encode()).decode()}"


def shown_all(files: dict[str, str]) -> list[str]:
    names, contents = "".join(f"{path}\0" for path in files).encode(), "".join(files.values()).encode()
    sizes = " ".join(str(len(text.encode())) for text in files.values())
    return [base64.b64encode(names).decode(), sizes, base64.b64encode(contents).decode()]


def _toolchain(each: Toolchain) -> list[str]:
    seal = "5" * 64
    record = f"version {each.version}\nmanifest {'3' * 64}\nseal {seal if each.whole else '0' * 64}\n"
    return [each.name, shown(record if each.version else None), seal, "packed" if each.packed else "bare"]


def _released(each: Release) -> list[str]:
    record = f"origin {each.origin}\nstamp {'1 2' if each.whole else '3 4'}\n"
    place = "current" if each.current else "other"
    return [each.version, shown(record), "1 2", str(each.proven), place]
