"""Services and caches alone: what they run is brought, not built, since emulated that takes minutes."""

from deploys.base import BaseOptions, base
from deploys.caches import CachesOptions, caches
from deploys.run import Step, run
from deploys.service import service
from deploys.service_options import ServiceOptions

run(Step(base, BaseOptions), Step(service, ServiceOptions), Step(caches, CachesOptions))
