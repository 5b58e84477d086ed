"""daemon.json: what is refused, what is written for which engine, and what a change of it costs."""

from __future__ import annotations

import contextlib
import json
import re
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploys.daemon import (
    GONE,
    RELOADABLE,
    SINCE,
    DaemonOptions,
    Engine,
    changed_keys,
    dockerd_flags,
    dropped,
    foreign,
    merge,
    misfits,
    needs_restart,
    parse,
    parse_engine,
    pool_overlaps,
    render,
    to_json,
)
from deploys.options import problems

ENGINES = ["20.10.24", "26.1.5", "28.5.2", "29.7.2"]
DISK = 100 * 2**30
LOGS = {"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}
NEW_GC = {
    "enabled": True,
    "defaultReservedSpace": "10GB",
    "defaultMaxUsedSpace": "20GB",
    "defaultMinFreeSpace": "5GB",
}
OLD_GC = {"enabled": True, "defaultKeepStorage": "20GB"}


def rendered(version: str, disk: int = DISK, **data: Any) -> dict[str, Any]:
    return render(DaemonOptions(**data), parse_engine(version), disk)


def gc(version: str, **data: Any) -> dict[str, Any]:
    policy: dict[str, Any] = rendered(version, **data)["builder"]["gc"]
    return policy


# What is written


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("20.10.24", {**LOGS, "builder": {"gc": OLD_GC}, "features": {"buildkit": True}}),
        ("26.1.5", {**LOGS, "builder": {"gc": OLD_GC}}),
        ("28.5.2", {**LOGS, "builder": {"gc": NEW_GC}}),
        ("29.7.2", {**LOGS, "builder": {"gc": NEW_GC}}),
    ],
)
def test_defaults(version, expected):
    assert rendered(version) == expected


RICH: dict[str, Any] = {
    "log_driver": "local",
    "log_opts": {"max-file": "5"},
    "builder_max_used_space": "30%",
    "builder_reserved_space": "10%",
    "builder_min_free_space": "7GB",
    "builder_entitlements": {"security_insecure": True},
    "dns": ["10.0.0.2"],
    "default_address_pools": [{"base": "10.64.0.0/16", "size": 24}],
    "default_ulimits": {"nofile": {"soft": 1024, "hard": 65536}},
    "runtimes": {"kata": {"path": "/usr/bin/kata", "args": ["--debug"]}},
    "live_restore": True,
    "allow_insecure_registries": True,
    "insecure_registries": ["r.example:5000"],
    "hosts": ["fd://"],
    "builder_gc_policy": [
        {"filter": ["type=exec.cachemount"], "keep_duration": "48h", "max_used_space": "2GB"},
        {"all": True},
    ],
}
RICH_PLAIN = {
    "log-driver": "local",
    "log-opts": {"max-size": "10m", "max-file": "5"},
    "dns": ["10.0.0.2"],
    "default-address-pools": [{"base": "10.64.0.0/16", "size": 24}],
    "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 65536}},
    "runtimes": {"kata": {"path": "/usr/bin/kata", "runtimeArgs": ["--debug"]}},
    "live-restore": True,
    "insecure-registries": ["r.example:5000"],
}
RULE = {"filter": ["type=exec.cachemount", "unused-for=48h"]}
RICH_OLD = {
    "enabled": True,
    "defaultKeepStorage": "30GB",
    "policy": [{**RULE, "keepStorage": "2GB"}, {"all": True, "keepStorage": "30GB"}],
}
RICH_NEW = {"enabled": True, "policy": [{**RULE, "maxUsedSpace": "2GB"}, {"all": True}]}


@pytest.mark.parametrize(
    ("version", "expected_gc", "features"),
    [
        ("20.10.24", RICH_OLD, {"features": {"buildkit": True}}),
        ("26.1.5", RICH_OLD, {}),
        ("28.5.2", RICH_NEW, {}),
        ("29.7.2", RICH_NEW, {}),
    ],
)
def test_rich_options(version, expected_gc, features):
    builder = {"gc": expected_gc, "entitlements": {"security-insecure": True}}
    assert rendered(version, **RICH) == {**RICH_PLAIN, **features, "builder": builder}


