"""What SELinux does on a host, and which local records its policy store has, without semanage.

semanage starts python and loads the policy, 0.3 to 5 s a call: what it has written is read from its files,
and it is asked itself, for the policy's own definitions, only where a change is due.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, shown, text, unframed
from facts.guard import waits

CONFIG, OWNED = "/etc/selinux/config", "/var/lib/elforge/selinux.json"
# Since userspace 2.4 stores are in /var/lib/selinux, but EL7's semanage.conf keeps its own below /etc.
_STORE = (
    f"type=$(sed -n 's/^ *SELINUXTYPE *= *//p' {CONFIG} 2>/dev/null | tail -n 1); store=; "
    'for each in "/var/lib/selinux/$type/active" "/etc/selinux/$type/active" '
    '"/etc/selinux/$type/modules/active"; do '
    'if test -z "$store" && test -n "$type" && test -d "$each"; then store=$each; fi; done'
)
_FILES = {
    "ports": "$store/ports.local",
    "booleans": "$store/booleans.local",
    "contexts": "$store/file_contexts.local",
    "equivalences": "/etc/selinux/$type/contexts/files/file_contexts.subs",
    "owned": OWNED,
}
# What semanage fcontext -f takes, and how file_contexts spells it.
FTYPES = {"a": "", "f": "--", "d": "-d", "c": "-c", "b": "-b", "s": "-s", "l": "-l", "p": "-p"}
_FTYPE = {spelled: letter for letter, spelled in FTYPES.items()}

# Local records: kind (port, boolean, fcontext, equivalence, permissive) and name, to what they say.
# {"port tcp 8081": "http_port_t", "fcontext f /opt/x/run": "bin_t", "boolean httpd_enable_cgi": "on"}
Records = dict[str, str]


@dataclass(frozen=True)
class Port:
    """A range of ports with its type."""

    protocol: str
    low: int
    high: int
    type: str

    @property
    def range(self) -> str:
        """How semanage spells the ports."""
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


@dataclass(frozen=True)
class State:
    """SELinux on a host."""

    kernel: str  # enforcing, permissive, or disabled: also where the kernel cannot do SELinux at all
    config: str | None  # text of /etc/selinux/config
    cmdline: list[str]  # what the kernel was told at boot: selinux=0, enforcing=0, ...
    policy: str  # type of the policy in force, "" when there is no store for it
    semanage: bool  # whether it is installed
    records: Records = field(default_factory=dict)  # local ones
    booleans: dict[str, str] = field(default_factory=dict)  # on or off, in the running kernel
    owned: str | None = None  # our note of which records are ours
    pending: bool = False  # whether enforcing waits to be confirmed, or to be taken back

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class Selinux(FactBase[State]):
    """Return the State, from files alone."""

    def command(self) -> str:
        files = "; ".join(f'file="{path}"; {shown("file")}' for path in (CONFIG, *_FILES.values()))
        return framed(
            f"{_STORE}; if test -e /sys/fs/selinux/enforce; then cat /sys/fs/selinux/enforce; echo; "
            "else echo disabled; fi | head -n 1"
            "; echo cmdline $(tr ' ' '\\n' < /proc/cmdline | grep -E '^(selinux|enforcing|security|lsm)=')"
            '; test -z "$store" && echo policy || echo "policy $type"'
            "; command -v semanage >/dev/null && echo semanage || echo none"
            f"; {files}"
            '; for each in "$store"/modules/400/permissive_* "$store"/modules/permissive_*.pp; do '
            'if test -n "$store" && test -e "$each"; then echo "permissive ${each##*/permissive_}"; fi; done'
            f"; {waits('selinux')}"
            "; for each in /sys/fs/selinux/booleans/*; do "
            'if test -e "$each"; then read -r now next < "$each"; echo "boolean ${each##*/} $now"; fi; done'
        )

    def process(self, output: list[str]) -> State:
        lines = unframed(output)
        head, rest = lines[: 5 + len(_FILES)], lines[5 + len(_FILES) :]
        if len(head) < 5 + len(_FILES):
            raise FactProcessError(f"cannot read the state of SELinux: {lines[-3:]!r}")
        kernel, cmdline, policy, semanage, config, *texts = head
        files = dict(zip(_FILES, map(text, texts), strict=True))
        owned = files.pop("owned")
        return State(
            kernel=_word(kernel, {"1": "enforcing", "0": "permissive", "disabled": "disabled"}),
            config=text(config),
            cmdline=cmdline.split()[1:],
            policy=policy.removeprefix("policy").strip(),
            semanage=_word(semanage, {"semanage": True, "none": False}),
            records=dict([*local(files), *_permissive(rest)]),
            booleans=dict(_runtime(rest)),
            pending="pending yes" in rest,
            owned=owned,
        )


def _word(word: str, meaning: dict[str, Any]) -> Any:
    if word not in meaning:
        raise FactProcessError(f"cannot read the state of SELinux: {word!r}")
    return meaning[word]


def _permissive(lines: list[str]) -> Iterator[tuple[str, str]]:
    names = [line.split()[1].removesuffix(".pp") for line in lines if line.startswith("permissive ")]
    return ((f"permissive {name}", "yes") for name in names)


def _runtime(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match line.split():
            case ["boolean", name, "0" | "1" as value]:
                yield name, "on" if value == "1" else "off"
            case ["permissive", _] | ["pending", "yes"]:
                pass
            case _:
                raise FactProcessError(f"cannot read the state of SELinux: {line!r}")


def local(files: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """
    Yield the records in the store's own files.

    ``local({"ports": "portcon tcp 9000 - 9010 system_u:object_r:http_port_t:s0"})`` yields
    ``("port tcp 9000-9010", "http_port_t")``.
    """
    read = {"ports": _port, "booleans": _boolean, "contexts": _context, "equivalences": _equivalence}
    for name, content in files.items():
        for line in (content or "").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                try:
                    yield read[name](line.split())
                except (IndexError, KeyError, ValueError) as error:
                    raise FactProcessError(f"not one of SELinux's {name}: {line!r}") from error


def _type(context: str) -> str:
    return context if context == "<<none>>" else context.split(":")[2]


def _port(words: list[str]) -> tuple[str, str]:
    _, protocol, *ports, context = words
    return f"port {protocol} {''.join(ports)}", _type(context)


def _boolean(words: list[str]) -> tuple[str, str]:
    name, value = "".join(words).split("=")
    return f"boolean {name}", {"1": "on", "0": "off", "true": "on", "false": "off"}[value]


def _context(words: list[str]) -> tuple[str, str]:
    path, *ftype, context = words
    return f"fcontext {_FTYPE[''.join(ftype)]} {path}", _type(context)


def _equivalence(words: list[str]) -> tuple[str, str]:
    path, target = words
    return f"equivalence {path}", target


@dataclass(frozen=True)
class Policy:
    """What the policy itself says of things that are about to be recorded."""

    ports: list[Port] = field(default_factory=list)  # with the local ones
    booleans: dict[str, str] = field(default_factory=dict)  # on or off, as they will be after a boot
    contexts: list[str] = field(
        default_factory=list
    )  # those of the asked file contexts that it has: "f /bin/x"
    unknown: list[str] = field(default_factory=list)  # those of the asked types that it does not have

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it."""
        return asdict(self)


