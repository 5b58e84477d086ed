"""What inventory data is refused, in which words; by the catalogue of bad inputs (docs: I1, I2, ...)."""

from __future__ import annotations

from typing import Any

import pytest

from deploys.base import BaseOptions
from deploys.docker import DockerOptions
from deploys.options import Options, problems

RESERVED = {"ssh_user", "ssh_port", "docker_identifier"}
BOOL, LIST, TEXT = (f"Input should be a valid {kind}" for kind in ("boolean", "list", "string"))
PATH = "must be an absolute path without '..', spaces or shell characters"
SIZE = "must be a size without spaces (20GB) or a percentage (10%)"


def said(data: dict[str, Any]) -> list[str]:
    return problems("web1", data, [BaseOptions, DockerOptions], RESERVED)


CASES = [
    ("I1", "docker_verson", "26.1", "unknown option; did you mean docker_version?"),
    ("I1", "docker_insecure_registrys", [], "unknown option; did you mean docker_insecure_registries?"),
    ("I1", "docker_bogus_setting_of_mine", 1, "unknown option"),
    ("I1", "dokcer_users", ["ada"], "unknown option; did you mean docker_users?"),
    ("I1", "bse_packages", ["git"], "unknown option; did you mean base_packages?"),
    ("I1", "bade_epel", True, "unknown option; did you mean base_epel?"),
    ("I2", "docker_debug", "true", f"{BOOL} (got 'true')"),
    ("I2", "docker_lock", 1, f"{BOOL} (got 1)"),
    ("I2", "docker_lock", None, f"{BOOL} (got None)"),
    ("I2", "docker_users", "ada", f"{LIST} (got 'ada')"),
    ("I2", "docker_users", ("ada",), f"{LIST} (got ('ada',))"),
    ("I2", "docker_version", 26.1, f"{TEXT} (got 26.1)"),
    ("I2", "docker_mtu", True, "Input should be a valid integer (got True)"),
    ("I2", "docker_state", "x" * 200, f"Input should be 'present' or 'absent' (got '{'x' * 76}...)"),
    ("I16", "docker_builder_max_used_space", "10 GB", f"{SIZE} (got '10 GB')"),
    ("I18", "docker_builder_min_free_space", "3 fortnights", f"{SIZE} (got '3 fortnights')"),
    ("I21", "docker_data_root", "docker", f"{PATH} (got 'docker')"),
    ("I21", "docker_data_root", "/srv/../etc", f"{PATH} (got '/srv/../etc')"),
    ("I21", "docker_data_root", "/", f"{PATH} (got '/')"),
    (
        "I21",
        "base_timezone",
        "../../etc/passwd",
        "should be a time zone such as Europe/Berlin or UTC (got '../../etc/passwd')",
    ),
]


@pytest.mark.parametrize(
    ("row", "key", "value", "message"), CASES, ids=[f"{row}-{key}" for row, key, *_ in CASES]
)
def test_one_mistake(row, key, value, message):
    assert said({key: value}) == [f"web1: {key}: {message}"]


# Mistakes whose place is inside of a value, or between two options.
WHOLE = [
    (
        "I3",
        {"docker_hosts": ["tcp://10.0.0.1:70000"]},
        "docker_hosts.0: port 70000 is not in 1..65535 (got 'tcp://10.0.0.1:70000')",
    ),
    (
        "I5",
        {"docker_default_address_pools": [{"base": "10.0.0.1/16", "size": 24}]},
        "docker_default_address_pools.0.base: 10.0.0.1/16 has host bits set; the network is 10.0.0.0/16 "
        "(got '10.0.0.1/16')",
    ),
    ("I11", {"docker_users": ["ada", "bob", "ada"]}, "docker_users: ada is there twice"),
    (
        "I12",
        {"docker_repo_url": "https://ada:secret@mirror.lan"},
        "docker_repo_url: a URL must not hold a user name or password",
    ),
    ("I13", {"docker_purge_data": True}, "docker_purge_data: True needs docker_state = 'absent'"),
    (
        "I16",
        {"docker_features": {"buildkit": True}},
        "docker_features.buildkit: Input should be 'cdi', 'containerd-migration', "
        "'containerd-snapshotter', "
        "'embedded-containerd', 'swarm-nftables' or 'time-namespaces' (got 'buildkit')",
    ),
    (
        "I16",
        {"docker_registry_mirrors": ["https://m.lan/path"]},
        "docker_registry_mirrors.0: must not have a path: a mirror serves the root of its host "
        "(got 'https://m.lan/path')",
    ),
    (
        "I16",
        {"docker_proxies": {"http_prox": "http://p"}},
        "docker_proxies.http_prox: Extra inputs are not permitted (got 'http://p')",
    ),
    (
        "I17",
        {"docker_repo_url": "http://mirror.lan"},
        "docker_repo_url: http://mirror.lan is not https; docker_insecure_mirror = True allows it",
    ),
    (
        "I17",
        {"base_vault_urls": ["https://a.lan", "http://b.lan"]},
        "base_vault_urls: http://b.lan is not https; base_insecure_mirror = True allows it",
    ),
    (
        "I17",
        {"base_epel_key_url": "http://b.lan/KEY"},
        "base_epel_key_url: http://b.lan/KEY is not https; base_insecure_mirror = True allows it",
    ),
    (
        "I17",
        {"docker_insecure_registries": ["r.lan:5000"]},
        "docker_insecure_registries: r.lan:5000 is insecure; "
        "it needs docker_allow_insecure_registries = True",
    ),
    (
        "I17",
        {"docker_registry_mirrors": ["http://r.lan"]},
        "docker_registry_mirrors: http://r.lan is insecure; it needs docker_allow_insecure_registries = True",
    ),
    (
        "url",
        {"docker_repo_url": "ftp://mirror.lan"},
        "docker_repo_url: 'ftp://mirror.lan' is not an http(s) URL",
    ),
    (
        "url",
        {"docker_repo_url": "https://mirror.lan/a b"},
        "docker_repo_url: 'https://mirror.lan/a b' is not an http(s) URL",
    ),
    (
        "url",
        {"docker_repo_url": "https://mirror.lan/?x"},
        "docker_repo_url: 'https://mirror.lan/?x' has a query or fragment, which a repository cannot have",
    ),
]


