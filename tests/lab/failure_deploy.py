"""One of the failures of tests/lab/cases.py, as a deploy: run by test_operations.py on lab hosts."""

import importlib

from pyinfra import host

from tests.lab.cases import FAILURES

_operation, _arguments, *_ = FAILURES[host.data.lab_failure]
# What only the lab knows.
_known = {
    "rpm.packages": {"manager": host.data.lab_manager},
    "rpm.versionlock": {"manager": host.data.lab_manager},
    "rpm.key": {"url": f"{host.data.lab_mirror}/docker/linux/centos/gpg"},
}
_module, _name = _operation.split(".")
getattr(importlib.import_module(f"operations.{_module}"), _name)(
    name=host.data.lab_failure, **_arguments, **_known.get(_operation, {})
)
