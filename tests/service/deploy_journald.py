"""The journal alone."""

from deploys.journald import JournaldOptions, journald
from deploys.run import Step, run

run(Step(journald, JournaldOptions))
