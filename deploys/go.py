"""Go toolchains: several side by side, from verified release files or built from source, one the default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr
from pyinfra import host
from pyinfra.api import deploy

from deploys.go_releases import (
    ARCH,
    KINDS,
    SOURCE,
    Files,
    bootstrap,
    line,
    locked,
    minimum,
    reads_policy,
    unsafe,
)
from deploys.goenv import GO_ENV
from deploys.options import Fleet, Options
from deploys.release import Release
from deploys.urls import bad_urls
from facts.release import Machine
from operations import accounts, alternatives, files, rpm
from operations import go as toolchains
from operations.alternatives import Alternative
from operations.go import GO, VERSION, Artifact, Limit, Recipe, order
from operations.script import refuse
from operations.template import rendered
from pure.daemon_options import grammar
from pure.model import Model
from pure.places import foreign

# Unpacks, builds and tries what was downloaded, none of which is root's business.
BUILDER, HOME = "elforge-go", "/var/lib/elforge/go"
PROFILE = "/etc/profile.d/elforge-go.sh"
LINKS = {f"/usr/local/bin/{name}": f"{GO}/bin/{name}" for name in ("go", "gofmt")}
ALTERNATIVES = [Alternative(name, f"/usr/bin/{name}", f"{GO}/bin/{name}") for name in ("go", "gofmt")]
UNPACKING = ["tar", "gzip"]
C_COMPILER = ["gcc"]  # which requires glibc-devel on every release
# By release, what may be too old. CentOS 7 has git 1.8.3.1 (golang/go#38373), gcc 4.8.5 (C11's atomics came
# with 4.9, all of C++14 with 5: gcc.gnu.org) and glibc 2.17; EL8 has 2.28, EL9 2.34.
LIMITS: dict[int, list[Limit]] = {
    7: [
        Limit(
            "git",
            "2",
            "it cannot fetch modules itself ('expected shallow list'): "
            "have a proxy before direct in goenv_proxy, or install a newer git",
        ),
        Limit(
            "gcc",
            "5",
            "it builds Go itself, but no C that wants <stdatomic.h> and no C++14: "
            "go_collection has a newer one for toolchains that are built, goenv_cc names one for all",
        ),
        Limit(
            "glibc",
            "2.28",
            "cgo programs that a newer release has built do not run here: "
            "build here those that every host is to run",
        ),
    ],
    8: [],
    9: [],
}
WITHOUT_CGO = {"git"}
# -race on arm64 does not link with the compilers of EL7 and EL8 (golang/go#78573).
RACE = {"x86_64": True, "aarch64": False}


class Collection(NamedTuple):
    """A software collection with a newer C compiler than the release's own."""

    packages: list[str]
    cc: str


# By release and name; its repository is that of centos-release-scl-rh (base_scl).
COLLECTIONS: dict[int, dict[str, Collection]] = {
    7: {
        "devtoolset-11": Collection(
            ["devtoolset-11-gcc", "devtoolset-11-gcc-c++"], "/opt/rh/devtoolset-11/root/usr/bin/gcc"
        )
    },
    8: {},
    9: {},
}

# What a toolchain is made by, and has to be the same where it is made and where it is used.
_SAME = ("method", "cgo", "collection", "prefix")
_SAME_WORDS = "go_method, go_cgo, go_collection or go_prefix"

Version = Annotated[str, grammar(VERSION.pattern, "an exact release, such as 1.27.0")]
Prefix = Annotated[
    str, grammar(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*){2,}", "an absolute path such as /opt/go, or deeper")
]
Reason = Annotated[str, grammar(r".*\S.*", "a reason, in words")]


