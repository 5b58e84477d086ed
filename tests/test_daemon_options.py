"""Options of daemon.json: what is refused, in which words, and what is accepted."""

from __future__ import annotations

import pytest

from deploys.docker import DockerOptions
from deploys.options import problems
from pure.daemon import GONE, RELOADABLE, SINCE, Engine, render
from pure.daemon_options import DaemonOptions

DISK = 100 * 2**30
TLS = {"docker_tlscert": "/etc/docker/cert.pem", "docker_tlskey": "/etc/docker/key.pem"}
TLS_WHOLE = {"docker_tlscacert": "/etc/docker/ca.pem", **TLS}


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"docker_log_drivr": "local"}, "docker_log_drivr: unknown option; did you mean docker_log_driver?"),
        ({"docker_debug": 1}, "docker_debug: Input should be a valid boolean (got 1)"),
        ({"docker_debug": "true"}, "docker_debug: Input should be a valid boolean (got 'true')"),
        ({"docker_dns": "10.0.0.1"}, "docker_dns: Input should be a valid list (got '10.0.0.1')"),
        ({"docker_log_opts": {"max-file": 3}},
         "docker_log_opts.max-file: Input should be a valid string"),
        ({"docker_bip": "10.0.0.1"},
         "docker_bip: '10.0.0.1' has no prefix length, e.g. 10.0.0.1/24 (got '10.0.0.1')"),
        ({"docker_bip": "fd00::1/64"},
         "docker_bip: must be an IPv4 address, not IPv6 (got 'fd00::1/64')"),
        ({"docker_fixed_cidr": "10.0.0.1/24"},
         "docker_fixed_cidr: 10.0.0.1/24 has host bits set; the network is 10.0.0.0/24 (got '10.0.0.1/24')"),
        ({"docker_fixed_cidr": "10.0.0.0/33"},
         "docker_fixed_cidr: '10.0.0.0/33' does not appear to be an IPv4 or IPv6 interface "
         "(got '10.0.0.0/33')"),
        ({"docker_dns": ["10.0.0.1", "10.0.0.1"]},
         "docker_dns: '10.0.0.1' is listed twice (got ['10.0.0.1', '10.0.0.1'])"),
        ({"docker_default_address_pools": [{"base": "10.0.0.0/16", "size": 8}]},
         "docker_default_address_pools.0: size 8 is not in 16..32 (got {'base': '10.0.0.0/16', 'size': 8})"),
        ({"docker_default_address_pools": [{"base": "10.0.0.0/16", "size": 24},
                                           {"base": "10.0.1.0/24", "size": 28}]},
         "docker_default_address_pools: 10.0.0.0/16 and 10.0.1.0/24 overlap"),
        ({"docker_insecure_registries": ["r:5000"]},
         "docker_insecure_registries: r:5000 is insecure; it needs "
         "docker_allow_insecure_registries = True"),
        ({"docker_registry_mirrors": ["http://m"]},
         "docker_registry_mirrors: http://m is insecure; it needs "
         "docker_allow_insecure_registries = True"),
        ({"docker_registry_mirrors": ["https://m", "https://m/"]},
         "docker_registry_mirrors: https://m is listed twice"),
        ({"docker_registry_mirrors": ["https://m/v2"]},
         "docker_registry_mirrors.0: must not have a path: a mirror serves the root of its host "
         "(got 'https://m/v2')"),
        ({"docker_registry_mirrors": ["https://u:p@m"]},
         "docker_registry_mirrors.0: must be https://HOST or https://HOST:PORT, without user name or "
         "password (got 'https://***@m')"),
        ({"docker_registry_mirrors": ["https://m:70000"]},
         "docker_registry_mirrors.0: port 70000 is not in 1..65535 (got 'https://m:70000')"),
        ({"docker_insecure_registries": ["http://r"]},
         "docker_insecure_registries.0: must be HOST, HOST:PORT or a network, without http:// or https:// "
         "(got 'http://r')"),
        ({"docker_insecure_registries": ["r/team"]},
         "docker_insecure_registries.0: must be HOST, HOST:PORT or a network, without a path (got 'r/team')"),
        ({"docker_insecure_registries": ["10.0.0.1/24"]},
         "docker_insecure_registries.0: 10.0.0.1/24 has host bits set; the network is 10.0.0.0/24 "
         "(got '10.0.0.1/24')"),
        ({"docker_builder_max_used_space": "10 GB"},
         "docker_builder_max_used_space: must be a size without spaces (20GB) or a percentage (10%) "
         "(got '10 GB')"),
        ({"docker_builder_max_used_space": "110%"},
         "docker_builder_max_used_space: must be a size without spaces (20GB) or a percentage (10%) "
         "(got '110%')"),
        ({"docker_builder_reserved_space": "30GB"},
         "docker_builder_reserved_space 30GB is above max_used_space 20GB"),
        ({"docker_builder_gc": False, "docker_builder_max_used_space": "1GB"},
         "docker_builder_max_used_space: has no effect with docker_builder_gc = False"),
        ({"docker_builder_gc_policy": [{"keepStorage": "1GB"}]},
         "docker_builder_gc_policy.0.keepStorage: Extra inputs are not permitted (got '1GB')"),
        ({"docker_builder_gc_policy": [{"filter": ["type==source.local"]}]},
         "docker_builder_gc_policy.0.filter.0: '=source.local' is not a value of type (one key=value per "
         "entry, hours as 48h) (got 'type==source.local')"),
        ({"docker_builder_gc_policy": [{"filter": ["shared=true"]}]},
         "docker_builder_gc_policy.0.filter.0: must be key=value with key one of until, unused-for, type, "
         "id, parent, description (got 'shared=true')"),
        ({"docker_builder_gc_policy": [{"filter": ["until=7d"]}]},
         "docker_builder_gc_policy.0.filter.0: '7d' is not a value of until (one key=value per entry, "
         "hours as 48h) (got 'until=7d')"),
        ({"docker_builder_gc_policy": [{"filter": ["until=1h"], "keep_duration": "2h"}]},
         "docker_builder_gc_policy.0: until is given twice (keep_duration, until and unused-for are the "
         "same) (got {'filter': ['until=1h'], 'keep_duration': '2h'})"),
        ({"docker_data_root": "data"},
         "docker_data_root: must be an absolute path without '..', spaces or shell characters (got 'data')"),
        ({"docker_data_root": "/srv/../etc"},
         "docker_data_root: must be an absolute path without '..', spaces or shell characters "
         "(got '/srv/../etc')"),
        ({"docker_data_root": "/"},
         "docker_data_root: must be an absolute path without '..', spaces or shell characters (got '/')"),
        ({"docker_data_root": "/srv/$(id)"},
         "docker_data_root: must be an absolute path without '..', spaces or shell characters "
         "(got '/srv/$(id)')"),
        ({"docker_storage_driver": "overlay2;id"},
         "docker_storage_driver: must be lower case letters, digits and '-' (got 'overlay2;id')"),
        ({"docker_labels": ["rack"]}, "docker_labels.0: must be key=value (got 'rack')"),
        ({"docker_labels": ["com.docker.x=1"]},
         "docker_labels.0: com.docker.*, io.docker.* and org.dockerproject.* are Docker's own "
         "(got 'com.docker.x=1')"),
        ({"docker_log_opts": {"max-sizes": "1m"}},
         "docker_log_opts.max-sizes: not an option of json-file (cache-compress, cache-disabled, "
         "cache-max-file, cache-max-size, compress, env, env-regex, labels, labels-regex, max-buffer-size, "
         "max-file, max-size, mode, tag)"),
        ({"docker_log_opts": {"max-size": "10 MB"}},
         "docker_log_opts.max-size: must be a number with k, m or g, e.g. 10m (got '10 MB')"),
        ({"docker_log_driver": "splunk", "docker_log_opts": {"splunk-token": "s3crét"}},
         "docker_log_opts.splunk-token: must be printable ASCII"),
        ({"docker_default_ulimits": {"nofile": {"soft": 2, "hard": 1}}},
         "docker_default_ulimits.nofile: soft 2 is above hard 1 (got {'soft': 2, 'hard': 1})"),
        ({"docker_hosts": ["unix:///run/other.sock"]},
         "docker_hosts: fd:// is missing: docker.socket and the local docker command need it"),
        ({"docker_hosts": ["fd://", "tcp://0.0.0.0:2375"], **TLS_WHOLE},
         "docker_hosts: tcp://0.0.0.0:2375 makes anyone root: it needs docker_tlsverify = True"),
        ({"docker_hosts": ["fd://", "tcp://0.0.0.0:2376"], "docker_tlsverify": True, **TLS},
         "docker_hosts: tcp://0.0.0.0:2376 needs docker_tlscacert"),
        ({"docker_hosts": ["fd://", "tcp://host"]},
         "docker_hosts.1: must be fd://, unix:///PATH or tcp://ADDRESS:PORT (got 'tcp://host')"),
        ({"docker_proxies": {"http_proxy": "http://u:p@h"}},
         "docker_proxies.http_proxy: must be without user name or password: docker info shows them to every "
         "user of Docker (got 'http://***@h')"),
        ({"docker_proxies": {"https_proxy": "proxy.lan:3128"}},
         "docker_proxies.https_proxy: should look like http://proxy.lan:3128; https, socks5 and socks5h "
         "work, too (got 'proxy.lan:3128')"),
        ({"docker_version": "26"},
         "docker_version: must be a version such as 26.1.5 or 26.1 (got '26')"),
        ({"docker_users": ["Ada"]},
         "docker_users.0: must be the name of a user, in lower case (got 'Ada')"),
        ({"docker_bip": "10.0.0.1/24", "docker_bridge": "br0"},
         "docker_bip: cannot be combined with docker_bridge"),
        ({"docker_live_restore": True, "docker_swarm_default_advertise_addr": "eth0"},
         "docker_live_restore: swarm (docker_swarm_default_advertise_addr) does not work with it"),
        ({"docker_default_runtime": "kata"},
         "docker_default_runtime: kata is not in docker_runtimes"),
        ({"docker_features": {"buildkit": True}},
         "docker_features.buildkit: Input should be 'cdi', 'containerd-migration', "
         "'containerd-snapshotter', 'embedded-containerd', 'swarm-nftables' or 'time-namespaces' "
         "(got 'buildkit')"),
    ],
)  # fmt: skip
def test_refused(data, line):
    assert problems("h", data, [DockerOptions]) == [f"h: {line}"]


