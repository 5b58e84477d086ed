"""URLs in options: what is allowed, and what needs an explicit yes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from pure.secrets import masked

# Variables of yum and dnf may stand in a path.
_PATH = re.compile(r"[A-Za-z0-9._~/$%{}+:@=,-]*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")


def bad_urls(option: str, urls: list[str], insecure: bool, allow: str) -> Iterator[str]:
    """
    Yield a sentence for each URL that is not a plain https one, or http where that is allowed.

    + option: the name of the option that holds them, for the message
    + urls: what it holds
    + insecure: whether http is allowed
    + allow: the name of the option that allows http

    ``list(bad_urls("docker_repo_url", ["http://mirror.lan"], False, "docker_insecure_mirror"))`` returns
    ``["docker_repo_url: http://mirror.lan is not https; docker_insecure_mirror = True allows it"]``.
    """
    for url in urls:
        if problem := _problem(url, insecure, allow):
            yield f"{option}: {problem}"


def _problem(url: str, insecure: bool, allow: str) -> str:
    try:
        parts = urlsplit(url)
        named, port = parts.username or parts.password, parts.port
    except ValueError:
        return "not a URL: its host or its port is malformed"  # urllib's own words may hold a password
    if named:
        return "a URL must not hold a user name or password"
    shown = masked(url)  # an @ may stand in a path, too
    if not _looks_right(parts) or port == 0:
        return f"{shown!r} is not an http(s) URL"
    if parts.query or parts.fragment:
        return f"{shown!r} has a query or fragment, which a repository cannot have"
    if parts.scheme == "http" and not insecure:
        return f"{shown} is not https; {allow} = True allows it"
    return ""


def _looks_right(parts: SplitResult) -> bool:
    known = parts.scheme in ("http", "https")
    return known and bool(_HOST.fullmatch(parts.netloc)) and bool(_PATH.fullmatch(parts.path))
