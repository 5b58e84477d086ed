"""References to secrets: what may stand in inventory data in a secret's place, and how it is looked up.

The secret itself stays where it is, on the machine that runs pyinfra, until the content of a file is made.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

# A password may hold / and : and @, mistyped as it may be.
_LOGIN = re.compile(r"//.*@|[^\s'\":]+:(?!//|\s).*@")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def reveal(reference: str) -> str:
    """
    Return the secret that a reference stands for, without the newline at a file's end.

    + reference: ``env:NAME``, an environment variable, or ``file:/PATH``, a file that nobody else can read;
      both on the machine that runs pyinfra

    Raises ValueError, which never holds the secret, when it is no reference or there is no such secret.

    ``reveal("env:GIT_TOKEN")``
    """
    kind, _, place = reference.partition(":")
    if kind == "env" and _NAME.fullmatch(place):
        secret = os.environ.get(place, "")
        if not secret:
            raise ValueError(f"the environment variable {place} is not set where pyinfra runs")
        return secret
    if kind == "file" and place.startswith("/"):
        return _content(Path(place))
    raise ValueError("must be env:NAME or file:/PATH, never the secret itself")


def masked(text: str) -> str:
    """
    Return a value as messages may show it: without what stands before its last @, which may be a password.

    + text: one value; without ``//``, a password is what stands between a colon and an @

    ``masked("got 'https://bot:hun/ter2@git.lan'")`` returns ``"got 'https://***@git.lan'"``.
    """
    return _LOGIN.sub(lambda found: "//***@" if found[0].startswith("//") else "***@", text)


def _content(path: Path) -> str:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ValueError(f"{path} is not a file")
        if stat.S_IMODE(state.st_mode) & 0o077:
            raise ValueError(f"{path} can be read by others: chmod 600 {path}")
        secret = path.read_text().removesuffix("\n")
    except OSError as error:
        raise ValueError(f"{path} cannot be read where pyinfra runs: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None
    if not secret:
        raise ValueError(f"{path} is empty")
    return secret


def _resolves(reference: str) -> str:
    reveal(reference)
    return reference


# An option that is a secret: accepted only while the secret is there. A model keeps the reference alone.
Reference = Annotated[str, AfterValidator(_resolves)]
