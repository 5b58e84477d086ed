"""The go command's settings for a whole host: GOPROXY, GOPRIVATE, GOSUMDB; logins for private modules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, field_validator
from pyinfra import host
from pyinfra.api import deploy

from deploys import gogrammar
from deploys.gogrammar import covers
from deploys.options import Fleet, Options
from deploys.release import Release
from deploys.urls import bad_urls
from facts.release import Machine
from operations import archive, files, netrc
from pure import secrets
from pure.accounts import NAME
from pure.daemon_options import HOSTNAME, HostPath, Unique, grammar
from pure.model import Model
from pure.places import foreign, overlap

# The go.env of every toolchain that elforge installs is a link to this file.
GO_ENV = "/etc/elforge/go.env"
HEADER = f"""# {GO_ENV}: the go.env of every Go toolchain that elforge installs.
# Written by elforge from the goenv_ options (docs/goenv.md): edits are overwritten.
# A user's `go env -w`, and then the environment, override it; `go env NAME` shows what counts.
"""
# A toolchain that go downloads by itself brings a go.env of its own: it does not know this one.
DEFAULT_TOOLCHAIN = "local"
# What is unpacked out of goenv_modules, and the GOPROXY that it is.
MODULES, MEMBER = "/usr/local/share/go-modules", "cache/download"
MODULES_PROXY = f"file://{MODULES}/current/{MEMBER}"
# Proxies that anybody can read, so that what is asked for there is public.
PUBLIC_PROXIES = {
    *("proxy.golang.org", "goproxy.io", "goproxy.cn", "mirrors.aliyun.com", "athens.azurefd.net"),
    *("repo.huaweicloud.com", "mirrors.cloud.tencent.com"),
}
# Hosts that are home to almost everything: one of them as a whole is not a private pattern.
PUBLIC_HOSTS = (
    *("github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "golang.org", "google.golang.org"),
    *("gopkg.in", "go.uber.org", "k8s.io", "cloud.google.com"),
)
SEPARATORS = {"missing": ",", "any-error": "|"}
_RUNTIME = (
    "is read by every Go program from its environment, dockerd among them, and never from a go.env; "
    "set it in the unit, job or container that it is for"
)

Fallback = Literal["missing", "any-error"]
Pattern = Annotated[str, AfterValidator(gogrammar.pattern)]
Patterns = Annotated[list[Pattern], Unique]
User = Annotated[str, grammar(NAME.pattern, "the name of a user, in lower case")]
Word = Annotated[str, grammar(r"[!-~]{1,256}", "one word of printable ASCII")]
Compiler = Annotated[
    str,
    grammar(
        r"[A-Za-z0-9][A-Za-z0-9._+-]*|(/[A-Za-z0-9][A-Za-z0-9._+-]*)+", "a program's name or absolute path"
    ),
]
Reason = Annotated[str, grammar(r".*\S.*", "a reason, in words")]


class Credential(Model):
    """One login of one user."""

    user: User
    machine: Annotated[str, grammar(rf"{HOSTNAME}(:\d{{1,5}})?", "a host, or HOST:PORT, without https://")]
    login: Word
    secret: secrets.Reference

    @field_validator("secret")
    @classmethod
    def _fits(cls, reference: str) -> str:
        """A netrc file knows no quotes: its words are separated by spaces."""
        if not re.fullmatch(r"[!-~]+", secrets.reveal(reference)):
            raise ValueError("a .netrc holds no secret with spaces, lines or characters outside of ASCII")
        return reference


class Modules(Model):
    """An archive of a module cache."""

    url: str
    sha256: Annotated[str, grammar(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")]


class GoenvOptions(Options):
    """Options of the goenv deploy."""

    namespace: ClassVar[str] = "goenv_"
    hidden: ClassVar[frozenset[str]] = frozenset({"credentials"})
    declined: ClassVar[Mapping[str, str]] = {
        "memlimit": f"no option: GOMEMLIMIT {_RUNTIME}",
        "maxprocs": f"no option: GOMAXPROCS {_RUNTIME}",
        "debug": f"no option: GODEBUG {_RUNTIME}",
    }

    state: Literal["present", "absent"] = Field(
        "present", description=f"absent removes {GO_ENV}, the credentials and the modules"
    )
    proxy: Annotated[list[Annotated[str, AfterValidator(gogrammar.proxy)]], Unique] = Field(
        ["https://proxy.golang.org", "direct"],
        description="GOPROXY, tried in order: https://HOST/PATH, file:///PATH, and at the end direct (the "
        "repositories themselves) or off",
        min_length=1,
    )
    proxy_fallback: Fallback | list[Fallback] = Field(
        "missing",
        description="when the next entry is tried: missing, only after a 404 or 410 (a comma); "
        "any-error, also when one is down or says no (a |). A list says it for each gap between two entries",
    )
    private: Patterns = Field(
        [],
        description="GOPRIVATE: modules that neither a proxy nor the checksum database is asked about, "
        "HOST or HOST/PATH and everything below it",
    )
    noproxy: Patterns | None = Field(
        None, description="GONOPROXY: no proxy for these; None follows goenv_private, [] means none"
    )
    nosumdb: Patterns | None = Field(
        None,
        description="GONOSUMDB: no checksum database for these; None follows goenv_private, [] means none",
    )
    sumdb: Annotated[str, AfterValidator(gogrammar.sumdb)] = Field(
        "sum.golang.org",
        description="GOSUMDB: sum.golang.org, sum.golang.google.cn, NAME+HASH+KEY of another one, each with "
        "the URL to ask after a space if it is not the name's own; or off",
    )
    insecure: Patterns = Field(
        [], description="GOINSECURE: fetched directly, by http or without a valid certificate"
    )
    toolchain: Annotated[str, AfterValidator(gogrammar.toolchain)] = Field(
        DEFAULT_TOOLCHAIN,
        description="GOTOOLCHAIN: local runs what is installed; auto downloads what a go.mod asks for, which "
        "then does not know goenv_private and the rest",
    )
    flags: Annotated[list[Annotated[str, AfterValidator(gogrammar.flag)]], Unique] = Field(
        [], description='GOFLAGS, one flag each: ["-trimpath", "-ldflags=-s -w"]'
    )
    vcs: dict[str, Annotated[list[Literal["all", "off", "git", "hg", "svn", "fossil", "bzr"]], Unique]] = (
        Field({}, description='GOVCS, the first that matches counts: {"git.lan": ["git"], "public": ["off"]}')
    )
    cc: Compiler | None = Field(
        None, description="CC of cgo; None: the one that the toolchain was built with"
    )
    cxx: Compiler | None = Field(None, description="CXX of cgo")
    tmpdir: HostPath | None = Field(
        None, description="GOTMPDIR, made for all users (mode 1777); needed where /tmp is mounted noexec"
    )
    builder: User | None = Field(
        None,
        description="the only user who builds on this host, to whom goenv_cache and goenv_modcache belong",
    )
    cache: HostPath | None = Field(
        None, description="GOCACHE of goenv_builder; None: ~/.cache/go-build of each user"
    )
    modcache: HostPath | None = Field(
        None, description="GOMODCACHE of goenv_builder; None: ~/go/pkg/mod of each user"
    )
    credentials: list[Credential] = Field(
        [],
        description="logins for private hosts, in ~/.netrc: user, machine, login, and secret as env:NAME or "
        "file:/PATH on the machine that runs pyinfra",
    )
    modules: Modules | None = Field(
        None,
        description="archive of a module cache: url and sha256; it is asked before goenv_proxy",
    )
    allow: dict[Literal["http", "sumdb_off", "nosumdb", "leak", "insecure", "toolchain"], Reason] = Field(
        {}, description="what is refused otherwise, with the reason: see docs/goenv.md"
    )

    _made: frozenset[str] = PrivateAttr(frozenset())

    def without_directories(self, paths: Iterable[str]) -> Self:
        """Return these options where another deploy makes some directories: each is made once."""
        found = self.model_copy()
        found._made = self._made | frozenset(paths)
        return found

    @property
    def directories(self) -> list[str]:
        """The caches that are to be made."""
        return [path for path in (self.cache, self.modcache) if path and path not in self._made]

    @field_validator("proxy_fallback", mode="before")
    @classmethod
    def _one_or_each(cls, value: object) -> object:
        """One line for a mistake, where a union has one for each of its types."""
        if not all(each in SEPARATORS for each in (value if isinstance(value, list) else [value])):
            raise ValueError("must be missing or any-error, or a list of these")
        return value

    @field_validator("vcs")
    @classmethod
    def _reachable(cls, rules: dict[str, list[str]]) -> dict[str, list[str]]:
        before: list[str] = []
        for rule, names in rules.items():
            if rule not in ("public", "private"):
                gogrammar.pattern(rule)
            if not names or (len(names) > 1 and {"all", "off"} & set(names)):
                raise ValueError(f"{rule} must be all, off, or names of version control systems")
            if wide := next((each for each in before if covers(each, rule)), None):
                raise ValueError(f"{rule} is never reached: {wide} stands before it and matches the same")
            before.append(rule)
        return rules

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        for check in (_order, _plain_http, _sums, _leaks, _logins, _private, _locations, _users, _switched):
            yield from check(self)

    def among(self, host: str, fleet: Fleet) -> Iterator[str]:
        """Yield a sentence when the toolchains would lose their go.env."""
        toolchains = next((each for each in fleet[host].values() if each.namespace == "go_"), None)
        if self.state == "absent" and toolchains and getattr(toolchains, "state", "present") == "present":
            yield (
                "goenv_state: absent would leave the Go toolchains of this host without a go.env; "
                "leave out the goenv_ options for what upstream ships, or set go_state = 'absent' too"
            )


def _needs(options: GoenvOptions, kind: str, what: str) -> Iterator[str]:
    """Yield the sentence, unless the inventory gives a reason for it."""
    if kind not in options.allow:
        yield f"{what}; goenv_allow = {{{kind!r}: 'REASON'}} allows it"


def _order(options: GoenvOptions) -> Iterator[str]:
    gaps = len(options.proxy) - 1
    if isinstance(options.proxy_fallback, list) and len(options.proxy_fallback) != gaps:
        given = len(options.proxy_fallback)
        yield f"goenv_proxy_fallback: {given} for the {gaps} gaps between the entries of goenv_proxy"
    if last := next((each for each in options.proxy[:-1] if each in gogrammar.ENDS), None):
        yield f"goenv_proxy: nothing after {last} is ever tried"


def _plain_http(options: GoenvOptions) -> Iterator[str]:
    places = [("goenv_proxy", each) for each in options.proxy]
    places += [("goenv_sumdb", each) for each in options.sumdb.split(" ")[1:]]
    for option, url in places:
        if url.startswith("http://"):
            yield from _needs(options, "http", f"{option}: {url} is not https")
    if options.modules:
        yield from bad_urls("goenv_modules", [options.modules.url], True, "")


def _sums(options: GoenvOptions) -> Iterator[str]:
    if options.sumdb == "off":
        yield from _needs(
            options, "sumdb_off", "goenv_sumdb: off takes new modules from any proxy unverified"
        )
    if options.sumdb == "off" and options.toolchain != DEFAULT_TOOLCHAIN:
        yield f"goenv_toolchain: {options.toolchain} needs goenv_sumdb: go verifies what it downloads"
    for each in options.nosumdb or []:
        if not any(covers(wide, each) for wide in options.private):
            yield from _needs(
                options, "nosumdb", f"goenv_nosumdb: {each} is not in goenv_private, yet unverified"
            )
    for each in options.insecure:
        yield from _needs(
            options, "insecure", f"goenv_insecure: {each} would be fetched without a valid certificate"
        )


def _leaks(options: GoenvOptions) -> Iterator[str]:
    """A public service that is asked about a private module learns its name, and may answer."""
    for option, exempt, service in _services(options):
        for each in options.private if exempt is not None and service else []:
            if not any(covers(wide, each) for wide in exempt or []):
                yield from _needs(
                    options, "leak", f"{option}: {service} would be asked about {each} of goenv_private"
                )


def _services(options: GoenvOptions) -> Iterator[tuple[str, list[str] | None, str | None]]:
    """Yield the option that keeps modules from a kind of public service, what it says, and the service."""
    public = next((each for each in options.proxy if gogrammar.host_of(each) in PUBLIC_PROXIES), None)
    sumdb = options.sumdb.split(" ")[0]
    yield "goenv_noproxy", options.noproxy, public
    yield "goenv_nosumdb", options.nosumdb, sumdb if sumdb in gogrammar.KNOWN_SUMDBS else None


def _logins(options: GoenvOptions) -> Iterator[str]:
    """What a host asks a login for is private, unless the go command is told to ask it for everything."""
    name, *urls = options.sumdb.split(" ")
    urls += [f"https://{name.split('+')[0]}", *options.proxy]
    if options.modules:
        urls.append(options.modules.url)
    own = set(map(gogrammar.host_of, urls))
    for machine in dict.fromkeys(each.machine.split(":")[0] for each in options.credentials):
        if machine.lower() in own or _names(options.private, machine):
            continue
        asked = [each for _, exempt, each in _services(options) if each and not _names(exempt, machine)]
        if asked:
            what = f"{' and '.join(asked)} would be asked about modules of {machine}, which needs a login"
            yield from _needs(options, "leak", f"goenv_credentials: {what}: name them in goenv_private")


def _names(patterns: list[str] | None, machine: str) -> bool:
    """Return whether modules of a host are among the patterns, be it those below a path alone."""
    return any(covers(each.split("/")[0], machine) for each in patterns or [])


def _private(options: GoenvOptions) -> Iterator[str]:
    for each in options.private:
        # A letter, a digit, and what no name begins with: of [a-z]*, [0-9]* and * each lets one of them in.
        probes = [f"{known}/{name}" for known in PUBLIC_HOSTS for name in "a0~"]
        if found := next((probe for probe in probes if probe != each and covers(each, probe)), None):
            known = found.rpartition("/")[0]
            what = f"{each} leaves all or much of {known} unverified: name what is yours, as {known}/OWNER"
            yield from _needs(options, "nosumdb", f"goenv_private: {what}")


def _locations(options: GoenvOptions) -> Iterator[str]:
    given = {name: path for name in ("cache", "modcache", "tmpdir") if (path := getattr(options, name))}
    for name, path in given.items():
        if wrong := foreign(path):
            yield f"goenv_{name}: {path} {wrong}; try /srv/go/{name}"
        if name != "tmpdir" and options.builder is None:
            yield (
                f"goenv_{name}: one directory for all users fails for all but the first, or lets each put "
                "code into the others' programs; name the only user who builds in goenv_builder"
            )
    for name, path in given.items():
        for other, place in given.items():
            if name < other and overlap(path, place):
                yield f"goenv_{name}: {path} and goenv_{other} {place} are one inside of the other"
    if options.builder and not options.cache and not options.modcache:
        yield "goenv_builder: has no effect without goenv_cache or goenv_modcache"


def _users(options: GoenvOptions) -> Iterator[str]:
    seen = set()
    for each in options.credentials:
        if (each.user, each.machine) in seen:
            yield f"goenv_credentials: {each.user} has two logins for {each.machine}"
        seen.add((each.user, each.machine))


def _switched(options: GoenvOptions) -> Iterator[str]:
    if options.toolchain != DEFAULT_TOOLCHAIN:
        what = f"goenv_toolchain: a toolchain that {options.toolchain} downloads knows nothing of {GO_ENV}"
        yield from _needs(options, "toolchain", what)


@deploy("Go environment")
def goenv(options: GoenvOptions, release: Release, machine: Machine) -> None:
    """Write the settings of the go command for everybody on the host, or remove them."""
    if options.state == "absent":
        files.absent(name="Remove go.env", path=GO_ENV, prune=True)
        netrc.credentials(name="Take the credentials away", logins={})
        files.absent(name="Remove the modules", path=MODULES, recursive=True)
        return
    if options.modules:
        archive.unpacked(
            name="Unpack the modules",
            root=MODULES,
            urls=[options.modules.url],
            digest=options.modules.sha256,
            member=MEMBER,
        )
    for path in host.loop(options.directories):
        owner = options.builder or "root"
        files.directory(name=f"Make {path}", path=path, user=owner, group=None, mode="700")
    if options.tmpdir:
        files.directory(name="Make the directory for temporary files", path=options.tmpdir, mode="1777")
    files.put(name="Write go.env", path=GO_ENV, content=go_env(options))
    netrc.credentials(name="Give users their credentials", logins=logins(options))
    if not options.modules:
        files.absent(name="Remove modules of before", path=MODULES, recursive=True)


def go_env(options: GoenvOptions) -> str:
    """Return the text of go.env, with the reasons for what is unusual in it."""
    reasons = [f"# {kind} is allowed: {reason}\n" for kind, reason in sorted(options.allow.items())]
    lines = [f"{name}={value}\n" for name, value in settings(options).items() if value]
    return "".join([HEADER, *reasons, *lines])


def settings(options: GoenvOptions) -> dict[str, str | None]:
    """Return the variables of the go command; None and "" leave it its own default."""
    return {
        "GOPROXY": goproxy(options),
        "GOPRIVATE": ",".join(options.private),
        "GONOPROXY": _patterns(options.noproxy),
        "GONOSUMDB": _patterns(options.nosumdb),
        "GOSUMDB": options.sumdb,
        "GOINSECURE": ",".join(options.insecure),
        "GOTOOLCHAIN": options.toolchain,
        "GOFLAGS": gogrammar.quoted(options.flags),
        "GOVCS": ",".join(f"{rule}:{'|'.join(names)}" for rule, names in options.vcs.items()),
        "GOCACHE": options.cache,
        "GOMODCACHE": options.modcache,
        "GOTMPDIR": options.tmpdir,
        "CC": options.cc,
        "CXX": options.cxx,
    }


def goproxy(options: GoenvOptions) -> str:
    """Return GOPROXY: such as ``https://a.lan|https://b.lan,direct``."""
    kinds = options.proxy_fallback
    kinds = kinds if isinstance(kinds, list) else [kinds] * (len(options.proxy) - 1)
    joined = options.proxy[0] + "".join(
        SEPARATORS[kind] + entry for kind, entry in zip(kinds, options.proxy[1:], strict=True)
    )
    return f"{MODULES_PROXY},{joined}" if options.modules else joined


def logins(options: GoenvOptions) -> dict[str, list[netrc.Login]]:
    """Return the logins of each user, in the order of the options."""
    found: dict[str, list[netrc.Login]] = {}
    for each in options.credentials:
        found.setdefault(each.user, []).append((each.machine, each.login, each.secret))
    return found


def _patterns(globs: list[str] | None) -> str | None:
    """An empty value would follow GOPRIVATE; `none` is the go command's own way to say nothing."""
    return None if globs is None else ",".join(globs) or "none"
