"""What writes files of every kind, without packages and engines, which take minutes where all is emulated."""

from deploys.base import BaseOptions, base
from deploys.firewall import firewall
from deploys.firewall_options import FirewallOptions
from deploys.goenv import GoenvOptions, goenv
from deploys.run import Step, run
from deploys.selinux import SelinuxOptions, selinux

run(
    Step(base, BaseOptions),
    Step(selinux, SelinuxOptions),
    Step(firewall, FirewallOptions),
    Step(goenv, GoenvOptions),
)
