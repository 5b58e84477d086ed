"""The lab: stand-in CentOS hosts, and the package mirror they install from, on one Linux machine."""

from lab.hosts import Host, HostInfo, down, known, reset, status, up
from lab.keys import distro_fingerprint, key_fingerprint
from lab.mirror import access_log, down_url, files_dir, mirror_url
from lab.system import LabError, known_hosts

__all__ = [
    "Host",
    "HostInfo",
    "LabError",
    "access_log",
    "distro_fingerprint",
    "down",
    "down_url",
    "files_dir",
    "key_fingerprint",
    "known",
    "known_hosts",
    "mirror_url",
    "reset",
    "status",
    "up",
]
