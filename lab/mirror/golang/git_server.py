"""The private module's web server: go-import answers and git's smart HTTP, behind a password.

Run in the background as a script of its own, ``git_server.py ADDRESS PORT IDENTITY REPOSITORIES TLS USER
PASSWORD_FILE HOST``. Requests are logged as the mirror's are, with the whole URL for the path: ``time client
method https://HOST/path status bytes``.
"""

import base64
import hmac
import os
import ssl
import subprocess
import sys
import time
import urllib.parse
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_IDENTITY_PATH = "/lab-identity"


class Handler(BaseHTTPRequestHandler):
    """Answers whoever knows the password."""

    protocol_version = "HTTP/1.1"
    identity: str
    repositories: Path
    expected: str
    host: str

    def do_GET(self) -> None:
        """Answer with the place of a module's repository, or as git does."""
        url = urllib.parse.urlsplit(self.path)
        if url.path == _IDENTITY_PATH:
            self._answer(HTTPStatus.OK, {}, self.identity.encode())
        elif not allowed(self.headers.get("Authorization", ""), self.expected):
            challenge = {"WWW-Authenticate": 'Basic realm="git"'}
            self._answer(HTTPStatus.UNAUTHORIZED, challenge, b"who are you?\n")
        elif url.query == "go-get=1":
            self._go_import(url.path)
        else:
            self._answer(*parse_cgi(self._git(url.path, url.query)))

    do_POST = do_GET

    def _go_import(self, path: str) -> None:
        name = path.strip("/")
        if ".." in name.split("/") or not (self.repositories / f"{name}.git").is_dir():
            self._answer(HTTPStatus.NOT_FOUND, {}, b"no such module\n")
            return
        page = go_import(f"{self.host}/{name}")
        self._answer(HTTPStatus.OK, {"Content-Type": "text/html; charset=utf-8"}, page.encode())

    def _git(self, path: str, query: str) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = {
            "GIT_PROJECT_ROOT": str(self.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": urllib.parse.unquote(path),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
        }
        command = ["git", "http-backend"]
        return subprocess.run(
            command, input=body, stdout=subprocess.PIPE, env={**os.environ, **request}
        ).stdout

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._length = len(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write one line per request."""
        if self.path == _IDENTITY_PATH:
            return
        status = code.value if isinstance(code, HTTPStatus) else code
        where = f"{self.client_address[0]} {self.command} https://{self.host}{self.path}"
        print(f"{time.time():.3f} {where} {status} {self._length}", flush=True)

    def log_message(self, format: str, *args: object) -> None:
        """Keep everything but requests out of the access log."""


def allowed(header: str, expected: str) -> bool:
    """Return whether an Authorization header carries ``user:password``."""
    kind, _, value = header.partition(" ")
    wanted = base64.b64encode(expected.encode()).decode()
    return kind.lower() == "basic" and hmac.compare_digest(value.strip().encode(), wanted.encode())


def go_import(module: str) -> str:
    """Return the page on which ``go get`` finds a module's repository."""
    return f'<html><head><meta name="go-import" content="{module} git https://{module}.git"></head></html>\n'


def parse_cgi(output: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of what a CGI program printed; nothing at all is its failure."""
    head, found, body = output.partition(b"\r\n\r\n")
    if not found:
        return 500, {}, b""
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
    return int(headers.pop("Status", "200").split()[0]), headers, body


class Server(ThreadingHTTPServer):
    """A server whose TLS handshakes happen in the requests' own threads."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up, or do not trust us, are part of the tests."""


def main(address: str, port: str, identity: str, repositories: str, *access: str) -> None:
    """Serve until killed."""
    tls, user, password, Handler.host = access
    Handler.identity, Handler.repositories = identity, Path(repositories)
    Handler.expected = f"{user}:{Path(password).read_text()}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(tls, "server.pem"), Path(tls, "server.key"))
    server = Server((address, int(port)), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
