"""The host of each drill."""

from tests.faults.drill import host as host
