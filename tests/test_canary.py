"""I7: shell text in any string of any option is refused, or arrives as one quoted word or as file content.

Every string that an option can hold gets every payload at its start, at its end and in its place. What the
model accepts is planned, and each command of the plan is run by a real shell whose ``timeout`` only lists
its arguments: the payload must be inside of one of them, and must not have run.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

from deploys.base import BaseOptions, base
from deploys.docker import DockerOptions, docker
from deploys.goenv import GO_ENV, GoenvOptions, goenv
from deploys.options import Options, problems
from deploys.release import RELEASES
from facts.release import ElRelease
from tests import plan as planning
from tests.answers import Answers

CANARY = "touch canary"
PAYLOADS = [
    f"$({CANARY})",
    f"`{CANARY}`",
    f"; {CANARY};",
    f"' ; {CANARY}; '",
    f'" ; {CANARY}; "',
    f"&& {CANARY}",
    f"\n{CANARY}\n",
    f"-exec {CANARY}",
    "$(touch${IFS}canary)",
    "';touch${IFS}canary;'",
]
STOCK = Path(__file__).parent / "fixtures" / "repos"
TLS = {"tlsverify": True, "tlscacert": "/etc/d/ca.pem", "tlscert": "/etc/d/c.pem", "tlskey": "/etc/d/k.pem"}
INSECURE = {"allow_insecure_registries": True, "insecure_mirror": True}

# One accepted value per option that can hold text, and what else it needs.
DOCKER: dict[str, tuple[Any, dict[str, Any]]] = {
    "log_driver": ("json-file", {}),
    "log_opts": ({"max-size": "10m", "max-file": "3", "labels": "a", "tag": "x"}, {}),
    "log_level": ("info", {}),
    "log_format": ("json", {}),
    "builder_max_used_space": ("20GB", {}),
    "builder_reserved_space": ("10%", {}),
    "builder_min_free_space": ("5GB", {}),
    "builder_gc_policy": (
        [
            {
                "filter": ["type=regular", "unused-for=48h"],
                "max_used_space": "2GB",
                "reserved_space": "1GB",
                "min_free_space": "1GB",
            },
            {"keep_duration": "48h"},
        ],
        {},
    ),
    "insecure_registries": (["r.lan:5000", "10.0.0.0/8"], INSECURE),
    "registry_mirrors": (["https://r.lan"], {}),
    # An engine that takes them from its environment, in a drop-in that systemd reads.
    "proxies": (
        {"http_proxy": "http://p.lan:3128", "https_proxy": "http://p.lan", "no_proxy": "a.lan,.b"},
        {"version": "20.10.24"},
    ),
    "bip": ("10.200.0.1/24", {}),
    "bip6": ("fd00::1/64", {"ipv6": True, "fixed_cidr_v6": "fd00::/64"}),
    "bridge": ("br0", {}),
    "default_address_pools": ([{"base": "10.64.0.0/16", "size": 24}], {}),
    "default_gateway": ("10.200.0.1", {}),
    "default_gateway_v6": ("fd00::1", {}),
    "default_network_opts": ({"bridge": {"com.docker.network.driver.mtu": "1400"}}, {}),
    "fixed_cidr": ("10.200.0.0/25", {"bip": "10.200.0.1/24"}),
    "fixed_cidr_v6": ("fd00::/64", {"ipv6": True}),
    "ip": ("10.0.0.1", {}),
    "dns": (["10.0.0.2"], {}),
    "dns_opts": (["ndots:2"], {}),
    "dns_search": (["a.lan"], {}),
    "host_gateway_ip": ("10.0.0.1", {}),
    "host_gateway_ips": (["10.0.0.1", "fd00::1"], {}),
    "firewall_backend": ("nftables", {}),
    "bridge_accept_fwmark": ("0x1/0x3", {}),
    "userland_proxy_path": ("/usr/bin/docker-proxy", {}),
    "cgroup_parent": ("/docker", {}),
    "cdi_spec_dirs": (["/etc/cdi"], {}),
    "default_cgroupns_mode": ("host", {}),
    "default_ipc_mode": ("private", {}),
    "default_runtime": ("runc", {}),
    "default_shm_size": ("64M", {}),
    "default_ulimits": ({"nofile": {"soft": 1, "hard": 2}}, {}),
    "init_path": ("/usr/bin/docker-init", {}),
    "runtimes": ({"kata": {"path": "/usr/bin/kata", "args": ["--debug"]}}, {}),
    "seccomp_profile": ("/etc/docker/seccomp.json", {}),
    "userns_remap": ("default", {}),
    "authorization_plugins": (["opa"], {}),
    "containerd_namespace": ("moby", {}),
    "data_root": ("/srv/docker/data", {}),
    "exec_opts": (["native.cgroupdriver=systemd"], {}),
    "exec_root": ("/run/docker2", {}),
    "features": ({"cdi": True}, {}),
    "group": ("docker", {}),
    "hosts": (["fd://", "unix:///run/ci.sock", "tcp://10.0.0.1:2376"], TLS),
    "labels": (["a=b"], {}),
    "metrics_addr": ("127.0.0.1:9323", {}),
    "min_api_version": ("1.44", {}),
    "node_generic_resources": (["gpu=one"], {}),
    "nri_opts": (
        {"enable": True, "plugin_path": "/o/p", "plugin_config_path": "/e/c", "socket_path": "/r/s"},
        {},
    ),
    "pidfile": ("/run/d.pid", {}),
    "storage_driver": ("overlay2", {}),
    "storage_opts": (["overlay2.size=1G"], {"storage_driver": "overlay2"}),
    "swarm_default_advertise_addr": ("eth0", {}),
    "tlscacert": ("/etc/d/ca.pem", {}),
    "tlscert": ("/etc/d/c.pem", {}),
    "tlskey": ("/etc/d/k.pem", {}),
    "state": ("present", {}),
    "repositories": (["lan-*"], {}),
    "version": ("29.7.2", {}),
    "repo_url": ("https://download.docker.com/linux", {}),
    "distribution": ("centos", {}),
    "channel": ("stable", {}),
    "fingerprint": ("060A61C51B558A7F742B77AAC52FEB6B621E9F35", {}),
    "conflicts": ("refuse", {}),
    "users": (["ada"], {}),
}
BASE: dict[str, tuple[Any, dict[str, Any]]] = {
    "repositories": ("repair", {}),
    "vault_urls": (["https://vault.lan"], {}),
    "stream_urls": (["https://stream.lan"], {}),
    "epel_urls": (["https://epel.lan/"], {"epel": True}),
    "epel_key_url": ("https://epel.lan/KEY-{major}", {"epel": True}),
    "epel_fingerprint": ("FF8AD1344597106ECE813B918A3872BF3228467C", {"epel": True}),
    "scl_key_url": ("https://scl.lan/KEY", {"scl": True}),
    "scl_fingerprint": ("C4DBD535B1FBBA14F8BA64A84EB84E71F2EE9D55", {"scl": True}),
    "packages": (["git"], {}),
    "timezone": ("Europe/Berlin", {}),
}
GOENV: dict[str, tuple[Any, dict[str, Any]]] = {
    "state": ("present", {}),
    "proxy": (["https://p.lan/x", "file:///srv/proxy", "direct"], {}),
    "proxy_fallback": (["any-error"], {"proxy": ["https://p.lan", "off"]}),
    "private": (["git.lan/*"], {}),
    "noproxy": (["git.lan"], {}),
    "nosumdb": (["git.lan"], {"private": ["git.lan"]}),
    "sumdb": ("sum.golang.org https://sum.lan", {}),
    "insecure": (["git.lan"], {"allow": {"insecure": "a test"}}),
    "toolchain": ("local", {}),
    "flags": (["-trimpath", "-ldflags=-s -w"], {}),
    "vcs": ({"git.lan": ["git"]}, {}),
    "cc": ("/usr/bin/gcc", {}),
    "cxx": ("g++", {}),
    "tmpdir": ("/srv/go/tmp", {}),
    "builder": ("ci", {"cache": "/srv/go/cache"}),
    "cache": ("/srv/go/cache", {"builder": "ci"}),
    "modcache": ("/srv/go/mod", {"builder": "ci"}),
    "credentials": (
        [{"user": "ci", "machine": "git.lan", "login": "bot", "secret": "env:ELFORGE_TEST_TOKEN"}],
        {"private": ["git.lan"]},
    ),
    "modules": ({"url": "https://a.lan/modules.tar.gz", "sha256": "0" * 64}, {}),
    "allow": ({"http": "a test"}, {}),
}
TABLES = {BaseOptions: BASE, DockerOptions: DOCKER, GoenvOptions: GOENV}


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every string in a value, keys of mappings (as ``key:name``) included."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, f"key:{key}")
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from leaves(item, (*path, position))


def poisoned(value: Any, path: tuple[Any, ...], text: str) -> Any:
    """Return a copy of a value with one string replaced; ``{}`` in the text is the old one."""
    if not path:
        return value.replace("://", text, 1) if text.startswith("://") else text.replace("{}", value)
    step, *rest = path
    changed = copy.copy(value)
    if isinstance(step, str) and step.startswith("key:") and not rest:
        name = step.removeprefix("key:")
        changed[text.replace("{}", name)] = changed.pop(name)
    else:
        changed[step] = poisoned(value[step], tuple(rest), text)
    return changed


def commands(model: type[Options], data: dict[str, Any], major: int, monkeypatch: Any) -> list[Any]:
    """Return what would run on a bare host, as commands."""
    monkeypatch.setattr(planning, "_text", lambda command: command)
    files = {f"/etc/yum.repos.d/{path.name}": path.read_text() for path in STOCK.glob(f"*{major}/*.repo")}
    answers = Answers(major, files=files, groups={"ada": "ada", "ci": "ci"})
    machine = ElRelease().process(answers("cat /etc/os-release").splitlines())
    run = {BaseOptions: base, DockerOptions: docker, GoenvOptions: goenv}[model]
    steps = planning.plan(lambda: run(model.of(data), RELEASES[major], machine), answers).steps
    return [command for step in steps for command in step.commands]


def release(option: str) -> int:
    """Return one on which an option does something."""
    return 7 if option.startswith(("vault", "scl")) else 9


def cases(model: type[Options], table: dict[str, tuple[Any, dict[str, Any]]]) -> list[Any]:
    return [
        pytest.param(
            model,
            option,
            value,
            needs,
            path,
            id=".".join(map(str, (model.namespace + option, *path))),
        )
        for option, (value, needs) in table.items()
        for path in leaves(value)
    ]


def prefixed(model: type[Options], data: dict[str, Any]) -> dict[str, Any]:
    return {model.namespace + key: value for key, value in data.items() if key in model.model_fields}


EVERY = [case for model, table in TABLES.items() for case in cases(model, table)]


@pytest.mark.parametrize(("model", "table"), TABLES.items())
def test_every_option_that_can_hold_text_is_tried(model, table):
    schema = model.model_json_schema()

    def text(part: Any) -> bool:
        if isinstance(part, dict):
            if "$ref" in part:
                return text(schema["$defs"][part["$ref"].rsplit("/", 1)[1]])
            return part.get("type") == "string" or "propertyNames" in part or any(map(text, part.values()))
        return isinstance(part, list) and any(map(text, part))

    assert {name for name, part in schema["properties"].items() if text(part)} <= table.keys()


@pytest.mark.parametrize(
    ("model", "option"),
    [(model, option) for model, table in TABLES.items() for option in table],
)
def test_it_is_the_payload_that_is_refused(model, option, monkeypatch):
    value, needs = TABLES[model][option]
    data = prefixed(model, {option: value, **needs})
    assert problems("web1", data, [model]) == []
    assert commands(model, data, release(option), monkeypatch)


@pytest.mark.parametrize(("model", "option", "value", "needs", "path"), EVERY)
def test_i7_a_payload_never_runs(model, option, value, needs, path, monkeypatch, tmp_path):
    for payload in PAYLOADS:
        for text in (payload, "{}" + payload, payload + "{}", "://" + payload):
            data = prefixed(model, {**needs, option: poisoned(value, path, text)})
            if CANARY.split()[0] not in str(data) or problems("web1", data, [model]):
                continue  # no place for this form, or refused
            try:
                planned = commands(model, data, release(option), monkeypatch)
            except PyinfraError:
                continue  # refused by an operation, while nothing has changed anywhere
            for command in planned:
                check(command, payload, tmp_path)
            break  # where one form is accepted, the others are no different


def check(command: Any, payload: str, folder: Path) -> None:
    """Fail unless the payload is one word of the command or file content, and no code anywhere."""
    if "canary" in " ".join(command.args):
        shown = 'timeout() { printf "%s\\0" "$@"; }; ' + command.get_raw_value()
        run = subprocess.run(["sh", "-c", shown], cwd=folder, capture_output=True, check=True)
        assert list(folder.iterdir()) == [], f"it ran: {command.args}"
        assert run.stdout.decode().split("\0")[7:-1] == list(command.args)
    code = {"put": command.args[5:], "absent": command.args[3:], "loaded": command.args[2:4]}
    assert payload not in " ".join(code.get(command.name, ())), "an argument that is run as shell"
    assert command.name != "packages" or payload not in " ".join(command.args), (
        "split into words by the script"
    )
    content = command.content or ""
    if command.args[0].startswith(("/etc/systemd", "/etc/profile.d")):
        assert "canary" not in content, "content that is run"
    elif command.args[0].endswith(".json"):
        json.loads(content)
        assert "canary" not in content or json.dumps(payload)[1:-1] in content
    elif command.args[0] == GO_ENV or command.name == "netrc":
        pass  # lines of words that nothing runs, each on its own line: no option holds a line's end
    elif "canary" in content:
        assert all(line.startswith("baseurl=") for line in content.splitlines() if "canary" in line)
