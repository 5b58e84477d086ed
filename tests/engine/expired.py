"""A Docker repository signed with a key that has expired since, below ``<mirror>/files/``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lab import mirror
from lab.mirror import build, rpms
from lab.system import remove, run

NAME = "expired"
UID = "elforge lab (expired) <expired@lab.invalid>"
# The key lived for one day; its signatures were made on that day.
THEN = ("--faked-system-time", "20200101T000000!")


def repository(folder: Path, major: int) -> dict[str, Any]:
    """
    Sign a release's packages with an expired key; return the data that points the docker deploy at them.

    + folder: where the key is made
    + major: the release
    """
    home = folder / "gpg"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback")
    run(*gpg, *THEN, "--passphrase", "", "--quick-generate-key", UID, "rsa3072", "sign", "1d")
    listed = run(*gpg, "--with-colons", "--list-keys").splitlines()
    fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
    linux = mirror.files_dir() / NAME / "linux" / "centos"
    remove(mirror.files_dir() / NAME)
    stable = linux / str(major) / "x86_64" / "stable"
    healthy = build.tree() / "docker" / stable.relative_to(mirror.files_dir() / NAME)
    shutil.copytree(healthy / "Packages", stable / "Packages")
    _sign(sorted((stable / "Packages").glob("*.rpm")), home)
    rpms.index(stable)
    (linux / "gpg").write_text(run(*gpg, "--armor", "--export", UID))
    run("gpgconf", "--homedir", home, "--kill", "all")
    return {"docker_repo_url": f"{mirror.url()}/files/{NAME}/linux", "docker_fingerprint": fingerprint}


def _sign(packages: list[Path], home: Path) -> None:
    macros = {"_gpg_name": UID, "_gpg_path": home, "_gpg_sign_cmd_extra_args": " ".join(THEN)}
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    run("rpmsign", *defines, "--define", f"__gpg {shutil.which('gpg')}", "--resign", *packages)