@pytest.mark.parametrize(
    ("version", "data", "expected"),
    [
        ("26.1.5", {"builder_gc": False}, {"enabled": False}),
        ("28.5.2", {"builder_gc": False}, {"enabled": False}),
        ("27.5.1", {"builder_max_used_space": "10%"}, {"enabled": True, "defaultKeepStorage": "10GB"}),
        ("28.0.0", {"builder_max_used_space": "8GB"}, {**NEW_GC, "defaultMaxUsedSpace": "8GB",
                                                       "defaultReservedSpace": "4GB"}),
        ("28.0.0", {"builder_min_free_space": None},
         {key: value for key, value in NEW_GC.items() if key != "defaultMinFreeSpace"}),
        ("28.0.0", {"builder_max_used_space": "1%", "builder_min_free_space": "100%"},
         {"enabled": True, "defaultReservedSpace": "512MB", "defaultMaxUsedSpace": "1GB",
          "defaultMinFreeSpace": "100GB"}),
        ("26.1.5", {"builder_gc_policy": [{"reserved_space": "1GB"}]},
         {**OLD_GC, "policy": [{"keepStorage": "1GB"}]}),
        ("28.5.2", {"builder_gc_policy": [{"reserved_space": "1%", "min_free_space": "9MB"}]},
         {"enabled": True, "policy": [{"reservedSpace": "1GB", "minFreeSpace": "9MB"}]}),
    ],
)  # fmt: skip
def test_gc(version, data, expected):
    assert gc(version, **data) == expected


def test_a_percentage_of_an_odd_disk_is_exact_bytes():
    assert gc("28.5.2", disk=1_000_000_007, builder_max_used_space="33%", builder_reserved_space="1%") == {
        "enabled": True,
        "defaultReservedSpace": "10000000",
        "defaultMaxUsedSpace": "330000002",
        "defaultMinFreeSpace": "5GB",
    }


def test_no_limit_is_ever_written_as_0():
    """The engine reads 0 as no limit (moby calculateKeepBytes)."""
    assert gc("28.5.2", disk=50, builder_max_used_space="1%") == {
        **NEW_GC,
        "defaultReservedSpace": "1",
        "defaultMaxUsedSpace": "1",
    }


def test_a_percentage_needs_a_disk():
    with pytest.raises(ValueError, match=r"^10% of a disk of 0 bytes is nothing$"):
        rendered("26.1.5", disk=0, builder_max_used_space="10%")


def test_sizes_of_two_kinds_are_compared_when_the_disk_is_known():
    with pytest.raises(ValueError, match=r"^reserved_space 30% is above max_used_space 20GB$"):
        rendered("28.5.2", builder_reserved_space="30%")
    assert gc("28.5.2", builder_reserved_space="20%")["defaultReservedSpace"] == "20GB"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, {"max-size": "10m", "max-file": "3"}),
        ({"log_opts": {"labels": "job"}}, {"max-size": "10m", "max-file": "3", "labels": "job"}),
        ({"log_driver": "local"}, {"max-size": "10m", "max-file": "3"}),
        ({"log_driver": "journald"}, None),
        ({"log_driver": "syslog", "log_opts": {"syslog-address": "tcp://10.0.0.1:514"}},
         {"syslog-address": "tcp://10.0.0.1:514"}),
    ],
)  # fmt: skip
def test_rotation_is_on_wherever_the_driver_can(data, expected):
    assert rendered("26.1.5", **data).get("log-opts") == expected


