"""What users and groups may be called."""

from __future__ import annotations

import re

# useradd(8) on EL: lower-case names of up to 32 characters.
NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
