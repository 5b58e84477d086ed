"""Caches, and the Go that fills them."""

from deploys.base import BaseOptions, base
from deploys.caches import CachesOptions, caches
from deploys.go import GoOptions, go
from deploys.goenv import GoenvOptions, goenv
from deploys.run import Step, run

run(
    Step(base, BaseOptions),
    Step(caches, CachesOptions),
    Step(goenv, GoenvOptions),
    Step(go, GoOptions),
)
