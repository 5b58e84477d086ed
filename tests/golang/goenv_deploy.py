"""The go command's settings, and nothing else."""

from deploys.goenv import GoenvOptions, goenv
from deploys.run import Step, run

run(Step(goenv, GoenvOptions))
