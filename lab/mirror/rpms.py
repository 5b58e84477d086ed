"""Build, sign and index RPM packages."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import keys
from lab.system import run, write

_MACROS = {
    "debug_package": "%{nil}",
    "_build_id_links": "none",
    "__os_install_post": "%{nil}",
    "_buildhost": "lab.invalid",
    "_binary_payload": "w1.zstdio",
    "_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
}


@dataclass(frozen=True)
class Rpm:
    """A small package: names and relations are real, the content is at most a few files.

    ``files`` maps a path to its text, or to ``-> target`` for a symbolic link.
    """

    name: str
    version: str
    release: str
    epoch: int = 0
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    modular: bool = False
    post: str = ""
    preun: str = ""


def build_spec(spec: Path, out: Path, **macros: str) -> None:
    """Build the packages of one spec file into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as top:
        defines = {"_topdir": top, "_rpmdir": str(out), "_dbpath": f"{top}/db", **_MACROS, **macros}
        run("rpmbuild", "-bb", "--quiet", "--nodeps", *_define(defines), spec, env={"HOME": top})


def _define(macros: dict[str, str]) -> list[str]:
    return [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]


def build_small(rpms: list[Rpm], out: Path) -> None:
    """Build many small packages in one go: subpackages of one spec without a package of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for index, rpm in enumerate(rpms):
            _lay_out(rpm, Path(folder, str(index)))
        spec = Path(folder, "small.spec")
        write(spec, small_spec(rpms, Path(folder)))
        build_spec(spec, out)


def small_spec(rpms: list[Rpm], sources: Path) -> str:
    """Return the spec file for many small packages, whose files lie in ``sources/<index>``."""
    head = (
        "Name: lab-small\nVersion: 1\nRelease: 1\nSummary: Lab\nLicense: MIT\nBuildArch: x86_64\n"
        "%description\nLab.\n"
    )
    install = "%install\n" + "".join(
        f"cp -a {sources}/{index}/. %{{buildroot}}/\n" for index, rpm in enumerate(rpms) if rpm.files
    )
    return head + "".join(_subpackage(rpm) for rpm in rpms) + install


def _subpackage(rpm: Rpm) -> str:
    fields = [
        ("Epoch", str(rpm.epoch)),
        ("Version", rpm.version),
        ("Release", rpm.release),
        ("Summary", "Lab stand-in"),
        ("AutoReqProv", "no"),
        *((("ModularityLabel", "container-tools:rhel8:8050020211112140837:lab"),) if rpm.modular else ()),
        *(("Requires", item) for item in rpm.requires),
        *(("Provides", item) for item in rpm.provides),
        *(("Conflicts", item) for item in rpm.conflicts),
        *(("Obsoletes", item) for item in rpm.obsoletes),
    ]
    head = "".join(f"{name}: {value}\n" for name, value in fields)
    scripts = "".join(
        f"%{kind} -n {rpm.name}\n{text}\n"
        for kind, text in (("post", rpm.post), ("preun", rpm.preun))
        if text
    )
    files = "".join(f"{_directive(path)}{path}\n" for path, _ in rpm.files)
    name = rpm.name
    described = f"%package -n {name}\n{head}%description -n {name}\nLab stand-in.\n"
    return f"{described}{scripts}%files -n {name}\n{files}"


def _directive(path: str) -> str:
    return "%config(noreplace) " if path.startswith("/etc/") and "rpm-gpg" not in path else ""


def _lay_out(rpm: Rpm, root: Path) -> None:
    for path, text in rpm.files:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            target.symlink_to(text.removeprefix("-> "))
        else:
            target.write_text(text)
            target.chmod(0o755 if "/bin/" in path else 0o644)


def sign(rpms: list[Path], signer: str) -> None:
    """Sign packages in place."""
    keys.public_key(signer)
    defines = {
        "_gpg_name": keys.user_id(signer),
        "_gpg_path": str(keys.gpg_home()),
        "__gpg": shutil.which("gpg") or "",
    }
    if rpms:
        run("rpmsign", *_define(defines), "--addsign", *rpms)


def index(folder: Path, modules: Path | None = None) -> None:
    """Write a repository's metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    run("createrepo_c", "--quiet", "--no-database", "--general-compress-type=gz", folder)
    if modules:
        run("modifyrepo_c", "--mdtype=modules", modules, folder / "repodata")


def link_all(source: Path, target: Path) -> None:
    """Put the packages of one folder into another without copying them."""
    target.mkdir(parents=True, exist_ok=True)
    for rpm in source.glob("*.rpm"):
        os.link(rpm, target / rpm.name)


def unshare(rpm: Path) -> Path:
    """Give a hard-linked package a copy of its own, so that it can be damaged."""
    copy = rpm.with_suffix(".copy")
    shutil.copyfile(rpm, copy)
    return copy.rename(rpm)
