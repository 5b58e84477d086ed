"""What the service deploy's options refuse, in one line per mistake."""

from __future__ import annotations

from typing import Any

import pytest

from deploys.options import problems
from deploys.service_options import ServiceOptions

URL = {"version": "1.0", "url": "https://dl.lan/shop", "sha256": "a" * 64}
GIT = {"version": "1.0", "git": "https://git.lan/shop.git"}


def said(app: dict[str, Any], name: str = "shop", **more: Any) -> list[str]:
    return problems("h", {"service_apps": {name: app}, **more}, [ServiceOptions])


RIGHT: dict[str, dict[str, Any]] = {
    "a download": URL,
    "a build": {**GIT, "ref": "v1.0", "package": "./cmd/shop", "cgo": True},
    "a file": {"version": "1.0", "file": "build/shop"},
    "none": {"state": "absent"},
    "instances": {
        **GIT,
        "instances": ["1", "22"],
        "arguments": [":80{instance}"],
        "probe": "tcp://h:80{instance}",
    },
    "a socket": {**GIT, "listen": ["8080", "127.0.0.1:8081"]},
    "no restart": {**GIT, "restart": "no", "restart_seconds": 60},
    "a socket that the program answers at": {**GIT, "listen": ["8080"], "probe": "http://127.0.0.1:8080/"},
    "a socket beside what is probed": {**GIT, "listen": ["8080"], "probe": "tcp://127.0.0.1:8081"},
    "a watchdog": {**GIT, "watchdog": 5, "notify": True},
    "a dollar": {**GIT, "arguments": ["$HOME"]},
}


@pytest.mark.parametrize("app", RIGHT.values(), ids=RIGHT)
def test_what_is_right(app):
    assert said(app) == []


