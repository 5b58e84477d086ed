"""Docker's packages: Debian's engines in upstream's packaging."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import apt
from lab.mirror import rpms
from lab.releases import ENGINES, Build, Engine
from lab.system import PACKAGE, progress

SPECS = PACKAGE / "specs"

_ENGINE = ("docker.io", "containerd", "runc")
_CLIENT = ("docker-cli", "docker-buildx", "docker-compose")
_DEBS = {
    "bookworm": (*_ENGINE, "tini"),
    "trixie": (*_ENGINE, *_CLIENT, "tini"),
    "forky": (*_ENGINE, *_CLIENT, "tini-static"),
}

# Upstream's own release number of the package, per major version.
_CONTAINERD_RELEASE = {"1": "3.1", "2": "1"}


class Programs:
    """Debian's Docker programs, unpacked, and the version each one really has."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._versions: dict[tuple[str, str], str] = {}

    def fetch(self) -> None:
        """Download and unpack the programs of every suite."""
        progress("mirror: downloading Debian's Docker programs")
        found = apt.download(_DEBS)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda suite: apt.unpack(found[suite], self.folder(suite)), found))
        for suite, debs in found.items():
            for deb in debs:
                package, version = deb.name.split("_")[:2]
                self._versions[suite, package] = apt.upstream_version(version)

    def folder(self, suite: str) -> Path:
        """Return the root of a suite's unpacked programs."""
        return self._root / suite

    def version(self, suite: str, package: str) -> str:
        """Return upstream's version of a suite's package."""
        return self._versions[suite, package]


def package(programs: Programs, build: Build, major: int, out: Path) -> None:
    """Build the six packages of one engine for one release."""
    engine = ENGINES[build.engine]
    common = {"el": str(major), "units": str(SPECS / "units")}
    version = programs.version(engine.suite, "docker.io")
    progress(f"mirror: packaging docker-ce {version}-{build.release}.el{major}")
    rpms.build_spec(
        SPECS / "docker-ce.spec",
        out,
        **common,
        engine=version,
        rel=build.release,
        debian_root=str(programs.folder(engine.suite)),
        containerd_floor=engine.containerd_floor,
        init_dir="/usr/bin" if version.startswith("20.") else "/usr/libexec/docker",
    )
    _package_containerd(programs, engine, common, out)
    _package_plugins(programs, engine, common, out)


def _package_plugins(programs: Programs, engine: Engine, common: dict[str, str], out: Path) -> None:
    for plugin in ("buildx", "compose"):
        rpms.build_spec(
            SPECS / "docker-plugin.spec",
            out,
            **common,
            plugin=plugin,
            engine=programs.version(engine.plugin_suite, f"docker-{plugin}"),
            rel="1",
            debian_root=str(programs.folder(engine.plugin_suite)),
        )


def _package_containerd(programs: Programs, engine: Engine, common: dict[str, str], out: Path) -> None:
    version = programs.version(engine.suite, "containerd")
    rpms.build_spec(
        SPECS / "containerd.io.spec",
        out,
        **common,
        engine=version,
        rel=_CONTAINERD_RELEASE[version.split(".")[0]],
        debian_root=str(programs.folder(engine.suite)),
        runc=str(programs.folder(engine.runc_suite) / "usr/sbin/runc"),
    )
