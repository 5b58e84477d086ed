"""How commands travel to a host; see docs/connector.md."""

import sys

# pyinfra lets Python keep no compiled modules (pyinfra_cli/main.py): 0.25 s of CPU for ours, in each run.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
