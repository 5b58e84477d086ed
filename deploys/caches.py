"""Caches of build users: on disk or in memory, kept within limits of size and age by timers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pyinfra import host
from pyinfra.api import deploy

from deploys.docker import DockerOptions
from deploys.goenv import GoenvOptions
from deploys.options import Fleet, Options
from deploys.release import Release
from deploys.service_options import ServiceOptions
from facts.release import Machine
from operations import caches as cached
from operations import files
from operations.caches import PROGRAM
from operations.docker import DATA_ROOT
from operations.script import program
from pure.accounts import NAME
from pure.daemon_options import HostPath, Slug, grammar, space
from pure.model import Model
from pure.places import foreign, overlap
from pure.sizes import UNITS, Size, Span, in_bytes, in_seconds
from pure.tmpfs import Tmpfs
from pure.unit import Directive, command, rendered

# The standard library and its dependencies are more than 500 MB, a build of some size several times that; a
# toolchain that go itself switches to is a module of some 300 MB.
_LEAST = {"go-build": 2 * UNITS["G"], "go-modules": UNITS["G"], "plain": 0}
# What is in a cache goes by its age: none is where others keep what they need.
_TAKEN = ("/usr", "/var/log", "/var/lib/rpm", "/var/lib/elforge", "/var/lib/containerd", DATA_ROOT)
# What is cut back to this never fills up between two looks, unless a single build does it.
_SHARE = "75%"
# What goenv says of a cache that is its own.
_GOENV = {"go-build": "cache", "go-modules": "modcache"}
_GOENV_MODE = "700"
# What was used in the last two hours stays, and go itself keeps nothing in GOCACHE for longer than this
# (trimLimit in cmd/go/internal/cache).
_BUSY, _GO_TRIMS = 2 * 3600, 5 * 86400
# What systemd 219 takes, too: it knows neither Mon..Fri nor */2.
_DAY = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_HOUR, _MINUTE = r"(\*|([01]?\d|2[0-3])(,([01]?\d|2[0-3]))*)", r"[0-5]\d(/[1-9]\d?)?"

User = Annotated[str, grammar(NAME.pattern, "the name of a user, in lower case")]
Calendar = Annotated[
    str,
    grammar(
        rf"hourly|daily|weekly|monthly|(({_DAY})(,({_DAY}))* )?{_HOUR}:{_MINUTE}",
        "hourly, daily, weekly or a time such as 03:30, *:15, *:00/20 or Mon,Thu 04:00",
    ),
]
Memory = Annotated[
    str, grammar(r"[1-9]\d{0,8}[KMG]|[1-9]\d?%", "a size such as 4G or a share of the memory such as 25%")
]


class InMemory(Model):
    """A tmpfs for a cache."""

    size: Memory
    cap: Size | None = None


class Cache(Model):
    """A directory that one user keeps a cache in."""

    path: HostPath
    owner: User
    kind: Literal["go-build", "go-modules", "plain"] = "plain"
    # What others may write, they put into the owner's programs.
    mode: Annotated[str, grammar(r"7[0145]{2}", "a mode that lets nobody else write, such as 700 or 755")] = (
        "700"
    )
    max_size: Size | None = None
    max_age: Span | None = None
    tmpfs: InMemory | None = None

    @property
    def limited(self) -> bool:
        """Whether a timer looks after it; in memory it always has a limit."""
        return bool(self.max_size or self.max_age or self.tmpfs)

    def in_memory(self, name: str) -> Tmpfs | None:
        """Return what is to be mounted for it."""
        if self.tmpfs is None:
            return None
        return Tmpfs(
            name=name,
            path=self.path,
            owner=self.owner,
            mode=self.mode,
            size=self.tmpfs.size,
            cap=self.tmpfs.cap or "",
            least=_LEAST[self.kind],
            max_size=self.max_size or "",
        )


class Limits(Model):
    """Limits of the engine's build cache."""

    max_size: Size | None = None
    max_age: Span | None = None


