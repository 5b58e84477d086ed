"""The go command's settings on a real host, as a real toolchain reads them in every way of starting it."""

from __future__ import annotations

import base64
import hashlib
import io
import shlex
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

import lab.hosts
from lab import mirror
from lab.hosts import Host
from tests.runner import converge, pyinfra, root, until
from tests.tree import difference, tree

DEPLOY = "tests/golang/goenv_deploy.py"
GO, ROOT = "/usr/local/go/bin/go", "/usr/local/go-toolchains/go1.27.3"
ARCHIVE = "go/dl/go1.27.3.linux-amd64.tar.gz"
SECRET = "hunter2-of-the-lab"
POLICY = {
    "goenv_proxy": ["https://goproxy.example.com", "direct"],
    "goenv_proxy_fallback": "any-error",
    "goenv_private": ["git.example.com/*"],
    "goenv_flags": ["-trimpath", "-ldflags=-s -w"],
    "goenv_vcs": {"git.example.com": ["git"], "public": ["off"]},
    "goenv_tmpdir": "/srv/go/tmp",
}
LOGIN = {"user": "ci", "machine": "git.example.com", "login": "bot", "secret": "env:ELFORGE_LAB_TOKEN"}
SHOWN = ["https://goproxy.example.com|direct", "git.example.com/*", "git.example.com/*", "local"]
ASK = f"{GO} env GOPROXY GOPRIVATE GONOSUMDB GOTOOLCHAIN"
WAYS = {
    "sudo": f"sudo -u ci {ASK}",
    "sudo -i": f"sudo -i -u ci {ASK}",
    "login shell": f"runuser -u ci -- bash -lc '{ASK}'",
    "su": f"su - ci -c '{ASK}'",
    "ssh command of root": ASK,
    "systemd unit": f"systemd-run --wait --pipe --quiet -p User=ci {ASK}",
    "systemd unit without a home": f"systemd-run --wait --pipe --quiet -p DynamicUser=yes {ASK}",
    "empty environment": f"env -i {ASK}",
}


@pytest.fixture(scope="module")
def host():
    """Boot a host with a toolchain whose go.env is a link to ours, as deploys/go.py leaves it."""
    lab.hosts.reset(["el9-goenv"])
    host = Host("el9-goenv")
    root(
        host,
        f"mkdir -p {ROOT} && curl -fsS {mirror.url()}/{ARCHIVE} | tar -xzf - -C {ROOT} --strip 1 && "
        f"ln -s {ROOT} /usr/local/go && ln -sf /etc/elforge/go.env {ROOT}/go.env && "
        "useradd -m ci && useradd -m ada",
    )
    yield host
    lab.hosts.down([host.name])


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("ELFORGE_LAB_TOKEN", SECRET)


def test_the_policy_reaches_everybody(host):
    converge(host.name, deploy=DEPLOY, data=POLICY)
    assert {
        way: root(host, f"cd / && {command}").splitlines() for way, command in WAYS.items()
    } == dict.fromkeys(WAYS, SHOWN)
    assert host.ssh(ASK).stdout.splitlines() == SHOWN, "a user's command over ssh"
    root(host, f"echo '* * * * * ci {ASK} >policy 2>&1' >/etc/cron.d/policy; systemctl start crond")
    until(lambda: root(host, "wc -l </home/ci/policy || :") == str(len(SHOWN)), 150, every=5)
    assert root(host, "rm /etc/cron.d/policy; cat /home/ci/policy").splitlines() == SHOWN
    assert root(host, f"{GO} env GOFLAGS GOVCS GOTMPDIR").splitlines() == [
        "-trimpath '-ldflags=-s -w'",
        "git.example.com:git,public:off",
        "/srv/go/tmp",
    ]


def test_a_build_obeys_it(host):
    program = 'package main\nfunc main() { println("it runs") }\n'
    source = f"d=$(mktemp -d) && cd $d && printf %s {shlex.quote(program)} > x.go && {GO} mod init x"
    assert "it runs" in root(host, f"su - ci -c {shlex.quote(f'{source} && {GO} build -o x . && ./x 2>&1')}")
    # GOVCS is the policy's: a public module straight from its repository is refused by the go command itself.
    get = f"{source} && GOPROXY=direct GOFLAGS=-mod=mod {GO} get github.com/golang/example 2>&1; :"
    assert "GOVCS disallows" in root(host, f"su - ci -c {shlex.quote(get)}")


def test_a_users_own_word_and_then_the_environment_win(host):
    def ask(prefix: str = "") -> str:
        return root(host, f"sudo -u ci env {prefix} {GO} env GOPROXY")

    assert ask() == SHOWN[0]
    root(host, f"sudo -u ci {GO} env -w GOPROXY=https://ci.example.com")
    assert ask() == "https://ci.example.com"
    assert ask("GOPROXY=off") == "off"
    assert ask("GOENV=off") == SHOWN[0], "what stands in go.env, whatever the user wrote"
    root(host, f"sudo -u ci {GO} env -u GOPROXY")
    assert ask() == SHOWN[0]


