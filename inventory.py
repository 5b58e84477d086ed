"""The hosts, in groups by purpose. As shipped these are the lab's: put your own in their place.

A host is its name, or its name with settings of its own: ("build1.example.org", {"ssh_user": "ops"}).
inventories/example.py shows the common ones.
"""

from lab.inventory import connection

docker_hosts = [connection(name) for name in ("el7", "el8", "el9")]
go_hosts = docker_hosts
