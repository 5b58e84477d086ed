"""Lines that a test run ends with, e.g. "crash points converged 69/69"."""

from __future__ import annotations

FIGURES: list[str] = []
