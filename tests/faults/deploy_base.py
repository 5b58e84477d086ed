"""Test deploy: the stock repositories repaired, nothing else."""

from deploys.base import BaseOptions, base
from deploys.run import Step, run

run(Step(base, BaseOptions))
