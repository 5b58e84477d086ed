"""Go's fact and its scripts, run by a real shell: what tells a toolchain, and how files are downloaded."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pyinfra.api.exceptions import FactProcessError

from facts.go import RECORD, SEAL, Toolchain, Toolchains
from operations import script
from tests.shell import run_script

SHELLS = ["dash", "bash"]
TOOLCHAIN = (Path(script.__file__).parent / "sh" / "toolchain.sh").read_text()
FILE = bytes(range(256)) * 400
SHA256 = hashlib.sha256(FILE).hexdigest()
PAGE = b"<!DOCTYPE html><html><title>Please log in</title></html>"


# The fact


def asked(root: Path, shell: str = "dash") -> dict[str, Toolchain]:
    fact = Toolchains()
    run = subprocess.run(
        [shell, "-c", fact.command(root=str(root))], capture_output=True, text=True, check=True
    )
    return fact.process(run.stdout.splitlines())


def made(root: Path, name: str, version: str = "1.27.0") -> Path:
    """Make a toolchain as toolchain.sh leaves one, with the seal that it puts into the record."""
    tree = root / name
    for program in ("bin/go", "bin/gofmt", "pkg/tool/linux_amd64/compile"):
        (tree / program).parent.mkdir(parents=True, exist_ok=True)
        (tree / program).write_text(program)
    (function,) = re.findall(r"^seal\(\) \{.*\}$", TOOLCHAIN, re.MULTILINE)
    run = subprocess.run(
        ["sh", "-c", f"export LC_ALL=C; {function}; seal"], cwd=tree, capture_output=True, text=True
    )
    record = f"version {version}\nmanifest {'3' * 64}\nseal {run.stdout}"
    (tree / RECORD).write_text(record)
    return tree


def test_the_fact_and_the_script_seal_alike():
    assert f"seal() {{ {SEAL}; }}" in TOOLCHAIN


@pytest.mark.parametrize("shell", SHELLS)
def test_a_toolchain_that_is_as_it_was_proven(tmp_path, shell):
    made(tmp_path, "go1.27.0")
    (tmp_path / "go1.27.0.tar.gz").write_text("")
    (tmp_path / "go1.27.0.tar.gz.sha256").write_text("a" * 64)
    made(tmp_path, "go1.26.7-source", "1.26.7")
    assert asked(tmp_path, shell) == {
        "go1.27.0": Toolchain("go1.27.0", "1.27.0", True, "3" * 64, True),
        "go1.26.7-source": Toolchain("go1.26.7-source", "1.26.7", True, "3" * 64, False),
    }


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("cgo", ["0", "1"])
def test_a_record_says_whether_cgo_was_tried(tmp_path, shell, cgo):
    tree = made(tmp_path, "go1.27.0")
    (tree / "VERSION").write_text("go1.27.0")
    functions = re.findall(r"^(?:record|seal)\(\) \{.*?\}$", TOOLCHAIN, re.MULTILINE | re.DOTALL)
    text = "\n".join([script._lines("common"), *functions, "version=1.27.0 cgo=$1 tree=$2; record"])
    assert run_script(tmp_path, text, cgo, str(tree)).returncode == 0
    found = asked(tmp_path, shell)["go1.27.0"]
    assert (found.whole, found.cgo) == (True, cgo == "1")


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "another time": lambda tree: os.utime(tree / "bin/go", (1, 1)),
    "another size": lambda tree: (tree / "pkg/tool/linux_amd64/compile").write_text("x"),
    "a program less": lambda tree: (tree / "bin/gofmt").unlink(),
    "a program more": lambda tree: (tree / "bin/other").write_text(""),
    "no tools": lambda tree: (tree / "pkg").rename(tree / "gkp"),
    "an empty record": lambda tree: (tree / RECORD).write_text(""),
    "no record": lambda tree: (tree / RECORD).unlink(),
    "a record cut short": lambda tree: (tree / RECORD).write_text("version 1.27.0\nmanifest 33"),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_toolchain_that_is_not(tmp_path, shell, damage):
    damage(made(tmp_path, "go1.27.0"))
    assert not asked(tmp_path, shell)["go1.27.0"].whole


@pytest.mark.parametrize("shell", SHELLS)
def test_a_directory_without_a_record_is_not_ours(tmp_path, shell):
    (made(tmp_path, "go1.27.0") / RECORD).unlink()
    assert asked(tmp_path, shell) == {"go1.27.0": Toolchain("go1.27.0")}


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_no_toolchain(tmp_path, shell):
    (tmp_path / "go1.27.0").symlink_to(made(tmp_path, "other"))
    (tmp_path / "go1.26.7").mkdir()
    (tmp_path / "go1.25.14").write_text("")
    made(tmp_path, ".old.go1.24.13")
    assert asked(tmp_path, shell) == {name: Toolchain(name) for name in ("go1.26.7", ".old.go1.24.13")}
    assert asked(tmp_path / "none", shell) == {}


def test_a_directory_of_somebody_else_is_no_reason_to_fail(tmp_path):
    (tmp_path / "gopath" / "bin").mkdir(parents=True)
    assert asked(tmp_path) == {}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["go1.27.0", "absent", "5" * 64], "not a list of toolchains"),
        (["go1.27.0", "unreadable", "5" * 64, "bare"], "not the content of a file: 'unreadable'"),
        (["go1.27.0", "absent", "", "bare"], "not a toolchain: 'go1.27.0' '' 'bare'"),
        (["go1.27.0", "absent", "5" * 64, "sh: test: not found"], "not a toolchain: 'go1.27.0'"),
        (["../go1.27.0", "absent", "5" * 64, "bare"], "not a toolchain: '../go1.27.0'"),
    ],
)
def test_an_answer_that_makes_no_sense(lines, message):
    with pytest.raises(FactProcessError, match=re.escape(message)):
        Toolchains().process(["@@elforge", *lines, "@@end"])


# Downloads


class Server(BaseHTTPRequestHandler):
    """Serves FILE well and badly, by the last part of the path."""

    asked: list[str] = []  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Answer."""
        name, span = self.path.rpartition("/")[2], self.headers.get("Range")
        self.asked.append(f"{name} {span or 'whole'}")
        content = {"portal": PAGE, "short": FILE[:5000], "empty": b"", "altered": FILE[:-1] + b"x"}.get(
            name, FILE
        )
        if name == "none" or (name == "ranges" and span):
            self.send_error(404 if name == "none" else 416)
            return
        first = int(span.removeprefix("bytes=").rstrip("-")) if span and name == "good" else 0
        if first >= len(content) and first:
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.wfile.write(content[first:] if name != "reset" else content[:5000])


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Server.asked.clear()
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def download(folder: Path, size: int | None, *urls: str) -> subprocess.CompletedProcess[str]:
    text = script._lines("common") + script._lines("download") + 'download "$@"\n'
    return run_script(folder, text, str(folder / "part"), SHA256, str(size or "-"), *urls)