@pytest.mark.parametrize(
    ("version", "data", "message"),
    [
        ("20.10.24", {"proxies": {"http_proxy": "http://p:3128"}},
         "docker_proxies: needs engine 23.0 or later, this host gets 20.10.24"),
        ("28.1.1", {"allow_direct_routing": True},
         "docker_allow_direct_routing: needs engine 28.2 or later, this host gets 28.1.1"),
        ("28.5.2", {"builder_entitlements": {"device": False}},
         "docker_builder_entitlements.device: needs engine 29.0 or later, this host gets 28.5.2"),
        ("24.0.9", {"features": {"cdi": True}, "log_format": "json"},
         "docker_log_format: needs engine 25.0 or later, this host gets 24.0.9; "
         "docker_features.cdi: needs engine 25.0 or later, this host gets 24.0.9"),
    ],
)  # fmt: skip
def test_what_the_engine_does_not_know_is_refused(version, data, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rendered(version, **data)


def test_the_first_engine_that_knows_a_key_gets_it():
    proxies = {"http_proxy": "http://p:3128", "no_proxy": "localhost,10.0.0.0/8"}
    assert rendered("23.0.0", proxies=proxies)["proxies"] == {
        "http-proxy": "http://p:3128",
        "no-proxy": "localhost,10.0.0.0/8",
    }


@pytest.mark.parametrize(
    ("version", "data", "expected"),
    [
        ("26.1.5", {}, []),
        ("28.5.2", {"builder_min_free_space": "5GB"}, []),
        ("26.1.5", {"builder_min_free_space": "5GB", "builder_max_used_space": "9GB"},
         ["docker_builder_min_free_space: left out, engine 26.1.5 knows only a limit; needs 28.0 or later"]),
        ("26.1.5", {"builder_gc_policy": [{"reserved_space": "1GB"}, {"reserved_space": "1GB",
                                                                       "max_used_space": "2GB"}]},
         ["docker_builder_gc_policy.1.reserved_space: left out, engine 26.1.5 knows only a limit; "
          "needs 28.0 or later"]),
        ("28.5.2", {"builder_max_used_space": "9GB", "builder_gc_policy": [{"all": True}]},
         ["docker_builder_max_used_space: left out, docker_builder_gc_policy replaces it"]),
    ],
)  # fmt: skip
def test_dropped(version, data, expected):
    assert dropped(DaemonOptions(**data), parse_engine(version)) == expected


def test_misfits_of_an_admins_file():
    file = {"graph": "/srv", "hosts": ["fd://"], "oom-score-adjust": 1, "debug": True, "bip6": "fd00::1/64"}
    assert misfits(file, Engine(25, 0, 0)) == [
        "graph: removed in engine 23.0, this host gets 25.0.0",
        "bip6: needs engine 28.0 or later, this host gets 25.0.0",
        "hosts: is a flag of docker.service; use docker_hosts",
    ]
    assert misfits({"oom-score-adjust": 1}, Engine(26, 0, 0)) == [
        "oom-score-adjust: removed in engine 26.0, this host gets 26.0.0"
    ]


def test_tables_name_real_keys():
    keys = {field.replace("_", "-") for field in DaemonOptions.model_fields}
    assert {key for key in SINCE if "." not in key} <= keys
    assert keys >= RELOADABLE
    assert not keys & GONE.keys()


# Refused options


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"docker_log_drivr": "local"}, "docker_log_drivr: unknown option; did you mean docker_log_driver?"),
        ({"docker_debug": 1}, "docker_debug: Input should be a valid boolean (got 1)"),
        ({"docker_debug": "true"}, "docker_debug: Input should be a valid boolean (got 'true')"),
        ({"docker_dns": "10.0.0.1"}, "docker_dns: Input should be a valid list (got '10.0.0.1')"),
        ({"docker_log_opts": {"max-file": 3}},
         "docker_log_opts.max-file: Input should be a valid string (got 3)"),
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
         "password (got 'https://u:p@m')"),
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
        ({"docker_default_ulimits": {"nofile": {"soft": 2, "hard": 1}}},
         "docker_default_ulimits.nofile: soft 2 is above hard 1 (got {'soft': 2, 'hard': 1})"),
        ({"docker_hosts": ["tcp://0.0.0.0:2375"]},
         "docker_hosts: fd:// is missing: docker.socket and the local docker command need it"),
        ({"docker_hosts": ["fd://", "tcp://0.0.0.0:2375"]},
         "docker_hosts: tcp://0.0.0.0:2375 makes anyone root: it needs docker_tlsverify = True"),
        ({"docker_hosts": ["fd://", "tcp://0.0.0.0:2376"], "docker_tlsverify": True},
         "docker_hosts: tcp://0.0.0.0:2376 needs docker_tlscacert"),
        ({"docker_hosts": ["fd://", "tcp://host"]},
         "docker_hosts.1: must be fd://, unix:///PATH or tcp://ADDRESS:PORT (got 'tcp://host')"),
        ({"docker_proxies": {"http_proxy": "http://u:p@h"}},
         "docker_proxies.http_proxy: must be http://HOST:PORT without user name or password: every user of "
         "the host can read daemon.json (got 'http://u:p@h')"),
        ({"docker_bip": "10.0.0.1/24", "docker_bridge": "br0"},
         "docker_bip: cannot be combined with docker_bridge"),
        ({"docker_live_restore": True, "docker_swarm_default_advertise_addr": "eth0"},
         "docker_live_restore: swarm (docker_swarm_default_advertise_addr) does not work with it"),
        ({"docker_default_runtime": "kata"},
         "docker_default_runtime: kata is not in docker_runtimes"),
        ({"docker_features": {"buildkit": True}},
         "docker_features.buildkit.[key]: Input should be 'cdi', 'containerd-migration', "
         "'containerd-snapshotter', 'embedded-containerd', 'swarm-nftables' or 'time-namespaces' "
         "(got 'buildkit')"),
    ],
)  # fmt: skip
def test_refused(data, line):
    assert problems("h", data, [DaemonOptions]) == [f"h: {line}"]


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


