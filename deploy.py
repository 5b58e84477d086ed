"""Which deploy runs on which group, in order."""

from deploys.base import BaseOptions, base
from deploys.caches import CachesOptions, caches
from deploys.docker import DockerOptions, docker
from deploys.firewall import firewall
from deploys.firewall_options import FirewallOptions
from deploys.go import GoOptions, go
from deploys.goenv import GoenvOptions, goenv
from deploys.journald import JournaldOptions, journald
from deploys.kernel import KernelOptions, kernel
from deploys.run import Step, run
from deploys.selinux import SelinuxOptions, selinux
from deploys.service import service
from deploys.service_options import ServiceOptions

run(
    Step(base, BaseOptions),
    Step(journald, JournaldOptions),
    Step(kernel, KernelOptions),
    Step(selinux, SelinuxOptions),
    Step(firewall, FirewallOptions),
    Step(docker, DockerOptions, group="docker_hosts"),
    Step(caches, CachesOptions),
    Step(goenv, GoenvOptions, group="go_hosts"),
    Step(go, GoOptions, group="go_hosts"),
    Step(service, ServiceOptions, group="service_hosts"),
)
