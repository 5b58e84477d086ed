"""Applications as services: releases side by side, and one of them running, proven to work or taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as LocalPath

from pyinfra import host

from facts.service import ENVIRONMENTS, ROOT, STORE, Deployed, Proven, Release, Releases, Running, Service
from facts.unit import UNITS
from operations.carry import Carried
from operations.script import (
    Commands,
    Script,
    Stdin,
    operation,
    program,
    refuse,
    script,
    sha256,
    unreadable,
    warn,
)
from pure.secrets import reveal
from pure.unit import environment, overridden

# More than any release takes to come up, and the one before it to come back.
_LONGEST = 6 * 3600


@dataclass(frozen=True)
class Program:
    """What a release is made of: a program with this digest, by URL or in a file of the control machine."""

    sha256: str
    url: str = ""
    file: str = ""

    @property
    def origin(self) -> str:
        """What tells it from another program of the same version."""
        return f"sha256 {self.sha256}"


@dataclass(frozen=True)
class Build:
    """What a release is built from; what ``operations/sh/compile.sh`` reads on stdin."""

    git: str  # URL of the repository
    ref: str  # tag or commit
    package: str  # within it
    cgo: bool
    go: str  # absolute path of the go command
    user: str  # who builds
    limit: str  # of memory, a property for systemd-run
    seconds: int

    @property
    def origin(self) -> str:
        """What tells it from another program of the same version; which Go builds it is no part of that."""
        return f"git {self.git} {self.ref} {self.package}{' cgo' if self.cgo else ''}"

    def text(self, **more: str) -> str:
        """Return a line per field, and what else there is."""
        fields = {**vars(self), "cgo": int(self.cgo), "origin": self.origin, **more}
        return "".join(f"{key} {value}\n" for key, value in fields.items())


@dataclass(frozen=True)
class Manifest:
    """All that a host is to have of an application, but for its program."""

    name: str
    version: str
    units: Mapping[str, str]  # name to text of the files below /etc/systemd/system
    runs: tuple[str, ...]  # the units that are to run, instances each by itself
    sockets: tuple[str, ...] = ()
    watchers: tuple[str, ...] = ()  # timers that look after it
    variables: Mapping[str, str] | None = None
    secrets: Mapping[str, str] | None = None  # variable to reference, as pure.secrets.reveal reads it
    probe: str = ""
    timeout: int = 5  # for one answer to the probe, seconds
    ready: int = 30  # for each unit to come up, seconds
    ports: tuple[str, ...] = ()  # what the firewall and SELinux deploys are asked for, in words
    dropped: tuple[str, ...] = ()  # what the units would say if systemd were newer
    unseen: tuple[str, ...] = ()  # what of the application nothing would notice

    def text(self) -> str:
        """Return it as ``operations/sh/manifest.sh`` reads it; its last line says that it is whole."""
        values = {
            **(self.variables or {}),
            **{key: _secret(key, ref) for key, ref in (self.secrets or {}).items()},
        }
        lines = "".join(f"{line}\n" for line in environment(values.items()))
        # What a process says that it was started with; who can read that can read the secrets themselves.
        state = sha256("\0".join([self.version, lines, *(self.units[_file(unit)] for unit in self.runs)]))
        files = {
            **{f"{UNITS}/{unit}": ("644", text) for unit, text in self.units.items()},
            **({f"{ENVIRONMENTS}/{self.name}.probe": ("755", program("probe"))} if self.probe else {}),
            f"{ENVIRONMENTS}/{self.name}.env": ("600", f"{lines}ELFORGE_STATE={state}\n"),
        }
        fields = [
            *(
                ("release", self.version),
                ("probe", self.probe),
                ("timeout", self.timeout),
                ("ready", self.ready),
            ),
            *(("socket", each) for each in self.sockets),
            *(("unit", each) for each in self.runs),
            *(("watcher", each) for each in self.watchers),
            *(("port", each) for each in self.ports),
        ]
        parts = [f"{key} {value}\n" for key, value in fields]
        for path, (mode, text) in files.items():
            parts += [f"+ {mode} {path}\n", *(f"|{line}\n" for line in text.splitlines())]
        return "".join([*parts, "# end\n"])


@operation
def release(name_: str, version: str, source: Program | Build) -> Commands:
    """
    Have a release of an application on the host, beside the others; what runs stays as it is.

    + name_: of the application
    + version: of the release, which never changes: another program is another version
    + source: what it is made of

    **Example:**

    .. code:: python

        service.release(name="Get shop 1.4.2", name_="shop", version="1.4.2", source=Program(SHA256, URL))
    """
    releases = _releases(name_)
    found = releases.get(version)
    if found and not found.ours:
        refuse(_not_ours(f"{_place(name_)}/{version}"))
    elif found and found.origin and found.origin != source.origin:
        refuse(
            f"{name_}: release {version} is there, from {found.origin}; a release never changes, "
            f"so give what comes from {source.origin} a version of its own"
        )
    elif found and found.whole and "" in releases:
        yield script("prune", _place(name_), "")
    elif found and found.whole:
        host.noop(f"{name_}: release {version} is already there")
    elif isinstance(source, Build):
        recipe = source.text(name=name_, version=version)
        yield script("compile", content=recipe, seconds=source.seconds + 900, progress=True)
    elif source.url:
        yield script("obtain", name_, version, source.sha256, source.url, seconds=1800)
    else:
        yield _sent(name_, version, source)


@operation
def deployed(manifest: Manifest) -> Commands:
    """
    Make a release the one that runs, in one change: units, environment, link, restart, a look at it.

    When it does not, what came up last is back, and the operation fails with the last lines of the journal.
    What already runs with what is declared is not restarted.

    + manifest: what is declared

    **Example:**

    .. code:: python

        service.deployed(name="Run shop 1.4.2", manifest=manifest)
    """
    text = manifest.text()
    everything = [*manifest.sockets, *manifest.runs, *manifest.watchers]
    started = [timer.replace(".timer", ".service") for timer in manifest.watchers]
    found = _deployed(manifest.name, [*everything, *started], text, secret=bool(manifest.secrets))
    if why := _in_the_way(manifest, found):
        refuse(why)
    if _stands(found, everything):
        host.noop(f"{manifest.name}: release {manifest.version} already runs as declared")
        return
    for line in [*manifest.dropped, *manifest.unseen, *_failures(manifest, found)]:
        warn(line)
    # A unit that hangs has its time before its restart, for that (90 s more, to stop) and after it; all of it
    # twice, for this release and for the one before it.
    seconds = 300 + 2 * len(manifest.runs) * (3 * manifest.ready + 2 * manifest.timeout + 90)
    yield script("deployed", manifest.name, content=text, seconds=seconds, progress=True)


@operation
def rollback(name_: str, version: str) -> Commands:
    """
    Go back to a release that has come up before, with the units and the environment that it had then.

    The next run of the deploy brings back what the inventory says: say there which version it is. A host that
    has no release of the application is left alone, with a warning, and so is one where that release runs.

    + name_: of the application
    + version: of the release

    **Example:**

    .. code:: python

        service.rollback(name="Go back", name_="shop", version="1.4.1")
    """
    if not isinstance(version, str):
        # pyinfra 3.10.0, pyinfra_cli/util.py parse_cli_arg: 1.10 is 1.1 by now, and nobody can tell.
        refuse(
            f"{name_}: pyinfra's command line makes the number {version!r} of the version; "
            "with both kinds of quotes it stays text: version='\"1.10\"'"
        )
    found = _releases(name_)
    proven = sorted(each.version for each in found.values() if each.proven and each.whole)
    if not any(each.ours for each in found.values()):
        warn(f"{name_}: there is no release of it on this host, and nothing to go back to")
        host.noop(f"{name_}: has no release on this host")
    elif version not in proven:
        known = f"those that have: {', '.join(proven)}" if proven else "none has"
        refuse(f"{name_}: no release {version} on this host has come up before; {known}")
    elif found[version].current and _stands(state := _proven(name_, version), state.units):
        host.noop(f"{name_}: release {version} already is the current one")
    else:
        yield script("deployed", name_, version, seconds=_LONGEST, progress=True)


@operation
def pruned(name_: str, version: str, keep: int) -> Commands:
    """
    Remove old releases: one never goes that is current, nor one of those that came up last.

    + name_: of the application
    + version: the release that an earlier operation makes the current one
    + keep: how many stay, that one included

    **Example:**

    .. code:: python

        service.pruned(name="Remove old releases", name_="shop", version="1.4.2", keep=3)
    """
    found = _releases(name_)
    others = [each for each in found.values() if each.version not in ("", version)]
    others.sort(key=lambda each: (each.proven, each.version), reverse=True)
    gone = sorted(each.version for each in others[keep - 1 :] if each.origin)
    if gone:
        yield script("prune", _place(name_), f"{STORE}/{name_}/proven.", *gone)
    else:
        host.noop(f"{name_}: no release is too many")


@operation
def removed(name_: str) -> Commands:
    """
    Remove an application with its units and its releases; its data, its user and what is not ours stay.

    + name_: of the application

    **Example:**

    .. code:: python

        service.removed(name="Remove shop", name_="shop")
    """
    releases = _releases(name_)
    ours = [each.version for each in releases.values() if each.ours or not each.version]
    if ours or _deployed(name_, [], "", secret=False).known:
        if others := sorted(releases.keys() - ours):
            warn(f"{_place(name_)}: {', '.join(others)} is not elforge's, and stays")
        yield script("undeployed", name_)
    else:
        host.noop(f"{name_}: already absent")


def _sent(name: str, version: str, source: Program) -> Carried:
    def then(place: str) -> Script:
        return script("obtain", name, version, source.sha256, place)

    folder = f"{_place(name)}/.incoming"
    return Carried(
        "send", f"{name} {version}", find=lambda _: LocalPath(source.file), folder=folder, then=then
    )


def _place(name: str) -> str:
    return f"{ROOT}/{name}/releases"


def _in_the_way(manifest: Manifest, found: Deployed) -> str:
    """Return whose units or settings stand where ours are to be, or ``""``."""
    if found.foreign:
        return _not_ours(f"{ROOT}/{manifest.name}/current")
    for unit, state in found.units.items():
        ours = f"{UNITS}/{_file(unit)}"
        if state.load == "masked":
            return f"{unit} is masked; run systemctl unmask {unit} if elforge may start it"
        if state.file not in ("", ours) or (state.file == ours and not found.known):
            return _not_ours(state.file)
        for path, text in state.dropins.items():
            if names := overridden(manifest.units[_file(unit)], text):
                return f"{path} overrides {', '.join(names)} of {unit}; take it out there"
    return ""


def _failures(manifest: Manifest, found: Deployed) -> list[str]:
    """A start makes systemd forget that there was any."""
    failed = [unit for unit in (*manifest.sockets, *manifest.runs) if found.units[unit].active == "failed"]
    return [f"{unit} has failed, see journalctl -u {unit}: it is started again" for unit in failed]


def _not_ours(path: str) -> str:
    return f"{path} is not elforge's: give the application another name, or move that away"


def _stands(found: Deployed, units: Iterable[str]) -> bool:
    """Whether nothing is left to do for a manifest: a run that was killed has not always got to all of it."""
    return found.same and found.whole and all(_runs(unit, found.units[unit]) for unit in units)


def _runs(unit: str, state: Running) -> bool:
    up = state.active in ("active", "reloading") and state.enabled == "enabled"
    return up and not state.stale and (state.fresh or not unit.endswith(".service"))


def _file(unit: str) -> str:
    """Return the file of a unit: ``shop@.service`` for ``shop@1.service``."""
    return re.sub(r"@[^.]*\.", "@.", unit)


def _secret(name: str, reference: str) -> str:
    value = reveal(reference)
    if not value.isprintable():
        refuse(f"the secret for {name} has lines or control characters, which no environment file can hold")
    return value


def _releases(name: str) -> dict[str, Release]:
    found = host.get_fact(Releases, app=name)
    return unreadable(f"the releases of {name}") if found is None else found


def _deployed(name: str, units: list[str], text: str, *, secret: bool) -> Deployed:
    """What is on stdin takes an exec of its own (connectors/questions.py)."""
    how = {"_stdin": Stdin(text)} if secret else {"digest": sha256(text)}
    found = host.get_fact(Service, app=name, units=units, **how)
    return found or unreadable(f"the state of {name}")


def _proven(name: str, version: str) -> Deployed:
    return host.get_fact(Proven, app=name, release=version) or unreadable(f"the state of {name}")