def test_the_options_of_a_deploy_on_top_are_not_written():
    class Docker(DaemonOptions):
        version: str = "26.1.5"

    assert render(Docker(), Engine(26, 1, 5), DISK) == rendered("26.1.5")


# Engines, flags


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("26.1.5", (26, 1, 5)),
        ("3:26.1.5-1.el8", (26, 1, 5)),
        ("20.10.24-3.el7", (20, 10, 24)),
        ("29.0.0-rc.1", (29, 0, 0)),
    ],
)
def test_parse_engine(text, engine):
    assert parse_engine(text) == engine
    assert str(Engine(*engine)) == ".".join(map(str, engine))


@pytest.mark.parametrize("text", ["", "26.1", "latest", "v26.1.5", "26.1.5;id", "26.1.5\n"])
def test_parse_engine_refuses(text):
    with pytest.raises(ValueError, match="not an engine version"):
        parse_engine(text)


def test_engines_are_ordered_as_numbers():
    assert (
        parse_engine("20.10.24") < parse_engine("23.0.0") < parse_engine("28.2.0") < parse_engine("28.10.0")
    )


def test_dockerd_flags():
    stock = ["-H", "fd://", "--containerd=/run/containerd/containerd.sock"]
    assert dockerd_flags(DaemonOptions()) == stock
    listening = DaemonOptions(hosts=["fd://", "unix:///run/ci.sock"])
    assert dockerd_flags(listening) == ["-H", "fd://", "-H", "unix:///run/ci.sock", stock[-1]]
    assert "hosts" not in render(listening, Engine(26, 1, 5), DISK)


# An existing file


