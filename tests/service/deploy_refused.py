"""The fixture application with a line in its unit that systemd does not take."""

from pyinfra import host

from operations import service
from operations.service import Manifest

unit = f"[Service]\nExecStart=/opt/app/current/bin/app\n{host.data.lab_line}\n"
manifest = Manifest("app", "1.0", units={"app.service": unit}, runs=("app.service",))
service.deployed(name="Run it all the same", manifest=manifest)
