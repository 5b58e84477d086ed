"""Go's side of the mirror: downloads as go.dev has them, and modules; in trees apart from the packages."""

from collections.abc import Callable
from pathlib import Path

from lab import keys
from lab.mirror.golang import modules, private_module, sumdb, toolchains
from lab.mirror.golang.private_module import Private
from lab.mirror.golang.toolchains import Artifacts
from lab.system import PACKAGE, building, fingerprint, lock, progress, put_in_place, state_dir, write

_HERE = Path(__file__).parent


def trees() -> dict[str, Path]:
    """Return the directory behind each first part of a URL's path."""
    modules_tree = _folder("modules") / "tree"
    proxies = {name: modules_tree / name for name in ("goproxy", "goproxy-tampered")}
    return {"go": _folder("downloads") / "tree", **proxies}


def ensure(*, force: bool = False) -> None:
    """Build what is missing or made from other inputs than the present ones."""
    code = (PACKAGE / "apt.py", _HERE / "toolchains.py")
    _ensure("downloads", toolchains.build, fingerprint(*code), force=force)
    key = keys.sumdb_key()
    code = (_HERE / "modules.py", _HERE / "sumdb.py")
    _ensure("modules", lambda tree: modules.build(tree, key), fingerprint(*code, key), force=force)


def artifacts() -> Artifacts:
    """
    Return digest and size of every Go download on the mirror, by version and kind (``src``, ``linux-amd64``).

    ``artifacts()["1.24.4"]["src"]["sha256"]``
    """
    return toolchains.artifacts(trees()["go"])


def sumdb_verifier() -> str:
    """Return the key of the checksum database behind ``<mirror>/goproxy``, as GOSUMDB takes it."""
    return sumdb.verifier(modules.SUMDB_NAME, sumdb.public_bytes(keys.sumdb_key()))


def private() -> Private:
    """Build and serve the private module, if it is not, and return how a host reaches it."""
    repositories = _folder("private") / "tree"
    _ensure("private", private_module.build, fingerprint(_HERE / "private_module.py"))
    return private_module.serve(repositories)


def _folder(part: str) -> Path:
    return state_dir() / "golang" / part


def _ensure(part: str, build: Callable[[Path], None], wanted: str, *, force: bool = False) -> None:
    with lock(f"golang-{part}"):
        stamp = _folder(part) / "fingerprint"
        if not force and stamp.exists() and stamp.read_text() == wanted:
            return
        progress(f"mirror: Go {part}")
        with building(f"golang-{part}") as folder:
            build(folder / part / "tree")
            write(folder / part / "fingerprint", wanted)
            put_in_place(folder / part, _folder(part))
        progress(f"mirror: Go {part} done")
