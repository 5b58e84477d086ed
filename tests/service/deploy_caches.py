"""Caches alone."""

from deploys.caches import CachesOptions, caches
from deploys.run import Step, run

run(Step(caches, CachesOptions))
