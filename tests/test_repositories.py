"""Stock repository files, as CentOS ships them: repaired, restored to the byte; left when they are yours."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploys.mirrors import stock_urls
from operations.repositories import _wanted, repaired, restored
from tests.test_mirrors import VAULT, machine

STOCK = Path(__file__).parent / "fixtures" / "repos"
HOSTS = {
    "centos7": machine(7),
    "centos8": machine(8),
    "stream8": machine(8, stream=True),
    "stream9": machine(9, stream=True),
}
URLS = {
    name: stock_urls(host.major, host, VAULT[:1], live=["https://mirror.lan"]) for name, host in HOSTS.items()
}
FILES = sorted(STOCK.glob("*/*.repo"))


def ids(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def dead_sections(text: str) -> list[str]:
    """Return the enabled repositories that still ask a mirror list of CentOS."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string(text)
    return [
        name
        for name, section in parser.items()
        if section.get("enabled", "1") == "1"
        and "centos.org" in section.get("mirrorlist", section.get("metalink", ""))
    ]


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_repaired(path, golden):
    golden(f"repos/{ids(path)}", repaired(path.read_text(), URLS[path.parent.name]))


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_restored_to_the_byte(path):
    stock = path.read_bytes().decode()
    assert restored(repaired(stock, URLS[path.parent.name])) == stock


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_no_enabled_repository_stays_dead(path):
    assert dead_sections(repaired(path.read_text(), URLS[path.parent.name])) == []


def test_the_fixtures_are_dead_as_shipped():
    assert [ids(path) for path in FILES if dead_sections(path.read_text())] == [
        "centos7/CentOS-Base",
        "centos8/CentOS-Linux-AppStream",
        "centos8/CentOS-Linux-BaseOS",
        "centos8/CentOS-Linux-Extras",
        "stream8/CentOS-Stream-AppStream",
        "stream8/CentOS-Stream-BaseOS",
        "stream8/CentOS-Stream-Extras-common",
        "stream8/CentOS-Stream-Extras",
        "stream9/centos-addons",
        "stream9/centos",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[base]\nname=Ours\nbaseurl=https://mirror.lan/centos/7/os/$basearch/\n",
        "[base]\n#mirrorlist=http://mirrorlist.centos.org/?release=7\nbaseurl=https://mirror.lan/\n",
        "[base]\nmirrorlist=https://mirror.lan/list?release=7\n",
        "[epel]\nmetalink=https://mirrors.fedoraproject.org/metalink?repo=epel-7\n",
        "[own]\nmirrorlist=http://mirrorlist.centos.org/?repo=something-of-their-own\n",
        "# a comment alone\n",
        "",
    ],
)
def test_a_file_of_somebody_else_is_not_touched(text):
    assert repaired(text, URLS["centos7"]) == text
    assert restored(text) == text


def test_windows_line_ends_come_back():
    stock = "[base]\r\nmirrorlist=http://mirrorlist.centos.org/?release=7\r\ngpgcheck=1\r\n"
    changed = repaired(stock, URLS["centos7"])
    assert dead_sections(changed) == []
    assert restored(changed) == stock


LINES = st.sampled_from(
    [
        "[base]",
        "[updates] ",
        "[own]",
        "",
        "# comment",
        "name=CentOS-$releasever - Base",
        "mirrorlist=http://mirrorlist.centos.org/?release=$releasever&repo=os",
        "metalink=https://mirrors.centos.org/metalink?repo=x",
        "#mirrorlist=http://mirrorlist.centos.org/?x",
        "baseurl=https://vault.centos.org/7.9.2009/os/$basearch/",
        "baseurl=http://mirror.centos.org/centos/7/os/$basearch/",
        "baseurl = https://mirror.lan/",
        "mirrorlist = http://mirrorlist.centos.org/?x\r",
        "#baseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/",
        "gpgkey=file:///a",
        "        file:///b",
        "exclude=ä*",
    ]
)
# With and without a newline at the end of the last line.
TEXTS = st.lists(LINES, max_size=12).map("\n".join)


@given(TEXTS)
def test_repaired_twice_is_repaired_once(text):
    once = repaired(text, URLS["centos7"])
    assert repaired(once, URLS["centos7"]) == once
    assert _wanted(once, URLS["centos7"], present=True) == once


@given(TEXTS)
def test_restored_is_byte_identical(text):
    changed = _wanted(text, URLS["centos7"], present=True)
    assert restored(changed) == text
    assert _wanted(changed, {"base": ["https://another/"]}, present=False) == text


@given(TEXTS)
def test_every_other_line_stays(text):
    kept = [line.removeprefix("# elforge kept: ") for line in repaired(text, URLS["centos7"]).split("\n")]
    rest = iter(kept)
    assert all(line in rest for line in text.split("\n"))


DEAD, OWN = "mirrorlist=http://mirrorlist.centos.org/?x", "baseurl=https://mirror.lan/"


@pytest.mark.parametrize("lines", [(DEAD, OWN), (OWN, DEAD), (OWN, "baseurl=http://mirror.centos.org/x/")])
def test_a_baseurl_of_its_owner_stays_the_only_one(lines):
    """A dead mirrorlist hides it from dnf; a second baseurl= would hide it, too."""
    stock = "\n".join(["[base]", *lines, "[updates]", DEAD, ""])
    changed = repaired(stock, URLS["centos7"])
    base, updates = changed.split("[updates]")
    assert re.findall(r"^baseurl.*", base, re.MULTILINE) == [OWN]
    assert dead_sections(changed) == []
    assert "\nbaseurl=https://vault.centos.org/" in updates
    assert restored(changed) == stock


def test_two_dead_lines_of_one_repository_get_one_baseurl():
    stock = f"[base]\n{DEAD}\nbaseurl=http://mirror.centos.org/centos/7/os/$basearch/\n"
    changed = repaired(stock, URLS["centos7"])
    assert changed.count("\nbaseurl=") == 1
    assert restored(changed) == stock


def test_a_last_line_without_newline():
    stock = "[base]\nmirrorlist=http://mirrorlist.centos.org/?release=7"
    changed = repaired(stock, URLS["centos7"])
    assert "\nbaseurl=https://vault.centos.org/" in changed
    assert restored(changed) == stock


def test_a_form_feed_ends_no_line():
    stock = "[base]\nmirrorlist=http://mirrorlist.centos.org/?x#\x0c?\ngpgcheck=1\n"
    assert restored(repaired(stock, URLS["centos7"])) == stock


@pytest.mark.parametrize(
    "line",
    [
        "baseurl=http://mirror.centos.org/centos/$releasever/os/$basearch/",
        "mirrorlist = http://mirrorlist.centos.org/?release=7",
    ],
)
def test_a_half_repaired_file_is_repaired(line):
    assert "vault.centos.org" in repaired(f"[base]\n{line}\n", URLS["centos7"])
