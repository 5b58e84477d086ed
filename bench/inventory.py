"""The build hosts of ELFORGE_BENCH, for deploy.py and for the acceptance tests."""

import json
import os

_asked = json.loads(os.environ["ELFORGE_BENCH"])
docker_hosts = go_hosts = ([(name, data) for name, data in _asked["hosts"]], _asked["data"])
