"""Every case of tests/lab/cases.py, as a deploy: run by test_operations.py on lab hosts."""

import importlib

from pyinfra import host

from tests.lab.cases import cases

for case in host.loop(cases(host.data.lab_manager, host.data.lab_mirror)):
    module, name = case.operation.split(".")
    operation = getattr(importlib.import_module(f"operations.{module}"), name)
    operation(name=case.name, **case.arguments)
