"""References to secrets: what is one, and what is said when it leads nowhere."""

from __future__ import annotations

import pytest

from pure.secrets import reveal


def test_a_variable(monkeypatch):
    monkeypatch.setenv("TOKEN", "hunter2")
    assert reveal("env:TOKEN") == "hunter2"


def test_a_file_without_the_newline_at_its_end(tmp_path):
    path = tmp_path / "token"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    assert reveal(f"file:{path}") == "hunter2"


@pytest.mark.parametrize(
    "reference", ["hunter2", "env:", "env:A-B", "file:token", "ENV:A", "", "vault:x", "env:A=b"]
)
def test_i12_anything_else_is_refused_and_not_repeated(reference):
    with pytest.raises(ValueError, match=r"^must be env:NAME or file:/PATH, never the secret itself$"):
        reveal(reference)


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set(monkeypatch, value):
    monkeypatch.delenv("TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("TOKEN", value)
    with pytest.raises(ValueError, match="the environment variable TOKEN is not set where pyinfra runs"):
        reveal("env:TOKEN")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_can_read(tmp_path, mode):
    path = tmp_path / "token"
    path.write_text("hunter2")
    path.chmod(mode)
    with pytest.raises(ValueError, match=f"can be read by others: chmod 600 {path}$"):
        reveal(f"file:{path}")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read where pyinfra runs: No such file"), (b"\n", "is empty"), (b"\xff", "UTF-8")],
)
def test_a_file_that_holds_none(tmp_path, content, message):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(ValueError, match=message):
        reveal(f"file:{path}")


def test_a_directory_is_no_file(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(ValueError, match="is not a file"):
        reveal(f"file:{tmp_path}")
