"""Go toolchains, each in a directory of its own below one root, and what makes one of them the default."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path as LocalPath
from threading import Lock
from typing import NamedTuple

from pyinfra import host
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.exceptions import NoHostError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from facts.files import Path, Paths
from facts.go import Toolchain, Toolchains
from facts.rpm import Answer, Rpms
from operations.carry import Carried
from operations.script import Commands, Script, operation, refuse, script, unreadable, warn

GO = "/usr/local/go"
_NUMBER = "(0|[1-9][0-9]*)"
VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?(?:(rc|beta){_NUMBER})?")
_KINDS = ("beta", "rc", None)
# Where an installation goes that elforge did not make, when it may be moved.
ASIDE = "/usr/local/go.before-elforge"


@dataclass(frozen=True)
class Artifact:
    """A release file: its name on go.dev/dl, its SHA-256, and its size in bytes where that is known."""

    file: str
    sha256: str
    size: int | None = None

    def __str__(self) -> str:
        """Return it as a recipe writes it."""
        return f"{self.file} {self.sha256} {'-' if self.size is None else self.size}"


@dataclass(frozen=True)
class Recipe:
    """How a toolchain comes about; what ``operations/sh/toolchain.sh`` reads on stdin."""

    root: str
    name: str  # of its directory below root
    version: str
    method: str  # binary, source or archive
    bases: tuple[str, ...]  # URLs that release files are below, tried in order
    file: Artifact
    bootstrap: Artifact | None  # for source: the binary that builds it
    minimum: str  # for source: the oldest toolchain that is there which may build it; empty: none may
    cgo: bool
    cc: str  # C compiler; empty: gcc from PATH, and nothing of it in the toolchain
    race: bool  # whether -race has to work, too
    arch: str  # in Go's words: amd64, arm64
    user: str  # who unpacks, builds and tries it
    limit: str  # of memory for a build, a property for systemd-run
    seconds: int  # bound for a build
    policy: str  # the file that go.env becomes a link to

    def text(self, **more: str) -> str:
        """Return a line per field; ``more`` replaces or adds some."""
        fields = {
            **{key: getattr(self, key) for key in ("root", "name", "version", "method", "file", "arch")},
            **{key: getattr(self, key) for key in ("cc", "user", "limit", "seconds", "policy")},
            "bases": " ".join(self.bases),
            "bootstrap": self.bootstrap or "",
            "cgo": int(self.cgo),
            "race": "yes" if self.race else "no",
        }
        return "".join(f"{key} {value}\n" for key, value in {**fields, **more}.items())


def order(version: str) -> tuple[int, ...]:
    """
    Return a key that sorts Go versions; a beta comes before a release candidate, and that before its release.

    Raises ValueError for what is no version.

    ``order("1.20") < order("1.21rc2") < order("1.21.0")``
    """
    match = VERSION.fullmatch(version)
    if not match:
        raise ValueError(f"{version!r} is not a version of Go")
    major, minor, patch, kind, candidate = match.groups()
    return int(major), int(minor), int(patch or 0), _KINDS.index(kind), int(candidate or 0)


@operation
def toolchain(recipe: Recipe) -> Commands:
    """
    Install a toolchain of release files, by unpacking or by building; it is in place only once it is proven.

    + recipe: what to install where

    **Example:**

    .. code:: python

        go.toolchain(name="Build Go 1.27.0", recipe=recipe)
    """
    found = _toolchains(recipe.root)
    if _is_there(recipe, found):
        host.noop(f"{recipe.name} is already in place")
        return
    more = {"bootstrap": able[0]} if (able := _able(recipe, found)) else {}
    yield script("toolchain", content=recipe.text(**more), seconds=recipe.seconds + 3600, progress=True)


@operation
def pack(recipe: Recipe) -> Commands:
    """
    Make the archive of a toolchain that other hosts get.

    + recipe: of a toolchain that an earlier operation installs

    **Example:**

    .. code:: python

        go.pack(name="Pack Go 1.27.0", recipe=recipe)
    """
    found = _toolchains(recipe.root).get(recipe.name)
    if found and found.whole and found.packed:
        host.noop(f"{recipe.name} is already packed")
    else:
        yield script("pack", recipe.root, recipe.name)


@operation
def delivered(recipe: Recipe, source: str) -> Commands:
    """
    Install a toolchain that another host has built, from its archive, by way of the control machine.

    + recipe: what to install where
    + source: the host that has it, in the same inventory; in the same run, when there is something to do

    **Example:**

    .. code:: python

        go.delivered(name="Get Go 1.27.0 from build1", recipe=recipe, source="build1")
    """
    try:
        giver = host.state.inventory.get_host(source)
    except NoHostError:
        refuse(f"go_build_host: there is no host {source} in the inventory")
    if _is_there(recipe, _toolchains(recipe.root)):
        host.noop(f"{recipe.name} is already in place")
        return
    if giver not in host.state.inventory.get_active_hosts():
        why = "has failed" if host.state.is_executing else "is not part of this run: see --limit"
        refuse(f"{recipe.name} is to come from {source}, which {why}")
    yield delivery(recipe, giver)


@operation
def default(target: str, *, root: str, take_over: bool = False) -> Commands:
    """
    Make a toolchain the one behind ``/usr/local/go``; from one of ours to another there is no moment without.

    + target: absolute path of the toolchain
    + root: where our toolchains are: a link to anything else is somebody's own
    + take_over: move what is not ours to ``/usr/local/go.before-elforge``

    **Example:**

    .. code:: python

        go.default(
            name="Choose the default Go",
            target="/usr/local/go-toolchains/go1.27.0",
            root="/usr/local/go-toolchains",
        )
    """
    states = host.get_fact(Paths, paths=[GO, ASIDE]) or unreadable(GO)
    found = states[GO]
    ours = found.kind == "link" and found.target.startswith(f"{root}/")
    if found == Path("link", target=target):
        host.noop(f"{GO} already is {target}")
    elif found.kind == "absent" or ours:
        yield script("default", GO, target, "")
    elif found.kind not in ("directory", "link") or not take_over:
        what = f"link to {found.target}" if found.kind == "link" else found.kind
        refuse(f"{GO} is a {what} that elforge did not make; go_take_over = True moves it to {ASIDE}")
    elif states[ASIDE].kind != "absent":
        refuse(f"{GO} cannot be moved to {ASIDE}, which is there already: move that away")
    else:
        yield script("default", GO, target, ASIDE)


@operation
def prune(root: str, keep: list[str]) -> Commands:
    """
    Remove the toolchains that elforge has put below ``root``, all but those to keep.

    + root: absolute path
    + keep: names of directories

    **Example:**

    .. code:: python

        go.prune(name="Remove old toolchains", root="/usr/local/go-toolchains", keep=["go1.27.0"])
    """
    gone = [each.name for each in _toolchains(root).values() if each.version and each.name not in keep]
    if gone:
        yield script("prune", root, "", *sorted(gone))
    else:
        host.noop(f"nothing to remove from {root}")


def _able(recipe: Recipe, found: dict[str, Toolchain]) -> list[str]:
    """Return the toolchains that are there and can build the recipe's."""
    return [
        f"{recipe.root}/{each.name}"
        for each in found.values()
        if recipe.minimum and each.whole and order(each.version) >= order(recipe.minimum)
    ]


