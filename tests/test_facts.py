"""Each fact on captured output: one YAML file per case, whose name is the claim; and what is an error."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import FactProcessError
from pyinfra_testing.facts import make_fact_tests

from facts.accounts import LoginGroup, Users
from facts.caches import Caches, CacheUnits
from facts.denials import Denials
from facts.docker import Containers, DockerHost
from facts.docker_user import DockerUser
from facts.files import Contents, EmptyMount, Entries, Paths
from facts.files import Path as Found
from facts.firewalld import Firewalld
from facts.go import Toolchains
from facts.journald import Journald
from facts.kernel import Modules, Sysctl
from facts.netrc import Netrc
from facts.release import ElRelease, Instance, Machine
from facts.repositories import RepositoryFiles
from facts.rpm import Answer, Dependents, Key, KeyState, Rpm, Rpms
from facts.selinux import Mislabelled, PolicyAnswers, Selinux
from facts.service import Proven, Releases, Service
from facts.session import SshPort
from facts.unit import Loaded, UnitState

# The command is checked in one case of each fact (test_architecture.py sees to that).
pytestmark = pytest.mark.filterwarnings("ignore:No command set for test")

BASE = Path(__file__).parent / "facts"
for folder in sorted(path.name for path in BASE.iterdir() if path.is_dir()):
    globals()[folder] = make_fact_tests("facts", folder, BASE / folder)

EVERY: list[tuple[Any, dict[str, Any]]] = [
    (Users, {"users": ["ada"]}),
    (LoginGroup, {"user": "ada"}),
    (Caches, {"paths": ["/srv/go"], "owners": ["ci"]}),
    (CacheUnits, {}),
    (Containers, {}),
    (DockerHost, {"data_root": "/var/lib/docker"}),
    (Denials, {}),
    (DockerUser, {}),
    (Firewalld, {"objects": ["zones/public"]}),
    (Paths, {"paths": ["/etc/a"]}),
    (Contents, {"paths": ["/etc/a"]}),
    (EmptyMount, {"path": "/etc/a"}),
    (Entries, {"path": "/etc/a"}),
    (Journald, {}),
    (Modules, {"names": ["overlay"]}),
    (Sysctl, {"keys": ["fs.nr_open"]}),
    (Netrc, {"user": "ci"}),
    (Toolchains, {"root": "/opt/go"}),
    (Releases, {"app": "shop"}),
    (Proven, {"app": "shop", "release": "1.4.1"}),
    (Service, {"app": "shop", "units": ["shop.service"]}),
    (ElRelease, {}),
    (Instance, {}),
    (RepositoryFiles, {}),
    (Rpms, {"queries": ["git"]}),
    (Dependents, {"names": ["runc"]}),
    (KeyState, {"path": "/etc/key"}),
    (Selinux, {}),
    (PolicyAnswers, {"types": ["bin_t"], "paths": ["/opt/a"], "ports": True, "booleans": True}),
    (Mislabelled, {"paths": ["/etc/a"]}),
    (SshPort, {}),
    (UnitState, {"unit": "docker.service"}),
    (Loaded, {"unit": "docker.service", "files": ["/etc/a"]}),
]
MAY_BE_EMPTY = (
    *(Rpms, Dependents, RepositoryFiles, EmptyMount, Entries),
    *(Toolchains, Releases, PolicyAnswers, Mislabelled, Denials, CacheUnits, Instance),
)
BARE = ["cmdline", "policy", "none", *["absent"] * 6]
PORTS = base64.b64encode(b"portcon tcp").decode()
POLICY = {"types": ["bin_t"], "paths": [], "ports": True, "booleans": True}
NAMES = [fact.__name__ for fact, _ in EVERY]


def processed(fact_class: Any, arguments: dict[str, Any], lines: list[str]) -> Any:
    fact = fact_class()
    fact.command(**arguments)
    return fact.process(lines)


@pytest.mark.parametrize("output", [["@@elforge", "half an ans"], ["no frame"], ["answer", "@@end"], [""]])
@pytest.mark.parametrize(("fact", "arguments"), EVERY, ids=NAMES)
def test_an_answer_cut_short_is_an_error(fact, arguments, output):
    with pytest.raises(FactProcessError, match="the answer was cut short"):
        processed(fact, arguments, output)


@pytest.mark.parametrize(
    ("fact", "arguments"),
    [each for each in EVERY if each[0] not in MAY_BE_EMPTY],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_empty_answer_is_an_error(fact, arguments):
    with pytest.raises(FactProcessError):
        processed(fact, arguments, ["@@elforge", "@@end"])


@pytest.mark.parametrize(
    ("fact", "arguments", "lines", "message"),
    [
        (
            Rpms,
            {"queries": ["git"]},
            ["error: rpmdb: BDB0113 Thread died in Berkeley DB library"],
            "rpm -q said 'error: rpmdb: BDB0113 Thread died",
        ),
        (
            Rpms,
            {"queries": ["git"]},
            ["sh: rpm: command not found"],
            "rpm -q said 'sh: rpm: command not found'",
        ),
        (Paths, {"paths": ["/a"]}, ["file\troot\troot\t644\t"], "not the state of a path: 'file"),
        (Paths, {"paths": ["/a"]}, [f"file root root 644 {'0' * 64}"], "not the state of a path: 'file"),
        (Paths, {"paths": ["/a"]}, ["directory"], "not the state of a path: 'directory'"),
        (Paths, {"paths": ["/a", "/b"]}, ["absent"], r"asked for \['/a', '/b'\], got 1 lines"),
        (Contents, {"paths": ["/a"]}, ["base64: /a: Permission denied"], "not the content of a file"),
        (Contents, {"paths": ["/a"]}, ["unreadable"], "not the content of a file: 'unreadable'"),
        (
            Dependents,
            {"names": ["runc"]},
            ["error: cannot open Packages database in /var/lib/rpm"],
            "rpm -q said 'error: cannot open Packages",
        ),
        (
            Caches,
            {"paths": ["/a"], "owners": ["ci"]},
            ["1000", "990 985 - 0 0 0 empty 1 4096"],
            "cannot tell what the host has for caches",
        ),
        (Caches, {"paths": ["/a"], "owners": ["ci"]}, ["1000"], "got 0 lines"),
        (CacheUnits, {}, ["a.timer"], "not a list of units"),
        (CacheUnits, {}, ["a.timer", "unreadable"], "not the content of a file"),
        (Netrc, {"user": "ci"}, ["runuser: cannot set groups"], "not the state of a netrc file"),
        (Users, {"users": ["ada", "bob"]}, ["ada"], "got 1 lines"),
        (LoginGroup, {"user": "ada"}, ["1", ""], "not the login group of a user"),
        (Entries, {"path": "/a"}, ["/unreadable"], "not a directory that can be read: unreadable"),
        (Entries, {"path": "/a"}, ["/other"], "not a directory that can be read: other"),
        (
            UnitState,
            {"unit": "a.service"},
            ["LoadState=loaded", "Exe="],
            "systemctl show left out 'ActiveState'",
        ),
        (Loaded, {"unit": "a.service", "files": ["/a"]}, ["stat: cannot stat"], "not the content of a file"),
        (ElRelease, {}, ["ID=centos", "VERSION_ID=9"], "cannot tell what this host is: KeyError"),
        (
            ElRelease,
            {},
            ["ARCH=x", "CGROUP=", "SYSTEMD=sysvinit", "SHELL=/bin/sh"],
            "cannot tell what this host",
        ),
        (
            DockerHost,
            {"data_root": "/d"},
            ["version 26.1.5", "absent", "absent"],
            "cannot read the state of Docker",
        ),
        (
            DockerHost,
            {"data_root": "/d"},
            ["version 1", "absent", "absent", "disk", "containers 0"],
            "cannot read the state of Docker",
        ),
        (
            KeyState,
            {"path": "/k"},
            ["file", "verified", "error: cannot open Packages database in /var/lib/rpm"],
            "rpm -q said 'error: cannot open Packages",
        ),
        (
            RepositoryFiles,
            {},
            ["/etc/yum.repos.d/a.repo"],
            "a.repo",
        ),
        (Selinux, {}, ["1", "cmdline"], "cannot read the state of SELinux"),
        (Selinux, {}, ["2", *BARE], "cannot read the state of SELinux: '2'"),
        (Selinux, {}, ["1", *BARE[:4], f"text {PORTS}", *BARE[5:]], "not one of SELinux's ports"),
        (Selinux, {}, ["1", *BARE, "boolean x"], "cannot read the state of SELinux: 'boolean x'"),
        (PolicyAnswers, POLICY, ["broken"], r"cannot read the policy: \['broken'\]"),
        (PolicyAnswers, POLICY, ["semanage: broken"], r"cannot read the policy: \['semanage:'\]"),
        (PolicyAnswers, POLICY, ["ports"], "semanage port -l named none"),
        (PolicyAnswers, POLICY, ["port http_port_t tcp x"], "not a line of semanage port -l"),
        (PolicyAnswers, POLICY, ["boolean a b"], "not a line of semanage boolean -l"),
        (
            Mislabelled,
            {"paths": ["/a"]},
            ["restorecon: lstat(/a) failed"],
            "restorecon said 'restorecon: lstat",
        ),
        (
            Contents,
            {"paths": ["/a"]},
            ["text !"],
            "not the content of a file",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error(fact, arguments, lines, message):
    with pytest.raises(FactProcessError, match=message):
        processed(fact, arguments, ["@@elforge", *lines, "@@end"])


def test_an_installed_version_by_name():
    answer = Answer(installed=[Rpm("docker-ce", 3, "26.1.5", "1.el9", "x86_64")])
    assert (answer.version("docker-ce"), answer.version("docker-ce-cli")) == ("26.1.5", "")


@pytest.mark.parametrize(("version", "major"), [("7", 7), ("9.6", 9), ("10", 10), ("", 0), ("rawhide", 0)])
def test_the_major_release(version, major):
    machine = Machine("centos", version, "", False, "x86_64", 1, 252, "/bin/sh", "", ())
    assert machine.major == major


# The commands themselves, run by a real shell


def asked(fact_class: Any, shell: str, cwd: Path | None = None, **arguments: Any) -> Any:
    fact = fact_class()
    run = subprocess.run(
        [shell, "-c", fact.command(**arguments)], capture_output=True, text=True, check=True, cwd=cwd
    )
    return fact.process(run.stdout.splitlines())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "a file").write_text("")
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("/no where/at all")
    (tmp_path / "to folder").symlink_to("folder")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a file").chmod(0o640)
    return tmp_path


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_paths_of_a_real_tree(tree, shell):
    owner = (tree.owner(), tree.group())
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    names = ["a file", "folder", "link", "to folder", "pipe", "none", "$(id)"]
    found = asked(Paths, shell, paths=[str(tree / name) for name in names])
    assert [found[str(tree / name)] for name in names] == [
        Found("file", *owner, "640", empty),
        Found("directory", *owner, "750"),
        Found("link", target="/no where/at all"),
        Found("link", target="folder"),
        Found("other"),
        Found("absent"),
        Found("absent"),
    ]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_entries_of_a_real_tree(tree, shell):
    (tree / "folder" / ".hidden").write_text("")
    assert asked(Entries, shell, path=str(tree / "to folder")) == [".hidden"]
    assert asked(Entries, shell, path=str(tree / "none")) == []
    for name in ("a file", "link", "pipe"):
        with pytest.raises(FactProcessError, match="not a directory that can be read"):
            asked(Entries, shell, path=str(tree / name))


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_login_group(shell):
    assert asked(LoginGroup, shell, user="root") == "root"
    assert asked(LoginGroup, shell, user="no-such-user") == ""


@pytest.mark.parametrize("target", ["/a  b", "/*", "/a\\tb"])
def test_the_target_of_a_link_arrives_as_it_is(tmp_path, target):
    (tmp_path / "link").symlink_to(target)
    path = str(tmp_path / "link")
    assert asked(Paths, "dash", paths=[path])[path] == Found("link", target=target)


def test_a_path_may_be_called_path(tmp_path):
    (tmp_path / "$path").write_text("")
    path = str(tmp_path / "$path")
    assert asked(Paths, "dash", paths=[path])[path].kind == "file"


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_contents_are_the_bytes(tmp_path, shell):
    whole = bytes(range(256)) + b"\r\nno end of line"
    (tmp_path / "bytes").write_bytes(whole)
    (tmp_path / "empty").write_text("")
    paths = [str(tmp_path / name) for name in ("bytes", "empty", "none")]
    found = asked(Contents, shell, paths=paths)
    assert found[paths[0]].encode(errors="surrogateescape") == whole
    assert [found[path] for path in paths[1:]] == ["", None]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_users_and_machine_of_this_host(shell):
    found = asked(Users, shell, users=["root", "no-such-user"])
    assert "root" in found["root"]
    assert found["no-such-user"] is None
    assert asked(ElRelease, shell).arch == os.uname().machine


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_file_of_a_key(tmp_path, monkeypatch, shell):
    file, link, noted = (tmp_path / name for name in ("key", "link", "keys"))
    monkeypatch.setattr("facts.rpm.VERIFIED", str(noted))
    (tmp_path / "rpm").write_text("#!/bin/sh\necho package gpg-pubkey is not installed\n")
    (tmp_path / "rpm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert asked(KeyState, shell, path=str(file)) == Key([], "", "")
    file.write_text("x")
    link.symlink_to(file)
    noted.mkdir()
    (noted / "key").write_text("0A 1b\n")
    digest = hashlib.sha256(b"x").hexdigest()
    assert asked(KeyState, shell, path=str(file)) == Key([], digest, "0A 1b")
    assert asked(KeyState, shell, path=str(link)) == Key([], "", "")


@pytest.mark.parametrize(
    ("fact", "arguments"),
    [(Rpms, {"queries": ["git"]}), (KeyState, {"path": "/k"}), (Dependents, {"names": ["git"]})],
)
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_broken_rpm_database_is_no_answer(tmp_path, monkeypatch, shell, fact, arguments):
    rpm = tmp_path / "rpm"
    rpm.write_text(
        "#!/bin/sh\necho 'error: rpmdb: damaged header' >&2\necho 'package git is not installed'\n"
    )
    rpm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(FactProcessError, match="rpm -q said 'error: rpmdb: damaged header'"):
        asked(fact, shell, **arguments)


PAYLOADS = [
    "$(touch canary)",
    "`touch canary`",
    "; touch canary",
    "'; touch canary; '",
    '"; touch canary; "',
    "-exec touch canary",
    "&& touch canary",
    "| touch canary",
    "${IFS}touch${IFS}canary",
]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize(
    ("fact", "arguments"),
    [each for each in EVERY if each[1]],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_i7_no_fact_runs_its_arguments(tmp_path, fact, arguments, payload):
    if fact is DockerHost and " " in payload:
        payload = payload.replace(" ", "${IFS}")  # data_root has no spaces: HostPath refuses them
    evil = {key: [payload] if isinstance(value, list) else payload for key, value in arguments.items()}
    subprocess.run(
        ["sh", "-c", fact().command(**evil)], capture_output=True, cwd=tmp_path, check=False, timeout=20
    )
    assert list(tmp_path.iterdir()) == []
