"""The RPM database of an image: CentOS's package names for what Debian's packages brought."""

from pathlib import Path

from lab.mirror.rpms import Rpm
from lab.system import PACKAGE

# CentOS's name, Debian's name of the same program, and what else it provides.
_EVERYWHERE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("bash", "bash", ("/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash")),
    ("ca-certificates", "ca-certificates", ()),
    ("coreutils", "coreutils", ()),
    ("cronie", "cron", ()),
    ("curl", "curl", ()),
    ("dbus", "dbus", ()),
    ("diffutils", "diffutils", ()),
    ("e2fsprogs", "e2fsprogs", ()),
    ("findutils", "findutils", ()),
    ("firewalld", "firewalld", ()),
    ("glibc", "libc6", ()),
    ("gnupg2", "gnupg", ()),
    ("grep", "grep", ()),
    ("gzip", "gzip", ()),
    ("hostname", "hostname", ()),
    ("iproute", "iproute2", ()),
    ("kmod", "kmod", ()),
    ("less", "less", ()),
    ("libselinux-utils", "selinux-utils", ()),
    ("openssh-clients", "openssh-client", ()),
    ("openssh-server", "openssh-server", ()),
    ("openssl", "openssl", ()),
    ("policycoreutils", "policycoreutils", ()),
    ("procps-ng", "procps", ()),
    ("rpm", "rpm", ()),
    ("sed", "sed", ()),
    ("shadow-utils", "passwd", ("/usr/sbin/groupadd", "/usr/sbin/useradd")),
    ("sudo", "sudo", ()),
    ("systemd", "systemd", ()),
    ("tar", "tar", ()),
    ("tzdata", "tzdata", ()),
    ("util-linux", "util-linux", ()),
    ("xz", "xz-utils", ()),
)

_PER_RELEASE: dict[int, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    7: (("iptables", "iptables", ()), ("python", "python3", ()), ("yum", "dnf", ())),
    8: (
        ("iptables", "iptables", ()),
        ("nftables", "nftables", ()),
        ("platform-python", "python3", ()),
        ("libseccomp", "libseccomp2", ()),
        ("dnf", "dnf", ()),
        ("yum", "dnf", ()),
    ),
    9: (
        ("iptables-nft", "iptables", ("iptables",)),
        ("nftables", "nftables", ()),
        ("python3", "python3", ()),
        ("libseccomp", "libseccomp2", ()),
        ("dnf", "dnf", ()),
        ("yum", "dnf", ()),
    ),
}

# Which package owns the identity, the repository files and the keys; version and release are CentOS's own.
_IDENTITY: dict[int, tuple[tuple[str, str, str, tuple[str, ...]], ...]] = {
    7: (("centos-release", "7", "9.2009.1.el7.centos", ("identity", "repos", "keys")),),
    8: (
        ("centos-linux-release", "8.5", "1.2111.el8", ("identity",)),
        ("centos-linux-repos", "8", "3.el8", ("repos",)),
        ("centos-gpg-keys", "8", "3.el8", ("keys",)),
    ),
    9: (
        ("centos-stream-release", "9.0", "26.el9", ("identity",)),
        ("centos-stream-repos", "9.0", "26.el9", ("repos",)),
        ("centos-gpg-keys", "9.0", "26.el9", ("keys",)),
    ),
}

_KEYS = {
    7: ("RPM-GPG-KEY-CentOS-7", "RPM-GPG-KEY-CentOS-Debug-7", "RPM-GPG-KEY-CentOS-Testing-7"),
    8: ("RPM-GPG-KEY-centosofficial", "RPM-GPG-KEY-centostesting"),
    9: ("RPM-GPG-KEY-centosofficial", "RPM-GPG-KEY-CentOS-SIG-Extras"),
}


def packages(major: int, debian: dict[str, str], key: str) -> list[Rpm]:
    """Return what an image's RPM database lists; ``debian`` has the real versions, ``key`` the distro key."""
    present = [
        Rpm(name, debian[source], f"1.el{major}", provides=provides)
        for name, source, provides in (*_EVERYWHERE, *_PER_RELEASE[major])
    ]
    return present + _identity(major, key)


def _identity(major: int, key: str) -> list[Rpm]:
    files = PACKAGE / "files" / f"el{major}"
    identity = (*_texts(files, "usr/lib/os-release", "etc/centos-release"), _OS_RELEASE_LINK)
    owned = {
        "identity": identity,
        "repos": _texts(files, *sorted(str(path.relative_to(files)) for path in files.rglob("*.repo"))),
        "keys": tuple((f"/etc/pki/rpm-gpg/{name}", key) for name in _KEYS[major]),
    }
    provides = (f"system-release = {major}", f"system-release(releasever) = {major}", "redhat-release")
    return [
        Rpm(
            name,
            version,
            release,
            provides=provides if "identity" in parts else (),
            files=tuple(item for part in parts for item in owned[part]),
        )
        for name, version, release, parts in _IDENTITY[major]
    ]


_OS_RELEASE_LINK = ("/etc/os-release", "-> ../usr/lib/os-release")


def _texts(root: Path, *names: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"/{name}", (root / name).read_text()) for name in names)
