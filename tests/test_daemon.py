"""daemon.json: what is refused, what is written for which engine, and what a change of it costs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pure.daemon import (
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
