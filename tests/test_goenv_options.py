"""What goenv_ options are refused, in which words (I9, I12, I14, I15 of the catalogue), and what is not."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, ClassVar

import pytest

from deploys.goenv import GoenvOptions
from deploys.gogrammar import covers
from deploys.options import Options, problems

PATTERN = "must be HOST or HOST/PATH of letters, digits and . _ ~ -, with * ? [a-z]"
PROXY = "must be https://HOST, file:///PATH, direct or off"
PUBLIC = "https://proxy.golang.org"


def key(name: str = "sum.lan") -> str:
    raw = b"\x01" + bytes(range(32))
    digest = hashlib.sha256(f"{name}\n".encode() + raw).hexdigest()[:8]
    return f"{name}+{digest}+{base64.b64encode(raw).decode()}"


def said(data: dict[str, Any]) -> list[str]:
    prefixed = {f"goenv_{name}": value for name, value in data.items()}
    return [line.removeprefix("web1: goenv_") for line in problems("web1", prefixed, [GoenvOptions])]


ELEMENTS = [
    ("proxy", "", PROXY),
    ("proxy", "proxy.lan", PROXY),
    ("proxy", "noproxy", PROXY),
    ("proxy", "Direct", PROXY),
    ("proxy", "https://a.lan|https://b.lan", "one proxy per entry of the list; goenv_proxy_fallback says"),
    ("proxy", "https://a.lan,direct", "one proxy per entry of the list; goenv_proxy_fallback says"),
    ("proxy", "https://a.lan ", "one proxy per entry of the list; goenv_proxy_fallback says"),
    ("proxy", "https://", "'https://' is not an http(s) URL"),
    ("proxy", "https://a.lan:0", "'https://a.lan:0' is not an http(s) URL"),
    ("proxy", "ftp://a.lan", "'ftp://a.lan' is not an http(s) URL"),
    ("proxy", "https://a.lan/?x=1", "'https://a.lan/?x=1' has a query or fragment"),
    ("proxy", "https://bot:hunter2@a.lan", "a URL must not hold a user name or password"),
    ("proxy", "file:", "must be file:///PATH, an absolute path without"),
    ("proxy", "file://srv/proxy", "must be file:///PATH, an absolute path without"),
    ("proxy", "file:///srv/../proxy", "must be file:///PATH, an absolute path without"),
    ("private", "https://git.lan", "a module path has no scheme: leave out everything up to ://"),
    ("private", "/git.lan", "must neither begin nor end with /, nor hold //"),
    ("private", "git.lan/", "must neither begin nor end with /, nor hold //"),
    ("private", "git.lan//a", "must neither begin nor end with /, nor hold //"),
    ("private", "", "must neither begin nor end with /, nor hold //"),
    ("private", "git.lan,git2.lan", "one pattern per entry of the list, without spaces"),
    ("private", "git.lan /a", "one pattern per entry of the list, without spaces"),
    ("private", "git.lan/**", "** is no more than *: a pattern matches everything below it anyway"),
    ("private", "git.lan:8443/a", "a module path has no port"),
    ("private", "*", "matches every module: name a host"),
    ("private", "?*", "matches every module: name a host"),
    ("private", "*.*/x", "matches every module: name a host"),
    ("private", "[a-z]*", "matches every module: name a host"),
    ("private", "git.lan/[a", PATTERN),
    ("private", "git.lan/a\\*", PATTERN),
    ("private", "git.lan/..", PATTERN),
    ("private", "git@git.lan", PATTERN),
    ("noproxy", "*", "matches every module: name a host"),
    ("nosumdb", "http://x", "a module path has no scheme"),
    ("insecure", "x:80", "a module path has no port"),
    ("flags", "trimpath", "must be -name or -name=value, one flag per entry of the list"),
    ("flags", "-trimpath -v", "must be -name or -name=value, one flag per entry of the list"),
    ("flags", "-insecure", "the go command has no -insecure any more; goenv_insecure names what may be"),
    ("flags", "-trimpaht", "no go command has a flag -trimpaht, and each would stop because of it"),
    ("flags", "-mod", "-mod needs a value: -mod=VALUE"),
    ("flags", "-race=1", "-race is on or off: -race, -race=true or -race=false"),
    ("flags", "-ldflags=-X 'a=\"b\"'", "the go command cannot read both kinds of quotes in one flag"),
]


@pytest.mark.parametrize(("option", "value", "message"), ELEMENTS, ids=[f"{o}-{v}" for o, v, _ in ELEMENTS])
def test_i14_i15_a_list_with_one_mistake(option, value, message):
    (line,) = said({option: [value]})
    assert line.startswith(f"{option}.0: {message}")
    assert "hunter2" not in line


WHOLE = [
    ("I14", {"proxy": "https://a.lan,direct"}, "proxy: Input should be a valid list"),
    ("I14", {"proxy": []}, "proxy: List should have at least 1 item"),
    ("I14", {"proxy": ["off", PUBLIC]}, "proxy: nothing after off is ever tried"),
    ("I14", {"proxy": ["direct", "off"]}, "proxy: nothing after direct is ever tried"),
    ("I14", {"proxy": [PUBLIC, PUBLIC]}, f"proxy: '{PUBLIC}' is listed twice"),
    ("I14", {"proxy_fallback": "|"}, "proxy_fallback: must be missing or any-error, or a list of these"),
    (
        "I14",
        {"proxy_fallback": ["missing", "any-error"]},
        "proxy_fallback: 2 for the 1 gaps between the entries of goenv_proxy",
    ),
    (
        "I17",
        {"proxy": ["http://a.lan"]},
        "proxy: http://a.lan is not https; goenv_allow = {'http': 'REASON'} allows it",
    ),
    ("I17", {"sumdb": f"{key()} http://s.lan"}, "sumdb: http://s.lan is not https; goenv_allow = {'http'"),
    (
        "I14",
        {"sumdb": "off"},
        "sumdb: off takes new modules from any proxy unverified; goenv_allow = {'sumdb_off'",
    ),
    ("I14", {"sumdb": ""}, "sumdb: must be a name, off, or NAME+HASH+KEY"),
    (
        "106",
        {"sumdb": "sumdb.example.com"},
        "sumdb: only sum.golang.org and sum.golang.google.cn need no key",
    ),
    (
        "106",
        {"sumdb": key().replace("sum.lan", "sum2.lan")},
        "sumdb: the key of sum2.lan does not have the hash",
    ),
    ("106", {"sumdb": "sum.lan+00000000+AAAA"}, "sumdb: the key of sum.lan is not an Ed25519 key"),
    ("106", {"sumdb": "sum.lan+00000000+AAA"}, "sumdb: the key of sum.lan is not base64"),
    (
        "106",
        {"sumdb": f"{key()} https://a.lan https://b.lan"},
        "sumdb: must be a name, off, or NAME+HASH+KEY, and at",
    ),
    (
        "I14",
        {"nosumdb": ["a.lan"]},
        "nosumdb: a.lan is not in goenv_private, yet unverified; goenv_allow = {'nosumdb'",
    ),
    (
        "I15",
        {"private": ["git.lan"], "noproxy": []},
        "noproxy: https://proxy.golang.org would be asked about git.lan of goenv_private; goenv_",
    ),
    (
        "I15",
        {"private": ["git.lan/a", "b.lan"], "noproxy": ["git.lan"]},
        "noproxy: https://proxy.golang.org would be asked about b.lan of goenv_private",
    ),
    (
        "I15",
        {"private": ["git.lan"], "nosumdb": []},
        "nosumdb: sum.golang.org would be asked about git.lan of goenv_private; goenv_allow = {'leak'",
    ),
    (
        "I15",
        {"private": ["github.com/*"]},
        "private: github.com/* leaves all or much of github.com unverified: name what is yours, as "
        "github.com/OWNER; goenv_allow",
    ),
    ("I15", {"private": ["*.com"]}, "private: *.com leaves all or much of github.com unverified"),
    ("I15", {"private": ["k8s.io/[a-z]*"]}, "private: k8s.io/[a-z]* leaves all or much of k8s.io unverified"),
    ("I15", {"private": ["k8s.io/[0-9]*"]}, "private: k8s.io/[0-9]* leaves all or much of k8s.io unverified"),
    ("I15", {"private": ["k8s.io/[^a0]*"]}, "private: k8s.io/[^a0]* leaves all or much of k8s.io"),
    ("I15", {"private": ["a.lan", "a.lan"]}, "private: 'a.lan' is listed twice"),
    (
        "I17",
        {"insecure": ["a.lan"]},
        "insecure: a.lan would be fetched without a valid certificate; goenv_allow",
    ),
    ("I9", {"toolchain": "latest"}, "toolchain: must be local, auto, path or a version like go1.27.3"),
    ("I9", {"toolchain": "1.27.3"}, "toolchain: must be local, auto, path or a version like go1.27.3"),
    (
        "I9",
        {"toolchain": "go1.27.3+latest"},
        "toolchain: must be local, auto, path or a version like go1.27.3",
    ),
    ("I9", {"toolchain": "go1.27.3; id"}, "toolchain: must be local, auto, path or a version like go1.27.3"),
    (
        "I9",
        {"toolchain": "auto"},
        "toolchain: a toolchain that auto downloads knows nothing of /etc/elforge/go.env",
    ),
    (
        "I9",
        {"toolchain": "auto", "sumdb": "off", "allow": {"toolchain": "x", "sumdb_off": "x"}},
        "toolchain: auto needs goenv_sumdb: go verifies what it downloads",
    ),
    ("vcs", {"vcs": {"git.lan": ["cvs"]}}, "vcs.git.lan.0: Input should be"),
    ("vcs", {"vcs": {"https://git.lan": ["git"]}}, "vcs: a module path has no scheme"),
    ("vcs", {"vcs": {"git.lan": []}}, "vcs: git.lan must be all, off, or names of version control systems"),
    ("vcs", {"vcs": {"public": ["off", "git"]}}, "vcs: public must be all, off, or names"),
    (
        "vcs",
        {"vcs": {"git.lan": ["git"], "git.lan/a": ["hg"]}},
        "vcs: git.lan/a is never reached: git.lan stands",
    ),
    ("cc", {"cc": "bin/gcc"}, "cc: must be a program's name or absolute path"),
    ("cc", {"cc": "gcc -m32; id"}, "cc: must be a program's name or absolute path"),
    (
        "I21",
        {"tmpdir": "/tmp/go"},
        "tmpdir: /tmp/go is the system's, a user's or gone after a boot; try /srv/go/",
    ),
    ("I21", {"tmpdir": "/go"}, "tmpdir: /go is the system's"),
    ("I21", {"tmpdir": "go"}, "tmpdir: must be an absolute path"),
    ("I21", {"cache": "/home/ci/cache", "builder": "ci"}, "cache: /home/ci/cache is the system's, a user's"),
    ("I21", {"cache": "$HOME/x", "builder": "ci"}, "cache: must be an absolute path"),
    ("shared", {"cache": "/srv/go/cache"}, "cache: one directory for all users fails for all but the first"),
    (
        "shared",
        {"modcache": "/srv/go/mod"},
        "modcache: one directory for all users fails for all but the first",
    ),
    ("I13", {"builder": "ci"}, "builder: has no effect without goenv_cache or goenv_modcache"),
    (
        "I13",
        {"builder": "ci", "cache": "/srv/go", "modcache": "/srv/go/mod"},
        "cache: /srv/go and goenv_modcache /srv/go/mod are one inside of the other",
    ),
    (
        "I10",
        {"modules": {"url": "https://a.lan/m", "sha256": "A" * 64}},
        "modules.sha256: must be 64 lower-case",
    ),
    (
        "I12",
        {"modules": {"url": "https://a:b@a.lan", "sha256": "0" * 64}},
        "modules: a URL must not hold a user name",
    ),
    ("allow", {"allow": {"everything": "x"}}, "allow.everything: Input should be 'http', 'sumdb_off'"),
    ("allow", {"allow": {"http": " "}}, "allow.http: must be a reason, in words"),
    ("runtime", {"memlimit": "1GiB"}, "memlimit: no option: GOMEMLIMIT is read by every Go program"),
    ("runtime", {"maxprocs": 4}, "maxprocs: no option: GOMAXPROCS is read by every Go program"),
    ("I1", {"privat": []}, "privat: unknown option; did you mean goenv_private?"),
]


@pytest.mark.parametrize(
    ("row", "data", "message"), WHOLE, ids=[f"{row}-{data}"[:60] for row, data, _ in WHOLE]
)
def test_one_mistake_with_its_place(row, data, message):
    (line,) = said(data)
    assert line.startswith(message)


ACCEPTED = [
    {},
    {
        "proxy": ["https://a.lan", "https://b.lan:8443/go", "file:///srv/proxy", "off"],
        "proxy_fallback": "any-error",
    },
    {"proxy": ["https://a.lan", "https://b.lan", "direct"], "proxy_fallback": ["any-error", "missing"]},
    {"proxy": ["http://a.lan"], "allow": {"http": "inside of the rack"}},
    {"sumdb": key()},
    {"sumdb": "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"},  # cmd/go's own, key.go
    {"sumdb": f"{key('sum.lan/db')} https://mirror.lan"},
    {"sumdb": "sum.golang.org https://mirror.lan/sumdb"},
    {"sumdb": "off", "allow": {"sumdb_off": "air-gapped"}},
    {"private": ["git.lan/*", "*.corp.example.com", "github.com/my-org", "h[0-9].lan/[^a]?"]},
    {"private": ["github.com/a", "github.com/my-*", "github.com/my-org/*"]},
    {"private": ["git.lan"], "noproxy": [], "proxy": ["https://own.lan"]},
    {"private": ["git.lan"], "nosumdb": [], "sumdb": key()},
    {"private": ["git.lan"], "nosumdb": ["git.lan/a", "git.lan"]},
    {"toolchain": "go1.27rc1+path", "allow": {"toolchain": "trial"}},
    {"flags": ["-trimpath", "--v", "-ldflags=-s -w", "-mod=vendor", "-race=false"]},
    {"vcs": {"git.lan/a": ["hg"], "git.lan": ["git"], "private": ["all"], "public": ["off"]}},
    {"cc": "/opt/rh/devtoolset-11/root/usr/bin/gcc", "cxx": "g++"},
    {"builder": "ci", "cache": "/srv/go/cache", "modcache": "/srv/go/mod", "tmpdir": "/srv/go/tmp"},
    {"modules": {"url": "http://a.lan/m.tgz", "sha256": "0" * 64}},
]


@pytest.mark.parametrize("data", ACCEPTED, ids=str)
def test_what_is_right_is_accepted(data):
    assert said(data) == []


LOGIN = {"user": "ci", "machine": "git.lan", "login": "bot", "secret": "env:ELFORGE_TEST_TOKEN"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"secret": "hunter2"},
            "credentials.0.secret: must be env:NAME or file:/PATH, never the secret itself",
        ),
        (
            {"secret": "env:ELFORGE_NO_TOKEN"},
            "credentials.0.secret: the environment variable ELFORGE_NO_TOKEN is not",
        ),
        ({"secret": 5}, "credentials.0.secret: Input should be a valid string"),
        ({"secret": "env:ELFORGE_TWO_WORDS"}, "credentials.0.secret: a .netrc holds no secret with spaces"),
        ({"password": "hunter2"}, "credentials.0.password: Extra inputs are not permitted"),
        (
            {"machine": "https://git.lan"},
            "credentials.0.machine: must be a host, or HOST:PORT, without https://",
        ),
        ({"login": "bo t"}, "credentials.0.login: must be one word of printable ASCII"),
        ({"user": "Root"}, "credentials.0.user: must be the name of a user, in lower case"),
    ],
    ids=str,
)
def test_i12_a_login_with_one_mistake(monkeypatch, change, message):
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")
    monkeypatch.setenv("ELFORGE_TWO_WORDS", "hunter2 hunter2")
    (line,) = said({"credentials": [{**LOGIN, **change}]})
    assert line.startswith(message)
    assert "hunter2" not in line


def test_i11_one_login_for_each_machine(monkeypatch):
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")
    private = {"private": ["*.lan"]}
    others = [{**LOGIN, "machine": "b.lan"}, {**LOGIN, "user": "ada"}]
    assert said({**private, "credentials": [LOGIN, *others]}) == []
    assert said({**private, "credentials": [LOGIN, LOGIN]}) == ["credentials: ci has two logins for git.lan"]


SUMMED = "sum.golang.org"


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        ({}, f"{PUBLIC} and {SUMMED}"),
        ({"private": ["other.lan", "git.lan.example.com"]}, f"{PUBLIC} and {SUMMED}"),
        ({"proxy": ["https://own.lan", "direct"]}, SUMMED),
        ({"sumdb": key()}, PUBLIC),
        ({"noproxy": ["git.lan"]}, SUMMED),
        ({"nosumdb": ["git.lan"], "allow": {"nosumdb": "x"}}, PUBLIC),
    ],
    ids=str,
)
@pytest.mark.parametrize("machine", ["git.lan", "git.lan:8443"])
def test_i15_what_needs_a_login_is_private(monkeypatch, data, asked, machine):
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")
    users = [{**LOGIN, "machine": machine, "user": user} for user in ("ci", "ada")]
    (line,) = said({**data, "credentials": users})
    assert line == (
        f"credentials: {asked} would be asked about modules of git.lan, which needs a login: "
        "name them in goenv_private; goenv_allow = {'leak': 'REASON'} allows it"
    )


@pytest.mark.parametrize(
    "data",
    [
        {"private": ["git.lan"]},
        {"private": ["git.lan/team/*"]},
        {"private": ["g*.lan"]},
        {"noproxy": ["git.lan"], "sumdb": key()},
        {"proxy": ["https://git.lan:8443/go", PUBLIC]},
        {"sumdb": "sum.golang.org https://git.lan/sumdb"},
        {"sumdb": key("git.lan")},
        {"modules": {"url": "https://git.lan/m.tgz", "sha256": "0" * 64}},
        {"proxy": ["https://own.lan"], "sumdb": key()},
        {"allow": {"leak": "nothing but a file of tools is there"}},
    ],
    ids=str,
)
def test_i15_a_login_that_tells_nobody_of_modules(monkeypatch, data):
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")
    assert said({**data, "credentials": [LOGIN]}) == []


def test_a_model_keeps_the_reference_and_not_the_secret(monkeypatch):
    monkeypatch.setenv("ELFORGE_TEST_TOKEN", "s3cret")
    options = GoenvOptions.model_validate({"private": ["git.lan"], "credentials": [LOGIN]})
    assert "s3cret" not in repr(options) + options.model_dump_json()


@pytest.mark.parametrize(
    ("wide", "narrow", "answer"),
    [
        ("git.lan", "git.lan/team/*", True),
        ("git.lan/*", "git.lan/a/b", True),
        ("git.lan/*", "git.lan", False),
        ("*.lan", "git.lan", True),
        ("g?t.lan", "g*t.lan", False),
        ("git.lan/[^a]", "git.lan/b", True),
        ("git.lan/[^a]", "git.lan/a", False),
        ("git.lan/a", "git.lan/*", False),
    ],
)
def test_one_pattern_within_another(wide, narrow, answer):
    assert covers(wide, narrow) is answer


class GoOptions(Options):
    """The model of the toolchains, as far as goenv looks at it."""

    namespace: ClassVar[str] = "go_"
    state: str = "present"


@pytest.mark.parametrize(
    ("goenv", "go", "count"),
    [("absent", "present", 1), ("absent", "absent", 0), ("present", "present", 0), ("absent", None, 0)],
)
def test_toolchains_do_not_lose_their_settings(goenv, go, count):
    options = GoenvOptions.model_validate({"state": goenv})
    fleet = {"web1": {GoenvOptions: options, **({GoOptions: GoOptions(state=go)} if go else {})}}
    lines = list(options.among("web1", fleet))
    assert len(lines) == count
    assert all(line.startswith("goenv_state: absent would leave the Go toolchains") for line in lines)