@pytest.mark.parametrize(
    ("data", "starts"),
    [
        ({"docker_log_opts": {"max-sise": "1m", "max-file": "0", "compress": "yes"}},
         ["docker_log_opts.max-sise: not an option", "docker_log_opts.max-file: must be a whole number",
          "docker_log_opts.compress: must be true or false"]),
        ({"docker_log_driver": "none", "docker_log_opts": {"max-file": "0"}},
         ["docker_log_opts: log driver none has no options", "docker_log_opts.max-file: must be"]),
        ({"docker_registry_mirrors": ["https://m", "https://m/", "http://n"],
          "docker_insecure_registries": ["r:5000"]},
         ["docker_registry_mirrors: https://m is listed twice",
          "docker_insecure_registries: r:5000 is insecure", "docker_registry_mirrors: http://n is insecure"]),
        ({"docker_default_address_pools": [{"base": "10.0.0.0/8", "size": 24},
                                           {"base": "10.1.0.0/16", "size": 24},
                                           {"base": "10.2.0.0/16", "size": 24}]},
         ["docker_default_address_pools: 10.0.0.0/8 and 10.1.0.0/16 overlap",
          "docker_default_address_pools: 10.0.0.0/8 and 10.2.0.0/16 overlap"]),
        ({"docker_hosts": ["tcp://0.0.0.0:2375"]},
         ["docker_hosts: fd:// is missing", "docker_hosts: tcp://0.0.0.0:2375 makes anyone root",
          "docker_hosts: tcp://0.0.0.0:2375 needs docker_tlscacert",
          "docker_hosts: tcp://0.0.0.0:2375 needs docker_tlscert",
          "docker_hosts: tcp://0.0.0.0:2375 needs docker_tlskey"]),
        ({"docker_builder_gc": False, "docker_builder_max_used_space": "1GB",
          "docker_builder_reserved_space": "2GB"},
         ["docker_builder_max_used_space: has no effect", "docker_builder_reserved_space: has no effect",
          "docker_builder_reserved_space 2GB is above"]),
        ({"docker_bridge": "br0", "docker_bip": "10.0.0.1/24", "docker_icc": False, "docker_iptables": False,
          "docker_default_runtime": "kata"},
         ["docker_bip: cannot be combined", "docker_icc: False needs", "docker_default_runtime: kata is"]),
    ],
)  # fmt: skip
def test_what_is_wrong_between_options_comes_together(data, starts):
    lines = problems("h", data, [DockerOptions])
    assert len(lines) == len(starts), lines
    assert [
        line for line, start in zip(lines, starts, strict=True) if not line.startswith(f"h: {start}")
    ] == []


