"""The package mirror: what is on it, and the server that hands it out."""

from pathlib import Path

from lab import keys, network
from lab.mirror import build, golang, server, service
from lab.mirror.golang import private_module
from lab.system import lock, state_dir, write

_NAME = "server"
_PORT = 8080
_DOWN_PORT = 8081
_DISTRO_KEY = "RPM-GPG-KEY-distro"


def mirror_url() -> str:
    """Return the mirror's URL after making sure that it is built and served."""
    build.ensure()
    serve()
    return url()


def url() -> str:
    """Return the mirror's URL, served or not."""
    return f"http://{network.gateway()}:{_PORT}"


def down_url() -> str:
    """Return the URL of a mirror that is down: nothing listens there."""
    return f"http://{network.gateway()}:{_DOWN_PORT}"


def distro_key_url() -> str:
    """Return the URL of the key that signs what the mirror has of the distribution and of EPEL."""
    return f"{url()}/files/{_DISTRO_KEY}"


def files_dir() -> Path:
    """Return the directory behind ``<mirror>/files/``; tests may put there what they like."""
    folder = state_dir() / "files"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def access_log() -> Path:
    """Return the file with one line per request: time, client, method, path, status, bytes."""
    return service.access_log()


def serve() -> None:
    """Start the server unless it answers."""
    with lock("files"):
        write(files_dir() / _DISTRO_KEY, keys.public_key(keys.DISTRO).read_text())
    named = {"files": files_dir(), **golang.trees()}
    trees = (str(build.tree()), *(f"{name}={root}" for name, root in named.items()))
    service.Service(_NAME, Path(server.__file__), _PORT, trees).serve()


def stop_server() -> None:
    """End the mirror's server and the one of the private module, if they run."""
    with lock("network"):
        service.end(_NAME)
        service.end(private_module.NAME)
