"""Go without Docker."""

from deploys.base import BaseOptions, base
from deploys.go import GoOptions, go
from deploys.run import Step, run

run(
    Step(base, BaseOptions),
    Step(go, GoOptions),
)
