"""The lab's command line: ``python -m lab``."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict

from lab import hosts, keys, mirror
from lab.releases import DEFAULT_HOSTS, RELEASES
from lab.system import LabError, check_machine, known_hosts, state_dir


def _up(arguments: argparse.Namespace) -> None:
    hosts.up(arguments.names or DEFAULT_HOSTS)


def _reset(arguments: argparse.Namespace) -> None:
    hosts.reset(arguments.names)


def _ssh(arguments: argparse.Namespace) -> None:
    check_machine()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    host = hosts.Host(arguments.name)
    if not host.running:
        raise LabError(f"{host.name} is not running: python -m lab up {host.name}")
    words = host.ssh_command(*command, user=arguments.user)
    os.execvp(words[0], words)


def _status(arguments: argparse.Namespace) -> None:
    check_machine()
    infos = hosts.status()
    if arguments.json:
        described = {
            "hosts": [asdict(info) for info in infos],
            "known_hosts": str(known_hosts()),
            "mirror": mirror.url(),
            "key_fingerprint": keys.key_fingerprint(),
            "distro_key_fingerprint": keys.distro_fingerprint(),
        }
        print(json.dumps(described, indent=2))
        return
    for info in infos:
        print(
            f"{info.name:<12} {info.state:<8} {info.user}@{info.address}:{info.port}"
            f"  {info.release} (stand-in)  key {info.key}"
        )
    if not infos:
        print(f"no hosts in {state_dir()}; python -m lab up boots {' '.join(DEFAULT_HOSTS)}")


def _down(arguments: argparse.Namespace) -> None:
    hosts.down(arguments.names, purge=arguments.purge)


def _mirror(arguments: argparse.Namespace) -> None:
    check_machine()
    url = mirror.mirror_url()
    if not arguments.json:
        print(url)
        return
    described = {
        "url": url,
        "down_url": mirror.down_url(),
        "files_dir": str(mirror.files_dir()),
        "access_log": str(mirror.access_log()),
        "key_fingerprint": keys.key_fingerprint(),
        "distro_key_fingerprint": keys.distro_fingerprint(),
    }
    print(json.dumps(described, indent=2))


def _build(arguments: argparse.Namespace) -> None:
    check_machine()
    hosts.build(RELEASES, force=arguments.force)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Stand-in CentOS hosts, here.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, action: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(action=action)
        return command

    add("up", _up, "boot hosts, building what is missing").add_argument("names", nargs="*", metavar="NAME")
    add("reset", _reset, "back to the pristine image").add_argument("names", nargs="+", metavar="NAME")
    ssh = add("ssh", _ssh, "open an SSH session, or run a command")
    ssh.add_argument("--user", default=hosts.DEFAULT_USER)
    ssh.add_argument("name", metavar="NAME")
    ssh.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    add("status", _status, "list the hosts").add_argument("--json", action="store_true")
    down = add("down", _down, "power hosts off, by default all; their disks are kept")
    down.add_argument("--purge", action="store_true", help="remove their disks, too")
    down.add_argument("names", nargs="*", metavar="NAME")
    add("mirror", _mirror, "print the mirror's URL").add_argument("--json", action="store_true")
    build = add("build", _build, "build images and mirror")
    build.add_argument("--force", action="store_true", help="even if they are complete")
    return parser


def main() -> int:
    """Run one command; failure is one message and exit status 1."""
    arguments = _parser().parse_args()
    try:
        arguments.action(arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
