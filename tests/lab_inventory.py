"""The lab hosts that a test asks for, through ELFORGE_TEST: names, user, data."""

import json
import os

from lab.inventory import connection, docker, go

_asked = json.loads(os.environ["ELFORGE_TEST"])
_data = _asked["data"]
# A host that is told nothing of Go is none of its hosts.
_groups = {**docker(), **(go() if any(key.startswith(("go_", "goenv_")) for key in _data) else {})}


def _host(name):
    name, data = connection(name, user=_asked["user"])
    return name, {**data, **_groups, **_data}


docker_hosts = [_host(name) for name in _asked["names"]]
go_hosts = docker_hosts if "go_versions" in _groups else []
service_hosts = docker_hosts if "service_apps" in _data else []
