"""Test deploy: a unit of the test's own, started; or a drop-in, or a file, with what the test says."""

from pyinfra import host

from operations import files, unit

if host.data.get("test_dropin"):
    unit.dropin(name="Add a drop-in", unit="docker.service", file="fault.conf", content=host.data.test_dropin)
elif host.data.get("test_file"):
    files.put(name="Write a file", content="ours\n", **host.data.test_file)
else:
    text = f"[Service]\nExecStart={host.data.test_start}\n[Install]\nWantedBy=multi-user.target\n"
    files.put(name="Write the unit", path="/etc/systemd/system/fault.service", content=text)
    unit.service(name="Start the unit", unit="fault.service")
