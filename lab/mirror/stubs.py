"""The distribution's side of the mirror: which small packages each repository of each release holds.

A stub with nothing behind it carries the version CentOS has, since what matters is the relations between
packages. A stub that puts one of the image's programs on PATH carries that program's version.
"""

from dataclasses import replace
from pathlib import Path

from lab import apt
from lab.mirror.rpms import Rpm
from lab.releases import RELEASES
from lab.system import PACKAGE

# Where the images keep programs which a minimal CentOS does not have; the stubs link to them.
HIDDEN = "/usr/libexec/elforge-lab"
_DNF_PLUGINS = "/usr/lib/python3/dist-packages/dnf-plugins"

MODULES = {8: PACKAGE / "specs" / "modules-el8.yaml"}

_GOLANG_FROM_EPEL = 7  # the other releases have it in AppStream

_MODULE = "module_el8.5.0+1004+c00a74f5"


def vault(major: int) -> dict[str, list[Rpm]]:
    """Return the packages of every distribution repository of a release, by path on the mirror."""
    build = {7: _el7, 8: _el8, 9: _el9}
    return build[major]()


def epel(major: int) -> list[Rpm]:
    """Return the packages of EPEL for a release."""
    tools = [Rpm("htop", "3.2.1", f"1.el{major}"), Rpm("jq", "1.6", f"2.el{major}")]
    return tools + _golang(major) if major == _GOLANG_FROM_EPEL else tools


def _golang(major: int) -> list[Rpm]:
    """Return the distribution's Go, which takes ``/usr/bin/go`` and knows its version only."""
    version, release, root = "1.20.12", f"1.el{major}", "/usr/lib/golang"
    go = (
        f'#!/bin/sh\n[ "$1" = version ] && exec echo "go version go{version} (Red Hat {version}-{release})'
        ' linux/amd64"\necho "$0: a stand-in" >&2\nexit 2\n'
    )
    # As in Fedora's golang.spec.
    post = (
        f"update-alternatives --install /usr/bin/go go {root}/bin/go 90 "
        f"--slave /usr/bin/gofmt gofmt {root}/bin/gofmt"
    )
    preun = f"if [ $1 = 0 ]; then update-alternatives --remove go {root}/bin/go; fi"
    files = ((f"{root}/bin/go", go), (f"{root}/bin/gofmt", "#!/bin/sh\nexec cat\n"))
    return [
        Rpm("golang", version, release, requires=(f"golang-bin = {version}-{release}",)),
        Rpm("golang-bin", version, release, requires=("golang",), files=files, post=post, preun=preun),
    ]


def _devtoolset() -> list[Rpm]:
    """Return SCL's newer compilers; its g++ is the same gcc, there being no other."""
    program = f'#!/bin/sh\nexec {HIDDEN}/gcc "$@"\n'
    return [
        Rpm(
            f"devtoolset-11-{package}",
            "11.2.1",
            "9.1.el7",
            files=tuple((f"/opt/rh/devtoolset-11/root/usr/bin/{name}", program) for name in names),
        )
        for package, names in (("gcc", ("gcc", "cc")), ("gcc-c++", ("g++", "c++")))
    ]


def _programs(major: int) -> dict[str, Rpm]:
    """Return the stubs that bring a program of the image, with that program's own version."""
    selinux = "policycoreutils-python" if major == 7 else "policycoreutils-python-utils"
    links = {
        "git": ("git", {"/usr/bin/git": "/usr/lib/git-core/git"}),
        "gcc": ("gcc", {"/usr/bin/gcc": f"{HIDDEN}/gcc", "/usr/bin/cc": f"{HIDDEN}/gcc"}),
        "make": ("make", {"/usr/bin/make": f"{HIDDEN}/make"}),
        selinux: ("policycoreutils-python-utils", {"/usr/sbin/semanage": f"{HIDDEN}/semanage"}),
    }
    debians = ("firewalld", *(debian for debian, _ in links.values()))
    versions = apt.versions(RELEASES[major].suite, debians)
    # Its program is in the image; as it is installed, systemd's presets enable it.
    post = "systemctl preset firewalld.service"
    firewalld = Rpm("firewalld", versions["firewalld"], f"1.el{major}", post=post)
    return {
        "firewalld": firewalld,
        **{
            name: Rpm(
                name,
                versions[debian],
                f"1.el{major}",
                files=tuple((path, f"-> {target}") for path, target in programs.items()),
            )
            for name, (debian, programs) in links.items()
        },
    }


