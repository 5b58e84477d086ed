"""Values for the Docker build hosts; see docs/options.md."""

docker_builder_max_used_space = "20GB"