@pytest.mark.parametrize(
    "data",
    [
        {"bip": "10.0.0.1/24"},
        {"insecure_registries": ["10.0.0.0/8", "r:5000", "[fd00::1]:5000"],
         "allow_insecure_registries": True},
        {"registry_mirrors": ["https://mirror.example:8443/"]},
        {"default_ulimits": {"nofile": {"soft": -1, "hard": -1}}},
        {"hosts": ["fd://", "tcp://10.0.0.1:2376"], "tlsverify": True, "tlscacert": "/etc/docker/ca.pem",
         "tlscert": "/etc/docker/cert.pem", "tlskey": "/etc/docker/key.pem"},
        {"runtimes": {"kata": {"path": "/usr/bin/kata"}}, "default_runtime": "kata"},
        {"metrics_addr": "127.0.0.1:9323"},
    ],
)  # fmt: skip
def test_accepted(data):
    assert render(DaemonOptions(**data), Engine(29, 7, 2), DISK)


def test_every_field_is_described():
    assert [name for name, field in DaemonOptions.model_fields.items() if not field.description] == []


def test_tables_name_real_keys():
    keys = {field.replace("_", "-") for field in DaemonOptions.model_fields}
    assert {key for key in SINCE if "." not in key} <= keys
    assert keys >= RELOADABLE
    assert not keys & GONE.keys()
