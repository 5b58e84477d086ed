"""Pure functions and types that operations and deploys share: parse, compare, render; no pyinfra."""