def _versionlock(name: str, version: str, release: str, locklist: str) -> Rpm:
    conf = f"[main]\nenabled = 1\nlocklist = {locklist}\n"
    return Rpm(
        name,
        version,
        release,
        files=(
            ("/etc/dnf/plugins/versionlock.conf", conf),
            (locklist, ""),
            _dnf_plugin("versionlock"),
        ),
    )


def _config_manager(name: str, version: str, release: str, files: tuple[tuple[str, str], ...] = ()) -> Rpm:
    plugins = tuple(_dnf_plugin(plugin) for plugin in ("config_manager", "download", "needs_restarting"))
    return Rpm(name, version, release, files=(*plugins, *files))


def _dnf_plugin(name: str) -> tuple[str, str]:
    return f"{_DNF_PLUGINS}/{name}.py", f"-> {HIDDEN}/dnf-plugins/{name}.py"


def _epel_release(major: int, version: str, release: str) -> Rpm:
    key = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-EPEL-{major}"
    repo = (
        f"[epel]\nname=Extra Packages for Enterprise Linux {major} - $basearch\n"
        f"metalink=https://mirrors.fedoraproject.org/metalink?repo=epel-{major}&arch=$basearch\n"
        f"enabled=1\ngpgcheck=1\ngpgkey=file://{key}\n"
    )
    # The image holds the key itself, under a name the stub can link to: stubs are built before images.
    files = (("/etc/yum.repos.d/epel.repo", repo), (key, "-> /usr/share/elforge-lab/distro.asc"))
    return Rpm("epel-release", version, release, files=files)


def _el7() -> dict[str, list[Rpm]]:
    programs = _programs(7)
    yum_config_manager = ("/usr/bin/yum-config-manager", '#!/bin/sh\nexec /usr/bin/yum config-manager "$@"\n')
    old = "209.git7d71120.el7.centos"
    return {
        "vault/7.9.2009/os/x86_64": [
            *programs.values(),
            Rpm("glibc-devel", "2.17", "317.el7"),
            Rpm("libcgroup", "0.41", "21.el7"),
            Rpm("libseccomp", "2.3.1", "4.el7"),
            Rpm("chrony", "3.4", "1.el7"),
            Rpm("tzdata", "2020d", "2.el7"),
            _config_manager("yum-utils", "1.1.31", "54.el7_8", (yum_config_manager,)),
            _versionlock(
                "yum-plugin-versionlock", "1.1.31", "54.el7_8", "/etc/yum/pluginconf.d/versionlock.list"
            ),
        ],
        "vault/7.9.2009/sclo/x86_64/rh": _devtoolset(),
        "vault/7.9.2009/updates/x86_64": [Rpm("tzdata", "2024a", "1.el7")],
        "vault/7.9.2009/extras/x86_64": [
            Rpm("container-selinux", "2.119.2", "1.911c772.el7_8", epoch=2),
            Rpm("slirp4netns", "0.4.3", "4.el7_8"),
            Rpm("fuse3-libs", "3.6.1", "4.el7"),
            Rpm("fuse-overlayfs", "0.7.2", "6.el7_8", requires=("fuse3-libs",)),
            Rpm("runc", "1.0.0", "69.rc10.el7_9"),
            Rpm("docker-common", "1.13.1", old, epoch=2),
            Rpm("docker-client", "1.13.1", old, epoch=2, requires=("docker-common",)),
            Rpm("docker", "1.13.1", old, epoch=2, requires=("docker-client", "docker-common")),
            Rpm("docker-latest", "1.13.1", "58.git87f2fab.el7.centos", requires=("docker-common",)),
            Rpm("docker-engine", "17.05.0.ce", "1.el7.centos", provides=("docker",)),
            _epel_release(7, "7", "11"),
        ],
    }


