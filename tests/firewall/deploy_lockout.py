"""The firewall deploy without the look ahead that refuses a lock-out: only the host's timer is left."""

from deploys.firewall import firewall
from deploys.firewall_options import FirewallOptions
from deploys.run import Step, run
from operations import firewalld

firewalld._shut_out = lambda *_: ""

run(Step(firewall, FirewallOptions))
