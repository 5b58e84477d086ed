"""Docker's chain DOCKER-USER: who may reach published container ports."""

from __future__ import annotations

from pyinfra import host

from facts.docker_user import DockerUser, Kept
from operations.script import Commands, operation, script, sha256, unreadable
from pure.docker_user import JUMP, UNIT_TEXT, program, rules


@operation
def allowed(sources: list[str] | None, bridges: list[str]) -> Commands:
    """
    Let only some sources reach published container ports, now and after each restart of Docker or firewalld.

    The rules are in a chain of their own, and the rules that others put into DOCKER-USER stay. A unit puts
    them there before Docker starts and after each reload of firewalld. Without Docker it is only enabled.

    + sources: addresses and networks; none at all with ``[]``, everybody, as without elforge, with None
    + bridges: Docker's bridges, a ``+`` at the end stands for anything

    **Example:**

    .. code:: python

        docker_user.allowed(name="Let the office in", sources=["192.0.2.0/24"], bridges=["docker+", "br-+"])
    """
    found = host.get_fact(DockerUser) or unreadable("the rules for containers")
    if sources is None:
        if found.program is None and found.unit is None:
            host.noop("elforge already keeps no rules for containers")
        else:
            yield script("docker_user", "clear")
        return
    content = program(sources, bridges)
    if _holds(found, content, {family: rules(family, sources, bridges) for family in found.rules}):
        host.noop("the rules for containers are already as declared")
        return
    payload = f"{UNIT_TEXT}{content}"
    yield script("docker_user", "keep", sha256(payload), str(len(UNIT_TEXT.splitlines())), content=payload)


def _holds(found: Kept, content: str, wanted: dict[str, list[str]]) -> bool:
    files = found.program == content and found.unit == UNIT_TEXT and found.enabled
    if not found.docker:
        return files
    live = {family: [each for each in found.rules[family] if each != JUMP] for family in found.rules}
    return files and found.watching and live == wanted and all(JUMP in each for each in found.rules.values())
