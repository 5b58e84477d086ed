"""No message repeats a password that stands in an option, however it was written down."""

from __future__ import annotations

from typing import Any

import pytest

from deploys.base import BaseOptions
from deploys.docker import DockerOptions
from deploys.go import GoOptions
from deploys.goenv import GoenvOptions
from deploys.options import problems
from pure.secrets import masked
from tests.test_canary import TABLES, leaves, poisoned

MODELS = [BaseOptions, DockerOptions, GoOptions, GoenvOptions]
CANARY = "cAnArY"
PASSWORDS = [
    CANARY,
    f"a/{CANARY}/b",
    f"a@{CANARY}@b",
    f"a:{CANARY}:b",
    f"/{CANARY}",
    f"a b{CANARY}",
    f"'{CANARY}\"",
    f"a?{CANARY}#b",
    f"[{CANARY}",
]
TEXTS = [
    "https://bot:{}@host",
    "http://bot:{}@host:80/path",
    "https://:{}@host",
    "bot:{}@host",
    "sum.golang.org https://bot:{}@host",
    "https://bot:{}@host https://other",
]
TABLE = {
    **{
        model.namespace + option: (value, model)
        for model, table in TABLES.items()
        for option, (value, _) in table.items()
    },
    "go_download_urls": (["https://go.lan"], GoOptions),
}
CASES = [
    pytest.param(option, value, path, id=".".join(map(str, (option, *path))))
    for option, (value, _) in TABLE.items()
    for path in leaves(value)
]


@pytest.mark.parametrize(("option", "value", "path"), CASES)
def test_i12_no_message_shows_a_password(option, value, path, monkeypatch):
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")
    for text in TEXTS:
        for password in PASSWORDS:
            data: dict[str, Any] = {option: poisoned(value, path, text.format(password))}
            assert [line for line in problems("web1", data, MODELS) if CANARY in line] == []


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "goenv_proxy",
            ["https://bot:hun/ter2@host"],
            "goenv_proxy.0: not a URL: its host or its port is malformed (got 'https://***@host')",
        ),
        (
            "goenv_proxy",
            ["https://bot:p@ssw0rd@host"],
            "goenv_proxy.0: a URL must not hold a user name or password (got 'https://***@host')",
        ),
        (
            "goenv_sumdb",
            "sum.golang.org https://u:pa/ss@h",
            "goenv_sumdb: not a URL: its host or its port is malformed (got 'sum.golang.org https://***@h')",
        ),
        (
            "go_download_urls",
            ["https://bot:s3cr3t/x@host"],
            "go_download_urls: not a URL: its host or its port is malformed",
        ),
        (
            "docker_proxies",
            {"http_proxy": "bot:s3 cr3t@host:3128"},
            "user of Docker (got '***@host:3128')",
        ),
    ],
)
def test_what_is_said_instead(option, value, message):
    (said,) = [
        line for line in problems("web1", {option: value}, MODELS) if line.startswith(f"web1: {option}")
    ]
    assert said.endswith(message)


@pytest.mark.parametrize(
    "text", ["web1: a: https://a.lan is not https", "a: 10:30 (got 'x')", "git@a.lan", "fd00::1"]
)
def test_what_has_no_password_stays(text):
    assert masked(text) == text
