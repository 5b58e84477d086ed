"""Back to another release of the fixture application."""

from pyinfra import host

from operations import service

service.rollback(name="Go back", name_="app", version=host.data.lab_version)