class PolicyAnswers(FactBase[Policy]):
    """
    Return what the policy says of ``types`` and file context ``paths``, and its own ports and booleans.

    Dear: semanage is called once for ``ports`` and once for ``booleans``, 0.3 s each of a fast CPU, so this
    is asked only where a change is due. A type is checked by the kernel, or by setfiles in 20 ms.
    """

    def command(self, types: list[str], paths: list[str], ports: bool, booleans: bool) -> str:
        self._paths = paths
        own = '"/etc/selinux/$type/contexts/files/file_contexts" | sed "s/^/context /"'
        words = " ".join(f"-e {shlex.quote(path)}" for path in paths)
        parts = [
            _STORE,
            "rules=$(ls /etc/selinux/$type/policy/policy.* | sort -t . -k 2 -n | tail -n 1)",
            _unknown(types) if types else "",
            f"grep -h -F {words} {own}" if paths else "",
            "semanage port -l -n | sed 's/^/port /'; echo ports" if ports else "",
            "semanage boolean -l -n | sed 's/^/boolean /'; echo booleans" if booleans else "",
        ]
        return framed("; ".join(filter(None, parts)), dear=ports or booleans)

    def process(self, output: list[str]) -> Policy:
        lines = [line.partition(" ")[::2] for line in unframed(output)]
        found: dict[str, list[str]] = {}
        for kind, rest in lines:
            found.setdefault(kind, []).append(rest)
        if extra := found.keys() - {"unknown", "context", "port", "ports", "boolean", "booleans"}:
            raise FactProcessError(f"cannot read the policy: {sorted(extra)!r}")
        for kind in ("port", "boolean"):
            if f"{kind}s" in found and kind not in found:
                raise FactProcessError(f"semanage {kind} -l named none: is its policy store whole?")
        known = {
            f"{_FTYPE.get(''.join(line.split()[1:-1]))} {line.split()[0]}"
            for line in found.get("context", [])
        }
        return Policy(
            ports=[port for line in found.get("port", []) for port in definitions(line)],
            booleans=dict(map(_listed, found.get("boolean", []))),
            contexts=sorted(each for each in known if each.split(" ", 1)[1] in self._paths),
            unknown=found.get("unknown", []),
        )


