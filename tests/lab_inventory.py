"""The lab hosts that a test asks for, through ELFORGE_TEST: names, user, data."""

import json
import os

from lab.inventory import connection

_asked = json.loads(os.environ["ELFORGE_TEST"])


def _host(name):
    name, data = connection(name, user=_asked["user"])
    return name, {**data, **_asked["data"]}


docker_hosts = [_host(name) for name in _asked["names"]]
