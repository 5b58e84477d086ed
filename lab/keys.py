"""The lab's keys: SSH for its hosts, OpenPGP for its packages; generated once, kept in the state dir."""

import secrets
from functools import cache
from pathlib import Path

from lab.system import lock, run, state_dir, write

DOCKER, DISTRO, STRANGER = "docker", "distro", "stranger"

HOST_KEY_TYPES = ("ed25519", "ecdsa", "rsa")


def ssh_key() -> Path:
    """Return the private key that opens every host, as root and as ops."""
    key = state_dir() / "keys" / "id_ed25519"
    with lock("keys"):
        if not key.with_suffix(".pub").exists():
            _generate_ssh(key, "ed25519", "elforge-lab")
    return key


def host_keys(major: int) -> Path:
    """Return the folder with the SSH host keys which all hosts of a release share."""
    folder = state_dir() / "keys" / f"el{major}"
    with lock("keys"):
        for kind in HOST_KEY_TYPES:
            key = folder / f"ssh_host_{kind}_key"
            if not key.with_suffix(".pub").exists():
                _generate_ssh(key, kind, f"el{major}")
    return folder


def _generate_ssh(key: Path, kind: str, comment: str) -> None:
    key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", key)


def sumdb_key() -> Path:
    """Return the private key, in a PEM file, that signs the lab's Go checksum database."""
    key = state_dir() / "keys" / "sumdb.pem"
    with lock("keys"):
        if not key.exists():
            fresh = key.with_suffix(".new")
            fresh.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            run("openssl", "genpkey", "-algorithm", "ed25519", "-out", fresh)
            fresh.chmod(0o600)
            fresh.rename(key)
    return key


def tls(name: str, address: str) -> Path:
    """
    Return the folder with a TLS server's files: ``ca.pem``, ``server.pem`` and ``server.key``.

    + name: the server's host name
    + address: the server's IP address
    """
    folder = state_dir() / "keys" / f"tls-{address}"
    with lock("keys"):
        if not (folder / "server.pem").exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _certify(folder, "ca", "/CN=elforge lab CA", "basicConstraints=critical,CA:TRUE")
            alternatives = f"subjectAltName=DNS:{name},IP:{address}"
            signer = ("-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key"))
            _certify(folder, "server", f"/CN={name}", alternatives, *signer)
    return folder


def _certify(folder: Path, name: str, subject: str, extension: str, *signer: str) -> None:
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "3650")
    fresh = folder / f"{name}.new"
    files = ("-keyout", folder / f"{name}.key", "-out", fresh)
    run("openssl", "req", "-x509", *kind, "-subj", subject, "-addext", extension, *signer, *files)
    fresh.rename(folder / f"{name}.pem")


def password(name: str) -> Path:
    """Return the file, readable by root only, with a password of the lab's own."""
    path = state_dir() / "keys" / f"{name}.password"
    with lock("keys"):
        if not path.exists():
            write(path, secrets.token_urlsafe(18), 0o600)
    return path


def gpg_home() -> Path:
    """Return the GnuPG directory that holds the secret signing keys."""
    return state_dir() / "keys" / "gpg"


def public_key(name: str) -> Path:
    """Return the armoured public key of one of the lab's signers."""
    path = state_dir() / "keys" / f"{name}.asc"
    with lock("keys"):
        if not path.exists():
            gpg_home().mkdir(parents=True, exist_ok=True, mode=0o700)
            if not _fingerprints(name):
                _gpg("--passphrase", "", "--quick-generate-key", user_id(name), "rsa3072", "sign", "never")
            armoured = _gpg("--armor", "--export", user_id(name))
            stop_agent()
            path.write_text(armoured)
    return path


def user_id(name: str) -> str:
    """Return the OpenPGP user id of one of the lab's signers."""
    return f"elforge lab ({name} packages) <{name}@lab.invalid>"


def key_fingerprint() -> str:
    """Return the fingerprint of the key that signs the mirror's Docker packages."""
    return _fingerprint_of(DOCKER)


def distro_fingerprint() -> str:
    """Return the fingerprint of the key that signs the mirror's distribution and EPEL packages."""
    return _fingerprint_of(DISTRO)


@cache
def _fingerprint_of(name: str) -> str:
    public_key(name)
    return _fingerprints(name)[0]


def _fingerprints(name: str) -> list[str]:
    listing = run("gpg", "--homedir", gpg_home(), "--with-colons", "--list-keys").splitlines()
    found: list[str] = []
    latest = ""
    for fields in (line.split(":") for line in listing):
        if fields[0] == "fpr":
            latest = fields[9]
        elif fields[0] == "uid" and fields[9] == user_id(name):
            found.append(latest)
    return found


def stop_agent() -> None:
    """End the gpg-agent that signing starts behind our back."""
    run("gpgconf", "--homedir", gpg_home(), "--kill", "all")


def _gpg(*arguments: str) -> str:
    return run("gpg", "--homedir", gpg_home(), "--batch", "--pinentry-mode", "loopback", *arguments)
