"""The host of each drill."""

from tests.drill import host as host
