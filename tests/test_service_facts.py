"""The facts of services, asked of a real shell below one folder."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyinfra.api.exceptions import FactProcessError

from facts.service import SEAL, STAMP, Deployed, Proven, Release, Releases, Running, Service
from operations import script
from tests.shell import witnessed

SHELLS = ["dash", "bash"]
SH = Path(script.__file__).parent / "sh"
MANIFEST = "release 1.0\nunit shop.service\n+ 644 {0}/unit\n|x\n# end\n"
SYSTEMCTL = """#!/bin/sh
pid="PID"
printf '%s\\n' MainPID=$pid LoadState=loaded ActiveState=active DropInPaths= \\
    UnitFileState=enabled NeedDaemonReload=no
"""
STATE = "5" * 64


def asked(
    fact: Releases | Service | Proven, folder: Path, command: str, shell: str, stdin: str = ""
) -> object:
    for place in ("/opt/", "/var/lib/elforge/", "/etc/elforge/"):
        command = command.replace(place, f"{folder}{place}")
    content = base64.b64encode(stdin.encode()).decode()
    path = {"PATH": f"{folder}/bin:/usr/bin:/bin"}
    run = subprocess.run(
        [shell, "-c", command], input=content, capture_output=True, text=True, check=True, env=path
    )
    return fact.process(run.stdout.splitlines())


def releases(folder: Path, shell: str = "dash") -> object:
    fact = Releases()
    return asked(fact, folder, fact.command(app="shop"), shell)


def deployed(folder: Path, manifest: str, shell: str = "dash", *, secret: bool = True) -> object:
    fact = Service()
    digest = "" if secret else script.sha256(manifest)
    command = fact.command(app="shop", units=[], digest=digest)
    return asked(fact, folder, command, shell, manifest if secret else "")


def proven(folder: Path, release: str, shell: str = "dash") -> object:
    fact = Proven()
    return asked(fact, folder, fact.command(app="shop", release=release), shell)


def release(folder: Path, version: str) -> Path:
    """Make a release as shelve.sh leaves one."""
    program = folder / f"opt/shop/releases/{version}/bin/shop"
    program.parent.mkdir(parents=True)
    shutil.copy("/bin/sleep", program)
    stamp = subprocess.check_output(["sh", "-c", f"{STAMP} '{program}'"], text=True)
    (program.parent.parent / "elforge.record").write_text(f"origin sha256 abc\nstamp {stamp}")
    return program


def came_up(folder: Path) -> str:
    """Make what deployed.sh leaves once a release is up; return its manifest."""
    store, manifest = folder / "var/lib/elforge/service/shop", MANIFEST.format(folder)
    store.mkdir(parents=True)
    (folder / "unit").write_text("x\n")
    for name in ("good", "proven.1.0"):
        (store / name).write_text(manifest)
    release(folder, "1.0")
    current = folder / "opt/shop/current"
    current.symlink_to("releases/1.0")
    (function,) = re.findall(r"^seal\(\) \{.*\}$", (SH / "manifest.sh").read_text(), re.MULTILINE)
    text = f"export LC_ALL=C; current={current}; {function}; seal >seal"
    subprocess.run(["sh", "-c", text], cwd=store, check=True)
    return manifest


def test_the_facts_and_the_scripts_look_alike():
    assert f"seal() {{ {SEAL}; }}" in (SH / "manifest.sh").read_text()
    assert f'stamp() {{ {STAMP} "$1"; }}' in (SH / "shelve.sh").read_text()


@pytest.mark.parametrize("shell", SHELLS)
def test_releases(tmp_path, shell):
    assert releases(tmp_path, shell) == {}
    release(tmp_path, "1.0")
    release(tmp_path, "1.1").write_text("damaged")
    (tmp_path / "opt/shop/releases/notes").mkdir()
    (tmp_path / "opt/shop/releases/.build.1.2").mkdir()
    (tmp_path / "opt/shop/releases/.snapshot").mkdir()
    (tmp_path / "opt/shop/current").symlink_to("releases/1.1")
    (tmp_path / "var/lib/elforge/service/shop").mkdir(parents=True)
    (tmp_path / "var/lib/elforge/service/shop/proven.1.0").write_text("")
    found = releases(tmp_path, shell)
    proven = found["1.0"].proven
    assert proven > 0
    assert found == {
        "": Release(""),
        "1.0": Release("1.0", "sha256 abc", True, proven),
        "1.1": Release("1.1", "sha256 abc", False, 0, True),
        "notes": Release("notes"),
    }


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("secret", [True, False], ids=["by itself", "by its digest"])
def test_what_came_up_is_known_again(tmp_path, shell, secret):
    assert deployed(tmp_path, "x", shell, secret=secret) == Deployed(False, False, False, {})
    manifest = came_up(tmp_path)
    assert deployed(tmp_path, manifest, shell, secret=secret) == Deployed(True, True, True, {})
    assert deployed(tmp_path, f"{manifest}more", shell, secret=secret) == Deployed(False, True, True, {})


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Path]:
    """A host where what came up runs; return the file that the next start would take its environment from."""
    came_up(tmp_path)
    file = tmp_path / "etc/elforge/service/shop.env"
    file.parent.mkdir(parents=True)
    file.write_text(f"ELFORGE_STATE={STATE}\n")
    program = tmp_path / "opt/shop/releases/1.0/bin/shop"
    with subprocess.Popen([program, "60"], env={"A": "b", "ELFORGE_STATE": STATE}) as running:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/systemctl").write_text(SYSTEMCTL.replace('PID"', f'{running.pid}"', 1))
        (tmp_path / "bin/systemctl").chmod(0o755)
        yield file
        running.kill()


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_release_came_up_with_is_known_again_and_runs(tmp_path, shell, process):
    units = {"shop.service": Running("loaded", "active", "enabled", True, "")}
    assert proven(tmp_path, "1.0", shell) == Deployed(True, True, True, units)
    store = tmp_path / "var/lib/elforge/service/shop"
    (store / "proven.0.9").write_text("release 0.9\nunit shop.service\n# end\n")
    assert proven(tmp_path, "0.9", shell) == Deployed(False, True, True, units)
    assert proven(tmp_path, "0.8", shell) == Deployed(False, True, True, {})
    (store / "tried").write_text("")
    assert proven(tmp_path, "1.0", shell) == Deployed(True, False, True, units)


@pytest.mark.parametrize("shell", SHELLS)
def test_drop_ins_are_read_and_what_systemctl_says_after_them_is_none(tmp_path, shell, process):
    texts = {f"{tmp_path}/{name}.conf": f"# {name}" for name in "ab"}
    for path, content in texts.items():
        Path(path).write_text(content)
    program = tmp_path / "bin/systemctl"
    program.write_text(program.read_text().replace("DropInPaths=", f"'DropInPaths={' '.join(texts)}'"))
    assert proven(tmp_path, "1.0", shell).units["shop.service"].dropins == texts
    program.write_text(program.read_text().replace("MainPID=$pid", "").replace("=no", "=no MainPID=$pid"))
    found = proven(tmp_path, "1.0", shell).units["shop.service"]
    assert (found.dropins, found.fresh) == (texts, True)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_unit_without_a_process_or_drop_ins_is_read(tmp_path, shell, process):
    """A timer or a socket; systemd 219 leaves an empty list out."""
    program = tmp_path / "bin/systemctl"
    program.write_text(program.read_text().replace("MainPID=$pid", "").replace("DropInPaths=", ""))
    assert proven(tmp_path, "1.0", shell).units == {
        "shop.service": Running("loaded", "active", "enabled", False, "")
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_a_process_is_told_by_its_environment_and_no_program_is_told_of_that(tmp_path, shell, process):
    said = witnessed(tmp_path, Proven().command(app="shop", release="1.0"))
    assert proven(tmp_path, "1.0", shell).units["shop.service"].fresh is True
    assert STATE not in said.read_text()
    assert "sed -n s/^ELFORGE_STATE=//p" in said.read_text()
    for state in ("4" * 64, f"{STATE}5", STATE[1:], ""):
        process.write_text(f"ELFORGE_STATE={state}\n")
        assert proven(tmp_path, "1.0", shell).units["shop.service"].fresh is False


def test_a_hidden_directory_of_somebody_else_is_no_release(tmp_path):
    for name in (".git", ".snapshot"):
        (tmp_path / "opt/shop/releases" / name).mkdir(parents=True)
    assert releases(tmp_path) == {}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_current_release_of_somebody_else(tmp_path, shell):
    (tmp_path / "opt/shop").mkdir(parents=True)
    (tmp_path / "opt/shop/current").symlink_to("releases/gone")
    assert deployed(tmp_path, "x", shell) == Deployed(False, False, False, {}, foreign=True)


DAMAGE = {
    "a file changed": lambda at: (at / "unit").write_text("y\n"),
    "a file open to more": lambda at: (at / "unit").chmod(0o666),
    "a file gone": lambda at: (at / "unit").unlink(),
    "another link": lambda at: (at / "opt/shop/current").rename(at / "opt/shop/former"),
    "a program for fewer": lambda at: (at / "opt/shop/releases/1.0/bin/shop").chmod(0o700),
    "a release without its record": lambda at: (at / "opt/shop/releases/1.0/elforge.record").unlink(),
    "another program": lambda at: (at / "opt/shop/releases/1.0/bin/shop").write_text("other"),
    "a run that was killed": lambda at: (at / "var/lib/elforge/service/shop/tried").write_text(""),
    "no seal": lambda at: (at / "var/lib/elforge/service/shop/seal").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_no_longer_whole(tmp_path, damage):
    manifest = came_up(tmp_path)
    damage(tmp_path)
    assert deployed(tmp_path, manifest) == Deployed(True, False, True, {})


def test_a_store_without_anything_proven(tmp_path):
    (tmp_path / "var/lib/elforge/service/shop").mkdir(parents=True)
    assert deployed(tmp_path, "x") == Deployed(False, False, True, {})


@pytest.mark.parametrize(
    ("fact", "lines", "message"),
    [
        (Releases, ["1.0", "absent", "", "0"], "not a list of releases"),
        (Releases, ["1.0", "absent", "", "stat: x", "other"], "not a release: '1.0'"),
        (Releases, ["1.0", "absent", "", "0", "sh: error"], "not a release: '1.0'"),
        (Service, ["unreadable"], r"not the state of a service: \['unreadable'\]"),
        (Service, ["known", "cmp: good", "whole"], "not the state of a service"),
        (Service, ["known", "same", "sha256sum: x"], "not the state of a service"),
        (Service, ["known", "same", "whole", "sh: error"], "not the state of a unit: 'sh: error'"),
        (Service, ["known", "same", "whole", "unit a.service", "LoadState=loaded"], "left out 'ActiveState'"),
    ],
)
def test_an_answer_that_makes_no_sense(fact, lines, message):
    with pytest.raises(FactProcessError, match=message):
        fact().process(["@@elforge", *lines, "@@end"])
