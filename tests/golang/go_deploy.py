"""Go without Docker."""

from deploys.base import BaseOptions, base
from deploys.go import GoOptions, go
from deploys.goenv import GoenvOptions, goenv
from deploys.run import Step, run

run(
    Step(base, BaseOptions),
    Step(goenv, GoenvOptions),
    Step(go, GoOptions),
)
