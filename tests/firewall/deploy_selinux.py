"""Test deploy: repositories that answer, and SELinux."""

from deploys.base import BaseOptions, base
from deploys.run import Step, run
from deploys.selinux import SelinuxOptions, selinux

run(Step(base, BaseOptions), Step(selinux, SelinuxOptions))
