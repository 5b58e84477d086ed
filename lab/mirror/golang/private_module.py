"""A private module: a git repository which only its user may read, over HTTPS under a name of its own."""

from dataclasses import dataclass
from pathlib import Path

from lab import keys, network
from lab.mirror.golang import git_server
from lab.mirror.service import Service
from lab.system import run

NAME = "git-server"
_HOST = "git.corp.example"
_MODULE = f"{_HOST}/team/secret"
_USER = "builder"
_PORT = 443  # a module path names no port
_VERSIONS = {"v1.0.0": "rosebud", "v1.1.0": "swordfish"}


@dataclass(frozen=True)
class Private:
    """How a host reaches the private module: ``address host`` belongs into its /etc/hosts."""

    address: str
    host: str
    module: str
    versions: tuple[str, ...]
    user: str
    password: str
    ca: Path


def serve(repositories: Path) -> Private:
    """Start the private module's server unless it answers."""
    address = network.gateway()
    files, password = keys.tls(_HOST, address), keys.password(NAME)
    arguments = (str(repositories), str(files), _USER, str(password), _HOST)
    Service(NAME, Path(git_server.__file__), _PORT, arguments, files / "ca.pem").serve()
    text = password.read_text()
    return Private(address, _HOST, _MODULE, tuple(_VERSIONS), _USER, text, files / "ca.pem")


def build(tree: Path) -> None:
    """Make the repository, below the path which it has on the server."""
    work, bare = tree.parent / "work", tree / f"{_MODULE.removeprefix(_HOST + '/')}.git"
    work.mkdir(parents=True)
    bare.parent.mkdir(parents=True)
    _git(work, "init", "--quiet", "--initial-branch=main")
    (work / "go.mod").write_text(f"module {_MODULE}\n\ngo 1.21\n")
    for version, word in _VERSIONS.items():
        (work / "secret.go").write_text(
            f'// Package secret knows one.\npackage secret\n\n// Word is the secret.\nconst Word = "{word}"\n'
        )
        _git(work, "add", "--all")
        _git(work, "commit", "--quiet", f"--message={version}")
        _git(work, "tag", version)
    _git(tree.parent, "clone", "--quiet", "--bare", work, bare)


def _git(folder: Path, *words: str | Path) -> None:
    who = {"NAME": "Lab", "EMAIL": "lab@lab.invalid", "DATE": "2026-01-02T03:04:05Z"}
    authors = {f"GIT_{role}_{key}": value for key, value in who.items() for role in ("AUTHOR", "COMMITTER")}
    run("git", *words, cwd=folder, env={"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "", **authors})
