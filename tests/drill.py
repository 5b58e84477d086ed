"""One fault drill: break a lab host, run pyinfra as a user does, see what it says, heal it, run again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import images, mirror
from lab.hosts import Host, prepare
from lab.inventory import docker, mirrors
from tests.runner import Run, pyinfra, root
from tests.tree import difference, written

BARE, CONVERGED, OLD = "bare", "converged", "old"
# What a host starts a drill with: nothing of ours, everything, or everything with the older engine.
STARTS: dict[str, dict[str, Any] | None] = {BARE: None, CONVERGED: {}, OLD: {"docker_version": "26.1"}}
DAEMON_JSON = "/etc/docker/daemon.json"

# Of each folder, since they run beside each other.
HOSTS = {"faults": "el9-f", "engine": "el9-e"}

_current: set[str] = set()
_ready: set[tuple[str, str]] = set()


def on(*names: str, start: str = CONVERGED) -> pytest.MarkDecorator:
    """Give a test its ``host``: each of these, in that state."""
    starts = [pytest.param((name, start), id=name) for name in names]
    return pytest.mark.parametrize("host", starts, indirect=True)


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A lab host in the state that ``on`` names; by default the folder's el9, converged."""
    each = ready(*getattr(request, "param", None) or (HOSTS[request.path.parent.name], CONVERGED))
    yield each
    # An immutable file would outlive the host's disk.
    root(each, "lsattr -R /etc/docker 2>/dev/null | awk '$1 ~ /[ia]/ { print $2 }' | xargs -r chattr -ia")


def ready(name: str, start: str) -> Host:
    """Return a host in one of STARTS, out of a snapshot that was proved to be in that state."""
    host = Host(name)
    if (name, start) not in _ready:
        _prepare(host, start)
        _ready.add((name, start))
    host.restore(start)
    if STARTS[start] is not None:
        root(host, "systemctl start docker")  # the boot may still be at it
    return host


def _prepare(host: Host, start: str) -> None:
    if host.name not in _current:
        _renew(host)
        _current.add(host.name)
    data = STARTS[start]
    if data is None:
        return
    host.restore(start if start in host.disk().snapshots else BARE)
    root(host, "systemctl start docker || true")
    if pyinfra(host.name, data=data).changed:
        host.snapshot(start)
    converged(host, data=data)


def _renew(host: Host) -> None:
    """Bring a host to the newest image that there is, with a snapshot of it, unless it has one."""
    if not (host.folder / "host.json").exists():
        prepare([host])
        host.reset()
    mirror.serve()
    newest = images.layers(host.release.major)
    outdated = host.image != [str(layer) for layer in newest] and all(layer.exists() for layer in newest)
    if outdated or BARE not in host.disk().snapshots:
        host.reset()
        host.snapshot(BARE)


def refused(host: Host, *said: str, untouched: bool = True, noisy: bool = False, **options: Any) -> Run:
    """Run, and see it fail with these texts in what the user reads, and nothing changed on the host."""
    before = written(host)
    run = pyinfra(host.name, **options)
    assert run.code not in (0, None), run.output
    assert noisy or "Traceback" not in run.output, run.output
    for text in said:
        assert text in run.output, f"{text!r} is not in:\n{run.output}"
    if untouched:
        assert difference(before, written(host)) == {}
    return run


def converged(host: Host, **options: Any) -> Run:
    """Run to success, and see that another run changes nothing; return the first."""
    first = pyinfra(host.name, **options)
    assert first.code == 0, first.output
    second = pyinfra(host.name, **options)
    assert (second.code, second.changed) == (0, set()), second.output
    return first


def leftovers(host: Host) -> str:
    """Return our temporary files that are still there."""
    return root(host, "find /etc /usr /var /root /home -xdev -name '.elforge.*' 2>/dev/null || true")


def twin(name: str) -> dict[str, Any]:
    """Return the data that points the docker deploy at a faulty mirror."""
    return {"docker_repo_url": f"{mirror.url()}/faults/{name}/linux"}


def healthy() -> dict[str, Any]:
    """Return the data that points everything at the mirror as it should be."""
    return {**mirrors(), **docker()}
