"""Docker CE with BuildKit: engine, plugins, daemon.json, service, users; and its removal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr
from pyinfra import host
from pyinfra.api import deploy

from deploys.options import Options
from deploys.release import Release
from deploys.urls import bad_urls
from facts.release import Machine
from facts.unit import RECORDS
from operations import accounts, files, rpm, unit
from operations import docker as engine
from operations.docker import DATA_ROOT, UNIT
from operations.script import snippet
from operations.template import rendered
from pure.accounts import NAME
from pure.daemon import DAEMON_JSON, dockerd_flags
from pure.daemon_options import DaemonOptions, grammar
from pure.engine import Wanted

ENGINE = ["docker-ce", "docker-ce-cli"]
PACKAGES = [*ENGINE, "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"]
# What may have come with them.
ALL_PACKAGES = [*PACKAGES, "docker-ce-rootless-extras"]
# Ours, beside a docker-ce.repo that somebody may have pointed at a mirror.
REPOSITORY = "elforge-docker-ce"
KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker"
UNITS = [UNIT, "docker.socket", "containerd.service"]

_OLD = [
    "docker",
    "docker-client",
    "docker-client-latest",
    "docker-common",
    "docker-engine",
    "docker-latest",
    "docker-latest-logrotate",
    "docker-logrotate",
]
_PODMAN = ["podman", "podman-catatonit", "podman-docker", "podman-manpages", "podman-plugins"]
# What containerd.io and docker-ce declare as conflicts, or own files of. On EL8 podman and buildah
# depend on runc; from EL9 on they use crun and may stay (docker-ce-packaging, rpm/SPECS; 2026-08).
CONFLICTS = {
    7: [*_OLD, "runc", "podman-docker"],
    8: [*_OLD, "runc", "buildah", "cockpit-podman", *_PODMAN],
    9: [*_OLD, "runc", "podman-docker"],
}
# Docker froze its CentOS 7 and 8 repositories in June 2024; rhel/8 still lives (facts.md 2.1).
DISTRIBUTIONS = {
    7: {"centos": "centos", "clone": "centos"},
    8: {"centos": "centos", "clone": "rhel"},
    9: {"centos": "centos", "clone": "rhel"},
}
# Repositories that Docker's dependencies come from, by every name that CentOS, its clones, RHEL and
# Oracle give them; a broken third-party repository is none of our business.
SOURCES = [
    REPOSITORY,
    *("base", "updates", "extras", "baseos", "appstream", "extras-common"),
    *("rhel-*-baseos*rpms", "rhel-*-appstream*rpms", "rhel-7-server*rpms"),
    *("ol?_baseos*", "ol?_appstream*", "ol7_latest", "ol7_addons"),
]
# The newest engine in each of them, 2026-11.
NEWEST = {
    7: {"centos": "26.1.4", "rhel": "26.1.4"},
    8: {"centos": "26.1.3", "rhel": "29.7.2"},
    9: {"centos": "29.7.2", "rhel": "29.7.2"},
}
EVIDENCE, HOSTS = "elforge-evidence.conf", "elforge-hosts.conf"

Version = Annotated[str, grammar(r"[0-9]{2}\.[0-9]{1,2}(\.[0-9]{1,2})?", "a version such as 26.1.5 or 26.1")]
Fingerprint = Annotated[str, grammar(r"[0-9A-F]{40}", "40 upper-case hexadecimal digits without spaces")]
Repository = Annotated[str, grammar(r"[A-Za-z0-9._*?-]+", "a glob pattern of repository ids, such as rhel-*")]
User = Annotated[str, grammar(NAME.pattern, "the name of a user, in lower case")]


class DockerOptions(DaemonOptions, Options):
    """Options of the docker deploy; those of daemon.json are in DaemonOptions."""

    namespace: ClassVar[str] = "docker_"
    hidden: ClassVar[frozenset[str]] = frozenset({"log_opts"})  # may be tokens

    state: Literal["present", "absent"] = Field("present", description="absent removes it and keeps its data")
    purge_data: bool = Field(
        False, description="with docker_state = absent: delete images, containers and volumes, for good"
    )
    version: Version | None = Field(
        None,
        description="26.1.5, or 26.1 for any of that line, the newest where there is none yet; another one "
        "installed is changed to it, up or down. None installs the newest and then keeps what is there",
    )
    lock: bool = Field(True, description="keep a pinned version through other people's yum or dnf updates")
    repo_url: str = Field(
        "https://download.docker.com/linux", description="Docker's repositories, or a mirror of them"
    )
    insecure_mirror: bool = Field(
        False, description="allow http:// in docker_repo_url; packages are still checked by signature"
    )
    distribution: Literal["centos", "rhel"] | None = Field(
        None, description="whose repository to use; None: the one that fits the host"
    )
    repositories: list[Repository] = Field(
        [],
        description="glob patterns of more repositories that Docker's dependencies may come from, "
        "where yours do not have the names of CentOS, its clones, RHEL or Oracle",
    )
    channel: Literal["stable", "test"] = Field("stable", description="channel of the repository")
    fingerprint: Fingerprint = Field(
        "060A61C51B558A7F742B77AAC52FEB6B621E9F35", description="fingerprint of the repository's key"
    )
    conflicts: Literal["refuse", "remove"] = Field(
        "refuse", description="what to do about podman, runc and old Docker packages that are in the way"
    )
    users: list[User] = Field(
        [], description="existing users who may use the socket, which is as good as being root"
    )
    daemon_merge: bool = Field(
        True, description="keep keys of daemon.json that no option says anything about; False owns the file"
    )
    daemon_replace: bool = Field(
        False, description="with docker_daemon_merge = False: drop such keys instead of refusing"
    )
    allow_restart: bool = Field(
        False, description="restart the engine, or make room for it, although running containers would stop"
    )

    _firewall_said: bool = PrivateAttr(False)

    @property
    def firewall_said(self) -> bool:
        """Whether the firewall deploy says if firewalld is to run."""
        return self._firewall_said

    def beside_firewall(self) -> Self:
        """Return these options where the firewall deploy says whether firewalld is to run."""
        found = self.model_copy()
        found._firewall_said = True
        return found

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        yield from super().contradictions()
        yield from bad_urls(
            "docker_repo_url", [self.repo_url], self.insecure_mirror, "docker_insecure_mirror"
        )
        if self.purge_data and self.state != "absent":
            yield "docker_purge_data: True needs docker_state = 'absent'"
        if twice := sorted({name for name in self.users if self.users.count(name) > 1}):
            yield f"docker_users: {', '.join(twice)} is there twice"


@deploy("Docker")
def docker(options: DockerOptions, release: Release, machine: Machine) -> None:
    """Install, configure and start Docker Engine, or remove it."""
    kind = "centos" if machine.id == "centos" else "clone"
    distribution = options.distribution or DISTRIBUTIONS[release.major][kind]
    wanted = _wanted(options, NEWEST[release.major][distribution])
    if options.state == "absent":
        _remove(options, wanted, release)
        return
    _install(options, wanted, release, distribution)
    _configure(options, wanted)
    # Whatever docker_group says: the local socket is docker.socket's, which gives it to this group.
    accounts.members(name="Let users reach the socket", group="docker", users=options.users)


def _install(options: DockerOptions, wanted: Wanted, release: Release, distribution: str) -> None:
    engine.conflicts(
        name="Make room for Docker",
        names=CONFLICTS[release.major],
        manager=release.manager,
        remove=options.conflicts == "remove",
        stop=options.allow_restart,
    )
    root = f"{options.repo_url.rstrip('/')}/{distribution}"
    rpm.key(name="Trust Docker's key", url=f"{root}/gpg", fingerprint=options.fingerprint, path=KEY)
    rpm.repository(
        name="Add Docker's repository",
        repo=REPOSITORY,
        title=f"Docker CE {options.channel}",
        baseurl=[f"{root}/{release.major}/$basearch/{options.channel}"],
        gpgkey=f"file://{KEY}",
    )
    locked = options.lock and options.version is not None
    if locked:
        rpm.packages(
            name="Install the versionlock plugin",
            specs=[release.versionlock],
            manager=release.manager,
            repositories=[*SOURCES, *options.repositories],
        )
    engine.engine(
        name="Install Docker Engine",
        specs=_specs(options),
        wanted=wanted,
        manager=release.manager,
        repositories=[*SOURCES, *options.repositories],
        locks=release.locks,
    )
    rpm.versionlock(
        name="Lock the version",
        specs=_specs(options)[: len(ENGINE)],
        manager=release.manager,
        path=release.locks,
        present=locked,
    )


def _configure(options: DockerOptions, wanted: Wanted) -> None:
    record, read = f"{RECORDS}/{UNIT}", [DAEMON_JSON, engine.HOSTS, engine.PROXY]
    unit.dropin(
        name="Remember what Docker has loaded",
        unit=UNIT,
        file=EVIDENCE,
        content=rendered(
            "docker",
            f"/etc/systemd/system/{UNIT}.d/{EVIDENCE}",
            record=record,
            files=read,
        ),
        after=snippet("seed", UNIT, record, *read),
    )
    hosts = _hosts(options)
    unit.dropin(name="Listen where asked", unit=UNIT, file=HOSTS, content=hosts or "", present=bool(hosts))
    engine.configure(name="Write daemon.json", wanted=wanted)
    engine.firewall_first(name="Start the firewall before Docker", said=options.firewall_said)
    unit.service(name="Start Docker", unit=UNIT, reads=read)
    engine.loaded(name="Load the configuration", wanted=wanted, dropins={engine.HOSTS: hosts})
    engine.remember(name="Remember which settings are ours", wanted=wanted)


def _remove(options: DockerOptions, wanted: Wanted, release: Release) -> None:
    engine.idle(name="See that no container runs", wanted=wanted)
    rpm.removable(name="See that nothing else needs Docker", names=ALL_PACKAGES)
    for each in host.loop(UNITS):
        unit.service(name=f"Stop {each}", unit=each, running=False, enabled=False)
    rpm.packages(name="Remove Docker", specs=ALL_PACKAGES, manager=release.manager, present=False)
    rpm.versionlock(
        name="Unlock the version", specs=ENGINE, manager=release.manager, path=release.locks, present=False
    )
    for file in host.loop([EVIDENCE, HOSTS]):
        unit.dropin(name=f"Remove {file}", unit=UNIT, file=file, content="", present=False)
    engine.configure(name="Take our settings out of daemon.json", wanted=wanted)
    engine.remember(name="Forget which settings are ours", wanted=wanted)
    files.absent(name="Remove Docker's repository", path=rpm.repository_file(REPOSITORY))
    rpm.key(
        name="Forget Docker's key",
        url=options.repo_url,
        fingerprint=options.fingerprint,
        path=KEY,
        present=False,
    )
    if options.purge_data:
        for folder in host.loop([options.data_root or DATA_ROOT, "/var/lib/containerd"]):
            engine.purge(name=f"Delete {folder}", path=folder)


def _wanted(options: DockerOptions, newest: str) -> Wanted:
    return Wanted(
        options=options,
        version=options.version,
        newest=newest,
        own=not options.daemon_merge,
        replace=options.daemon_replace,
        allow_restart=options.allow_restart,
        present=options.state == "present",
    )


def _specs(options: DockerOptions) -> list[str]:
    """A pin holds for engine and client; the others keep what is installed."""
    if options.version is None:
        return PACKAGES
    exact = options.version.count(".") == 2
    pin = options.version if exact else f"{options.version}.*"
    return [f"{name}={pin}" if name in ENGINE else name for name in PACKAGES]


def _hosts(options: DockerOptions) -> str | None:
    return rendered("docker", engine.HOSTS, flags=dockerd_flags(options)) if options.hosts else None
