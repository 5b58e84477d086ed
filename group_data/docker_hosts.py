"""Values for the Docker build hosts, such as ``docker_log_driver = "local"``; see docs/options.md.

They go before what the inventory says of the group, and are the same for every inventory.
"""
