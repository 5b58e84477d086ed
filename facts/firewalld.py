"""What decides a host's firewall: firewalld's files, what the daemon has loaded, who is connected."""

from __future__ import annotations

import re
import shlex

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.frame import framed, shown, shown_all, text, texts, unframed
from facts.guard import waits
from facts.session import SESSION
from pure.firewall_state import CONF, ETC, LIB, OWNED, RIVALS, Firewall, Session
from pure.firewalld_config import KINDS, Document, runtime

_UNITS = " ".join(("firewalld.service", *RIVALS))
_DAEMON = "org.fedoraproject.FirewallD1"
_CALL = f"busctl call {_DAEMON} /org/fedoraproject/FirewallD1 {_DAEMON}"
# The calls that firewalld 0.9 and later have, and those of 0.6 (firewalld.dbus(5)).
_CALLS = {
    "zones": (".zone getZoneSettings2", " getZoneSettings"),
    "services": (" getServiceSettings2", " getServiceSettings"),
    "ipsets": (".ipset getIPSetSettings",),
    "policies": (".policy getPolicySettings",),
}

# Zones that hold an interface or a source: what only the daemon has of them, a reload drops.
_ACTIVE = 'grep -oE \'"[^"]+" [0-9]+ "(interfaces|sources)"\' | sed \'s,"\\([^"]*\\).*,zones/\\1,\''
# Not every firewalld calls it active.
_DEFAULT = '$(echo "$default" | sed -n \'s,^s "\\([^"]*\\)"$,zones/\\1,p\')'
# Sets $manager to ``zone:`` and the zone of the connection that NetworkManager has on $device. It shows what
# others have made, too (a VPN, a bridge of containers), which firewalld leaves alone (fw_nm.py,
# nm_get_interfaces).
_MANAGER = (
    'if test -n "$device" && systemctl -q is-active NetworkManager; then '
    "case $(nmcli -g GENERAL.STATE device show $device 2>/dev/null) in ''|*externally*) connection=;; "
    "*) connection=$(nmcli -g UUID,TYPE,DEVICE connection show --active 2>/dev/null | "
    r'sed -n "/:vpn:/d;s/:[^:]*:$device\$//p" | head -n 1);; esac'
    '; test -z "$connection" || manager=zone:$(nmcli -g connection.zone connection show uuid "$connection" '
    "2>/dev/null); fi"
)


class Firewalld(FactBase[Firewall]):
    """
    Return the Firewall, with what the daemon has loaded of ``objects``, e.g. ``["zones/public"]``.

    One exec. The daemon is asked by busctl, 10 ms a call; each start of firewall-cmd takes 250 ms.
    """

    def command(self, objects: list[str]) -> str:
        names = " ".join(map(shlex.quote, objects))
        stock = " ".join(shlex.quote(f"{LIB}/{each}.xml") for each in objects)
        calls = " ".join(f"{kind}) set -- {_either(kind)};;" for kind in KINDS)
        return framed(
            "echo version $(rpm -q --qf '%{VERSION}\\n' firewalld 2>&1 | tail -n 1)"
            f"; systemctl show -p Id,LoadState,ActiveState,UnitFileState {_UNITS} | sed -n '/=/s/^/unit /p'"
            f"; file={CONF}; {shown('file')}; file={OWNED}; {shown('file')}"
            f"; set --; for file in {ETC}/*/*.xml {LIB}/zones/*.xml {LIB}/policies/*.xml {stock}; do "
            f'test ! -f "$file" || set -- "$@" "$file"; done; {shown_all()}'
            f"; echo services $(ls {LIB}/services 2>/dev/null | sed 's/[.]xml$//')"
            f'; {SESSION}; manager=; if test -n "$port"; then device=$(ip -o route get $peer 2>/dev/null | '
            "sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')"
            f"; {_MANAGER}"
            f'; echo open $(grep -l "port=[\\"\']$port[\\"\']" {LIB}/services/*.xml 2>/dev/null | '
            "sed 's,.*/,,;s/[.]xml$//')"
            "; else echo open; fi"
            f"; if systemctl -q is-active firewalld; then default=$({_CALL} getDefaultZone 2>&1)"
            '; echo default "$default"'
            f'; test -z "$device" || zone=$({_CALL}.zone getZoneOfInterface s $device 2>&1)'
            f"; active=$({_CALL}.zone getActiveZones 2>/dev/null | {_ACTIVE})"
            f"; seen=; for object in {names} $active {_DEFAULT}; do "
            'case " $seen " in *" $object "*) continue;; esac; seen="$seen $object"'
            f"; name=${{object#*/}}; case ${{object%/*}} in {calls} esac"
            '; said=; for call; do said=$(sh -c "$call" call "$name" 2>&1) && break; done'
            '; echo "loaded $object $said"; done; fi'
            f"; {waits('firewalld')}"
            '; test -z "$port" || echo "session $peer $port ${device:--} ${manager:--} $zone"'
            "; for family in iptables ip6tables; do "
            "if test $family = iptables || test -e /proc/sys/net/ipv6; then "
            "$family -w -t nat -S 2>/dev/null; fi; done"
            " | sed -nE '/^-A DOCKER(-INGRESS)? .*DNAT/s/^/dnat /p'"
        )

    def process(self, output: list[str]) -> Firewall:
        lines = unframed(output)
        try:
            return _firewall(lines)
        except (ValueError, IndexError, KeyError, StopIteration) as error:
            raise FactProcessError(
                f"cannot read the state of firewalld: {error!r} in {lines[:9]!r}"
            ) from error