@pytest.mark.parametrize(
    ("app", "line"),
    [
        ({"version": "1.0"}, "url: name one of url, file and git, not none"),
        ({**URL, "git": "https://git.lan/x"}, "url: name one of url, file and git, not url and git"),
        ({"version": "1.0", "url": "https://dl.lan/shop"}, "sha256: url and sha256 go together"),
        (
            {"git": "https://git.lan/x"},
            "version: is missing: each release has a directory of its own, by its version",
        ),
        ({**URL, "ref": "v1"}, "ref: is for programs that are built: it goes with git"),
        ({"state": "absent", "version": "1"}, "state: 'absent' goes with nothing else, not with version"),
        ({**GIT, "open": True}, "open: there are no ports to open"),
        ({**GIT, "selinux_type": "http_port_t"}, "selinux_type: there are no ports that it is for"),
        ({**GIT, "arguments": ["{instance}"]}, "instances: there are none that {instance} could stand for"),
        (
            {**GIT, "instances": ["1", "2"], "probe": "tcp://h:80"},
            "probe: one instance would answer for the others: {instance} in it is the instance",
        ),
        ({**GIT, "instances": ["1"], "listen": ["80"]}, "listen: one socket cannot serve several instances"),
        (
            {**GIT, "instances": ["1"], "environment": {"A": "{instance}"}},
            "environment: is the same for all instances: {instance} goes into arguments",
        ),
        (
            {**GIT, "restart_seconds": 12, "crash_seconds": 60},
            "crash_seconds: 5 restarts take 60 s at least, so the limit would never be reached",
        ),
        ({**GIT, "memory": "15M"}, "memory: no Go program gets by with less than 16M"),
        ({**GIT, "probe": "tcp://h:1", "probe_timeout": 11}, "probe_timeout: is longer than probe_seconds"),
        ({**GIT, "arguments": [";"]}, "arguments: systemd takes a ; by itself for the end of the command"),
        (
            {**GIT, "environment": {"NOTIFY_SOCKET": "x"}},
            "environment: NOTIFY_SOCKET is systemd's or elforge's to set",
        ),
        (
            {**GIT, "environment": {"ELFORGE_DOLLAR": "x"}},
            "environment: ELFORGE_DOLLAR is systemd's or elforge's to set",
        ),
        (
            {**GIT, "listen": ["127.0.0.1:8080"], "probe": "tcp://127.0.0.1:8080"},
            "probe: systemd itself answers at port 8080 (listen): http:// asks the program",
        ),
        (
            {**GIT, "instances": ["1", "99"], "probe": "tcp://h:808{instance}"},
            "probe: of instance 99: a port is in 1..65535",
        ),
        ({**GIT, "watchdog": 5, "restart": "no"}, "watchdog: would only kill it with restart = 'no'"),
        ({**GIT, "watchdog": 5, "notify": False}, "notify: a program with a watchdog notifies"),
        ({**GIT, "user": "elforge-go"}, "user: what elforge-go runs ends with each build"),
        ({**GIT, "user": "root"}, "user: a service that is root's is no business of this deploy"),
        (
            {**GIT, "writable": ["/etc/shop"]},
            "writable: /etc/shop is the system's, a user's or gone after a boot",
        ),
    ],
)
def test_contradictions(app, line):
    assert said(app) == [f"h: service_apps.shop.{line}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("version", text) for text in ("../1", "a b", "", ".1", "a/b")),
        *(("sha256", text) for text in ("A" * 64, "a" * 63)),
        *(("ports", [text]) for text in ("0/tcp", "65536/tcp", "80", "80/sctp", "08/tcp")),
        *(
            ("probe", text)
            for text in ("ftp://h", "tcp://h", "http://h:0/", "http://h/$(id)", "http://h:99999/")
        ),
        *(("listen", [text]) for text in ("0", "/run/x", "h:80", "65536", "999.1.1.1:80")),
        *(("memory", text) for text in ("1", "1G ", "0M", "1T")),
        *(("package", text) for text in ("cmd/x", "./../x;", "/x")),
        *(("ref", text) for text in ("-x", "a b", "$(id)")),
        *(("instances", [text]) for text in ("A", "a.b", "", "a@b")),
        ("environment", {"A B": "x"}),
        ("capabilities", ["NET_RAW"]),
        ("cpus", 0.004),
        ("keep", 1),
        ("restart", True),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(field, value):
    (line,) = said({**URL, field: value} if field not in ("ref", "package") else {**GIT, field: value})[:1]
    assert line.startswith(f"h: service_apps.shop.{field}"), line


@pytest.mark.parametrize("name", ["Shop", "s", "shop@1", "../shop", "shop.service", "-shop", "x" * 32])
def test_i6_a_name_is_one_for_units_directories_and_users(name):
    (line,) = said(URL, name)
    assert "must be 2 to 31 lower-case letters, digits and -" in line


def test_a_name_that_would_be_a_probes():
    (line,) = said(URL, "shop-probe")
    assert "names that end in -probe are those of units that look after others" in line


def test_i6_a_name_whose_directory_is_elforges():
    assert said(URL, "elforge") == [
        "h: service_apps.elforge: /var/lib/elforge is where elforge keeps what it knows"
    ]
    assert said(URL, "elforge-go") == [
        "h: service_apps.elforge-go.user: what elforge-go runs ends with each build"
    ]


def test_two_applications_with_one_port():
    apps = {"one": {**GIT, "ports": ["80/tcp"]}, "two": {**GIT, "ports": ["80/tcp"]}}
    (line,) = problems("h", {"service_apps": apps}, [ServiceOptions])
    assert line == "h: service_apps.two.ports: 80/tcp is one's, too"


def test_i17_plain_http_needs_a_word():
    app = {**URL, "url": "http://dl.lan/shop"}
    assert said(app) == [
        "h: service_apps.shop.url: http://dl.lan/shop is not https; service_insecure_mirror = True allows it"
    ]
    assert said(app, service_insecure_mirror=True) == []


def test_i12_a_secret_in_the_place_of_its_reference_is_not_repeated():
    (line,) = said({**URL, "secrets": {"TOKEN": "hunter2"}})
    assert (
        line == "h: service_apps.shop.secrets.TOKEN: must be env:NAME or file:/PATH, never the secret itself"
    )
    (line,) = said({**URL, "environment": {"TOKEN": 12345}})
    assert "12345" not in line


def test_a_secret_and_a_variable_of_the_same_name(monkeypatch):
    monkeypatch.setenv("TOKEN", "x")
    app = {**URL, "secrets": {"A": "env:TOKEN"}, "environment": {"A": "y"}}
    assert said(app) == ["h: service_apps.shop.secrets: A is in environment, too"]
