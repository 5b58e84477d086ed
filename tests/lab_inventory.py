"""The lab hosts that a test asks for, through ELFORGE_TEST: names, user, data."""

import json
import os

from lab.inventory import connection

_asked = json.loads(os.environ["ELFORGE_TEST"])
# A host that is told nothing of Go is none of its hosts: deploy.py refuses options without their group.
_with_go = any(key.startswith(("go_", "goenv_")) for key in _asked["data"])


def _host(name):
    name, data = connection(name, user=_asked["user"])
    known = {key: value for key, value in data.items() if _with_go or not key.startswith("go_")}
    return name, {**known, **_asked["data"]}


docker_hosts = [_host(name) for name in _asked["names"]]
go_hosts = docker_hosts if _with_go else []
