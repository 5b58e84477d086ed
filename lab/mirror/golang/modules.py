"""The module proxy: a few modules as static files of the GOPROXY protocol, and a twin that tampers with one.

Source of the formats: https://go.dev/ref/mod#goproxy-protocol and golang.org/x/mod/sumdb/dirhash, 2026-08.
"""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lab.mirror.golang import sumdb

_TIME = "2026-01-02T03:04:05Z"
SUMDB_NAME = "sum.lab.example"


@dataclass(frozen=True)
class Module:
    """One version of a module: its files by name, ``go.mod`` among them."""

    path: str
    version: str
    files: Mapping[str, str]


def _greet(version: str, greeting: str) -> Module:
    code = (
        'package greet\n\nimport "example.org/words"\n\n'
        "// To greets somebody.\n"
        f'func To(name string) string {{ return "{greeting}, " + words.Title(name) }}\n'
    )
    mod = "module example.org/greet\n\ngo 1.21\n\nrequire example.org/words v0.2.0\n"
    return Module("example.org/greet", version, {"go.mod": mod, "greet.go": code})


_WORDS = (
    'package words\n\nimport "strings"\n\n'
    "// Title returns a word with its first letter in upper case.\n"
    "func Title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }\n"
)
MODULES = (
    _greet("v1.0.0", "Hello"),
    _greet("v1.1.0", "Good morning"),
    Module(
        "example.org/words", "v0.2.0", {"go.mod": "module example.org/words\n\ngo 1.21\n", "words.go": _WORDS}
    ),
)
TAMPERED = _greet("v1.1.0", "Good grief")


def build(tree: Path, key: Path) -> None:
    """Fill the directories behind ``/goproxy/`` and ``/goproxy-tampered/``; ``key`` signs the checksums."""
    swapped = tuple(
        replace(module, files=TAMPERED.files) if _same_version(module, TAMPERED) else module
        for module in MODULES
    )
    records = [record(module) for module in MODULES]
    for name, modules in (("goproxy", MODULES), ("goproxy-tampered", swapped)):
        proxy(tree / name, modules)
        sumdb.build(tree / name / "sumdb", SUMDB_NAME, records, key)


def _same_version(one: Module, other: Module) -> bool:
    return (one.path, one.version) == (other.path, other.version)


def proxy(tree: Path, modules: tuple[Module, ...]) -> None:
    """Write a proxy's files; the last version of each module is its latest."""
    for module in modules:
        folder = tree / module.path / "@v"
        folder.mkdir(parents=True, exist_ok=True)
        info = json.dumps({"Version": module.version, "Time": _TIME})
        (folder / f"{module.version}.info").write_text(info)
        (folder / f"{module.version}.mod").write_text(module.files["go.mod"])
        (folder / f"{module.version}.zip").write_bytes(archive(module))
        (folder.parent / "@latest").write_text(info)
        with open(folder / "list", "a") as versions:
            versions.write(f"{module.version}\n")


def archive(module: Module) -> bytes:
    """Return a module's zip file; the same module always becomes the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(module.files):
            target.writestr(zipfile.ZipInfo(f"{module.path}@{module.version}/{name}"), module.files[name])
    return buffer.getvalue()


def h1(files: Mapping[str, str]) -> str:
    """Return the hash over files which go.sum has."""
    lines = (f"{hashlib.sha256(files[name].encode()).hexdigest()}  {name}\n" for name in sorted(files))
    return f"h1:{base64.b64encode(hashlib.sha256(''.join(lines).encode()).digest()).decode()}"


def record(module: Module) -> sumdb.Record:
    """Return what the checksum database says about a module version."""
    prefix = f"{module.path}@{module.version}"
    whole = h1({f"{prefix}/{name}": text for name, text in module.files.items()})
    mod = h1({"go.mod": module.files["go.mod"]})
    lines = f"{module.path} {module.version} {whole}\n{module.path} {module.version}/go.mod {mod}\n"
    return sumdb.Record(prefix, lines)
