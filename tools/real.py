"""Plan deploy.py, apply it, read the hosts through testinfra, and see that a second run is idle."""

from __future__ import annotations

import json
import os
import subprocess
import sys

ENV = {**os.environ, "PYINFRA_PROGRESS": "off"}


def main(inventory: str) -> int:
    """Return 0 when the run, the acceptance tests and an idle second run all went well."""
    where = [inventory, "deploy.py"]
    pyinfra = [sys.executable, "-m", "pyinfra", "-y", *where]
    # pyinfra makes no plan under -y: what it would refuse is to be refused before anything has changed.
    for command in ([sys.executable, "-m", "pyinfra", "--dry", *where], pyinfra):
        if code := subprocess.run(command, env=ENV).returncode:
            return code
    tests = [sys.executable, "-m", "pytest", "tests/acceptance", "--inventory", inventory]
    if code := subprocess.run(tests, env=ENV).returncode:
        return code
    second = subprocess.run([*pyinfra, "--json"], env=ENV, stdout=subprocess.PIPE, text=True)
    if second.returncode:
        return second.returncode
    changed = [
        f"{host}: {each['name']}"
        for each in json.loads(second.stdout)["results"]["operations"]
        for host in each["success"]
    ]
    print("\n".join(["the second run changed:", *changed]) if changed else "the second run changed nothing")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
