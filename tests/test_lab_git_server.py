"""What the private module's server decides without git and without a network."""

import base64

import pytest

from lab.mirror.golang import git_server


def _basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (_basic("builder:right"), True),
        (_basic("builder:right").replace("Basic", "basic"), True),
        (_basic("builder:wrong"), False),
        (_basic("other:right"), False),
        (_basic("builder:"), False),
        ("Bearer right", False),
        ("Basic", False),
        ("", False),
    ],
)
def test_only_the_user_with_the_password_is_allowed(header: str, expected: bool) -> None:
    assert git_server.allowed(header, "builder:right") is expected


def test_go_import_names_module_kind_and_repository() -> None:
    page = git_server.go_import("git.corp.example/team/secret")
    assert 'content="git.corp.example/team/secret git https://git.corp.example/team/secret.git"' in page


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"Content-Type: a\r\n\r\nbody\r\n\r\nmore", (200, {"Content-Type": "a"}, b"body\r\n\r\nmore")),
        (b"Status: 404 Not Found\r\nA: b: c\r\n\r\n", (404, {"A": "b: c"}, b"")),
        (b"", (500, {}, b"")),
    ],
)
def test_cgi_output(output: bytes, expected: tuple[int, dict[str, str], bytes]) -> None:
    assert git_server.parse_cgi(output) == expected
