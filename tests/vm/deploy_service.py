"""Services, caches and the journal: what they run is brought, not built, which emulated takes minutes."""

from deploys.base import BaseOptions, base
from deploys.caches import CachesOptions, caches
from deploys.journald import JournaldOptions, journald
from deploys.run import Step, run
from deploys.service import service
from deploys.service_options import ServiceOptions

run(
    Step(base, BaseOptions),
    Step(journald, JournaldOptions),
    Step(service, ServiceOptions),
    Step(caches, CachesOptions),
)
