"""The package mirror's web server, with the ways in which mirrors misbehave.

Run in the background as a script of its own, ``server.py ADDRESS PORT TREE FILES IDENTITY``; every request
becomes one line on stdout: ``time client method path status bytes``. ``/lab-identity`` answers with IDENTITY,
unlogged.
"""

import re
import sys
import time
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOURS = ("slow", "html", "cut")

IDENTITY_PATH = "/lab-identity"

_PORTAL = b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Please log in.</body></html>\n"
_TYPES = {".xml": "text/xml", ".rpm": "application/x-rpm", ".gz": "application/gzip", ".html": "text/html"}


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD from two directory trees."""

    protocol_version = "HTTP/1.1"
    tree: Path
    files: Path
    identity: str

    def do_GET(self) -> None:
        """Answer with a file, a listing, or as the faulty path in the URL demands."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        behaviour, path = split_behaviour(path)
        if behaviour == "html":
            self._start(HTTPStatus.OK, len(_PORTAL), {"Content-Type": "text/html"})
            self._body(_PORTAL)
            return
        found = locate(path, self.tree, self.files)
        if path == IDENTITY_PATH:
            self._text(HTTPStatus.OK, self.identity)
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
        for chunk in read_span(path, first, last, 1 if behaviour == "slow" else 1 << 18):
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
    return match[1], f"/docker{rest}" if rest.startswith("/linux/") else rest


def locate(path: str, tree: Path, files: Path) -> Path | None:
    """Return the file or directory a URL path means, or None; nothing outside of the trees is ever served."""
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        return None
    root, rest = (files, parts[1:]) if parts[:1] == ["files"] else (tree, parts)
    found = root.joinpath(*rest)
    return found if found.exists() and found.resolve().is_relative_to(root.resolve()) else None


def listing(folder: Path) -> str:
    """Return the names in a directory, one per line."""
    return "".join(f"{item.name}{'/' if item.is_dir() else ''}\n" for item in sorted(folder.iterdir()))


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte asked for; None when no byte of the file matches."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not match or not (match[1] or match[2]):
        return 0, size - 1
    if not match[1]:
        return (max(0, size - int(match[2])), size - 1) if int(match[2]) else None
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    return (first, last) if first <= last else None


def read_span(path: Path, first: int, last: int, step: int) -> Iterator[bytes]:
    """Yield the bytes from first to last in steps."""
    with open(path, "rb") as handle:
        handle.seek(first)
        left = last - first + 1
        while left > 0 and (chunk := handle.read(min(step, left))):
            left -= len(chunk)
            yield chunk


class Server(ThreadingHTTPServer):
    """A server on which twenty hosts may knock at once."""

    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


def main(address: str, port: str, tree: str, files: str, identity: str) -> None:
    """Serve until killed."""
    Handler.tree, Handler.files, Handler.identity = Path(tree), Path(files), identity
    Server((address, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
