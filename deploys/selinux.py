"""SELinux: ports, booleans, file contexts, permissive domains, mode; and what this toolkit's places need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints
from pyinfra.api import deploy

from deploys.options import Options
from deploys.release import Release
from facts.release import Machine
from operations import rpm
from operations import selinux as policy
from pure.daemon_options import HostPath
from pure.model import Model

# What semanage port takes: EL7's userspace 2.5 knows no other two.
PROTOCOLS = {7: ("tcp", "udp"), 8: ("tcp", "udp", "sctp", "dccp"), 9: ("tcp", "udp", "sctp", "dccp")}
FTYPES = {
    "all": "a",
    "file": "f",
    "directory": "d",
    "character": "c",
    "block": "b",
    "socket": "s",
    "link": "l",
    "pipe": "p",
}


class Context(NamedTuple):
    """A file context below a path; ``tail`` is the rest of the regular expression."""

    tail: str
    type: str
    ftype: str = "all"


class Ready(NamedTuple):
    """What a kind of place needs: file contexts, or to be labelled like another path."""

    contexts: tuple[Context, ...] = ()
    like: str = ""


# For the places that this toolkit fills. systemd (init_t) runs a program as unconfined_service_t only when it
# is bin_t; below /opt and /usr the policy says so of every bin directory by itself, elsewhere it does not.
# A runner's scripts lie beside its bin directories (actions/runner#410, #3186).
_PROGRAMS = (Context("(/.*)?", "usr_t"), Context("/(.*/)?bin(/.*)?", "bin_t"))
_SAID_BELOW = ("/opt/", "/usr/")
READY = {
    "toolchain": Ready(_PROGRAMS),
    "service": Ready(_PROGRAMS),
    "runner": Ready((*_PROGRAMS, Context(r"/[^/]*\.sh", "bin_t", "file"))),
    "cache": Ready(like="/var/cache"),
    "docker": Ready(like="/var/lib/docker"),
}

Type = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.]{0,127}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,127}$")]
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?/(tcp|udp|sctp|dccp)")


def _ports(text: str) -> str:
    match = _PORTS.fullmatch(text)
    if not match:
        raise ValueError("must be a port or a range with a protocol, such as 8081/tcp or 9000-9010/udp")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= 65535 or (match[2] and low == high):
        raise ValueError("ports go from 1 to 65535, and a range from its lower end to a higher one")
    return text


def _pattern(text: str) -> str:
    if not text.startswith("/") or re.search(r"[\s'\"]", text):
        raise ValueError("must be a regular expression of an absolute path, without spaces and quotes")
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if policy.root(f"fcontext a {text}") == "/":
        raise ValueError("begins with no fixed directory: this would say something of the whole system")
    return text


Ports = Annotated[str, AfterValidator(_ports)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class FileContext(Model):
    """Which type files get whose whole path matches."""

    path: Pattern
    type: Type | Literal["<<none>>"]
    ftype: Literal["all", "file", "directory", "character", "block", "socket", "link", "pipe"] = "all"


class SelinuxOptions(Options):
    """Options of the selinux deploy."""

    namespace: ClassVar[str] = "selinux_"

    state: Literal["present", "absent"] = Field(
        "present", description="absent takes back every record that elforge made, and nothing else"
    )
    mode: Literal["enforcing", "permissive", "disabled"] | None = Field(
        None,
        description="for now, as far as that goes without a reboot, and for the next boot. elforge never "
        "reboots, it says when a reboot is due. None leaves the mode alone",
    )
    ports: dict[Ports, Type] = Field(
        {}, description='type of ports for confined services: {"8081/tcp": "http_port_t"}, or "9000-9010/tcp"'
    )
    port_reassign: bool = Field(
        False,
        description="allow selinux_ports to take ports from the type that the policy or an admin gave them",
    )
    booleans: dict[Name, bool] = Field({}, description="booleans of the policy, now and after a reboot")
    contexts: list[FileContext] = Field(
        [],
        description='types of files: {"path": "/srv/app/run", "type": "bin_t", "ftype": "file"}; path is a '
        "regular expression, ftype all, file, directory, character, block, socket, link or pipe",
    )
    equivalences: dict[HostPath, HostPath] = Field(
        {}, description='paths labelled like others: {"/data/docker": "/var/lib/docker"}'
    )
    paths: dict[HostPath, Literal["toolchain", "service", "runner", "cache", "docker"]] = Field(
        {},
        description="places of ours that the policy cannot know: Go toolchains, a service's programs, a CI "
        "runner, a cache, Docker's data",
    )
    permissive: list[Type] = Field([], description="domains whose denials are only logged")
    relabel: list[HostPath] = Field(
        [], description="more paths below which wrong labels are put right; each run looks through them"
    )

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        for field in ("permissive", "relabel"):
            values = getattr(self, field)
            if twice := sorted({each for each in values if values.count(each) > 1}):
                yield f"selinux_{field}: {', '.join(twice)} is there twice"
        for one, two in combinations(self.ports, 2):
            if policy.overlap(policy.ports_of(_key(one)), policy.ports_of(_key(two))):
                yield f"selinux_ports: {one} and {two} overlap"
        keys = [f"{each.ftype} {each.path}" for each in self.contexts]
        if twice := sorted({each for each in keys if keys.count(each) > 1}):
            yield f"selinux_contexts: {', '.join(twice)} is there twice"
        for path, like in self.equivalences.items():
            if path == like or like.startswith(f"{path}/") or path.startswith(f"{like}/"):
                yield f"selinux_equivalences: {path} and {like} lie within each other"
        for path in self.paths.keys() & self.equivalences.keys():
            yield f"selinux_equivalences: {path} is in selinux_paths, too"
        yield from self._hidden()
        if self.state == "absent" and self.mode is not None:
            yield "selinux_mode: selinux_state = 'absent' goes with no mode"

    def _hidden(self) -> Iterator[str]:
        """
        Yield what lies within an equivalence, where no record has an effect.

        semanage may add a context there, before the equivalence, and refuses to change it ever after; an
        equivalence it refuses at once (seobject.py, ``validate``; seen with 3.8).
        """
        equivalences = placed(self)[1]
        contexts = {policy.root(f"fcontext a {each.path}") for each in self.contexts}
        for path, like in equivalences.items():
            inside = {each for each in {*self.paths, *equivalences} if each.startswith(f"{path}/")}
            inside |= {each for each in contexts if f"{each}/".startswith(f"{path}/")}
            option = "paths" if path in self.paths else "equivalences"
            for each in sorted(inside):
                yield f"selinux_{option}: {path} is labelled like {like}: nothing else can be said of {each}"


@deploy("SELinux")
def selinux(options: SelinuxOptions, release: Release, machine: Machine) -> None:
    """Bring SELinux's local records, labels and mode to what is declared; without any option do nothing."""
    if not options.model_fields_set:
        return
    nothing = options == SelinuxOptions()
    if not nothing:
        policy.report(name="Report what SELinux denied")
    ports = {_key(ports): type_ for ports, type_ in options.ports.items()}
    if options.state == "absent" or nothing:
        policy.records(name="Take back our SELinux records")
    elif not options.model_fields_set <= {"mode"}:
        _keep(options, ports, release)
    # Once the records are there that services need, sshd among them.
    if options.mode is not None:
        policy.mode(name="Set the mode of SELinux", mode=options.mode, ports=ports)


