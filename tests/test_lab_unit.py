"""The parts of the lab that decide something without touching the machine."""

from pathlib import Path

import pytest

from lab import apt, network, releases, userland
from lab.hosts import Host
from lab.mirror import engines, faults, rpms, server, stubs
from lab.system import LabError, fingerprint, process_start
from lab.vm import VirtualMachine


@pytest.mark.parametrize(
    ("name", "major"), [("el7", 7), ("el8", 8), ("el9", 9), ("el9-a", 9), ("el7-crash-12", 7)]
)
def test_name_says_release(name: str, major: int) -> None:
    assert releases.of_host(name).major == major


@pytest.mark.parametrize("name", ["el6", "el10", "el9a", "el9-", "el9-A", "9", "el9-a/../b", "", "-el9"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="is not a lab host: use el7, el8, el9"):
        releases.of_host(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vm9", VirtualMachine),
        ("vm7-a", VirtualMachine),
        ("el9", Host),
        ("el9-vm", Host),
        ("el9-a-vm", Host),
    ],
)
def test_name_says_virtual_machine(name: str, kind: type[Host]) -> None:
    assert type(Host(name)) is kind


def test_a_virtual_machines_interface_has_a_name_that_fits() -> None:
    links = {Host(f"vm9-{number}")._link for number in range(50)}
    assert len(links) == 50
    assert max(map(len, links)) <= 15


def test_every_build_has_an_engine_and_every_release_its_tables() -> None:
    for major, release in releases.RELEASES.items():
        builds = (*release.stable, *release.test, release.moved)
        assert {build.engine for build in builds} <= set(releases.ENGINES)
        assert len(release.stable) >= 2
        assert release.moved not in release.stable
        assert major in userland._PER_RELEASE
        assert major in userland._IDENTITY
        assert major in userland._KEYS
    for engine in releases.ENGINES.values():
        assert {engine.suite, engine.runc_suite, engine.plugin_suite} <= set(engines._DEBS)


def test_addresses_are_stable_and_never_given_twice() -> None:
    assert network.choose_address("el9", set()).endswith(".9")
    taken: set[str] = set()
    for number in range(50):
        address = network.choose_address(f"el9-{number}", taken)
        assert address not in taken
        taken.add(address)
    assert network.choose_address("el9-a", set()) == network.choose_address("el9-a", set())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/docker/linux/centos/gpg", (None, "/docker/linux/centos/gpg")),
        ("/faults/unsigned/linux/x", (None, "/faults/unsigned/linux/x")),
        ("/faults/slow/linux/x", ("slow", "/docker/linux/x")),
        ("/faults/cut/files/go.tar.gz", ("cut", "/files/go.tar.gz")),
        ("/faults/html", ("html", "/")),
        ("/faults/slowly/x", (None, "/faults/slowly/x")),
        ("/faults/altered/go/dl/x", ("altered", "/go/dl/x")),
        ("/faults/altered/linux/centos/gpg", (None, "/faults/altered/linux/centos/gpg")),
        ("/faults/down500/goproxy/x", ("down500", "/goproxy/x")),
    ],
)
def test_faulty_path_names_its_behaviour(path: str, expected: tuple[str | None, str]) -> None:
    assert server.split_behaviour(path) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", (0, 99)),
        ("bytes=0-9", (0, 9)),
        ("bytes=40-", (40, 99)),
        ("bytes=-5", (95, 99)),
        ("bytes=90-500", (90, 99)),
        ("bytes=100-", None),
        ("bytes=-0", None),
        ("bytes=-", (0, 99)),
        ("pages=1-2", (0, 99)),
    ],
)
def test_ranges(header: str, expected: tuple[int, int] | None) -> None:
    assert server.parse_range(header, 100) == expected


def test_range_is_read_exactly(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(range(100)))
    assert b"".join(server.read_span(tmp_path / "f", 10, 19, 3)) == bytes(range(10, 20))


def test_only_the_trees_are_served(tmp_path: Path) -> None:
    tree, files = tmp_path / "tree", tmp_path / "files"
    for folder in (tree, files):
        folder.mkdir()
        (folder / "inside").write_text("x")
    (tmp_path / "secret").write_text("x")
    (tree / "link").symlink_to(tmp_path / "secret")
    named = {"files": files}
    assert server.locate("/inside", tree, named) == tree / "inside"
    assert server.locate("/files/inside", tree, named) == files / "inside"
    assert server.locate("/files", tree, named) == files
    assert server.locate("/", tree, named) == tree
    assert server.locate("/../secret", tree, named) is None
    assert server.locate("/link", tree, named) is None
    assert server.locate("/absent", tree, named) is None


def test_small_spec_carries_every_relation() -> None:
    rpm = rpms.Rpm(
        "podman-docker",
        "1",
        "2.el8",
        epoch=3,
        requires=("podman",),
        provides=("docker",),
        conflicts=("docker-ce",),
        files=(("/usr/bin/docker", "x"), ("/etc/a.conf", "y")),
        post="echo installed",
        preun="echo removed",
    )
    spec = rpms.small_spec([rpm], Path("/sources"))
    for line in (
        "%package -n podman-docker",
        "Epoch: 3",
        "Version: 1",
        "Release: 2.el8",
        "Requires: podman",
        "Provides: docker",
        "Conflicts: docker-ce",
        "/usr/bin/docker",
        "%config(noreplace) /etc/a.conf",
        "cp -a /sources/0/. %{buildroot}/",
        "%post -n podman-docker\necho installed",
        "%preun -n podman-docker\necho removed",
    ):
        assert f"\n{line}\n" in spec


def test_impostor_serves_its_own_key() -> None:
    assert faults.served_key("impostor") != faults.served_key("wrong-key")
    assert {"unsigned", "wrong-key", "truncated", "corrupt-repodata", "moved", "empty"} <= set(faults.TWINS)


@pytest.mark.parametrize(
    ("debian", "upstream"),
    [
        ("26.1.5+dfsg1-9+deb13u1", "26.1.5"),
        ("1:2.39.5-0+deb12u3", "2.39.5"),
        ("1%3a2.47.2-0", "2.47.2"),
        ("257.8-1~deb13u2", "257.8"),
        ("2026b-0+deb12u1", "2026"),
    ],
)
def test_upstream_version(debian: str, upstream: str) -> None:
    assert apt.upstream_version(debian) == upstream


def test_stock_repositories_point_where_centos_points() -> None:
    files = Path(stubs.PACKAGE) / "files"
    for major in (7, 8):
        base = "".join(path.read_text() for path in (files / f"el{major}").rglob("*.repo"))
        assert "mirrorlist=http://mirrorlist.centos.org/?release=$releasever" in base
    stream = (files / "el9/etc/yum.repos.d/centos.repo").read_text()
    assert "metalink=https://mirrors.centos.org/metalink?repo=centos-baseos-$stream" in stream


def test_fingerprint_sees_content_names_and_modes(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    file = tmp_path / "tree" / "a"
    file.write_text("1")
    seen = {fingerprint(tmp_path / "tree")}
    file.write_text("2")
    seen.add(fingerprint(tmp_path / "tree"))
    file.chmod(0o755)
    seen.add(fingerprint(tmp_path / "tree"))
    file.rename(tmp_path / "tree" / "b")
    seen.add(fingerprint(tmp_path / "tree"))
    seen.add(fingerprint(tmp_path / "tree", "more"))
    assert len(seen) == 5


def test_process_start_knows_the_dead() -> None:
    assert process_start(1)
    assert process_start(2**22 + 1) is None
