"""URLs in options: what is allowed, and what needs an explicit yes."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

# Variables of yum and dnf may stand in a path.
_PATH = re.compile(r"[A-Za-z0-9._~/$%{}+:@=,-]*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")


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
        try:
            parts = urlsplit(url)
            if parts.username or parts.password:
                raise ValueError(f"{option}: a URL must not hold a user name or password")
            port = parts.port
        except ValueError as error:
            own = str(error).startswith(option)
            raise ValueError(str(error) if own else f"{option}: {url!r} is not a URL: {error}") from None
        if not _looks_right(parts) or port == 0:
            raise ValueError(f"{option}: {url!r} is not an http(s) URL")
        if parts.query or parts.fragment:
            raise ValueError(f"{option}: {url!r} has a query or fragment, which a repository cannot have")
        if parts.scheme == "http" and not insecure:
            raise ValueError(f"{option}: {url} is not https; {allow} = True allows it")


def _looks_right(parts: SplitResult) -> bool:
    known = parts.scheme in ("http", "https")
    return known and bool(_HOST.fullmatch(parts.netloc)) and bool(_PATH.fullmatch(parts.path))
