"""The typed model of an application that runs as a service."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from deploys.firewall_options import FirewallOptions, Zone, overlap
from deploys.firewall_options import Name as ZoneName
from deploys.go import BUILDER, Builds, GoOptions
from deploys.kernel import KernelOptions
from deploys.options import Fleet, Options
from deploys.selinux import SelinuxOptions, Type
from deploys.urls import bad_urls
from pure.accounts import NAME
from pure.daemon_options import HostPath, Unique, grammar
from pure.model import Model
from pure.places import foreign
from pure.secrets import Reference
from pure.sizes import UNITS, Size, in_bytes
from pure.unit import DOLLAR

INSTANCE = "{instance}"
# What systemd and elforge say to a program themselves.
_TAKEN = {
    *("ELFORGE_STATE", DOLLAR),
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"),
}
# What the first 1024 ports ask for.
_BIND, _PRIVILEGED = "CAP_NET_BIND_SERVICE", 1024
_NAMESPACES = "user.max_user_namespaces"


def _port(text: str) -> str:
    match = re.fullmatch(r"([1-9]\d{0,4})/(tcp|udp)", text)
    if not match or int(match[1]) > 65535:
        raise ValueError("must be PORT/tcp or PORT/udp with a port in 1..65535, e.g. 8080/tcp")
    return text


def _probe(text: str) -> str:
    match = re.fullmatch(
        r"(?:https?://[A-Za-z0-9.-]+(?::(\d{1,5}|\d{0,4}\{instance\}))?(?:/[A-Za-z0-9._~/?=&-]*)?"
        r"|tcp://[A-Za-z0-9.-]+:(\d{1,5}|\d{0,4}\{instance\}))",
        text,
    )
    if not match:
        raise ValueError("must be a URL such as http://127.0.0.1:8080/healthz or tcp://127.0.0.1:8080")
    port = match[1] or match[2]
    if port and port.isdigit() and not 1 <= int(port) <= 65535:
        raise ValueError("a port is in 1..65535")
    return text


def _listen(text: str) -> str:
    match = re.fullmatch(r"(?:([0-9.]+):)?(\d{1,5})", text)
    if not match or not 1 <= int(match[2]) <= 65535:
        raise ValueError("must be PORT or ADDRESS:PORT, e.g. 8080 or 127.0.0.1:8080")
    IPv4Address(match[1] or "0.0.0.0")
    return text


def _writable(path: str) -> str:
    if path.count("/") < 2:
        raise ValueError("is the system's, no place for a service to write in")
    return path


# The name of directories, units and a user. systemd's own names end after an @, so there is none in it.
Name = Annotated[str, grammar(r"[a-z][a-z0-9-]{0,29}[a-z0-9]", "2 to 31 lower-case letters, digits and -")]
User = Annotated[str, grammar(NAME.pattern, "the name of a user, in lower case")]
Version = Annotated[
    str, grammar(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}", "a version such as 1.4.2, without / and spaces")
]
Sha256 = Annotated[str, grammar(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")]
Ref = Annotated[str, grammar(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}", "a tag or a commit")]
Package = Annotated[
    str, grammar(r"\.(/[A-Za-z0-9_.-]+)*", "a package within the repository, such as ./cmd/app")
]
Local = Annotated[str, grammar(r"[^\s].*", "the path of a file where pyinfra runs")]
Port = Annotated[str, AfterValidator(_port)]
Variable = Annotated[str, grammar("[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")]
Instance = Annotated[str, grammar(r"[a-z0-9][a-z0-9_]{0,19}", "lower-case letters, digits and _")]
Capability = Annotated[str, grammar(r"CAP_[A-Z_]+", "a capability such as CAP_NET_RAW")]
Seconds = Annotated[int, Field(ge=1, le=3600)]
Count = Annotated[int, Field(ge=1, le=1000)]


class App(Model):
    """An application: where its program comes from, how it runs, and what tells that it works."""

    state: Literal["present", "absent"] = "present"
    version: Version = Field("", validate_default=False)
    url: str | None = None
    sha256: Sha256 | None = None
    file: Local | None = None
    git: str | None = None
    ref: Ref | None = None
    package: Package = "."
    cgo: bool = False
    user: User | None = None
    arguments: list[str] = []
    environment: dict[Variable, str] = {}
    secrets: dict[Variable, Reference] = {}
    ports: Annotated[list[Port], Unique] = []
    open: bool = False
    zone: ZoneName = "public"
    selinux_type: Type | None = None
    listen: Annotated[list[Annotated[str, AfterValidator(_listen)]], Unique] = []
    instances: Annotated[list[Instance], Unique] = []
    restart: Literal["always", "on-failure", "no"] = "always"
    restart_seconds: Seconds = 2
    crash_limit: Count = 5
    crash_seconds: Seconds = 60
    memory: Size | None = None
    cpus: Annotated[float, Field(ge=0.01, le=1024)] | None = None
    tasks: Annotated[int, Field(ge=1, le=4194304)] | None = None
    files: Annotated[int, Field(ge=64, le=1048576)] | None = None
    notify: bool = False
    watchdog: Seconds | None = None
    probe: Annotated[str, AfterValidator(_probe)] | None = None
    probe_seconds: Seconds = 10
    probe_timeout: Seconds = 5
    probe_failures: Count = 3
    ready_seconds: Seconds = 30
    hardening: Literal["strict", "basic", "none"] = "strict"
    writable: Annotated[list[Annotated[HostPath, AfterValidator(_writable)]], Unique] = []
    capabilities: Annotated[list[Capability], Unique] = []
    keep: Annotated[int, Field(ge=2, le=50)] = 3

    def wrong(self) -> Iterator[tuple[str, str]]:
        """Yield a field and what is wrong with it beside the others."""
        if self.state == "absent":
            if more := sorted(self.model_fields_set - {"state"}):
                yield "state", f"'absent' goes with nothing else, not with {more[0]}"
            return
        if not self.version:
            yield "version", "is missing: each release has a directory of its own, by its version"
        yield from self._wrong_source()
        yield from self._wrong_instances()
        yield from self._wrong_limits()
        yield from self._wrong_watch()
        if self.open and not self.ports:
            yield "open", "there are no ports to open"
        if self.selinux_type and not self.ports:
            yield "selinux_type", "there are no ports that it is for"
        for name in sorted(self.environment.keys() & self.secrets.keys()):
            yield "secrets", f"{name} is in environment, too"
        for name in sorted((self.environment.keys() | self.secrets.keys()) & _TAKEN):
            yield "environment", f"{name} is systemd's or elforge's to set"
        if ";" in self.arguments:
            yield "arguments", "systemd takes a ; by itself for the end of the command"

    def _wrong_source(self) -> Iterator[tuple[str, str]]:
        sources = [field for field in ("url", "file", "git") if getattr(self, field) is not None]
        if len(sources) != 1:
            yield "url", f"name one of url, file and git, not {' and '.join(sources) or 'none'}"
        if (self.url is None) != (self.sha256 is None):
            yield "sha256", "url and sha256 go together"
        for field in ("ref", "package", "cgo"):
            if field in self.model_fields_set and self.git is None:
                yield field, "is for programs that are built: it goes with git"

    def _wrong_instances(self) -> Iterator[tuple[str, str]]:
        if self.instances and self.listen:
            yield "listen", "one socket cannot serve several instances"
        texts = [*self.arguments, self.probe or ""]
        if not self.instances and any(INSTANCE in text for text in texts):
            yield "instances", f"there are none that {INSTANCE} could stand for"
        if any(INSTANCE in value for value in self.environment.values()):
            yield "environment", f"is the same for all instances: {INSTANCE} goes into arguments"
        if len(self.instances) > 1 and self.probe and INSTANCE not in self.probe:
            yield "probe", f"one instance would answer for the others: {INSTANCE} in it is the instance"
        for instance in self.instances if self.probe else []:
            try:
                _probe((self.probe or "").replace(INSTANCE, instance))
            except ValueError as error:
                yield "probe", f"of instance {instance}: {error}"

    def _wrong_limits(self) -> Iterator[tuple[str, str]]:
        # facts.md section 7: RestartSec=5 never gets to systemd's own 5 starts in 10 seconds.
        if self.restart != "no" and self.crash_limit * self.restart_seconds >= self.crash_seconds:
            yield (
                "crash_seconds",
                f"{self.crash_limit} restarts take {self.crash_limit * self.restart_seconds} s at least, "
                "so the limit would never be reached",
            )
        if self.memory and in_bytes(self.memory) < 16 * UNITS["M"]:
            yield "memory", "no Go program gets by with less than 16M"

    def _wrong_watch(self) -> Iterator[tuple[str, str]]:
        if self.probe and self.probe_timeout > self.probe_seconds:
            yield "probe_timeout", "is longer than probe_seconds"
        if (self.probe or "").startswith("tcp://"):
            port = (self.probe or "").rpartition(":")[2]
            if port in {each.rpartition(":")[2] for each in self.listen}:
                yield "probe", f"systemd itself answers at port {port} (listen): http:// asks the program"
        if self.watchdog and self.restart == "no":
            yield "watchdog", "would only kill it with restart = 'no'"
        if self.watchdog and not self.notify and "notify" in self.model_fields_set:
            yield "notify", "a program with a watchdog notifies"

    def sets(self, variable: str) -> bool:
        """Whether it is told a variable by its own declaration."""
        return variable in self.environment or variable in self.secrets

    @property
    def rights(self) -> list[str]:
        """The capabilities that it has: those that are declared, and what the first 1024 ports ask for."""
        low = any(int(port.split("/")[0]) < _PRIVILEGED for port in self.ports)
        return list(dict.fromkeys([*self.capabilities, *([_BIND] if low else [])]))

    @property
    def private_users(self) -> bool:
        """Whether it gets a user namespace of its own, outside of which capabilities mean nothing."""
        return self.hardening == "strict" and not self.rights

    @property
    def watched(self) -> bool:
        """Whether a timer looks after it: what is not to be restarted is looked at once, when it starts."""
        return self.probe is not None and self.restart != "no"

    @property
    def gomemlimit(self) -> int | None:
        """Bytes for Go's soft limit: a tenth below the hard one, for what is not Go's heap."""
        return in_bytes(self.memory) * 9 // 10 if self.memory else None


class ServiceOptions(Builds):
    """Options of the service deploy."""

    namespace: ClassVar[str] = "service_"
    hidden: ClassVar[frozenset[str]] = frozenset({"secrets", "environment"})

    apps: dict[Name, App] = Field(
        {},
        description="applications by name, each with version and one of url (with sha256), file and git "
        "(with ref, package, cgo); what else they may say is in docs/service.md. state = 'absent' removes "
        "one, all but its data",
    )
    insecure_mirror: bool = Field(
        False, description="allow http:// in url (checked by SHA-256 all the same) and in git (not checked)"
    )
    build_memory: Size = Field("4G", description="memory that a build may take, such as 4G")
    build_seconds: Annotated[int, Field(ge=60, le=6 * 3600)] = Field(
        1800, description="bound for a build, seconds"
    )

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        claimed: dict[str, str] = {}
        for name, app in self.apps.items():
            option = f"service_apps.{name}"
            yield from (f"{option}.{field}: {why}" for field, why in app.wrong())
            for field in ("url", "git"):
                url = getattr(app, field)
                if url is not None:
                    yield from bad_urls(
                        f"{option}.{field}", [url], self.insecure_mirror, "service_insecure_mirror"
                    )
            for path in app.writable:
                if why := foreign(path):
                    yield f"{option}.writable: {path} {why}"
            for port in app.ports:
                if port in claimed:
                    yield f"{option}.ports: {port} is {claimed[port]}'s, too"
                claimed.setdefault(port, name)
            if name.endswith("-probe"):
                yield f"{option}: names that end in -probe are those of units that look after others"
            if name == "elforge":
                yield f"{option}: /var/lib/elforge is where elforge keeps what it knows"
            if app.user == "root":
                yield f"{option}.user: a service that is root's is no business of this deploy"
            if (app.user or name) == BUILDER:
                yield f"{option}.user: what {BUILDER} runs ends with each build"

    def among(self, host: str, fleet: Fleet) -> Iterator[str]:
        """Yield what the host's other options do not allow."""
        go, selinux = fleet[host].get(GoOptions), fleet[host].get(SelinuxOptions)
        kernel = fleet[host].get(KernelOptions)
        for name, app in self._present():
            option = f"service_apps.{name}"
            if app.git and getattr(go, "state", "absent") == "absent":
                yield f"{option}.git: nothing builds without Go: put this host into go_hosts, too"
            if app.open:
                yield from _closed(option, app, fleet[host].get(FirewallOptions))
            if app.selinux_type and getattr(selinux, "state", "absent") == "absent":
                yield f"{option}.selinux_type: no selinux deploy records it, or its state is 'absent'"
            if app.private_users and str(getattr(kernel, "sysctl", {}).get(_NAMESPACES)) == "0":
                yield f"{option}.hardening: strict takes a user namespace; kernel_sysctl.{_NAMESPACES} is 0"
        # Of ports that are declared here and there.
        yield from selinux.contradictions() if isinstance(selinux, SelinuxOptions) else ()

    def adds(self, other: Options) -> Options:
        """Return the firewall's or SELinux's options with what the applications ask of them."""
        if "apps" not in self.model_fields_set:
            return other
        # Also when that is nothing: then what was asked for before is taken back.
        if isinstance(other, FirewallOptions):
            return _opened(
                other, [(app.zone, port) for _, app in self._present() if app.open for port in app.ports]
            )
        if isinstance(other, SelinuxOptions):
            types = {
                port: app.selinux_type for _, app in self._present() if app.selinux_type for port in app.ports
            }
            return other.model_copy(update={"ports": {**types, **other.ports}})
        return other

    def _present(self) -> list[tuple[str, App]]:
        return [(name, app) for name, app in self.apps.items() if app.state == "present"]


def _opened(firewall: FirewallOptions, ports: list[tuple[str, str]]) -> Options:
    zones: Mapping[str, Zone] = firewall.zones
    for name, port in ports:
        zone = zones.get(name, Zone())
        # A range that it is in opens it, too, and firewalld takes no two that overlap.
        if not any(overlap(port, each) for each in zone.ports):
            zones = {**zones, name: zone.model_copy(update={"ports": [*zone.ports, port]})}
    return firewall.model_copy(update={"zones": zones})


def _closed(option: str, app: App, firewall: Options | None) -> Iterator[str]:
    if not isinstance(firewall, FirewallOptions):
        yield f"{option}.open: nothing opens a port without the firewall deploy"
        return
    zone = firewall.zones.get(app.zone, Zone())
    if zone.state == "absent":
        yield f"{option}.zone: {app.zone} is absent by firewall_zones"
    for port in sorted(set(app.ports) & set(zone.absent.ports)):
        yield f"{option}.open: {port} is absent by firewall_zones.{app.zone}"