class Digest(Model):
    """What a release file must be, for one that ``deploys/go.lock`` does not list."""

    sha256: Annotated[str, grammar(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")]
    size: Annotated[int, Field(gt=0)] | None = None


class Builds(Options):
    """Base of the options of deploys that build with the host's default toolchain."""

    _go: str = PrivateAttr("")

    @property
    def go(self) -> str:
        """The version of that toolchain; ``""`` where no go deploy says it."""
        return self._go

    def built_with(self, version: str) -> Self:
        """Return these options with the version of the toolchain."""
        told = self.model_copy()
        told._go = version
        return told


class GoOptions(Options):
    """Options of the go deploy."""

    namespace: ClassVar[str] = "go_"

    state: Literal["present", "absent"] = Field(
        "present",
        description="absent removes every toolchain that elforge has installed, and its links",
    )
    versions: list[Version] = Field(
        [], description='exact releases to have side by side, such as ["1.27.0", "1.26.7"]'
    )
    default: Version | None = Field(
        None, description=f"the one behind {GO} and the command go; None: the newest of go_versions"
    )
    method: Literal["binary", "source"] = Field(
        "binary", description="whether to unpack go.dev's binaries or to build its source on the host"
    )
    cgo: bool = Field(True, description="install a C compiler, and build source with CGO_ENABLED=1")
    prefix: Prefix = Field(
        "/usr/local/go-toolchains", description="directory that each toolchain has a directory of its own in"
    )
    download_urls: list[str] = Field(
        ["https://go.dev/dl"], min_length=1, description="where release files are, tried in order"
    )
    insecure_mirror: bool = Field(
        False, description="allow http:// in go_download_urls; files are still checked by SHA-256"
    )
    artifacts: dict[Version, dict[Literal["src", "linux-amd64", "linux-arm64"], Digest]] = Field(
        {}, description="files that deploys/go.lock does not list or has otherwise, by version and kind"
    )
    unsafe: dict[Version, Reason] = Field(
        {}, description='releases to install in spite of known holes, each with the reason: {"1.24.4": "..."}'
    )
    bootstrap: Version | None = Field(
        None,
        description="the binary release that builds source; None: a toolchain that elforge has on the host, "
        "else the newest patch of the oldest able line",
    )
    build_host: str | None = Field(
        None,
        description="host of the inventory that builds, one per release and architecture; "
        "hosts other than that get the toolchain from it",
    )
    build_memory: Annotated[str, grammar("[1-9][0-9]*[MG]", "a size such as 4G or 512M")] = Field(
        "4G", description="memory that a build may take, such as 4G"
    )
    build_seconds: Annotated[int, Field(ge=60, le=6 * 3600)] = Field(
        3600, description="bound for a build, seconds"
    )
    collection: Literal["devtoolset-11"] | None = Field(
        None,
        description="on EL7, the software collection whose C compiler to build with; hosts that get their "
        "toolchain from a go_build_host have to have the same one",
    )
    prune: bool = Field(False, description="remove toolchains of earlier runs that go_versions does not list")
    take_over: bool = Field(False, description=f"move a {GO} that elforge did not make to {toolchains.ASIDE}")

    def files(self) -> Files:
        """Return the release files that may be used: the lock's, and the user's over them."""
        own: dict[str, dict[str, Artifact]] = {
            version: {
                kind: Artifact(f"go{version}.{kind}.tar.gz", digest.sha256, digest.size)
                for kind, digest in kinds.items()
            }
            for version, kinds in self.artifacts.items()
        }
        versions = {**locked(), **own}
        return {each: {**locked().get(each, {}), **own.get(each, {})} for each in versions}

    @property
    def chosen(self) -> str:
        """The default toolchain's version."""
        return self.default or max(self.versions, key=order)

    def adds(self, other: Options) -> Options:
        """Tell what builds with the default toolchain which one that is."""
        return other.built_with(self.chosen) if isinstance(other, Builds) and self.versions else other

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        yield from bad_urls(
            "go_download_urls", self.download_urls, self.insecure_mirror, "go_insecure_mirror"
        )
        if self.state == "present" and not self.versions:
            yield "go_versions: name at least one release, such as 1.27.0"
        for version in {version: None for version in self.versions if self.versions.count(version) > 1}:
            yield f"go_versions: {version} is listed twice"
        if self.collection and self.method == "binary":
            yield (
                "go_collection: nothing is built with go_method = 'binary'; "
                "base_packages and goenv_cc give a compiler to go.dev's own toolchains"
            )
        if self.default is not None and self.default not in self.versions:
            yield f"go_default: {self.default} is not among go_versions"
        for version in self.unsafe:
            if version not in self.versions:
                yield f"go_unsafe: {version} is not among go_versions"
        if wrong := foreign(self.prefix):
            yield f"go_prefix: {self.prefix} {wrong}; try /opt/go-toolchains"
        for taken in (GO, HOME):
            if f"{self.prefix}/".startswith(f"{taken}/"):
                yield f"go_prefix: {self.prefix} is {taken} or below it, which elforge needs for itself"
        for version in dict.fromkeys(self.versions if self.state == "present" else []):
            yield from self._wrong_with(version)

    def _wrong_with(self, version: str) -> Iterator[str]:
        known = self.files().get(version, {})
        kinds = {SOURCE} if self.method == "source" else set(KINDS) - {SOURCE}
        if not known.keys() & kinds:
            yield f"go_versions: {_unknown(version, self.files(), kinds)}"
            return
        if (why := unsafe(version)) and version not in self.unsafe:
            yield f'go_versions: {why}; go_unsafe = {{"{version}": "REASON"}} installs it all the same'
        if not reads_policy(version):
            yield f"go_versions: {version} is too old to read go.env, so no policy (goenv_...) would reach it"
        if self.method == "source":
            try:
                bootstrap(version, self.files(), self.bootstrap)
            except KeyError:
                yield f"go_versions: what builds {version} is not known; see deploys/go_releases.py"
            except ValueError as error:
                yield f"go_bootstrap: {error}"

    def among(self, host: str, fleet: Fleet) -> Iterator[str]:
        """Yield what the host that builds would build otherwise."""
        if self.build_host is None or self.build_host == host or self.build_host not in fleet:
            return
        giver = fleet[self.build_host].get(GoOptions)
        if not isinstance(giver, GoOptions):
            yield f"go_build_host: {self.build_host} is not in the group go_hosts"
        elif self.method != "source":
            yield "go_build_host: nothing is built with go_method = 'binary'"
        elif giver.state == "absent":
            yield f"go_build_host: {self.build_host} has go_state = 'absent'"
        elif any(getattr(giver, name) != getattr(self, name) for name in _SAME):
            yield f"go_build_host: {self.build_host} has another {_SAME_WORDS}"
        elif lacking := [version for version in self.versions if version not in giver.versions]:
            yield f"go_build_host: {self.build_host} does not build {', '.join(lacking)}; see its go_versions"
        elif giver.build_host != self.build_host:
            yield f"go_build_host: {self.build_host} itself has go_build_host = {giver.build_host!r}"


@deploy("Go")
def go(options: GoOptions, release: Release, machine: Machine) -> None:
    """Install the toolchains, or remove them."""
    if options.state == "absent":
        _remove(options)
        return
    collection = _collection(options, release)
    compiler = collection.packages if collection else C_COMPILER
    rpm.packages(
        name="Install what Go needs",
        specs=[*UNPACKING, *(compiler if options.cgo else [])],
        manager=release.manager,
    )
    accounts.user(name="Make the user that builds Go", name_=BUILDER, home=HOME)
    recipes = {version: _recipe(version, options, machine, release) for version in options.versions}
    if known := _limits(options, release.major):
        coming = [each.name for each in recipes.values()]
        toolchains.limits(name="See what is too old for Go", root=options.prefix, coming=coming, known=known)
    toolchains.tidy(name="Remove what a killed run left", root=options.prefix)
    for version in host.loop(options.versions):
        _make(recipes[version], options.build_host)
    # pyinfra runs an operation once all of its hosts are through with those before it. Every host has this
    # one, so that nobody gets what the building host has not packed yet.
    files.put(name="Put Go first in login shells", path=PROFILE, content=rendered("go", PROFILE, go=GO))
    for version in host.loop(options.versions):
        if options.build_host not in (None, host.name):
            toolchains.delivered(name=f"Get Go {version}", recipe=recipes[version], source=options.build_host)
    toolchains.default(
        name="Choose the default Go",
        target=f"{options.prefix}/{recipes[options.chosen].name}",
        root=options.prefix,
        take_over=options.take_over,
    )
    for path in host.loop(LINKS):
        files.link(name=f"Link {path}", path=path, target=LINKS[path], replace=False)
    alternatives.chosen(name="Let every PATH find Go", first=ALTERNATIVES[0], follower=ALTERNATIVES[1])
    if options.prune:
        toolchains.prune(
            name="Remove other toolchains",
            root=options.prefix,
            keep=[recipe.name for recipe in recipes.values()],
        )


def _make(recipe: Recipe, build_host: str | None) -> None:
    if build_host in (None, host.name):
        verb = "Install" if recipe.bootstrap is None else "Build"
        toolchains.toolchain(name=f"{verb} Go {recipe.version}", recipe=recipe)
    if build_host == host.name:
        toolchains.pack(name=f"Pack Go {recipe.version} for other hosts", recipe=recipe)


def _remove(options: GoOptions) -> None:
    alternatives.chosen(
        name="No longer offer Go", first=ALTERNATIVES[0], follower=ALTERNATIVES[1], present=False
    )
    for path in host.loop(LINKS):
        files.unlinked(name=f"Remove {path}", path=path, below=GO)
    files.unlinked(name=f"Remove {GO}", path=GO, below=options.prefix)
    files.absent(name="Remove Go from login shells", path=PROFILE)
    toolchains.tidy(name="Remove what a killed run left", root=options.prefix)
    toolchains.prune(name="Remove the toolchains", root=options.prefix, keep=[])
    files.absent(name="Remove what builds left", path=HOME, recursive=True)
    accounts.user(name="Remove the user that built Go", name_=BUILDER, home=HOME, present=False)


def _recipe(version: str, options: GoOptions, machine: Machine, release: Release) -> Recipe:
    known, collection = options.files(), _collection(options, release)
    source, binary = options.method == "source", f"linux-{ARCH[machine.arch]}"
    kind = SOURCE if source else binary
    builder = bootstrap(version, known, options.bootstrap) if source else ""
    for option, wanted, sort in (("go_versions", version, kind), ("go_bootstrap", builder, binary)):
        if wanted and sort not in known.get(wanted, {}):
            refuse(f"{option}: {_unknown(wanted, known, {sort})}")
    return Recipe(
        root=options.prefix,
        name=_name(version, options),
        version=version,
        method=options.method,
        bases=tuple(url.rstrip("/") for url in options.download_urls),
        file=known[version][kind],
        bootstrap=known[builder][binary] if source else None,
        minimum=minimum(version) if source and options.bootstrap is None else "",
        cgo=options.cgo,
        cc=collection.cc if collection else "",
        # As long as both other proofs take, which go.dev's own toolchain is installed for without it.
        race=source and options.cgo and RACE[machine.arch],
        arch=ARCH[machine.arch],
        user=BUILDER,
        limit=f"{release.memory_limit}={options.build_memory}",
        seconds=options.build_seconds,
        policy=GO_ENV,
    )


def _name(version: str, options: GoOptions) -> str:
    """Toolchains that differ have different names, so that none is ever changed in its place."""
    if options.method == "binary":
        return f"go{version}"
    variant = "" if options.cgo else "-nocgo"
    return f"go{version}-source{variant}{f'-{options.collection}' if options.collection else ''}"


def _collection(options: GoOptions, release: Release) -> Collection | None:
    if options.collection is None:
        return None
    known = COLLECTIONS[release.major]
    if options.collection not in known:
        refuse(f"go_collection: EL{release.major} has no {options.collection}; its own gcc is new enough")
    return known[options.collection]


def _limits(options: GoOptions, major: int) -> list[Limit]:
    others = C_COMPILER if options.collection else []
    return [
        each
        for each in LIMITS[major]
        if each.package not in others and (options.cgo or each.package in WITHOUT_CGO)
    ]


def _unknown(version: str, known: Files, kinds: set[str]) -> str:
    others = [each for each in known if line(each) == line(version) and known[each].keys() & kinds]
    hint = f"; the newest of its line is {max(others, key=order)}" if others else ""
    return (
        f"no {' or '.join(sorted(kinds))} of {version} is known{hint}; "
        f"`make golock` looks for new releases, go_artifacts adds one with its SHA-256"
    )
