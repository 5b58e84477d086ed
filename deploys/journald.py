"""The journal: on disk or in memory, bounded in size and in time, within one budget for all logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pyinfra.api import deploy

from deploys.docker import DockerOptions
from deploys.options import Fleet, Options
from deploys.release import Release
from facts.release import Machine
from operations import journald as journal
from pure.daemon import log_bytes
from pure.sizes import UNITS, Size, Span, in_bytes, in_seconds
from pure.unit import Directive, rendered

# Options whose keys mean journals on disk alone.
_ON_DISK = ("max_use", "max_file_size", "keep_free")
# By option, in systemd's newest words; 219's are in pure/unit.py. There is no MaxJournalSize in any.
_KEYS = {
    "storage": "Storage",
    "max_use": "SystemMaxUse",
    "max_file_size": "SystemMaxFileSize",
    "keep_free": "SystemKeepFree",
    "runtime_max_use": "RuntimeMaxUse",
    "retention": "MaxRetentionSec",
    "file_span": "MaxFileSec",
    "rate_seconds": "RateLimitIntervalSec",
    "rate_burst": "RateLimitBurst",
    "forward_to_syslog": "ForwardToSyslog",
}
_YES = {True: "yes", False: "no"}
# A file of journald's grows by 8M at a time (journal-file.c), and the one that it writes to is never deleted.
_LEAST_FILE, _LEAST = 8 * UNITS["M"], 16 * UNITS["M"]
# What makes retention come true on time: files go whole, so one must not hold more than a part of it.
_PARTS, _LEAST_SPAN = 7, 3600


class JournaldOptions(Options):
    """Options of the journald deploy."""

    namespace: ClassVar[str] = "journald_"

    state: Literal["present", "absent"] = Field(
        "present", description="absent takes our settings back; journals that are on disk stay"
    )
    storage: Literal["persistent", "volatile", "auto"] | None = Field(
        None,
        description="persistent: on disk, through reboots; volatile: in memory; auto: on disk where "
        "/var/log/journal is there; None: the host's own setting",
    )
    max_use: Size | None = Field(None, description="what journals on disk take at most, such as 2G")
    max_file_size: Size | None = Field(None, description="size of a file of a journal on disk, such as 128M")
    keep_free: Size | None = Field(None, description="what journals leave free on their disk, such as 1G")
    runtime_max_use: Size | None = Field(
        None, description="what journals in memory take at most, such as 64M"
    )
    retention: Span | None = Field(None, description="entries older than this go, such as 30d")
    file_span: Span | None = Field(
        None,
        description="what a single file holds, such as 1d; None: a seventh of journald_retention, an hour "
        "at least, since files go whole",
    )
    rate_seconds: Annotated[int, Field(ge=0, le=86400)] | None = Field(
        None, description="seconds in which a service may write journald_rate_burst messages; 0: no limit"
    )
    rate_burst: Annotated[int, Field(ge=0, le=10_000_000)] | None = Field(
        None, description="messages in journald_rate_seconds, of each service; 0: no limit"
    )
    forward_to_syslog: bool | None = Field(
        None, description="hand each message to a syslog socket, too; rsyslog of EL reads the journal itself"
    )
    budget: Size | None = Field(
        None,
        description="what the journal and containers' logs may take: journald_max_use and, where Docker "
        "writes files itself, docker_log_opts for each of journald_containers",
    )
    containers: Annotated[int, Field(ge=0, le=10_000)] = Field(
        20, description="how many containers journald_budget reckons with"
    )

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong between options."""
        if self.state == "absent":
            yield from self.besides_absent()
            return
        for field in _ON_DISK:
            if getattr(self, field) is not None and self.storage == "volatile":
                yield f"journald_{field}: bounds journals on disk, and journald_storage = 'volatile' has none"
        yield from self._too_small()
        if self.retention and self.file_span and in_seconds(self.file_span) > in_seconds(self.retention):
            yield "journald_file_span: is longer than journald_retention: none would go in time"
        if self.budget and not self.max_use:
            yield "journald_budget: needs journald_max_use, or the journal may take what it likes"

    def _too_small(self) -> Iterator[str]:
        for field in ("max_use", "runtime_max_use"):
            size = getattr(self, field)
            if size and in_bytes(size) < _LEAST:
                yield f"journald_{field}: is less than 16M, two files of a journal"
        if self.max_file_size and in_bytes(self.max_file_size) < _LEAST_FILE:
            yield "journald_max_file_size: is less than 8M, by which a file grows"
        if self.max_use and self.max_file_size and 2 * in_bytes(self.max_file_size) > in_bytes(self.max_use):
            yield (
                "journald_max_file_size: is more than half of journald_max_use: "
                "the file that is written to never goes"
            )

    def among(self, host: str, fleet: Fleet) -> Iterator[str]:
        """Yield that Docker's logs and the journal are more than the budget."""
        docker = fleet[host].get(DockerOptions)
        if not self.budget or not self.max_use or not isinstance(docker, DockerOptions):
            return
        each = log_bytes(docker) if docker.state == "present" else 0
        need = in_bytes(self.max_use) + self.containers * each
        if need > in_bytes(self.budget):
            yield (
                f"journald_budget: {self.budget} is less than journald_max_use {self.max_use} and "
                f"{each // 10**6} MB (docker_log_opts) for each of {self.containers} containers "
                f"(journald_containers): {-(-need // UNITS['M'])}M"
            )


@deploy("Journald")
def journald(options: JournaldOptions, release: Release, machine: Machine) -> None:
    """Bound the journal as declared; without any option do nothing."""
    if not options.model_fields_set:
        return
    if options.state == "absent":
        journal.configured(name="Take back our settings of the journal", content=None)
        return
    journal.configured(
        name="Bound the journal",
        content=rendered(_directives(options), machine.systemd, "journald_ options").text,
        persistent=options.storage == "persistent",
        limit=in_bytes(options.budget or options.max_use) if options.max_use else None,
        on_disk=tuple(f"journald_{field}" for field in _ON_DISK if getattr(options, field)),
        vacuum=(
            str(in_bytes(options.max_use)) if options.max_use else "",
            f"{in_seconds(options.retention)}s" if options.retention else "",
        ),
    )


def _directives(options: JournaldOptions) -> Iterator[Directive]:
    values = {field: getattr(options, field) for field in _KEYS}
    if options.retention and not options.file_span:
        values["file_span"] = f"{_file_seconds(in_seconds(options.retention))}s"
    for field, value in values.items():
        if value is not None:
            yield Directive("Journal", _KEYS[field], _YES[value] if isinstance(value, bool) else str(value))


def _file_seconds(retention: int) -> int:
    return min(retention, max(retention // _PARTS, _LEAST_SPAN))