@pytest.mark.parametrize(
    ("existing", "ours", "merged"),
    [
        ({"dns": ["10.0.0.2"], "debug": True}, {"debug": False}, {"dns": ["10.0.0.2"], "debug": False}),
        ({"features": {"cdi": True}}, {"features": {"buildkit": True}},
         {"features": {"cdi": True, "buildkit": True}}),
        ({"features": {"buildkit": False, "cdi": True}}, {}, {"features": {"cdi": True}}),
        ({"features": {"buildkit": True}}, {}, {}),
        ({"builder": {"gc": {"policy": []}}}, {"builder": {"gc": {"enabled": True}}},
         {"builder": {"gc": {"enabled": True}}}),
        ({"log-opts": {"max-size": "1g"}}, {"log-driver": "journald"}, {"log-driver": "journald"}),
        ({"log-opts": {"labels": "a"}}, LOGS, LOGS),
        ({"host-gateway-ip": "10.0.0.1"}, {"host-gateway-ips": ["10.0.0.2"]},
         {"host-gateway-ips": ["10.0.0.2"]}),
    ],
)  # fmt: skip
def test_merge(existing, ours, merged):
    assert merge(existing, ours) == merged


def test_foreign():
    existing = {"dns": [], "debug": True, "features": {"cdi": True, "buildkit": True}}
    assert foreign(existing, {"debug": False, "features": {"buildkit": True}}) == ["dns", "features.cdi"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes in line 1, column 2"),
        ('{"a": x}', "not JSON: Expecting value in line 1, column 7"),
        ("\ufeff{}", "not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) in line 1, column 1"),
        ("[]", "not an object but a list"),
        ('{"a": 1, "a": 2}', "key 'a' is there twice"),
        ('{"a": {"b": 1, "b": 1}}', "key 'b' is there twice"),
        ('{"a": NaN}', "not JSON: NaN"),
        ("[" * 100_000, "not JSON for dockerd: nested too deep"),
    ],
)
def test_parse_refuses(text, cause):
    with pytest.raises(ValueError, match=f"^{re.escape(cause)}$"):
        parse(text)


@pytest.mark.parametrize("text", ["", " \n", "{}"])
def test_an_empty_file_says_nothing(text):
    assert parse(text) == {}


def test_to_json_is_stable():
    assert to_json({"b": [1], "a": {"d": True, "c": "x"}}) == (
        '{\n  "a": {\n    "c": "x",\n    "d": true\n  },\n  "b": [\n    1\n  ]\n}\n'
    )


# Reload or restart


@pytest.mark.parametrize(
    ("loaded", "wanted", "changed", "restart"),
    [
        (None, {"debug": True}, {"debug"}, True),
        (None, {}, set(), True),
        ({"debug": True}, {"debug": True}, set(), False),
        ({"debug": True}, {"debug": False}, {"debug"}, False),
        ({}, {"labels": ["a=b"]}, {"labels"}, False),
        ({"labels": ["a=b"]}, {}, {"labels"}, True),
        ({}, {"builder": {}}, {"builder"}, True),
        ({"mtu": 1}, {"mtu": True}, {"mtu"}, True),
        ({}, {"features": {"buildkit": True}}, {"features"}, False),
        ({"features": {"buildkit": True}}, {}, {"features"}, False),
        ({}, {"features": {"containerd-snapshotter": True}}, {"features"}, True),
        ({"debug": True, "bip": "1"}, {"debug": False, "bip": "2"}, {"debug", "bip"}, True),
    ],
)
def test_changes(loaded, wanted, changed, restart):
    assert changed_keys(loaded, wanted) == changed
    assert needs_restart(loaded, wanted) is restart