class CachesOptions(Options):
    """Options of the caches deploy."""

    namespace: ClassVar[str] = "caches_"

    state: Literal["present", "absent"] = Field(
        "present",
        description="absent takes timers and tmpfs back; directories and all that is in them stay on disk",
    )
    places: dict[Slug, Cache] = Field(
        {},
        description="by name: path, owner (an existing user), kind (go-build for a GOCACHE, go-modules for "
        "a GOMODCACHE, or plain), mode (700), max_size (20G), max_age (14d), and tmpfs, with size (4G or "
        "25% of the memory) and cap (8G, of such a share); in memory max_size is 3/4 of it if not set",
    )
    buildkit: Limits | None = Field(
        None,
        description="max_age (14d) and max_size (10G) of Docker's build cache, beside the engine's own "
        "limits (docker_builder_*), which it looks at only after builds",
    )
    schedule: Calendar = Field(
        "hourly",
        description="when caches are cut back: hourly, daily, 03:30, *:00/20 or Mon,Thu 04:00",
    )

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        if self.state == "absent":
            yield from self.besides_absent()
            return
        for name, each in self.places.items():
            for line in (*_misplaced(each), *_misfits(each)):
                yield f"caches_places.{name}.{line}"
        for (name, one), (other, two) in combinations(self.places.items(), 2):
            if overlap(one.path, two.path):
                yield f"caches_places.{other}.path: {two.path} and {one.path} ({name}) are one in the other"
        if self.buildkit and not (self.buildkit.max_size or self.buildkit.max_age):
            yield "caches_buildkit: has neither max_size nor max_age"

    def among(self, host: str, fleet: Fleet) -> Iterator[str]:
        """Yield what clashes with Docker or with the go command's settings on the same host."""
        goenv, docker = fleet[host].get(GoenvOptions), fleet[host].get(DockerOptions)
        if isinstance(goenv, GoenvOptions):
            for name, each in self.places.items():
                yield from _other_than_goenv(name, each, goenv)
        for name, each in self.places.items():
            if (
                isinstance(docker, DockerOptions)
                and docker.data_root
                and overlap(each.path, docker.data_root)
            ):
                yield f"caches_places.{name}.path: {each.path} overlaps docker_data_root, {docker.data_root}"
        yield from self._services(fleet[host].get(ServiceOptions))
        if self.buildkit:
            yield from _other_than_docker(self.buildkit, docker)

    def _services(self, services: Options | None) -> Iterator[str]:
        apps = services.apps if isinstance(services, ServiceOptions) else {}
        for name, each in self.places.items():
            for app in apps:
                for path in (f"/var/lib/{app}", f"/opt/{app}"):
                    if overlap(each.path, path):
                        where = f"caches_places.{name}.path: {each.path}"
                        yield f"{where} overlaps {path}, which is of service_apps.{app}"

    def adds(self, other: Options) -> Options:
        """Make the directories that goenv tells the go command of; what they are is said in two places."""
        if isinstance(other, GoenvOptions) and self.state == "present":
            return other.without_directories(each.path for each in self.places.values())
        return other


def _misplaced(each: Cache) -> Iterator[str]:
    if wrong := foreign(each.path):
        yield f"path: {each.path} {wrong}; try /srv/{each.owner}/{each.kind}"
    elif taken := next((taken for taken in _TAKEN if overlap(each.path, taken)), None):
        yield f"path: {each.path} overlaps {taken}, which is no cache; try /srv/{each.owner}/{each.kind}"


def _misfits(each: Cache) -> Iterator[str]:
    if each.max_age and in_seconds(each.max_age) < _BUSY:
        yield f"max_age: {each.max_age} is less than 2h, in which a build may still use what it has used"
    if each.max_age and each.kind == "go-build" and in_seconds(each.max_age) > _GO_TRIMS:
        yield f"max_age: {each.max_age}: go itself removes what it has not used for 5d"
    if each.tmpfs is None:
        return
    fixed = None if each.tmpfs.size.endswith("%") else in_bytes(each.tmpfs.size)
    if each.tmpfs.cap and fixed:
        yield "tmpfs.cap: is for a share of the memory, and tmpfs.size is a size"
    most = in_bytes(each.tmpfs.cap) if each.tmpfs.cap else fixed
    if most and most < _LEAST[each.kind]:
        yield f"tmpfs: is less than {_LEAST[each.kind] // UNITS['G']}G, which {each.kind} needs at least"
    if most and each.max_size and in_bytes(each.max_size) >= most:
        yield f"max_size: {each.max_size} is not less than tmpfs, which would be full before anything goes"


def _other_than_goenv(name: str, each: Cache, goenv: GoenvOptions) -> Iterator[str]:
    option = f"caches_places.{name}"
    said = {kind: getattr(goenv, field) for kind, field in _GOENV.items()}
    for field in (*_GOENV.values(), "tmpdir"):
        path = getattr(goenv, field)
        if path and overlap(path, each.path) and (path != each.path or field == "tmpdir"):
            yield f"{option}.path: {each.path} and {path} (goenv_{field}) are one in the other"
            return
    for kind, path in said.items():
        if path == each.path and (each.kind, each.owner, each.mode) != (kind, goenv.builder, _GOENV_MODE):
            yield (
                f"{option}: {path} is goenv_{_GOENV[kind]}: it takes kind {kind}, owner {goenv.builder} "
                f"(goenv_builder) and mode {_GOENV_MODE}"
            )
    path = said.get(each.kind)
    if path and path != each.path and each.owner == goenv.builder:
        yield (
            f"{option}.path: go does not use it: goenv_{_GOENV[each.kind]} of {each.owner} (goenv_builder) "
            f"is {path}"
        )