def _either(kind: str) -> str:
    """Return the newer and the older call, each as one word that is run with the object's name as ``$1``."""
    return " ".join(shlex.quote(f'{_CALL}{call} s "$1"') for call in _CALLS[kind])


def _firewall(lines: list[str]) -> Firewall:
    version = lines[0].removeprefix("version ")
    properties = [line.removeprefix("unit ") for line in lines if line.startswith("unit ")]
    rest = iter(lines[1 + len(properties) :])
    conf, owned = text(next(rest, "")), text(next(rest, ""))
    files = texts(next(rest), next(rest), next(rest))
    said = [line.partition(" ")[::2] for line in rest]
    words = dict(said)
    return Firewall(
        version=_version(version),
        units=_units(properties),
        conf=conf,
        owned=owned,
        files=files,
        services=words["services"].split(),
        ssh_services=words["open"].split(),
        loaded=dict(_loaded(value) for key, value in said if key == "loaded"),
        default_zone=_quoted(words.get("default", "")),
        sessions=[_session(value) for key, value in said if key == "session"],
        pending="pending" in words,
        published=_published([value for key, value in said if key == "dnat"]),
    )


def _version(said: str) -> str:
    if "not installed" in said:
        return ""
    if not re.fullmatch(r"\d+(\.\d+)+", said):
        raise ValueError(f"not a version: {said}")
    return said


def _units(properties: list[str]) -> dict[str, str]:
    """Return ``load active enabled`` by unit; systemd prints one unit after the other."""
    size = 4
    found = [
        dict(line.split("=", 1) for line in properties[at : at + size])
        for at in range(0, len(properties), size)
    ]
    return {
        each["Id"]: f"{each['LoadState']} {each['ActiveState']} {each['UnitFileState']}" for each in found
    }


def _loaded(line: str) -> tuple[str, Document | None]:
    name, _, answer = line.partition(" ")
    if re.search(r"INVALID_(ZONE|SERVICE|IPSET|POLICY)|Unknown (method|interface)", answer):
        return name, None
    return name, runtime(KINDS[name.split("/")[0]], answer)


def _session(line: str) -> Session:
    peer, port, device, manager, *zone = line.split()
    found = _quoted(" ".join(zone))
    managed = None if manager == "-" else manager.removeprefix("zone:")
    return Session(peer, int(port), "" if device == "-" else device, found, managed)


def _quoted(answer: str) -> str:
    """Return the text in busctl's ``s "public"``; raise ValueError for an error."""
    if not answer:
        return ""
    kind, value = shlex.split(answer)
    if kind != "s":
        raise ValueError(answer)
    return value


def _published(rules: list[str]) -> list[str]:
    """Return the published ports in the rules of Docker's chains that are not bound to the host itself."""
    found = []
    for rule in rules:
        port, protocol = re.search(r"--dport (\S+)", rule), re.search(r"-p (\S+)", rule)
        if port and protocol and not re.search(r"-d (127\.|::1/)", rule):
            found.append(f"{port[1]}/{protocol[1]}")
    return list(dict.fromkeys(found))