class Limit(NamedTuple):
    """What an installed package cannot do for Go when it is older than ``below``."""

    package: str
    below: str  # first version that can, such as 2.27
    consequence: str


@operation
def limits(root: str, coming: list[str], known: list[Limit]) -> Commands:
    """
    Name what is too old, as a warning while a toolchain is to come and else with ``-v``; changes nothing.

    + root: absolute path that toolchains are below
    + coming: names of their directories
    + known: what may be too old

    Raises OperationError when rpm cannot be asked.

    **Example:**

    .. code:: python

        old = [go.Limit("git", "2", "it cannot fetch modules itself")]
        go.limits(name="See what is too old", root="/opt/go", coming=["go1.27.0"], known=old)
    """
    queries = [package for package, _, _ in known]
    rpms: Answer = host.get_fact(Rpms, queries=queries) or unreadable("what rpm has installed")
    named = [
        f"{package} {version}: {consequence}"
        for package, below, consequence in known
        if (version := rpms.version(package)) and _numbers(version) < _numbers(below)
    ]
    found = _toolchains(root)
    if not all(name in found and found[name].whole for name in coming):
        for each in named:
            warn(each)
    host.noop("; ".join(named) or "nothing is too old")
    yield from ()


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall("[0-9]+", version)]


@operation
def tidy(root: str) -> Commands:
    """
    Remove what a run that was killed has left below ``root``.

    + root: absolute path

    **Example:**

    .. code:: python

        go.tidy(name="Tidy up", root="/usr/local/go-toolchains")
    """
    if any(name.startswith(".") for name in _toolchains(root)):
        yield script("prune", root, "")
    else:
        host.noop(f"nothing was left in {root}")


def _toolchains(root: str) -> dict[str, Toolchain]:
    found = host.get_fact(Toolchains, root=root)
    return unreadable(root) if found is None else found


def _is_there(recipe: Recipe, found: dict[str, Toolchain]) -> bool:
    each = found.get(recipe.name)
    if each and not each.version:
        refuse(f"{recipe.root}/{recipe.name} is not elforge's: move it away")
    return bool(each and each.whole and (each.cgo or not recipe.cgo))


# One copy serves all the hosts of a run, which gets to them side by side.
_collecting = Lock()
# That many archives stay on the control machine, those that were used last.
_COPIES = 6


def delivery(recipe: Recipe, giver: Host) -> Carried:
    """Carry a toolchain's archive from the host that built it to the one that lacks it."""

    def find(state: State) -> LocalPath:
        with _collecting:
            return collected(state, giver, f"{recipe.root}/{recipe.name}.tar.gz")

    def then(place: str) -> Script:
        digest = place.rpartition("/")[2].partition(".")[0]
        text = recipe.text(method="archive", archive=place, sha=digest)
        return script("toolchain", content=text, seconds=3600, progress=True)

    folder = f"{recipe.root}/.incoming"
    return Carried("deliver", recipe.name, "from", giver.name, find=find, folder=folder, then=then)


def collected(state: State, giver: Host, path: str) -> LocalPath:
    """Return the control machine's copy of a host's archive; its name begins with its SHA-256."""
    arguments, _ = pop_global_arguments(state, giver, {})
    own = {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS}
    done, said = giver.run_shell_command(f"cat {path}.sha256", **own)
    digest = said.stdout_lines[-1].strip() if done and said.stdout_lines else ""
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise OSError(f"{giver.name}, which was to build it, has no {path} to give")
    folder = LocalPath(os.environ.get("XDG_CACHE_HOME") or LocalPath.home() / ".cache") / "elforge" / "go"
    copy = folder / f"{digest}.tar.gz"
    if not copy.exists() or _sha256(copy) != digest:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as private:
            part = LocalPath(private) / copy.name
            if not giver.get_file(path, str(part)) or _sha256(part) != digest:
                raise OSError(f"{path} of {giver.name} did not arrive whole")
            part.rename(copy)
    os.utime(copy)
    for old in sorted(folder.glob("*.tar.gz"), key=lambda each: each.stat().st_mtime)[:-_COPIES]:
        old.unlink()
    return copy


def _sha256(path: LocalPath) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
