"""How commands travel to a host; see docs/connector.md."""
