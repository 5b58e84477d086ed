"""The selinux deploy, after one file of every kind that elforge writes, on a host that enforces."""

from deploys.base import BaseOptions, base
from deploys.run import Step, run
from deploys.selinux import SelinuxOptions, selinux
from operations import accounts, files, unit

files.directory(name="A directory", path="/srv/ci/bin")
files.put(name="A program", path="/opt/app/bin/app", content="#!/bin/sh\nexec sleep infinity\n", mode="755")
files.put(name="A setting", path="/etc/elforge-vm.conf", content="a=b\n")
files.link(name="A link", path="/usr/local/bin/app", target="/opt/app/bin/app")
files.put(
    name="A unit",
    path="/etc/systemd/system/app.service",
    content="[Service]\nExecStart=/opt/app/bin/app\n",
    after="systemctl daemon-reload",
)
unit.dropin(name="A drop-in", unit="app.service", file="nice.conf", content="[Service]\nNice=7\n")
unit.service(name="A service", unit="app.service", enabled=None)
accounts.user(name="A user", name_="labuser", home="/srv/ci")
run(Step(base, BaseOptions), Step(selinux, SelinuxOptions))
