"""The bridge between this machine and its lab hosts, and the address of each host."""

import hashlib
import json
import subprocess
import time
import zlib

from lab.system import LabError, run, state_dir

_DEFAULT_OCTET = 77
_FIXED = {"el7": 7, "el8": 8, "el9": 9}
_DYNAMIC = range(20, 250)
_REMOVAL_SECONDS = 10


def octet() -> int:
    """Return the third octet of the lab's network; another state directory gets another network."""
    folder = str(state_dir())
    return _DEFAULT_OCTET if folder == "/var/lib/elforge-lab" else 100 + zlib.crc32(folder.encode()) % 150


def bridge() -> str:
    """Return the name of the lab's bridge."""
    return f"elforge{octet()}"


def gateway() -> str:
    """Return the address of this machine on the bridge."""
    return _address(1)


def _address(last: int) -> str:
    return f"10.213.{octet()}.{last}"


def choose_address(name: str, taken: set[str]) -> str:
    """Return a host's address: the same for the same name, unless another host already has it."""
    if name in _FIXED:
        return _address(_FIXED[name])
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    candidates = (_address(_DYNAMIC[(start + step) % len(_DYNAMIC)]) for step in range(len(_DYNAMIC)))
    return next(address for address in candidates if address not in taken)


def ensure_bridge() -> None:
    """Create the bridge with its address, if it is not there."""
    if gateway() in _addresses_of_bridge():
        return
    remove_bridge()
    run("ip", "link", "add", bridge(), "type", "bridge")
    run("ip", "addr", "add", f"{gateway()}/24", "dev", bridge())
    run("ip", "link", "set", bridge(), "up")


def _addresses_of_bridge() -> list[str]:
    shown = subprocess.run(["ip", "-json", "addr", "show", "dev", bridge()], capture_output=True, text=True)
    if shown.returncode:
        return []
    links = json.loads(shown.stdout)
    return [info["local"] for link in links if "UP" in link["flags"] for info in link["addr_info"]]


def add_tap(name: str) -> None:
    """Create a virtual machine's interface on the bridge, in place of an old one."""
    remove_link(name)
    run("ip", "tuntap", "add", "dev", name, "mode", "tap")
    run("ip", "link", "set", name, "master", bridge(), "up")


def remove_bridge() -> None:
    """Remove the bridge, if it is there."""
    remove_link(bridge())


def remove_link(name: str) -> None:
    """Remove an interface, named in full even where the kernel's name is a shortened one, if it is there."""
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while subprocess.run(["ip", "link", "show", name], capture_output=True).returncode == 0:
        if time.monotonic() > deadline:
            raise LabError(f"the interface {name} cannot be removed")
        subprocess.run(["ip", "link", "del", name], capture_output=True)


def guest_config(address: str) -> str:
    """Return the systemd-networkd file that gives a host its address."""
    return (
        "[Match]\nName=host0\n\n"
        f"[Network]\nAddress={address}/24\nGateway={gateway()}\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLMNR=no\n"
    )