# Networks


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([], []),
        ([("default", "eth0"), ("0.0.0.0/0", "eth0"), ("::/0", "eth0")], []),
        ([("10.64.0.0/24", "docker0"), ("10.64.1.0/24", "br-0123456789ab"), ("10.64.2.0/24", "veth12"),
          ("10.64.3.0/24", "docker_gwbridge")], []),
        ([("10.0.0.0/8", "eth0")],
         ["docker_bip: 10.200.0.0/24 overlaps the host's route to 10.0.0.0/8 on eth0",
          "docker_default_address_pools: 10.64.0.0/16 overlaps the host's route to 10.0.0.0/8 on eth0"]),
        ([("10.64.9.1", "br-lan")],
         ["docker_default_address_pools: 10.64.0.0/16 overlaps the host's route to 10.64.9.1/32 on br-lan"]),
        ([("fd00::/8", "eth0"), ("192.168.1.0/24", "eth0")], []),
    ],
)  # fmt: skip
def test_pool_overlaps(routes, expected):
    options = DaemonOptions(bip="10.200.0.1/24", default_address_pools=[{"base": "10.64.0.0/16", "size": 24}])
    assert pool_overlaps(options, routes) == expected


def test_built_in_pools_do_not_count():
    assert pool_overlaps(DaemonOptions(), [("172.17.0.0/16", "eth0")]) == []


# Properties

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(
    ["debug", "dns", "features", "builder", "log-driver", "log-opts", "host-gateway-ip", "x"]
)
FILES = st.dictionaries(KEYS, JSON, max_size=5)
SIZES = st.one_of(
    st.integers(1, 10**6).map(str),
    st.tuples(st.integers(1, 999), st.sampled_from(["K", "MB", "g", "TB"])).map(
        lambda size: f"{size[0]}{size[1]}"
    ),
    st.integers(1, 100).map(lambda percent: f"{percent}%"),
)
ADDRESSES = st.ip_addresses().map(str)
WORDS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=9)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "log_driver": st.sampled_from(["json-file", "local", "journald", "syslog"]),
        "builder_max_used_space": SIZES,
        "builder_min_free_space": st.none() | SIZES,
        "builder_gc_policy": st.lists(
            st.fixed_dictionaries(
                {}, optional={"all": st.booleans(), "keep_duration": st.just("48h"), "max_used_space": SIZES}
            ),
            min_size=1,
            max_size=3,
        ),
        "dns": st.lists(ADDRESSES, unique=True, max_size=3),
        "labels": st.lists(st.tuples(WORDS, WORDS).map("=".join), unique=True, max_size=3),
        "debug": st.none() | st.booleans(),
        "mtu": st.none() | st.integers(68, 9000),
        "data_root": WORDS.map("/srv/{}".format),
        "registry_mirrors": st.lists(WORDS.map("https://{}.example".format), unique=True, max_size=2),
        "default_ulimits": st.dictionaries(WORDS, st.just({"soft": 1, "hard": 2}), max_size=2),
    },
)


@FUZZ
@given(OPTIONS, st.integers(1, 2**50), st.sampled_from(ENGINES))
def test_any_valid_options_render(data, disk, version):
    written = render(DaemonOptions(**data), parse_engine(version), disk)
    assert parse(to_json(written)) == written
    assert "%" not in json.dumps(written["builder"])
    assert '"0"' not in json.dumps(written["builder"])
    assert written["builder"]["gc"]["enabled"] is True


@FUZZ
@given(FILES, FILES.filter(lambda ours: isinstance(ours.get("features", {}), dict)))
def test_merge_is_idempotent(existing, ours):
    once = merge(existing, ours)
    assert merge(once, ours) == once
    assert {key: once[key] for key in ours if key != "features"} == {
        key: value for key, value in ours.items() if key != "features"
    }
    assert changed_keys(once, merge(once, ours)) == set()


@FUZZ
@given(FILES)
def test_round_trip(file):
    assert parse(to_json(file)) == file
    assert to_json(parse(to_json(file))) == to_json(file)


@FUZZ
@given(st.text(max_size=40) | FILES.map(json.dumps).map(lambda text: text[:-1]))
def test_parse_never_fails_otherwise(text):
    with contextlib.suppress(ValueError):
        assert isinstance(parse(text), dict)
