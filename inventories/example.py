"""An inventory with the common options, each where it belongs. Copy it and make it yours.

    pyinfra --dry inventories/example.py deploy.py     # what would change
    pyinfra inventories/example.py deploy.py           # asks, then changes it

Every option is in docs/options.md. An option of a host goes before group_data/GROUP.py, that before what its
group has here, and group_data/all.py comes last; options are single keys: each level says only what differs.
"""

docker_hosts = (
    [
        # A name that ssh knows is enough; @elforge/ is the way to reach it (docs/connector.md).
        "@elforge/build1.example.org",
        (
            "@elforge/build2.example.org",
            {
                "ssh_user": "ops",  # who logs in; becomes root by sudo (group_data/all.py: _sudo = True)
                "ssh_port": 22,
                # "ssh_key": "/home/ops/.ssh/id_ed25519",  # has to exist; left out, ssh's own keys and agent
                "docker_version": "26.1.4",  # this host alone is pinned
            },
        ),
    ],
    {
        # --- base: repositories, tools, time zone
        "base_repositories": "repair",  # stock files of EOL releases; your own mirrors are not touched
        "base_timezone": "UTC",
        "base_packages": ["git", "make"],
        # "base_vault_urls": ["https://mirror.example.org/vault"],  # where EOL releases are looked for
        # "base_epel": True,
        # --- journald: what logs may take, Docker's own among them
        "journald_storage": "persistent",
        "journald_max_use": "2G",
        "journald_retention": "30d",
        "journald_budget": "6G",
        # --- kernel: modules, settings, limits of logins
        "kernel_profiles": ["containers", "ci"],
        # "kernel_sysctl": {"vm.max_map_count": 262144},
        "kernel_limits": [{"domain": "@docker", "item": "nofile", "value": 65536}],
        # --- selinux: what the policy is to know besides (docs/selinux.md)
        "selinux_ports": {"15601/tcp": "http_port_t"},
        # "selinux_booleans": {"httpd_can_network_connect": True},
        # "selinux_mode": "enforcing",
        # --- firewall: zones, under a guard that undoes what locks you out (docs/firewall.md)
        "firewall_zones": {"public": {"services": ["ssh"], "ports": ["8080/tcp"]}},
        # "firewall_default_zone": "public",
        # --- caches: directories that CI fills, cut back by a timer (docs/caches.md)
        "caches_places": {"ci": {"path": "/srv/cache", "owner": "ops", "max_age": "14d", "max_size": "20G"}},
        # "caches_buildkit": {"max_age": "14d"},
        # --- docker: the engine
        "docker_users": ["ops"],  # as good as root
        "docker_conflicts": "refuse",  # or "remove": podman, runc and old Docker packages in the way
        # "docker_repo_url": "https://mirror.example.org/docker/linux",
        # "docker_channel": "test",
        # "docker_fingerprint": "060A61C51B558A7F742B77AAC52FEB6B621E9F35",  # of the key that signs it
        # "docker_allow_restart": True,  # although running containers would stop
        # --- docker: daemon.json
        "docker_log_opts": {"max-size": "50m", "max-file": "3"},
        # "docker_daemon_merge": False,  # the file is elforge's alone; True keeps keys of others
        "docker_live_restore": True,  # containers outlive a restart of the engine
        "docker_default_address_pools": [{"base": "172.30.0.0/16", "size": 24}],
        # "docker_registry_mirrors": ["https://mirror.example.org"],
        # "docker_proxies": {"https_proxy": "http://proxy.example.org:3128", "no_proxy": "example.org"},
        # --- docker: BuildKit's cache
        "docker_builder_max_used_space": "50GB",  # or "20%" of the disk
        "docker_builder_min_free_space": "10GB",
    },
)

go_hosts = (
    ["@elforge/build1.example.org", "@elforge/build3.example.org"],
    {
        # --- go: toolchains, side by side
        "go_versions": ["1.27.0", "1.26.7"],  # the newest is the default; go_default names another one
        "go_method": "source",  # or "binary"
        "go_build_host": "build1.example.org",  # builds once, for all of the same release
        # --- goenv: what the go command does, for every user and service
        "goenv_private": ["git.example.org"],  # neither a proxy nor the checksum database hears of these
        # "goenv_proxy": ["https://goproxy.example.org", "direct"],
        # "goenv_proxy_fallback": "any-error",  # go on when the proxy is down, not just after a 404
        # "goenv_credentials": [
        #     {"user": "ci", "machine": "git.example.org", "login": "bot", "secret": "env:GIT_TOKEN"}
        # ],
    },
)

service_hosts = (
    ["@elforge/build1.example.org"],
    {
        # --- service: applications under systemd (docs/service.md)
        "service_apps": {
            "shop": {
                "version": "1.4.2",
                "git": "https://git.example.org/shop.git",  # or url and sha256, or file
                "ref": "v1.4.2",
                "arguments": ["-listen", ":8080"],
                "ports": ["8080/tcp"],
                "open": True,  # in the firewall
                "probe": "http://127.0.0.1:8080/healthz",  # restarted when it no longer answers
                "memory": "512M",
                # "secrets": {"DB_PASSWORD": "env:SHOP_DB_PASSWORD"},
            },
        },
    },
)
