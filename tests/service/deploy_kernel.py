"""The kernel's settings alone."""

from deploys.kernel import KernelOptions, kernel
from deploys.run import Step, run

run(Step(kernel, KernelOptions))
