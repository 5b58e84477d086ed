"""Values for the Go hosts; see docs/options.md."""

go_versions = ["1.27.0"]
