"""The demo: run deploy.py against the lab hosts el7, el8 and el9, or others, and tell what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from urllib.request import ProxyHandler, build_opener

from lab import fixture
from lab.hosts import Host

NAMES = ("el7", "el8", "el9")
COMMAND = ["pyinfra", "-y", "--json", "inventory.py", "deploy.py"]
BUILDER = "curl -s --unix-socket /run/docker.sock -i http://docker/_ping | grep -i ^Builder-Version"


def main(*names: str) -> int:
    """Run, then print a line per host; return the exit code of the run, 1 when a service does not answer."""
    limit = [word for name in names for word in ("--limit", name)]
    names = names or NAMES
    print(f"\n$ {' '.join(word for word in [*COMMAND, *limit] if word != '--json')}", flush=True)
    started = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", *COMMAND, *limit],
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    if run.returncode:
        return run.returncode
    changes = {name: changed(run.stdout, name) for name in names}
    served = {name: service(Host(name)) for name in names}
    row = "{:<6}{:<36}{:<10}{:<11}{:<9}{:<9}{}".format
    print(f"\n{row('host', 'release (stand-in)', 'engine', 'builder', 'go', 'changes', 'service')}")
    for name in names:
        host = Host(name)
        engine = said(host, "sudo docker version --format '{{.Server.Version}}'").split("+")[0]
        builder = "BuildKit" if said(host, f"sudo {BUILDER}").endswith("2") else "legacy"
        go = said(host, "go env GOVERSION").removeprefix("go")
        print(row(name, host.info.release, engine, builder, go, len(changes[name]), served[name]))
    print(f"\n{sum(map(len, changes.values()))} changes in {time.monotonic() - started:.0f} s")
    return 0 if all(each.endswith(f" {fixture.version()}") for each in served.values()) else 1


def service(host: Host) -> str:
    """Return the URL of a host's service and the version that answers, through the host's firewall."""
    url = f"http://{host.address}:8080"
    client = build_opener(ProxyHandler({}))
    try:
        client.open(f"{url}/healthz", timeout=10).close()
        with client.open(f"{url}/version", timeout=10) as answer:
            return f"{url}/version {answer.read().decode().strip()}"
    except OSError as error:
        return f"{url}: {error}"


def changed(report: str, name: str) -> list[str]:
    """Return the operations that changed something on a host."""
    operations = json.loads(report)["results"]["operations"]
    return [each["name"] for each in operations if name in each["success"]]


def said(host: Host, command: str) -> str:
    """Return what a command on a host prints."""
    return host.ssh(command).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
