"""What a host says of its Docker Engine, its containers, and what stands in their way."""

from __future__ import annotations

import re
import shlex

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, shown, text, unframed
from pure.daemon import DAEMON_JSON
from pure.engine import DockerState

TASKS = "/run/containerd/io.containerd.runtime.v2.task"
# What we wrote there last, so that a setting that is no longer wanted can be told from an admin's own.
MANAGED_JSON = "/var/lib/elforge/docker/daemon.json"


class DockerHost(FactBase[DockerState]):
    """
    Return the DockerState, with the disk of ``data_root``.

    A running container has a directory in containerd's run-time state, so nobody has to be asked;
    Kubernetes' own are not counted.
    """

    def command(self, data_root: str) -> str:
        root = shlex.quote(data_root)
        return framed(
            "echo version $(rpm -q --qf '%{VERSION}\\n' docker-ce 2>&1 | tail -n 1)"
            f"; file={DAEMON_JSON}; {shown('file')}"
            f"; file={MANAGED_JSON}; {shown('file')}"
            f"; place={root}; until test -d $place; do place=$(dirname $place); done"
            "; echo disk $(stat -f -c '%b %S' $place)"
            f"; echo containers $(ls -d {TASKS}/*/* 2>/dev/null | grep -vc {TASKS}/k8s.io/)"
            f"; for place in {root} /var/lib/containers/storage; do "
            'if test -n "$(ls -A $place 2>/dev/null)"; then echo storage $place; fi; done'
            "; for family in -4 -6; do ip $family -o route show | sed 's/^/route /'; done"
        )

    def process(self, output: list[str]) -> DockerState:
        lines = unframed(output)
        try:
            version, ours, managed, disk, containers, *rest = lines
            blocks, size = disk.split()[1:]
            words = [line.split() for line in rest]
            return DockerState(
                version="" if "not installed" in version else version.split()[1],
                daemon_json=text(ours),
                managed_json=text(managed),
                disk=int(blocks) * int(size),
                routes=[(word[1], word[word.index("dev") + 1]) for word in words if _is_route(word)],
                containers=int(containers.split()[1]),
                storages=[word[1] for word in words if word[0] == "storage"],
            )
        except (ValueError, IndexError) as error:
            raise FactProcessError(f"cannot read the state of Docker: {error} in {lines!r}") from error


class Containers(FactBase[int]):
    """
    Return how many containers run, or pods of them, whosever they are: Docker's, podman's, old Dockers'.

    Each has a process that looks after it: conmon, or a shim of containerd's.
    """

    def command(self) -> str:
        shims = "^[A-Za-z0-9/._-]*(conmon|containerd-shim)"
        return framed(f"grep -lasE '{shims}' /proc/[0-9]*/cmdline | wc -l", dear=True)

    def process(self, output: list[str]) -> int:
        lines = unframed(output)
        try:
            (count,) = lines
            return int(count)
        except ValueError as error:
            raise FactProcessError(f"cannot read the number of containers: {lines!r}") from error


# A destination that is a network; not default, unreachable and the like, nor link-local and multicast ones.
_NETWORK = re.compile(r"(?!fe80:|ff00:)[0-9a-f]*[.:].*")


def _is_route(words: list[str]) -> bool:
    return words[0] == "route" and "dev" in words and bool(_NETWORK.fullmatch(words[1]))
