"""A checksum database: a transparency log under a signed note.

Source of the formats: golang.org/x/mod/sumdb/{note,tlog}, https://go.dev/ref/mod#checksum-database, 2026-08.
"""

import base64
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.system import run

_ED25519 = b"\x01"
_TILE_WIDTH = 256


@dataclass(frozen=True)
class Record:
    """One entry: the module version it is about, and its two lines of go.sum."""

    version: str
    text: str


def build(folder: Path, name: str, records: Sequence[Record], key: Path) -> None:
    """
    Write a database as a module proxy serves it, below ``sumdb/``.

    + records: fewer than 256, so that they are one tile
    """
    leaves = [leaf_hash(record.text.encode()) for record in records]
    if len(leaves) >= _TILE_WIDTH:
        raise ValueError(f"{len(leaves)} records do not fit into one tile")
    root = base64.b64encode(tree_hash(leaves)).decode()
    signed = sign(f"go.sum database tree\n{len(leaves)}\n{root}\n", name, key)
    lookups, tiles = folder / name / "lookup", folder / name / "tile" / "8" / "0" / "000.p"
    for index, record in enumerate(records):
        _write(lookups / record.version, f"{index}\n{record.text}\n{signed}".encode())
    _write(tiles / str(len(leaves)), b"".join(leaves))
    _write(folder / name / "latest", signed.encode())
    _write(folder / name / "supported", b"")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one entry of the log (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the hash of the log over its entries' hashes, of which there is at least one (RFC 6962, 2.1)."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def verifier(name: str, public: bytes) -> str:
    """Return the key as GOSUMDB takes it: name, hash and Ed25519 public key."""
    key = base64.b64encode(_ED25519 + public).decode()
    return f"{name}+{_key_hash(name, public).hex()}+{key}"


def sign(text: str, name: str, key: Path) -> str:
    """Return a signed note: the text and the signature by an Ed25519 private key in a PEM file."""
    signature = _key_hash(name, public_bytes(key)) + _signature(text, key)
    return f"{text}\n\u2014 {name} {base64.b64encode(signature).decode()}\n"


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(f"{name}\n".encode() + _ED25519 + public).digest()[:4]


def public_bytes(key: Path) -> bytes:
    """Return the 32 bytes of the public key which belongs to a private one."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "public.der")
        run("openssl", "pkey", "-in", key, "-pubout", "-outform", "DER", "-out", out)
        return out.read_bytes()[-32:]


def _signature(text: str, key: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        message, out = Path(folder, "message"), Path(folder, "signature")
        message.write_text(text)
        run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message, "-out", out)
        return out.read_bytes()