def test_a_download(tmp_path, url):
    run = download(tmp_path, len(FILE), f"{url}/good")
    assert (run.returncode, run.stderr, (tmp_path / "part").read_bytes()) == (0, "", FILE)
    assert not (tmp_path / "part.err").exists()


def told(name: str, content: bytes, what: str) -> str:
    return f"/{name}: sha256 is {hashlib.sha256(content).hexdigest()}, expected {SHA256}; it sent {what}\n"


BAD = [
    ("portal", None, told("portal", PAGE, "an HTML page: a captive portal or an error page")),
    ("short", None, told("short", FILE[:5000], "5000 bytes")),
    ("short", len(FILE), told("short", FILE[:5000], f"5000 bytes of {len(FILE)}")),
    ("empty", len(FILE), told("empty", b"", "an empty file")),
    ("altered", len(FILE), told("altered", FILE[:-1] + b"x", f"{len(FILE)} bytes")),
]


@pytest.mark.parametrize(("name", "size", "message"), BAD, ids=[f"{name}-{size}" for name, size, _ in BAD])
def test_h23_h24_h25_what_was_sent_instead_is_told_apart(tmp_path, url, name, size, message):
    run = download(tmp_path, size, f"{url}/{name}")
    assert (run.returncode, run.stderr) == (1, f"{url}{message}")
    assert list(tmp_path.glob("part*")) == []


