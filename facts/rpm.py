"""What rpm knows: packages and keys, in one query each."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass, field
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, unframed

# Where operations/sh/key.sh notes which key it has found in a file.
VERIFIED = "/var/lib/elforge/keys"

_FORMAT = r"%{NAME} %{EPOCHNUM} %{VERSION} %{RELEASE} %{ARCH}\n"
_MISSING = re.compile(r"package (\S+) is not installed")


def _broken(line: str) -> str:
    return f"rpm -q said {line!r}: is its database whole? (rpm --rebuilddb)"


@dataclass(frozen=True)
class Rpm:
    """An installed package."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str


@dataclass(frozen=True)
class Answer:
    """What ``rpm -q`` said of a list of queries."""

    installed: list[Rpm] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # queries, as they were asked

    def version(self, name: str) -> str:
        """Return the installed version of a package, ``""`` when it is not installed."""
        return next((rpm.version for rpm in self.installed if rpm.name == name), "")

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class Rpms(FactBase[Answer]):
    """
    Return which of ``queries`` (name, name-version or NVRA, as ``rpm -q`` takes them) are installed.

    A broken database makes rpm print errors and then "not installed": that is an error here.
    """

    def command(self, queries: list[str]) -> str:
        return framed(f"rpm -q --qf '{_FORMAT}' {' '.join(map(shlex.quote, queries))} 2>&1")

    def process(self, output: list[str]) -> Answer:
        answer = Answer()
        for line in unframed(output):
            words = line.split(" ")
            if match := _MISSING.fullmatch(line):
                answer.missing.append(match[1])
            elif len(words) == 5 and words[1].isdigit():
                answer.installed.append(Rpm(words[0], int(words[1]), *words[2:]))
            elif not line.startswith("warning:"):
                raise FactProcessError(_broken(line))
        return answer


@dataclass(frozen=True)
class Key:
    """What there is of a package signing key."""

    trusted: list[str]  # the last 8 hexadecimal digits of the fingerprints of all keys that rpm trusts
    file: str  # the SHA-256 of the key's file, "" when there is none
    verified: str  # the fingerprint that was seen and the file's SHA-256 then, "" when nobody has looked

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class KeyState(FactBase[Key]):
    """Return the Key whose file is ``path``."""

    def command(self, path: str) -> str:
        noted = f"{VERIFIED}/{path.rpartition('/')[2]}"
        return framed(
            f"file={shlex.quote(path)}; noted={shlex.quote(noted)}"
            '; echo file $(test -f "$file" && ! test -L "$file" && sha256sum < "$file")'
            '; echo verified $(cat "$noted" 2>/dev/null)'
            "; rpm -q gpg-pubkey --qf '%{VERSION}\\n' 2>&1"
        )

    def process(self, output: list[str]) -> Key:
        lines = unframed(output)
        if len(lines) < 2:
            raise FactProcessError(f"cannot read the state of a key: {lines!r}")
        file, verified, keys = lines[0].removeprefix("file"), lines[1].removeprefix("verified"), []
        for line in lines[2:]:
            # rpm 6 gives the whole fingerprint as the version, older ones its last 8 digits.
            if re.fullmatch(r"[0-9a-f]{8,64}", line):
                keys.append(line[-8:])
            elif not _MISSING.fullmatch(line) and not line.startswith("warning:"):
                raise FactProcessError(_broken(line))
        return Key(keys, file.strip(" -"), verified.strip())


class Dependents(FactBase[list[str]]):
    """Return what still needs the installed ones of ``names``, as rpm says it; nothing is removed."""

    def command(self, names: list[str]) -> str:
        words = " ".join(map(shlex.quote, names))
        return framed(
            f"said=$(rpm -q --qf '%{{NAME}}\\n' {words} 2>&1); echo \"$said\" | grep ^error:; "
            "names=$(echo \"$said\" | grep -v ' '); "
            'if test -n "$names"; then rpm -e --test $names 2>&1; fi'
        )

    def process(self, output: list[str]) -> list[str]:
        lines = [line.strip() for line in unframed(output)]
        for line in lines:
            if line.startswith("error:") and line != "error: Failed dependencies:":
                raise FactProcessError(_broken(line))
        return [line for line in lines if " is needed by " in line]