def _unknown(types: list[str]) -> str:
    """Return shell that names the types which the policy does not have."""
    names = " ".join(map(shlex.quote, types))
    context = 'printf "%ssystem_u:object_r:%s:s0"'
    return (
        # A kernel with a policy answers itself; while it is enforced setfiles_t may not read our file.
        "known() { if test -e /sys/fs/selinux/context; "
        f'then {context} "" "$1" > /sys/fs/selinux/context; else {context} "/x " "$1" > "$spec" '
        '&& setfiles -c "$rules" "$spec"; fi >/dev/null 2>&1; }; '
        # What every policy has must be known, or the answer says nothing about types.
        "spec=$(mktemp -p /dev/shm elforge.XXXXXXXXXX) && known etc_t || echo broken; "
        f'for each in {names}; do known "$each" || echo "unknown $each"; done; rm -f "$spec"'
    )


def definitions(line: str) -> Iterator[Port]:
    """Yield the ports in a line of ``semanage port -l``: ``http_port_t tcp 80, 8008-8009``."""
    name, protocol, ports = [*line.split(None, 2), "", "", ""][:3]
    for part in ports.split(","):
        if not re.fullmatch(r"\s*\d+(-\d+)?\s*", part):
            raise FactProcessError(f"not a line of semanage port -l: {line!r}")
        low, _, high = part.strip().partition("-")
        yield Port(protocol, int(low), int(high or low), name)


def _listed(line: str) -> tuple[str, str]:
    """Read ``httpd_x   (off  ,   on)  Allow ...``: now, and after a boot."""
    match = re.match(r"(\S+)\s+\(\s*(on|off)\s*,\s*(on|off)\s*\)", line)
    if not match:
        raise FactProcessError(f"not a line of semanage boolean -l: {line!r}")
    return match[1], match[3]


class Mislabelled(FactBase[list[str]]):
    """
    Return what ``restorecon`` would relabel below each of ``paths``; nothing while SELinux is off.

    Its cost is that of walking those trees.
    """

    def command(self, paths: list[str]) -> str:
        words = " ".join(map(shlex.quote, paths))
        return framed(
            f"if selinuxenabled; then for path in {words}; do "
            'if test -e "$path"; then restorecon -n -R -v "$path" 2>&1; fi; done; fi'
        )

    def process(self, output: list[str]) -> list[str]:
        lines = unframed(output)
        # EL7: "restorecon reset /x context a->b", later: "Would relabel /x from a to b".
        shape = re.compile(
            r"(?:Would relabel|Relabeled) (.+) from \S+ to \S+|restorecon reset (.+) context \S+->\S+"
        )
        matches = [shape.fullmatch(line) for line in lines]
        if bad := [line for line, match in zip(lines, matches, strict=True) if not match]:
            raise FactProcessError(f"restorecon said {bad[0]!r}")
        return [match[1] or match[2] for match in matches if match]
