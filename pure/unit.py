"""What systemd's versions know: the text of a unit for the one that is there.

An unknown directive is ignored with a line in the journal, so that a unit for systemd 252 silently loses its
memory limit on EL7. Sources: systemd's NEWS and load-fragment-gperf.gperf.m4 of v219, v239 and v252, with
what CentOS has backported to 219 and 239 (2026-08).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Directive(NamedTuple):
    """A line of a unit and the section that it stands in."""

    section: str
    name: str
    value: str


class Known(NamedTuple):
    """The first systemd that takes a directive, and what tells those before it the same, or nearly so."""

    since: int = 0
    older: tuple[str, str] | None = None  # section and name
    value: str | None = None  # of the older one; None: as it is


class Text(NamedTuple):
    """A unit's text, and the directives that systemd is too old for."""

    text: str
    dropped: list[str]  # by their names, and by name=value where that alone is too young


_ALWAYS = """
Description After Wants Requires OnActiveSec OnUnitActiveSec AccuracySec Unit
ListenStream WantedBy Type WatchdogSec ExecStart User Group WorkingDirectory
EnvironmentFile Restart RestartSec TimeoutStartSec TimeoutStopSec LimitNOFILE CPUQuota TasksMax
UMask NoNewPrivileges PrivateTmp PrivateDevices ProtectSystem ProtectHome CapabilityBoundingSet
AmbientCapabilities RestrictAddressFamilies SystemCallArchitectures
OnCalendar Nice IOSchedulingClass What Where Options ConditionPathIsMountPoint
"""
_JOURNALD = """
Storage SystemMaxUse SystemKeepFree SystemMaxFileSize RuntimeMaxUse MaxRetentionSec MaxFileSec
RateLimitBurst ForwardToSyslog
"""
# By name, or by name=value where a value is younger than its directive.
KNOWN: dict[str, Known] = {
    **dict.fromkeys(_ALWAYS.split(), Known()),
    "StartLimitIntervalSec": Known(230, ("Service", "StartLimitInterval")),
    "StartLimitBurst": Known(230, ("Service", "StartLimitBurst")),
    "MemoryMax": Known(231, ("Service", "MemoryLimit")),
    "MemorySwapMax": Known(232),
    "ReadWritePaths": Known(231, ("Service", "ReadWriteDirectories")),
    "ProtectSystem=strict": Known(232, ("Service", "ProtectSystem"), "full"),
    "LogLevelMax": Known(236),
    "ProtectKernelTunables": Known(232),
    "ProtectKernelModules": Known(232),
    "ProtectControlGroups": Known(232),
    "PrivateUsers": Known(232),
    "RemoveIPC": Known(232),
    "RestrictRealtime": Known(231),
    "MemoryDenyWriteExecute": Known(231),
    "RestrictNamespaces": Known(233),
    "LockPersonality": Known(235),
    "KeyringMode": Known(235),
    "SystemCallErrorNumber": Known(209),
    "SystemCallFilter=@system-service": Known(239),
    # 242 upstream, in EL8's 239 all the same.
    "RestrictSUIDSGID": Known(239),
    "ProtectHostname": Known(242),
    "ProtectKernelLogs": Known(244),
    "ProtectClock": Known(245),
    "ProtectProc": Known(247),
    "PrivateIPC": Known(248),
    # journald.conf; the old name is still read today.
    **dict.fromkeys(_JOURNALD.split(), Known()),
    "RateLimitIntervalSec": Known(239, ("Journal", "RateLimitInterval")),
}
# The variable, a $ by itself, for the $ that a word begins with: systemd 219 takes what follows one, a $ too,
# for a variable's name, but for a {, and drops the word (util.c, replace_env_argv).
DOLLAR = "ELFORGE_DOLLAR"
# What a drop-in adds to, unless it empties the list first.
_LISTS = {"After", "Wants", "Requires", "EnvironmentFile", "ReadWritePaths", "ReadWriteDirectories"}
# A line goes on after a backslash at its end, past comments, which go by themselves (systemd.syntax(7)).
_COMMENT = re.compile(r"^[ \t]*[#;].*\n?", re.MULTILINE)
_CONTINUED = re.compile(r"(?<!\\)((?:\\\\)*)\\\n")
_SETTING = re.compile(r"^[ \t]*([A-Z][A-Za-z]+)[ \t]*=[ \t]*(.*)$", re.MULTILINE)
# What sets one of ours by another name: the older ones are read to this day.
_ALIASES = {
    **{known.older[1]: name.split("=")[0] for name, known in KNOWN.items() if known.older},
    "TimeoutSec": "TimeoutStopSec",  # and TimeoutStartSec
}
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
SECTIONS = ("Unit", "Service", "Socket", "Timer", "Mount", "Install", "Journal")