@pytest.mark.parametrize(
    ("row", "data", "message"), WHOLE, ids=[f"{row}-{next(iter(data))}" for row, data, _ in WHOLE]
)
def test_one_mistake_with_its_place(row, data, message):
    assert said(data) == [f"web1: {message}"]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"docker_insecure_mirror": True, "docker_repo_url": "http://m.lan"}, "docker_repo_url"),
        ({"base_insecure_mirror": True, "base_vault_urls": ["http://m.lan"]}, "base_vault_urls"),
        ({"docker_allow_insecure_registries": True, "docker_insecure_registries": ["r.lan"]}, ""),
    ],
)
def test_i17_insecure_needs_an_explicit_yes(data, path):
    assert said(data) == []


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\n", "U+000A"),
        ("\0", "U+0000"),
        ("\t", "U+0009"),
        ("\x1b", "U+001B"),
        ("\u202e", "U+202E"),
        ("\u200b", "U+200B"),
        ("\u2028", "U+2028"),
        ("\x85", "U+0085"),
        ("\ufeff", "U+FEFF"),
    ],
)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("docker_labels", lambda c: [f"a=b{c}"]),
        ("docker_log_opts", lambda c: {f"ta{c}": "x"}),
        ("docker_runtimes", lambda c: {"k": {"path": "/x", "args": [f"-{c}"]}}),
        ("base_packages", lambda c: [f"gi{c}"]),
    ],
    ids=["list", "key", "deep", "base"],
)
def test_i8_control_characters(key, value, character, name):
    assert any(
        line.startswith(f"web1: {key}: character {name} at position ") and line.endswith(" is not allowed")
        for line in said({key: value(character)})
    )


def test_every_mistake_is_named_at_once_in_the_order_of_the_options():
    data = {
        "docker_lock": "yes",
        "docker_verson": "26.1",
        "base_epel": 1,
        "dokcer_users": [],
        "docker_mtu": 1,
    }
    assert said(data) == [
        f"web1: base_epel: {BOOL} (got 1)",
        "web1: docker_mtu: Input should be greater than or equal to 68 (got 1)",
        f"web1: docker_lock: {BOOL} (got 'yes')",
        "web1: docker_verson: unknown option; did you mean docker_version?",
        "web1: dokcer_users: unknown option; did you mean docker_users?",
    ]


def test_a_mistake_is_said_once():
    assert problems("web1", {"docker_lock": 1}, [DockerOptions, DockerOptions]) == [
        f"web1: docker_lock: {BOOL} (got 1)"
    ]


def test_somebody_elses_keys_are_left_alone():
    data = {"ssh_user": "ops", "docker_identifier": "c1", "_sudo": True, "my_app_port": 80, "motd": "hello"}
    assert said(data) == []


def test_somebody_elses_text_may_have_lines():
    assert said({"my_motd": "two\nlines\n", "_env": {"A": "x\ty"}}) == []


def test_reserved_keys_do_not_get_into_the_options():
    data = {"docker_identifier": "c1", "docker_users": ["ada"], "base_epel": True}
    assert DockerOptions.of(data, RESERVED).users == ["ada"]
    assert BaseOptions.of(data, RESERVED).epel is True


@pytest.mark.parametrize("model", [BaseOptions, DockerOptions])
def test_options_cannot_be_changed(model):
    with pytest.raises(ValueError, match="frozen"):
        model().insecure_mirror = True


@pytest.mark.parametrize("model", [BaseOptions, DockerOptions])
def test_every_option_is_described(model: type[Options]):
    assert [name for name, field in model.model_fields.items() if not field.description] == []
    assert all(name.startswith(model.namespace) for name in model.names())


@pytest.mark.parametrize(
    "url", ["https://$(id)/", "https://ho st/x", "https://a.lan\\b/", "https://a.lan:99999", "https://-x/"]
)
def test_the_host_of_a_url_has_a_grammar(url):
    assert said({"docker_repo_url": url}) != []


@pytest.mark.parametrize(
    "url", ["https://a.lan", "https://a-b.lan:8443/x/", "https://10.0.0.1/", "https://[fd00::1]:8443/x"]
)
def test_a_host_may_be_a_name_or_an_address(url):
    assert said({"docker_repo_url": url}) == []


def test_a_broken_url_names_its_option():
    assert said({"docker_repo_url": "https://[::1"})[0].startswith("web1: docker_repo_url: ")


@pytest.mark.parametrize(
    "data",
    [
        {"base_packages": ["$(id)"]},
        {"base_epel_fingerprint": "abc"},
        {"base_scl_fingerprint": "abc"},
        {"base_scl_key_url": "http://a.lan/KEY"},
        {"docker_group": "Docker"},
        {"base_epel_key_url": "https://a.lan/{release}"},
        {"base_epel_urls": ["https://a.lan/{release}/$basearch"]},
        {"base_packages": ["git="]},
        {"docker_version": "\uff12\uff16.1.5"},
    ],
    ids=str,
)
def test_what_an_operation_would_refuse_is_no_option(data):
    assert said(data) != []