def test_an_error_of_the_server_is_named(tmp_path, url):
    run = download(tmp_path, None, f"{url}/none")
    assert run.returncode == 1
    assert re.fullmatch(rf"{url}/none: curl: \(22\) .* 404.*\n", run.stderr)


def test_the_second_source_wins(tmp_path, url):
    run = download(tmp_path, None, f"{url}/altered", f"{url}/none", f"{url}/good", f"{url}/portal")
    assert (run.returncode, (tmp_path / "part").read_bytes()) == (0, FILE)
    assert [each.split()[0] for each in Server.asked] == ["altered", "none", "good"]


def test_h24_a_broken_download_goes_on_at_the_next_source(tmp_path, url):
    run = download(tmp_path, None, f"{url}/reset", f"{url}/good")
    assert (run.returncode, (tmp_path / "part").read_bytes()) == (0, FILE)
    assert Server.asked[-1] == "good bytes=5000-"


def test_h24_a_repeat_goes_on_where_the_first_run_was_killed(tmp_path, url):
    (tmp_path / "part").write_bytes(FILE[:70_000])
    assert download(tmp_path, None, f"{url}/good").returncode == 0
    assert (tmp_path / "part").read_bytes() == FILE
    assert Server.asked == ["good bytes=70000-"]


def test_h24_a_first_part_of_other_bytes_does_not_last(tmp_path, url):
    (tmp_path / "part").write_bytes(b"x" * len(FILE))
    assert download(tmp_path, None, f"{url}/good", f"{url}/good").returncode == 0
    assert (tmp_path / "part").read_bytes() == FILE


def test_h24_a_part_that_is_whole_is_not_asked_for_again(tmp_path, url):
    (tmp_path / "part").write_bytes(FILE)
    assert download(tmp_path, None, f"{url}/good").returncode == 0
    assert Server.asked == []


@pytest.mark.parametrize("first", [FILE[:5000], FILE + b"x", b"x" * 5000])
@pytest.mark.parametrize("name", ["good", "ranges"])
def test_h24_what_cannot_be_gone_on_with_starts_afresh_at_the_same_source(tmp_path, url, name, first):
    (tmp_path / "part").write_bytes(first)
    run = download(tmp_path, None, f"{url}/{name}")
    assert (run.returncode, run.stderr, (tmp_path / "part").read_bytes()) == (0, "", FILE)
    assert [path.name for path in tmp_path.glob("part*")] == ["part"]


def test_h24_a_source_without_the_file_costs_no_progress(tmp_path, url):
    (tmp_path / "part").write_bytes(FILE[:5000])
    run = download(tmp_path, None, f"{url}/none", f"{url}/good")
    assert (run.returncode, (tmp_path / "part").read_bytes()) == (0, FILE)
    assert Server.asked[-1] == "good bytes=5000-"


# files.fetch, which shares the download


def fetch(folder: Path, *urls: str) -> subprocess.CompletedProcess[str]:
    owner = (folder.owner(), folder.group())
    return run_script(folder, script._text("fetch"), str(folder / "f" / "file"), *owner, "640", SHA256, *urls)


def test_a_file_is_fetched(tmp_path, url):
    run = fetch(tmp_path, f"{url}/good")
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "f" / "file").read_bytes() == FILE
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["file"]
    assert (tmp_path / "f" / "file").stat().st_mode & 0o777 == 0o640


def test_h23_the_old_file_stays(tmp_path, url):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "file").write_text("old")
    run = fetch(tmp_path, f"{url}/portal", f"{url}/altered")
    assert run.returncode == 1
    assert run.stderr.endswith("no source gave the expected content, the old file stays\n")
    assert "a captive portal" in run.stderr
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["file"]
    assert (tmp_path / "f" / "file").read_text() == "old"


def test_what_a_fetched_file_replaces_is_kept(tmp_path, url):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "file").write_text("old")
    assert fetch(tmp_path, f"{url}/good").returncode == 0
    (kept,) = (tmp_path / "state" / "backup").rglob(hashlib.sha256(b"old").hexdigest())
    assert kept.read_text() == "old"
