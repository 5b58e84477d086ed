"""The grammar of the go command's settings: what cmd/go would refuse, ignore or take for something else.

Read from Go 1.27.3: cmd/go/internal/{modfetch/proxy.go, modfetch/sumdb.go, vcs/vcs.go, base/goflags.go,
toolchain/select.go}, golang.org/x/mod/module MatchPrefixPatterns and golang.org/x/mod/sumdb/note NewVerifier.
Each function returns the text that it was given, or raises ValueError.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from deploys.urls import bad_urls

# After these words the go command reads no further entry.
ENDS = ("direct", "off")
_ELEMENT = re.compile(r"([A-Za-z0-9._~*?-]|\[\^?[A-Za-z0-9._~-]+\])+")
_FILE = re.compile(r"file://(/[A-Za-z0-9][A-Za-z0-9._~+@-]*)+/?")
_TOOLCHAIN = re.compile(
    r"auto|path|(local|go1\.[0-9]{1,3}(\.[0-9]{1,3}|(rc|beta)[0-9]{1,2})?(-[a-z0-9.]+)?)(\+(auto|path))?"
)
KNOWN_SUMDBS = ("sum.golang.org", "sum.golang.google.cn")
# `go help build`, `test` and `clean` of 1.27.3. A flag that no command knows stops every go command.
_SWITCHES = {
    *("a", "asan", "benchmem", "cover", "failfast", "json", "linkshared", "modcacherw", "msan", "n", "race"),
    *("short", "trimpath", "v", "work", "x"),
}
_VALUES = {
    *(
        "asmflags",
        "buildmode",
        "buildvcs",
        "compiler",
        "count",
        "covermode",
        "coverpkg",
        "exec",
        "gccgoflags",
    ),
    *("gcflags", "installsuffix", "ldflags", "mod", "modfile", "overlay", "p", "parallel", "pgo", "pkgdir"),
    *("shuffle", "tags", "timeout", "toolexec", "vet"),
}


def proxy(entry: str) -> str:
    """Check one entry of GOPROXY: https://HOST/PATH, file:///PATH, direct or off."""
    if entry in ENDS or _FILE.fullmatch(entry):
        return entry
    if re.search(r"[,|\s]", entry):
        raise ValueError(
            "one proxy per entry of the list; goenv_proxy_fallback says what stands between them"
        )
    if entry.startswith("file:"):
        raise ValueError("must be file:///PATH, an absolute path without '..', spaces or shell characters")
    if "://" not in entry:
        raise ValueError("must be https://HOST, file:///PATH, direct or off")
    return _url(entry)


def _url(url: str) -> str:
    for line in bad_urls("", [url], True, ""):
        raise ValueError(line.removeprefix(": "))
    return url


def pattern(glob: str) -> str:
    """Check one pattern of module paths: HOST or HOST/PATH, with * ? [a-z] inside of an element."""
    if "://" in glob:
        raise ValueError("a module path has no scheme: leave out everything up to ://")
    if re.search(r"[,\s]", glob):
        raise ValueError("one pattern per entry of the list, without spaces")
    elements = glob.split("/")
    if not all(elements):
        raise ValueError("must neither begin nor end with /, nor hold //")
    if "**" in glob:
        raise ValueError("** is no more than *: a pattern matches everything below it anyway")
    if ":" in glob:
        raise ValueError("a module path has no port")
    if not all(map(_ELEMENT.fullmatch, elements)) or {".", ".."} & set(elements):
        raise ValueError("must be HOST or HOST/PATH of letters, digits and . _ ~ -, with * ? [a-z]")
    if not re.search(r"[A-Za-z0-9]", re.sub(r"\[.*?\]", "", elements[0])):
        raise ValueError("matches every module: name a host")
    return glob


def covers(wide: str, narrow: str) -> bool:
    """Return whether every module that one pattern matches is matched by another; ``wide`` is tried first.

    ``covers("git.lan", "git.lan/team/*")`` is True; what cannot be told is False.
    """
    ours, theirs = wide.split("/"), narrow.split("/")
    return len(ours) <= len(theirs) and all(map(_covers, ours, theirs))


def _covers(wide: str, narrow: str) -> bool:
    literal = not re.search(r"[*?\[]", narrow)
    return wide in ("*", narrow) or (literal and fnmatchcase(narrow, wide.replace("[^", "[!")))


def sumdb(text: str) -> str:
    """Check GOSUMDB: a known name, off, or NAME+HASH+KEY; then, optionally, the URL to ask."""
    key, *rest = text.split(" ")
    if key == "off" and not rest:
        return text
    if len(rest) > 1 or not key:
        raise ValueError("must be a name, off, or NAME+HASH+KEY, and at most one URL after one space")
    if key not in KNOWN_SUMDBS:
        _verifier(key)
    for url in rest:
        _url(url)
    return text


def _verifier(key: str) -> None:
    """A mistyped key is refused by every go command that downloads: here it is by its own checksum."""
    match = re.fullmatch(
        r"([A-Za-z0-9][A-Za-z0-9.-]*(?:/[A-Za-z0-9._~-]+)*)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", key
    )
    if not match:
        raise ValueError(f"only {' and '.join(KNOWN_SUMDBS)} need no key; another one is NAME+HASH+KEY")
    name, digest, encoded = match.groups()
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError(f"the key of {name} is not base64") from None
    if len(raw) != 33 or raw[0] != 1:
        raise ValueError(f"the key of {name} is not an Ed25519 key (33 bytes, the first of them 1)")
    if hashlib.sha256(f"{name}\n".encode() + raw).hexdigest()[:8] != digest:
        raise ValueError(
            f"the key of {name} does not have the hash {digest}: it is mistyped or another name's"
        )


def toolchain(text: str) -> str:
    """Check GOTOOLCHAIN: local, auto, path, or goVERSION; the first and the last also with +auto or +path."""
    if not _TOOLCHAIN.fullmatch(text):
        raise ValueError(
            "must be local, auto, path or a version like go1.27.3, which may end in +auto or +path"
        )
    return text


def flag(text: str) -> str:
    """Check one flag of GOFLAGS: -name or -name=value, of a name that the go command knows."""
    match = re.fullmatch(r"--?([a-z][a-zA-Z0-9]*)(=(.*))?", text)
    if not match:
        raise ValueError("must be -name or -name=value, one flag per entry of the list")
    name, _, value = match.groups()
    if name == "insecure":
        raise ValueError(
            "the go command has no -insecure any more; goenv_insecure names what may be insecure"
        )
    if name not in _SWITCHES | _VALUES:
        raise ValueError(f"no go command has a flag -{name}, and each would stop because of it")
    if name in _VALUES and not value:
        raise ValueError(f"-{name} needs a value: -{name}=VALUE")
    if name in _SWITCHES and value not in (None, "true", "false"):
        raise ValueError(f"-{name} is on or off: -{name}, -{name}=true or -{name}=false")
    if "'" in text and '"' in text:
        raise ValueError("the go command cannot read both kinds of quotes in one flag")
    return text


def quoted(flags: list[str]) -> str:
    """Return flags as GOFLAGS holds them: ``quoted(["-v", "-ldflags=-s -w"])`` is ``-v '-ldflags=-s -w'``."""
    return " ".join(map(_quoted, flags))


def _quoted(text: str) -> str:
    if not re.search(r"[\s'\"]", text):
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"


def host_of(url: str) -> str:
    """Return the host that a proxy's URL names; empty for a file, direct and off."""
    return urlsplit(url).hostname or ""