def rendered(directives: Iterable[Directive], systemd: int, options: str) -> Text:
    """
    Return a unit, or a part of systemd's own configuration, for a version of systemd.

    + directives: what it is to say, in systemd's newest words
    + systemd: the version that is there
    + options: what it comes from

    ``rendered([Directive("Service", "MemoryMax", "1G")], 219, "app_").text`` ends in ``MemoryLimit=1G``.
    """
    lines: dict[str, list[str]] = {section: [] for section in SECTIONS}
    dropped = []
    for each in directives:
        said = fitted(each, systemd)
        if said is None:
            dropped.append(_entry(each))
        else:
            lines[said.section].append(f"{said.name}={said.value}\n")
    names = list(dict.fromkeys(dropped))
    head = f"# Written by elforge from {options}: edits are overwritten.\n"
    if names:
        head += f"# Left out, systemd {systemd} does not know it: {', '.join(names)}\n"
    parts = [f"[{section}]\n{''.join(found)}" for section, found in lines.items() if found]
    return Text(head + "\n".join(parts), names)


def fitted(directive: Directive, systemd: int) -> Directive | None:
    """Return a directive in the words of a version of systemd; None when it has none for it."""
    known = KNOWN[_entry(directive)]
    if systemd >= known.since:
        return directive
    if known.older is None:
        return None
    return Directive(*known.older, directive.value if known.value is None else known.value)


def _entry(directive: Directive) -> str:
    """Return by what KNOWN has a directive: with its value where that is what is young."""
    text = f"{directive.name}={directive.value}"
    return text if text in KNOWN else directive.name


def overridden(unit: str, dropin: str) -> list[str]:
    """
    Return which settings of a unit a drop-in replaces, by its names; what it only adds to is none of them.

    + unit: its text
    + dropin: the text of the drop-in

    ``overridden("[Service]\\nUser=app\\n", "[Unit]\\nAfter=db.service\\n[Service]\\nUser=root\\n")`` returns
    ``["User"]``.
    """
    own = {_ALIASES.get(name, name) for name, _ in _settings(unit)}
    said = {name for name, value in _settings(dropin) if name not in _LISTS or not value}
    return sorted(name for name in said if _ALIASES.get(name, name) in own)


def values(unit: str, name: str) -> list[str]:
    """
    Return what the text of a unit, or of a drop-in, sets a directive to, in its order.

    ``values("[Service]\\nExecStart=\\nExecStart=/bin/true\\n", "ExecStart")`` returns ``["", "/bin/true"]``.
    """
    return [value for each, value in _settings(unit) if each == name]


def _settings(text: str) -> list[tuple[str, str]]:
    """Return what systemd reads in a unit."""
    return _SETTING.findall(_CONTINUED.sub(r"\1 ", _COMMENT.sub("", text)))


def command(words: Iterable[str]) -> str:
    """
    Return words as a command line of ExecStart: nothing in them means anything to systemd.

    One that begins with $ takes the variable DOLLAR.

    ``command(["/bin/app", "50%", "US$"])`` returns ``'/bin/app 50%% "US$$"'``.
    """
    return " ".join(map(_word, words))


def _word(word: str) -> str:
    text = word.replace("%", "%%").replace("$", "$$")
    if text.startswith("$"):
        text = f"${{{DOLLAR}}}{text[2:]}"
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def environment(variables: Iterable[tuple[str, str]]) -> Iterator[str]:
    """
    Yield a line of an EnvironmentFile per variable; there nothing but quotes and backslashes means anything.

    ``list(environment([("A", 'say "$1"')]))`` returns ``['A="say \\\\"$1\\\\""']``.
    """
    for name, value in variables:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        yield f'{name}="{escaped}"'