def _other_than_docker(limits: Limits, docker: Options | None) -> Iterator[str]:
    if not isinstance(docker, DockerOptions) or docker.state == "absent":
        yield "caches_buildkit: there is no Docker of elforge's on this host"
        return
    if not limits.max_size:
        return
    most, least = docker.builder_max_used_space, docker.builder_reserved_space
    if docker.builder_gc and not most.endswith("%") and in_bytes(limits.max_size) >= space(most, 0):
        yield (
            f"caches_buildkit.max_size: {limits.max_size} has no effect: the engine itself keeps to {most} "
            "(docker_builder_max_used_space)"
        )
    if least and not least.endswith("%") and in_bytes(limits.max_size) < space(least, 0):
        yield (
            f"caches_buildkit.max_size: {limits.max_size} is less than the {least} that the engine keeps "
            "(docker_builder_reserved_space)"
        )


@deploy("Caches")
def caches(options: CachesOptions, release: Release, machine: Machine) -> None:
    """Make caches and keep them within their limits; without any option do nothing."""
    if not options.model_fields_set:
        return
    wanted = [found for name, each in options.places.items() if (found := each.in_memory(name))]
    timers = _timers(options)
    units = {f"{stem}.{suffix}" for stem in timers for suffix in ("service", "timer")}
    cached.undeclared(name="Remove caches of before", units=sorted({*units, *(each.unit for each in wanted)}))
    for name in host.loop(options.places):
        each = options.places[name]
        files.directory(
            name=f"Make the cache {name}",
            path=each.path,
            user=each.owner,
            group=None,
            mode=each.mode,
            take_over=False,
        )
    if wanted:
        cached.mounted(name="Mount caches in memory", wanted=wanted, systemd=machine.systemd)
    if timers:
        files.put(name="Install what cuts caches back", path=PROGRAM, content=program("cache"), mode="755")
    else:
        files.absent(name="Remove what cuts caches back", path=PROGRAM, prune=True)
    for stem in host.loop(timers):
        cached.limited(
            name=f"Limit {stem.removeprefix('elforge-')}",
            stem=stem,
            service=_rendered(timers[stem], machine),
            timer=_rendered(_timer(options.schedule), machine),
        )


def _timers(options: CachesOptions) -> dict[str, list[Directive]]:
    """Return by name of a timer what it starts."""
    found = {
        f"elforge-cache-{name}": [
            *_service(name, each.owner, each.kind, each.path, _limit(each), each.max_age),
            # What is on the disk beneath is not to be cut back.
            *([Directive("Unit", "ConditionPathIsMountPoint", each.path)] if each.tmpfs else []),
        ]
        for name, each in options.places.items()
        if each.limited
    }
    if limits := options.buildkit:
        found["elforge-buildkit"] = _service(
            "of BuildKit", "root", "buildkit", "docker", _kib(limits.max_size), limits.max_age
        )
    return found


def _service(name: str, owner: str, kind: str, path: str, limit: str, age: str | None) -> list[Directive]:
    line = command(["/bin/sh", PROGRAM, kind, path, limit, str(in_seconds(age) if age else 0)])
    return [
        Directive("Unit", "Description", f"Cut back the cache {name}, put here by elforge"),
        Directive("Service", "Type", "oneshot"),
        Directive("Service", "ExecStart", line),
        Directive("Service", "User", owner),
        Directive("Service", "TimeoutStartSec", "3600"),
        Directive("Service", "Nice", "19"),
        Directive("Service", "IOSchedulingClass", "idle"),
    ]


def _timer(schedule: str) -> list[Directive]:
    return [
        Directive("Unit", "Description", "Cut back a cache, put here by elforge"),
        Directive("Timer", "OnCalendar", schedule),
        Directive("Install", "WantedBy", "timers.target"),
    ]


def _rendered(directives: Iterable[Directive], machine: Machine) -> str:
    return rendered(directives, machine.systemd, "caches_ options").text


def _limit(each: Cache) -> str:
    return _SHARE if each.tmpfs and not each.max_size else _kib(each.max_size)


def _kib(size: str | None) -> str:
    return str(in_bytes(size) // UNITS["K"] if size else 0)
