"""What runs beside Docker and Go: a service behind a port, the journal, the kernel, caches."""

from deploys.base import BaseOptions, base
from deploys.caches import CachesOptions, caches
from deploys.firewall import firewall
from deploys.firewall_options import FirewallOptions
from deploys.journald import JournaldOptions, journald
from deploys.kernel import KernelOptions, kernel
from deploys.run import Step, run
from deploys.service import service
from deploys.service_options import ServiceOptions

run(
    Step(base, BaseOptions),
    Step(journald, JournaldOptions),
    Step(kernel, KernelOptions),
    Step(firewall, FirewallOptions),
    Step(caches, CachesOptions),
    Step(service, ServiceOptions),
)
