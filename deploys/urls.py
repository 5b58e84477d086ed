"""URLs in options: what is allowed, and what needs an explicit yes."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Variables of yum and dnf may stand in a path.
_PATH = re.compile(r"[A-Za-z0-9._~/$%{}+:@=,-]*")


def check_urls(option: str, urls: list[str], insecure: bool, allow: str) -> None:
    """
    Raise ValueError unless each URL is a plain https one, or http where that is allowed.

    + option: the name of the option that holds them, for the message
    + urls: what it holds
    + insecure: whether http is allowed
    + allow: the name of the option that allows http

    ``check_urls("docker_repo_url", ["http://mirror.lan"], False, "docker_insecure_mirror")`` raises
    ``docker_repo_url: http://mirror.lan is not https; docker_insecure_mirror = True allows it``.
    """
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _PATH.fullmatch(parts.path):
            raise ValueError(f"{option}: {url!r} is not an http(s) URL")
        if parts.username or parts.password:
            raise ValueError(f"{option}: a URL must not hold a user name or password")
        if parts.query or parts.fragment:
            raise ValueError(f"{option}: {url!r} has a query or fragment, which a repository cannot have")
        if parts.scheme == "http" and not insecure:
            raise ValueError(f"{option}: {url} is not https; {allow} = True allows it")