def test_no_secret_shows_up_anywhere_but_in_the_file(host):
    """At every verbosity, in the command lines of the host, and in its journal and files."""
    seen: set[str] = set()
    done = threading.Event()
    spy = threading.Thread(target=watch, args=(seen, done))
    spy.start()
    data = {**POLICY, "goenv_credentials": [LOGIN]}
    verbose = ("-m", "pyinfra", "-vvv", "--debug")
    runs = [
        pyinfra(host.name, deploy=DEPLOY, data=data, program=verbose, dry=dry) for dry in (True, False, False)
    ]
    done.set()
    spy.join()
    assert [run.code for run in runs] == [0, 0, 0], runs[-1].output
    assert [len(run.changed) for run in runs] == [1, 1, 0]
    # base64 of the same bytes looks different at each of three offsets; digests are those of the whole file.
    content = root(host, "cat /home/ci/.netrc")
    assert content.splitlines()[1] == f"machine git.example.com login bot password {SECRET}"
    forms = [SECRET, hashlib.sha256(content.encode()).hexdigest()]
    forms += [base64.b64encode(b"." * n + SECRET.encode()).decode()[4:-4] for n in range(3)]
    said = "".join(run.output for run in runs) + "".join(seen) + root(host, "journalctl --no-pager")
    assert [form for form in forms if form in said] == []
    assert root(host, "stat -c '%U %G %a' /home/ci/.netrc") == "ci ci 600"
    assert root(host, f"grep -rlF {SECRET} /etc /home /var/lib /run /tmp /var/tmp /srv") == "/home/ci/.netrc"


def watch(seen: set[str], done: threading.Event) -> None:
    """Collect every command line, of the lab host's processes too: they are this machine's."""
    while not done.wait(0.005):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue  # it has ended


def test_somebody_elses_file_and_a_link_stay(host):
    data = {**POLICY, "goenv_credentials": [{**LOGIN, "user": "ada"}]}
    for make in ("echo 'machine a login b password c' > .netrc", "rm .netrc; ln -s /etc/passwd .netrc"):
        root(host, f"sudo -u ada sh -c {shlex.quote(f'cd; {make}')}")
        before = tree(host)
        refused = pyinfra(host.name, deploy=DEPLOY, data=data, dry=True)
        assert refused.code == 1
        assert "the .netrc of ada is not elforge's; move it away" in refused.output
        assert difference(before, tree(host)) == {}
    root(host, "rm /home/ada/.netrc")
    missing = {**POLICY, "goenv_credentials": [{**LOGIN, "user": "nobody-here"}]}
    assert "no such user: nobody-here" in pyinfra(host.name, deploy=DEPLOY, data=missing, dry=True).output


def test_a_login_that_is_gone_takes_its_file_along(host):
    converge(host.name, deploy=DEPLOY, data={**POLICY, "goenv_credentials": [{**LOGIN, "user": "ada"}]})
    assert root(host, "ls -A /home/ci /home/ada | grep netrc") == ".netrc"
    assert SECRET in root(host, "cat /home/ada/.netrc")


def modules(word: str) -> dict[str, str]:
    """Put an archive of a module cache with one module on the mirror; return the option for it."""
    base, mod = "cache/download/example.com/hello/@v", "module example.com/hello\n"
    source = io.BytesIO()
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("example.com/hello@v1.0.0/go.mod", mod)
        archive.writestr("example.com/hello@v1.0.0/x.go", f'package hello\nconst Word = "{word}"\n')
    content = {"list": b"v1.0.0\n", "v1.0.0.mod": mod.encode(), "v1.0.0.zip": source.getvalue()}
    content["v1.0.0.info"] = b'{"Version": "v1.0.0"}'
    path = mirror.files_dir() / f"modules-{word}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(f"{base}/{name}")
            member.size, member.mode, member.uid = len(data), 0o400, 1234
            archive.addfile(member, io.BytesIO(data))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"url": f"{mirror.url()}/files/{path.name}", "sha256": digest}


def downloaded(host: Host) -> str:
    """Return the word in example.com/hello, as the user ci gets it from nothing but the archive."""
    get = (
        f"d=$(mktemp -d) && cd $d && export GOFLAGS=-modcacherw GOMODCACHE=$d/mod GONOSUMDB=example.com && "
        f"{GO} mod init x && {GO} mod download example.com/hello@v1.0.0 && cat mod/example.com/hello@*/x.go"
    )
    return root(host, f"su - ci -c {shlex.quote(get)}")


def test_modules_out_of_an_archive_and_nothing_else(host):
    data = {"goenv_proxy": ["off"]}
    converge(host.name, deploy=DEPLOY, data={**data, "goenv_modules": modules("one")})
    assert '"one"' in downloaded(host)
    converge(host.name, deploy=DEPLOY, data={**data, "goenv_modules": modules("two")})
    assert '"two"' in downloaded(host)
    for wrong in (
        {**modules("two"), "sha256": "0" * 64},
        {**modules("two"), "url": f"{mirror.url()}/files/none"},
    ):
        failed = pyinfra(host.name, deploy=DEPLOY, data={**data, "goenv_modules": wrong})
        assert failed.code == 1
        assert "no source gave the expected content" in failed.output
        assert '"two"' in downloaded(host)


def test_nothing_is_left(host):
    everything = {**POLICY, "goenv_credentials": [LOGIN], "goenv_modules": modules("one")}
    converge(host.name, deploy=DEPLOY, data=everything)
    converge(host.name, deploy=DEPLOY, data={"goenv_state": "absent"})
    places = (
        "/etc/elforge /usr/local/share/go-modules /home/ci/.netrc /var/lib/elforge/netrc /var/cache/elforge/*"
    )
    assert root(host, f"ls -d {places} 2>/dev/null; :") == ""
