"""How commands travel to a host; see docs/connector.md."""

import sys

# pyinfra forbids Python to keep compiled modules (pyinfra_cli/main.py); ours cost every run 0.25 s of CPU anew.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
