"""The demo: run deploy.py against the lab hosts el7, el8 and el9, and tell what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from urllib.request import ProxyHandler, build_opener

from lab.hosts import Host

NAMES = ("el7", "el8", "el9")
COMMAND = ["pyinfra", "-y", "--json", "inventory.py", "deploy.py"]
BUILDER = "curl -s --unix-socket /run/docker.sock -i http://docker/_ping | grep -i ^Builder-Version"


def main() -> int:
    """Run, then print a line per host; return the exit code of the run."""
    print(f"\n$ {' '.join(word for word in COMMAND if word != '--json')}", flush=True)
    started = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", *COMMAND],
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    if run.returncode:
        return run.returncode
    changes = changed(run.stdout)
    row = "{:<6}{:<36}{:<10}{:<11}{:<9}{:<9}{}".format
    print(f"\n{row('host', 'release (stand-in)', 'engine', 'builder', 'go', 'changes', 'service')}")
    for name in NAMES:
        host = Host(name)
        engine = said(host, "sudo docker version --format '{{.Server.Version}}'").split("+")[0]
        builder = "BuildKit" if said(host, f"sudo {BUILDER}").endswith("2") else "legacy"
        go = said(host, "go env GOVERSION").removeprefix("go")
        print(row(name, host.info.release, engine, builder, go, len(changes[name]), service(host)))
    print(f"\n{sum(map(len, changes.values()))} changes in {time.monotonic() - started:.0f} s")
    return 0


def service(host: Host) -> str:
    """Return the URL of the host's service and the version that answers, through its firewall."""
    url = f"http://{host.address}:8080"
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/version", timeout=10) as answer:
            return f"{url} {answer.read().decode().strip()}"
    except OSError as error:
        return f"{url} {error}"


def changed(report: str) -> dict[str, list[str]]:
    """Return the operations that changed something, by host."""
    operations = json.loads(report)["results"]["operations"]
    return {name: [each["name"] for each in operations if name in each["success"]] for name in NAMES}


def said(host: Host, command: str) -> str:
    """Return what a command on a host prints."""
    return host.ssh(command).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
