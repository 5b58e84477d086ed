"""Services, caches, journal and kernel: what they run is brought, not built, which emulated takes minutes."""

from deploys.base import BaseOptions, base
from deploys.caches import CachesOptions, caches
from deploys.journald import JournaldOptions, journald
from deploys.kernel import KernelOptions, kernel
from deploys.run import Step, run
from deploys.service import service
from deploys.service_options import ServiceOptions

run(
    Step(base, BaseOptions),
    Step(journald, JournaldOptions),
    Step(kernel, KernelOptions),
    Step(service, ServiceOptions),
    Step(caches, CachesOptions),
)