def _el8() -> dict[str, list[Rpm]]:
    programs = _programs(8)
    selinux = programs.pop("policycoreutils-python-utils")
    base = "vault/8.5.2111"
    return {
        f"{base}/BaseOS/x86_64/os": [
            selinux,
            programs.pop("make"),
            Rpm("glibc-devel", "2.28", "164.el8"),
            Rpm("libcgroup", "0.41", "19.el8"),
            Rpm("libseccomp", "2.5.1", "1.el8"),
            Rpm("chrony", "4.1", "1.el8"),
            Rpm("tzdata", "2021e", "1.el8"),
            _config_manager("dnf-plugins-core", "4.0.21", "3.el8"),
            Rpm("yum-utils", "4.0.21", "3.el8", requires=("dnf-plugins-core",)),
            _versionlock(
                "python3-dnf-plugin-versionlock", "4.0.21", "3.el8", "/etc/dnf/plugins/versionlock.list"
            ),
        ],
        f"{base}/AppStream/x86_64/os": [*programs.values(), *_golang(8), *_container_tools()],
        f"{base}/PowerTools/x86_64/os": [Rpm("libcgroup-devel", "0.41", "19.el8")],
        f"{base}/extras/x86_64/os": [_epel_release(8, "8", "11.el8")],
    }


def _container_tools() -> list[Rpm]:
    """Return EL 8's container-tools module, the packages that stand in Docker's way among them."""
    members = [
        Rpm("container-selinux", "2.167.0", "1", epoch=2),
        Rpm("slirp4netns", "1.1.8", "1"),
        Rpm("fuse-overlayfs", "1.7.1", "1"),
        Rpm("runc", "1.0.2", "1"),
        Rpm("containers-common", "1", "2", epoch=2),
        Rpm("buildah", "1.22.3", "2", requires=("runc >= 1.0.0", "containers-common")),
        Rpm("podman", "3.3.1", "9", requires=("runc >= 1.0.0", "containers-common")),
        _podman_docker("3.3.1", "9", epoch=0),
    ]
    return [replace(rpm, release=f"{rpm.release}.{_MODULE}", modular=True) for rpm in members]


def _podman_docker(version: str, release: str, epoch: int) -> Rpm:
    return Rpm(
        "podman-docker",
        version,
        release,
        epoch,
        requires=(f"podman = {epoch}:{version}",),
        provides=(f"docker = {epoch}:{version}",),
        conflicts=("docker", "docker-latest", "docker-ce", "docker-ee", "moby-engine"),
        files=(("/usr/bin/docker", '#!/bin/sh\nexec /usr/bin/podman "$@"\n'),),
    )


def _el9() -> dict[str, list[Rpm]]:
    programs = _programs(9)
    base = "stream/9-stream"
    return {
        f"{base}/BaseOS/x86_64/os": [
            programs.pop("make"),
            Rpm("libseccomp", "2.5.2", "2.el9"),
            Rpm("chrony", "4.6.1", "1.el9"),
            Rpm("tzdata", "2025b", "1.el9"),
            _config_manager("dnf-plugins-core", "4.3.0", "20.el9"),
            Rpm("yum-utils", "4.3.0", "20.el9", requires=("dnf-plugins-core",)),
            _versionlock(
                "python3-dnf-plugin-versionlock", "4.3.0", "20.el9", "/etc/dnf/plugins/versionlock.list"
            ),
        ],
        f"{base}/AppStream/x86_64/os": [
            *programs.values(),
            *_golang(9),
            Rpm("glibc-devel", "2.34", "168.el9"),
            Rpm("container-selinux", "2.235.0", "1.el9", epoch=4),
            Rpm("slirp4netns", "1.3.2", "1.el9"),
            Rpm("fuse-overlayfs", "1.14", "1.el9"),
            Rpm("crun", "1.20", "2.el9"),
            Rpm("runc", "1.2.5", "1.el9", epoch=4),
            Rpm("podman", "5.4.0", "1.el9", epoch=6, requires=("crun",)),
            Rpm("buildah", "1.39.4", "1.el9", epoch=2, requires=("crun",)),
            _podman_docker("5.4.0", "1.el9", epoch=6),
        ],
        f"{base}/CRB/x86_64/os": [Rpm("libcgroup-devel", "0.41", "19.el9")],
        "stream/SIGs/9-stream/extras/x86_64/extras-common": [_epel_release(9, "9", "9.el9")],
    }


def modules_file(major: int, path: str) -> Path | None:
    """Return the modules document that belongs into a repository's metadata."""
    return MODULES.get(major) if "/AppStream/" in path else None
