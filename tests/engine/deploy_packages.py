"""Test deploy: one package, with little patience for another package manager."""

from pyinfra import host

from deploys.release import RELEASES
from facts.release import ElRelease
from operations import rpm

manager = RELEASES[host.get_fact(ElRelease, _sudo=False).major].manager
rpm.packages(name="Install chrony", specs=["chrony"], manager=manager, lock_seconds=5)
