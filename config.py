"""Read by every run of pyinfra in this folder, before the inventory; see ``guard``."""

from deploys.run import guard

guard()
