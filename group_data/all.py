"""Values for every host; see docs/options.md. Log in as root? Then say False here."""

_sudo = True
