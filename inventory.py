"""The hosts, in groups by purpose. As shipped these are the lab's: put your own in their place.

A host is its name behind @elforge/, how to reach it (docs/connector.md), or that with settings of its own:
("@elforge/build1.example.org", {"ssh_user": "ops"}). Everywhere else it goes by its name alone.
A group is its hosts, or its hosts with settings of its own; those of its file in group_data/ go before them.
inventories/example.py shows the common ones.
"""

from lab.inventory import connection, docker, go, service

lab_hosts = [connection(name) for name in ("el7", "el8", "el9")]

# What all of these let in, and what SELinux takes it for.
web_hosts = (
    lab_hosts,
    {
        "firewall_services": {"shop": {"ports": ["18080-18089/tcp"]}},
        "firewall_zones": {
            "public": {
                "services": ["shop"],
                "ports": ["9100/tcp"],
                "rich_rules": ["rule family=ipv4 source address=192.0.2.0/24 service name=http accept"],
            }
        },
        "selinux_ports": {"18080-18089/tcp": "http_port_t"},
    },
)
# A journal that outlives a boot, and a cache for CI that does not fill the disk.
ci_hosts = (
    lab_hosts,
    {
        "journald_storage": "persistent",
        "journald_max_use": "500M",
        "caches_places": {
            "go-build": {
                "path": "/srv/cache/go-build",
                "owner": "ops",
                "kind": "go-build",
                "max_size": "10G",
            }
        },
    },
)
docker_hosts = (lab_hosts, docker())
go_hosts = (lab_hosts, {**go(), "go_versions": ["1.27.3"]})
service_hosts = (lab_hosts, service())