def _keep(options: SelinuxOptions, ports: dict[str, str], release: Release) -> None:
    rpm.packages(name="Install semanage", specs=[release.semanage], manager=release.manager)
    contexts, equivalences = placed(options)
    policy.records(
        name="Keep SELinux's records",
        ports=ports,
        booleans={name: "on" if value else "off" for name, value in options.booleans.items()},
        contexts=contexts,
        equivalences=equivalences,
        permissive=options.permissive,
        relabel=roots(options),
        reassign=options.port_reassign,
        protocols=PROTOCOLS[release.major],
    )


def ready(path: str, kind: str) -> tuple[dict[str, str], dict[str, str]]:
    """
    Return the file contexts and equivalences that a place needs beyond what the policy says by itself.

    ``ready("/srv/app", "service")`` has ``{"a /srv/app/(.*/)?bin(/.*)?": "bin_t"}`` among its contexts;
    ``ready("/opt/app", "service")`` has none.
    """
    needs = READY[kind]
    said = _PROGRAMS if path.startswith(_SAID_BELOW) else ()
    place = re.sub(r"([.+])", r"\\\1", path)
    contexts = {
        f"{FTYPES[each.ftype]} {place}{each.tail}": each.type for each in needs.contexts if each not in said
    }
    elsewhere = needs.like and not f"{path}/".startswith(f"{needs.like}/")
    return contexts, {path: needs.like} if elsewhere else {}


def placed(options: SelinuxOptions) -> tuple[dict[str, str], dict[str, str]]:
    """Return all file contexts and equivalences; a declared context overrules a ready one."""
    contexts: dict[str, str] = {}
    equivalences = dict(options.equivalences)
    for path, kind in options.paths.items():
        more, like = ready(path, kind)
        contexts |= more
        equivalences |= like
    return contexts | {
        f"{FTYPES[each.ftype]} {each.path}": each.type for each in options.contexts
    }, equivalences


def roots(options: SelinuxOptions) -> list[str]:
    """Return the paths below which labels are looked at, none of them within another."""
    contexts, equivalences = placed(options)
    found = {
        *options.relabel,
        *options.paths,
        *equivalences,
        *(policy.root(f"fcontext {each}") for each in contexts),
    }
    return sorted(path for path in found if not any(path.startswith(f"{other}/") for other in found))


def _key(ports: str) -> str:
    """Spell ``8081/tcp`` as semanage does: ``tcp 8081``."""
    numbers, protocol = ports.split("/")
    return f"{protocol} {numbers}"
