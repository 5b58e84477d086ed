"""Values for the Go hosts; see docs/options.md. What stands here goes before what inventory.py says, so
`go_versions = ["1.27.0", "1.26.7"]` in this file is what every Go host gets.
"""
