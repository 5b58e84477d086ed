"""Services, with the Go that builds them; without Docker."""

from deploys.base import BaseOptions, base
from deploys.firewall import firewall
from deploys.firewall_options import FirewallOptions
from deploys.go import GoOptions, go
from deploys.goenv import GoenvOptions, goenv
from deploys.run import Step, run
from deploys.service import service
from deploys.service_options import ServiceOptions

run(
    Step(base, BaseOptions),
    Step(firewall, FirewallOptions),
    Step(goenv, GoenvOptions),
    Step(go, GoOptions),
    Step(service, ServiceOptions),
)
