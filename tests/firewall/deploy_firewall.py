"""Test deploy: the firewall alone."""

from deploys.firewall import firewall
from deploys.firewall_options import FirewallOptions
from deploys.run import Step, run

run(Step(firewall, FirewallOptions))
