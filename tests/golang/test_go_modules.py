"""Modules, by real downloads on a lab host: which proxy is asked, and what it never hears of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import lab.hosts
from lab import mirror
from lab.hosts import Host
from lab.mirror import golang
from tests.golang.test_go import DEPLOY, NEW
from tests.runner import pyinfra, requests, root

GREET = "example.org/greet"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host with Go, a user who builds, and the lab's private module within reach."""
    (each,) = lab.hosts.reset(["el9-gomodules"])
    private = golang.private()
    root(each, f"useradd -m ci && echo '{private.address} {private.host}' >> /etc/hosts")
    certificate = private.ca.read_text()
    root(each, f"cat > /usr/local/share/ca-certificates/lab.crt <<'PEM'\n{certificate}PEM")
    root(each, "update-ca-certificates >/dev/null 2>&1")
    yield each
    lab.hosts.down([each.name])


def declare(host: Host, **data: object) -> None:
    """Apply a policy to the host."""
    options = {
        "go_versions": [NEW],
        "go_cgo": False,
        "base_packages": ["git"],
        "goenv_sumdb": golang.sumdb_verifier(),
        "goenv_allow": {"http": "the lab has no certificates"},
        **data,
    }
    run = pyinfra(host.name, deploy=DEPLOY, data=options)
    assert run.code == 0, run.output


def download(host: Host, module: str) -> tuple[int, str]:
    """Download a module as the user who builds, with an empty cache; return exit code and what go said."""
    done = host.ssh(
        "sudo -iu ci sh -c 'go clean -modcache; rm -rf m && mkdir m && cd m && go mod init m && "
        f"go get {module}' 2>&1",
    )
    return done.returncode, done.stdout


def proxy(path: str = "goproxy") -> str:
    return f"{mirror.url()}/{path}"


def test_a_module_comes_from_the_proxy_and_is_verified(host: Host) -> None:
    declare(host, goenv_proxy=[proxy(), "off"])
    before = requests(host, "/goproxy/sumdb/sum.lab.example/")
    code, said = download(host, f"{GREET}@v1.1.0")
    assert code == 0, said
    assert requests(host, "/goproxy/sumdb/sum.lab.example/") > before


def test_a_proxy_that_changed_a_module_is_found_out(host: Host) -> None:
    declare(host, goenv_proxy=[proxy("goproxy-tampered"), "off"])
    code, said = download(host, f"{GREET}@v1.1.0")
    assert code
    assert "SECURITY ERROR" in said, said


@pytest.mark.parametrize(
    ("fallback", "code"), [("missing", 1), ("any-error", 0)], ids=["comma stops", "pipe goes on"]
)
@pytest.mark.parametrize("broken", ["down", "500"])
def test_a_proxy_that_is_down(host: Host, fallback: str, code: int, broken: str) -> None:
    first = mirror.down_url() if broken == "down" else proxy("faults/down500/goproxy")
    declare(host, goenv_proxy=[first, proxy()], goenv_proxy_fallback=fallback)
    got, said = download(host, f"{GREET}@v1.0.0")
    assert (got == 0) == (code == 0), said


def test_a_proxy_without_the_module_lets_the_next_one_be_asked(host: Host) -> None:
    declare(host, goenv_proxy=[proxy("no-modules"), proxy(), "off"], goenv_proxy_fallback="missing")
    before = requests(host, f"/no-modules/{GREET}/")
    code, said = download(host, f"{GREET}@v1.0.0")
    assert code == 0, said
    assert requests(host, f"/no-modules/{GREET}/") > before


def heard(host: Host, name: str) -> list[int]:
    """Return how often the proxy, and through it the checksum database, was asked about a host's modules."""
    return [requests(host, f"/goproxy/{name}"), requests(host, f"sum.lab.example/lookup/{name}")]


def test_a_private_module_comes_with_credentials_and_no_proxy_hears_of_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = golang.private()
    monkeypatch.setenv("ELFORGE_LAB_TOKEN", private.password)
    login = {"user": "ci", "machine": private.host, "login": private.user, "secret": "env:ELFORGE_LAB_TOKEN"}
    policy = {"goenv_proxy": [proxy(), "direct"], "goenv_private": [private.host]}
    declare(host, **policy)
    before = heard(host, private.host)
    code, said = download(host, f"{private.module}@v1.0.0")
    assert code, "without credentials it is not to be had"
    declare(host, **policy, goenv_credentials=[login])
    code, said = download(host, f"{private.module}@v1.0.0")
    assert code == 0, said
    assert heard(host, private.host) == before
    assert private.password not in said
    # The log would tell: both are asked about the same module once it is not private.
    declare(host, **{**policy, "goenv_private": []}, goenv_credentials=[login])
    download(host, f"{private.module}@v1.0.0")
    asked = zip(before, heard(host, private.host), strict=True)
    assert all(old < new for old, new in asked)
