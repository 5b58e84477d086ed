"""The package mirror's web server, with the ways in which mirrors misbehave.

Run in the background as a script of its own, ``server.py ADDRESS PORT IDENTITY TREE NAME=TREE...``; what is
below ``/NAME/`` comes from a tree of its own. Every request becomes one line on stdout: ``time client method
path status bytes``. ``/lab-identity`` answers with IDENTITY, unlogged.
"""

import re
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOURS = ("slow", "html", "cut", "altered", "down500")

IDENTITY_PATH = "/lab-identity"

_PORTAL = b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Please log in.</body></html>\n"
_TYPES = {".xml": "text/xml", ".rpm": "application/x-rpm", ".gz": "application/gzip", ".html": "text/html",
          ".json": "application/json"}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD from directory trees."""

    protocol_version = "HTTP/1.1"
    tree: Path
    named: Mapping[str, Path]
    identity: str

    def do_GET(self) -> None:
        """Answer with a file, a listing, or as the faulty path in the URL demands."""
        url = urllib.parse.urlsplit(self.path)
        behaviour, path = split_behaviour(urllib.parse.unquote(url.path))
        if behaviour == "html":
            self._start(HTTPStatus.OK, len(_PORTAL), {"Content-Type": "text/html"})
            self._body(_PORTAL)
            return
        found = locate(path, self.tree, self.named)
        if found and (document := index_document(found, url.query)):
            found = document
        if path == IDENTITY_PATH:
            self._text(HTTPStatus.OK, self.identity)
        elif behaviour == "down500":
            self._text(HTTPStatus.INTERNAL_SERVER_ERROR, "this mirror is broken\n")
        elif found is None:
            self._text(HTTPStatus.NOT_FOUND, f"{path}: not on this mirror\n")
        elif found.is_dir():
            self._text(HTTPStatus.OK, listing(found))
        else:
            self._file(found, behaviour)

    do_HEAD = do_GET

    def _text(self, status: HTTPStatus, text: str) -> None:
        self._start(status, len(text.encode()), {"Content-Type": "text/plain; charset=utf-8"})
        self._body(text.encode())

    def _file(self, path: Path, behaviour: str | None) -> None:
        size = path.stat().st_size
        span = parse_range(self.headers.get("Range", ""), size)
        if span is None:
            self._start(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, {"Content-Range": f"bytes */{size}"})
            return
        first, last = span
        headers = {
            "Content-Type": _TYPES.get(path.suffix, "application/octet-stream"),
            "Accept-Ranges": "bytes",
            "Last-Modified": self.date_time_string(int(path.stat().st_mtime)),
        }
        whole = (first, last) == (0, size - 1) and "Range" not in self.headers
        if not whole:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        status = HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT
        self._start(status, last - first + 1, headers)
        if self.command == "GET":
            self._send_span(path, first, last, behaviour)

    def _send_span(self, path: Path, first: int, last: int, behaviour: str | None) -> None:
        if behaviour == "cut":
            last = first + (last - first + 1) // 2 - 1
            self.close_connection = True
        wrong = path.stat().st_size // 2 if behaviour == "altered" else None
        for chunk in read_span(path, first, last, 1 if behaviour == "slow" else 1 << 18, wrong):
            self.wfile.write(chunk)
            if behaviour == "slow":
                time.sleep(1)

    def _start(self, status: HTTPStatus, length: int, headers: dict[str, str]) -> None:
        self._length = length
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _body(self, content: bytes) -> None:
        if self.command == "GET":
            self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write one line per request."""
        if self.path == IDENTITY_PATH:
            return
        status = code.value if isinstance(code, HTTPStatus) else code
        print(
            f"{time.time():.3f} {self.client_address[0]} {self.command} {self.path} {status} {self._length}",
            flush=True,
        )

    def log_message(self, format: str, *args: object) -> None:
        """Keep everything but requests out of the access log."""


def split_behaviour(path: str) -> tuple[str | None, str]:
    """Split ``/faults/slow/linux/x`` into the behaviour and the path of the healthy file behind it."""
    match = re.fullmatch(rf"/faults/({'|'.join(BEHAVIOURS)})(/.*|)", path)
    if not match:
        return None, path
    rest = match[2] or "/"
    if match[1] == "altered" and f"{rest}/".startswith("/linux/"):
        return None, path  # a twin on disk, in which only the newest engine is wrong
    return match[1], f"/docker{rest}" if rest.startswith("/linux/") else rest


def locate(path: str, tree: Path, named: Mapping[str, Path]) -> Path | None:
    """Return the file or directory a URL path means, or None; nothing outside of the trees is ever served."""
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        return None
    root, rest = (named[parts[0]], parts[1:]) if parts and parts[0] in named else (tree, parts)
    found = root.joinpath(*rest)
    return found if found.exists() and found.resolve().is_relative_to(root.resolve()) else None


def index_document(folder: Path, query: str) -> Path | None:
    """Return the JSON which go.dev's ``/dl/?mode=json`` stands for, where a directory has it."""
    wanted = urllib.parse.parse_qs(query)
    if wanted.get("mode") != ["json"]:
        return None
    document = folder / (".index-all.json" if wanted.get("include") == ["all"] else ".index.json")
    return document if document.is_file() else None


def listing(folder: Path) -> str:
    """Return the names in a directory, one per line, without the hidden ones."""
    items = sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    return "".join(f"{item.name}{'/' if item.is_dir() else ''}\n" for item in items)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte asked for; None when no byte of the file matches."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not match or not (match[1] or match[2]):
        return 0, size - 1
    if not match[1]:
        return (max(0, size - int(match[2])), size - 1) if int(match[2]) else None
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    return (first, last) if first <= last else None


def read_span(path: Path, first: int, last: int, step: int, wrong: int | None = None) -> Iterator[bytes]:
    """Yield the bytes from first to last in steps; the one at position ``wrong`` of the file is inverted."""
    with open(path, "rb") as handle:
        handle.seek(first)
        while first <= last and (chunk := handle.read(min(step, last - first + 1))):
            yield invert(chunk, wrong - first) if wrong is not None else chunk
            first += len(chunk)


def invert(chunk: bytes, position: int) -> bytes:
    """Return the bytes with the one at a position inverted, if the position is within."""
    if not 0 <= position < len(chunk):
        return chunk
    return chunk[:position] + bytes([chunk[position] ^ 0xFF]) + chunk[position + 1 :]


class Server(ThreadingHTTPServer):
    """A server on which twenty hosts may knock at once."""

    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


def main(address: str, port: str, identity: str, tree: str, *named: str) -> None:
    """Serve until killed."""
    Handler.tree, Handler.identity = Path(tree), identity
    Handler.named = {name: Path(root) for name, _, root in (item.partition("=") for item in named)}
    Server((address, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
