"""What a build host asks of its kernel: modules, settings, and limits of users."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field
from pyinfra.api import deploy

from deploys.docker import DockerOptions
from deploys.options import Fleet, Options
from deploys.release import Release
from facts.release import Machine
from operations import kernel as settings
from operations.kernel import NR_OPEN, comes_with
from pure.daemon_options import Unique, grammar
from pure.model import Model

LIMITS = "/etc/security/limits.d/elforge.conf"
# fs.nr_open's default: pam_limits lets nobody in whose limit it cannot set.
_MOST_FILES = 1_048_576
# Less keeps a user from logging in; files, processes, and KiB of stack.
_LEAST = {"nofile": 256, "nproc": 128, "stack": 1024}

Module = Annotated[str, grammar(r"[a-z0-9][a-z0-9_]{0,54}", "a module's name as lsmod shows it, with _")]
Key = Annotated[
    str, grammar(r"[a-z0-9_]+(\.[A-Za-z0-9_-]+)+", "a name with dots, such as fs.inotify.max_user_watches")
]
Text = Annotated[str, grammar(r"[!-~]+( [!-~]+)*", "printable ASCII, its words one space apart")]
Number = Annotated[int, Field(ge=-(2**63), lt=2**64)]
Domain = Annotated[
    str, grammar(r"\*|@?[a-z_][a-z0-9_-]{0,31}", "a user, a @group, or * for everybody but root")
]


class Profile(NamedTuple):
    """What a kind of host is well served with, as far as its kernel has it."""

    modules: list[str]
    sysctl: dict[str, int | str]


PROFILES = {
    # overlay2, bridges that iptables sees, and nftables, which EL8 and later have iptables on.
    "containers": Profile(
        ["overlay", "br_netfilter", "nf_tables"],
        {"net.bridge.bridge-nf-call-ip6tables": 1, "net.bridge.bridge-nf-call-iptables": 1},
    ),
    # The defaults are for a desktop's single user; EL7 allows no user namespaces at all.
    "ci": Profile(
        [],
        {
            "fs.inotify.max_queued_events": 65536,
            "fs.inotify.max_user_instances": 1024,
            "fs.inotify.max_user_watches": 524288,
            "user.max_user_namespaces": 28633,
        },
    ),
}


class Limit(Model):
    """A line of limits.conf(5)."""

    domain: Domain
    type: Literal["soft", "hard", "-"] = "-"
    item: Literal["nofile", "nproc", "memlock", "core", "stack"]
    value: Annotated[int, Field(ge=0, le=2**62)] | Literal["unlimited"]

    @property
    def types(self) -> list[str]:
        """Which of soft and hard it sets."""
        return ["soft", "hard"] if self.type == "-" else [self.type]


class KernelOptions(Options):
    """Options of the kernel deploy."""

    namespace: ClassVar[str] = "kernel_"

    state: Literal["present", "absent"] = Field(
        "present", description="absent takes our files back; what the kernel has stays until it boots"
    )
    profiles: Annotated[list[Literal["containers", "ci"]], Unique] = Field(
        [],
        description="containers: overlay, br_netfilter, nf_tables, bridges seen by iptables; ci: inotify and "
        "user namespaces for many builds. What a kernel does not have is left out, with a warning",
    )
    modules: Annotated[list[Module], Unique] = Field(
        [], description="modules to load, now and at boot; one that the kernel does not have is refused"
    )
    sysctl: dict[Key, Number | Text] = Field(
        {}, description="settings of the kernel, now and at boot; they come before those of a profile"
    )
    limits: list[Limit] = Field(
        [],
        description="limits of logins: domain, item (nofile, nproc, memlock, core, stack), value and, else "
        "for both, type (soft, hard). Services have theirs from systemd",
    )

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        if self.state == "absent":
            yield from self.besides_absent()
            return
        modules = {*self.modules, *(name for each in self.profiles for name in PROFILES[each].modules)}
        for key in self.sysctl:
            if (module := comes_with(key)) and module not in modules:
                yield f"kernel_sysctl.{key}: comes with the module {module}: name it in kernel_modules"
        yield from self._wrong_limits()

    def _wrong_limits(self) -> Iterator[str]:
        values = {(each.domain, each.item, kind): each.value for each in self.limits for kind in each.types}
        named = Counter((each.domain, each.item, kind) for each in self.limits for kind in each.types)
        for (domain, item, kind), times in named.items():
            if times > 1:
                yield f"kernel_limits: {domain} {kind} {item} is there {times} times"
        for (domain, item, kind), value in values.items():
            hard = values.get((domain, item, "hard"))
            if kind == "soft" and hard is not None and _number(value) > _number(hard):
                yield f"kernel_limits: {domain} {item}: soft {value} is more than hard {hard}"
            if _number(value) < _LEAST.get(item, 0):
                yield f"kernel_limits: {domain} {item}: {value} lets nobody in; {_LEAST[item]} at least"
            if item == "nofile" and _number(value) > self._most_files:
                yield (
                    f"kernel_limits: {domain} nofile: {value} is more than {NR_OPEN}, {self._most_files}: "
                    "pam_limits would let nobody in"
                )

    @property
    def _most_files(self) -> int:
        most = self.sysctl.get(NR_OPEN, _MOST_FILES)
        return int(most) if re.fullmatch(r"\d+", str(most)) else _MOST_FILES

    def among(self, host: str, fleet: Fleet) -> Iterator[str]:
        """Yield what Docker on the same host does not work without."""
        docker = fleet[host].get(DockerOptions)
        if isinstance(docker, DockerOptions) and docker.state == "present":
            for key in ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"):
                if str(self.sysctl.get(key, 1)) == "0":
                    yield f"kernel_sysctl.{key}: with 0 no container on this docker host has a network"


@deploy("Kernel")
def kernel(options: KernelOptions, release: Release, machine: Machine) -> None:
    """Load modules, set the kernel's settings and the limits of logins; without any option do nothing."""
    if not options.model_fields_set:
        return
    profiles = [PROFILES[each] for each in options.profiles]
    extra = {key: value for each in profiles for key, value in each.sysctl.items()}
    settings.modules(
        name="Load modules",
        names=options.modules,
        optional=[name for each in profiles for name in each.modules if name not in options.modules],
    )
    settings.sysctl(
        name="Set the kernel's settings",
        values={key: str(value) for key, value in {**extra, **options.sysctl}.items()},
        optional=sorted(extra.keys() - options.sysctl.keys()),
    )
    settings.limits(
        name="Set limits of logins" if options.limits else "Set no limits of logins",
        path=LIMITS,
        content=_limits(options.limits),
        # What is declared has been compared with it, and is set by now.
        nofile=0 if NR_OPEN in options.sysctl else _most_files(options.limits),
    )


def _most_files(limits: list[Limit]) -> int:
    return max((int(each.value) for each in limits if each.item == "nofile"), default=0)


def _limits(limits: list[Limit]) -> str | None:
    if not limits:
        return None
    lines = [f"{each.domain} {each.type} {each.item} {each.value}\n" for each in limits]
    return "".join(["# Written by elforge from kernel_limits: edits are overwritten.\n", *lines])


def _number(value: int | str) -> float:
    return float("inf") if value == "unlimited" else int(value)
