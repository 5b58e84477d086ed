"""What SELinux denied, from the kernel's own lines, and the option that would allow it: pure functions.

The advice knows the usual cases (httpd_selinux(8) and its like) and says so where it does not:
what a policy allows cannot be looked up on a host without setools.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

# Types that say "any port in this range": a record inside takes nothing from anybody.
GENERIC_PORTS = {
    "reserved_port_t",
    "hi_reserved_port_t",
    "unreserved_port_t",
    "ephemeral_port_t",
    "port_t",
}
# The type of the ports of a domain, where it is not named like it: nginx and php-fpm run as httpd_t.
PORT_TYPES = {
    "httpd_t": "http_port_t",
    "sshd_t": "ssh_port_t",
    "named_t": "dns_port_t",
    "squid_t": "squid_port_t",
}
# Booleans by domain and by what is reached: a socket's direction, or the type of a file.
BOOLEANS = {
    ("httpd_t", "name_connect"): "httpd_can_network_connect",
    ("haproxy_t", "name_connect"): "haproxy_connect_any",
    ("haproxy_t", "name_bind"): "haproxy_connect_any",
    ("squid_t", "name_connect"): "squid_connect_any",
    ("httpd_t", "nfs_t"): "httpd_use_nfs",
    ("httpd_t", "cifs_t"): "httpd_use_cifs",
    ("httpd_t", "fusefs_t"): "httpd_use_fusefs",
    ("httpd_t", "user_home_t"): "httpd_read_user_content",
    ("container_t", "nfs_t"): "virt_use_nfs",
    ("container_t", "cifs_t"): "virt_use_samba",
    ("container_t", "cgroup_t"): "container_manage_cgroup",
}
# What a domain's files are when it only reads them, and when it changes them.
CONTENT = {
    "httpd_t": ("httpd_sys_content_t", "httpd_sys_rw_content_t"),
    "container_t": ("container_file_t", "container_file_t"),
}
FILES = {"file", "dir", "lnk_file", "sock_file", "fifo_file"}
_CHANGES = {"write", "append", "create", "unlink", "rename", "add_name", "remove_name", "setattr", "rmdir"}
_RUNS = {"execute", "execute_no_trans", "entrypoint"}
_AVC = re.compile(r"avc: +denied +\{ (?P<permissions>[^}]*) \} +for +(?P<fields>.*)$")
_FIELD = re.compile(r'([A-Za-z_0-9]+)=("[^"]*"|\S+)')
_TIME = re.compile(r"audit\((\d+)\.\d+:\d+\)")


@dataclass(frozen=True)
class Denial:
    """One thing that SELinux denied, or would have denied."""

    program: str
    domain: str  # type of the process: httpd_t
    permissions: str  # "name_bind", "read open"
    object: str  # "tcp 8081", a path, or the bare name of a file: all that the kernel says
    type: str  # of the object
    kind: str  # its class: file, tcp_socket, unix_stream_socket, ...
    permissive: bool  # logged only

    def to_json(self) -> dict[str, Any]:
        """Let ``pyinfra inventory.py fact`` print it, with what would allow it."""
        return {**asdict(self), "allow": advice(self)}


def denials(lines: Iterable[str], since: int) -> list[Denial]:
    """
    Return each denial once, in order; raise ValueError for a line that is none.

    + lines: of audit.log, of the journal or of dmesg, with ``avc:  denied`` in them
    + since: seconds; older ones are left out, lines without a time are not
    """
    found = []
    for line in lines:
        at = _TIME.search(line)
        if at is None or int(at[1]) >= since:
            found.append(parse(line))
    return list(dict.fromkeys(found))


def parse(line: str) -> Denial:
    """Read one line; raise ValueError when it is no denial."""
    match = _AVC.search(line)
    fields = {name: _plain(name, value) for name, value in _FIELD.findall(match["fields"])} if match else {}
    if match is None or not {"scontext", "tcontext", "tclass"} <= fields.keys():
        raise ValueError(f"not a denial: {line!r}")
    return Denial(
        program=fields.get("comm", ""),
        domain=_type(fields["scontext"]),
        permissions=match["permissions"].strip(),
        object=_object(fields),
        type=_type(fields["tcontext"]),
        kind=fields["tclass"],
        permissive=fields.get("permissive") == "1",
    )


def _plain(name: str, value: str) -> str:
    """The kernel writes names with blanks or quotes in them as hexadecimal digits, without quotes."""
    if value.startswith('"'):
        return value[1:-1]
    if name in ("comm", "path", "name") and re.fullmatch(r"([0-9A-F]{2})+", value):
        return bytes.fromhex(value).decode(errors="replace").rstrip("\0")
    return value


def _type(context: str) -> str:
    return f"{context}::".split(":")[2]


def _object(fields: dict[str, str]) -> str:
    protocol = fields["tclass"].removesuffix("_socket")
    if port := fields.get("dest") or fields.get("src"):
        return f"{protocol} {port}"
    return fields.get("path") or fields.get("name", "")


def sentence(denial: Denial) -> str:
    """Return a denial in one line, with what would allow it."""
    verb = "would deny" if denial.permissive else "denied"
    return (
        f"SELinux {verb} {denial.program} ({denial.domain}) {denial.permissions} on "
        f"{denial.object or 'an unnamed ' + denial.kind} ({denial.type}): {advice(denial)}"
    )


def advice(denial: Denial) -> str:
    """Return which option would allow it: a boolean, the record of a port, or a file context."""
    words = set(denial.permissions.split())
    for reached in (*sorted(words), denial.type):
        if name := BOOLEANS.get((denial.domain, reached)):
            return f'selinux_booleans = {{"{name}": True}}'
    if words & {"name_bind", "name_connect"} and re.fullmatch(r"\w+ [1-9]\d*", denial.object):
        return _port(denial)
    if denial.kind in FILES:
        return _label(denial, words)
    why = (
        "connects to a process"
        if "connectto" in words
        else "has no port, boolean or context that elforge knows"
    )
    if denial.type in ("unconfined_service_t", "init_t", "unconfined_t", "initrc_t"):
        why = f"{why} without a domain of its own (label its program)"
    return f'{why}; selinux_permissive = ["{denial.domain}"] would only log it'


def _port(denial: Denial) -> str:
    protocol, port = denial.object.split(" ")
    wanted = PORT_TYPES.get(denial.domain, f"{denial.domain.removesuffix('_t')}_port_t")
    take = "" if denial.type in GENERIC_PORTS else f", selinux_port_reassign = True: it is {denial.type}"
    return f'selinux_ports = {{"{port}/{protocol}": "{wanted}"}}{take}'


def _label(denial: Denial, words: set[str]) -> str:
    reads, changes = CONTENT.get(denial.domain, ("", ""))
    wanted = "bin_t" if words & _RUNS else changes if words & _CHANGES else reads
    if not denial.object.startswith("/"):
        return f"a wrong label? ls -Z on {denial.object or 'it'}, then " + (
            f"selinux_contexts with type {wanted}" if wanted else "restorecon -nv, or selinux_contexts"
        )
    if not wanted:
        return f'a wrong label? selinux_relabel = ["{denial.object}"], else selinux_contexts for it'
    path = re.sub(r"([.+*?()\[\]{}^$|\\])", r"\\\1", denial.object)
    return f'selinux_contexts = [{{"path": {path!r}, "type": "{wanted}"}}]'.replace("'", '"')
