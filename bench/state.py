"""Whether two hosts have the same end state, in words of the host's own programs."""

from __future__ import annotations

from collections.abc import Mapping

from lab.hosts import Host

FILES = "/etc/docker/daemon.json /etc/profile.d/elforge-go.sh /etc/elforge/go.env"
# Each prints what everybody's end state has to agree in. What elforge keeps for itself is not among it.
QUESTIONS = {
    "packages": "rpm -qa --qf '%{NAME}-%{VERSION}-%{RELEASE}\\n' | sort",
    "repositories": "dnf -q repolist --enabled | awk 'NR > 1 { print $1 }' | sort",
    "signatures": "grep -E '^gpg(check|key) *=' /etc/yum.repos.d/elforge-docker-ce.repo | tr -d ' ' | sort",
    "services": "systemctl is-enabled firewalld docker; systemctl is-active firewalld docker containerd",
    "firewall": "for kind in '' --permanent; do for what in --zone=public --zone=docker; do "
    "firewall-cmd $kind $what --list-all; done; done; firewall-cmd --permanent --info-service=shop",
    "daemon.json": "python3 -m json.tool --sort-keys /etc/docker/daemon.json",
    "engine": "docker info --format '{{.ServerVersion}} {{.LoggingDriver}} {{.Driver}} {{.CgroupDriver}}'; "
    "docker buildx inspect default | grep -A 9 GC",
    "go": "readlink -f /usr/local/go /usr/bin/go /usr/bin/gofmt /usr/local/go/go.env; go version; "
    "GOENV=off go env GOPROXY GOPRIVATE GOSUMDB GOTOOLCHAIN GOFLAGS",
    # But for the list of digests that elforge keeps with it.
    "toolchain": "cd /usr/local/go && find . -size +1M -type f ! -name elforge.sha256 -print0 | "
    "xargs -0 sha256sum | sort",
    "compiler": "gcc --version | head -n 1",
    "login": "env -i HOME=/root bash -lc 'echo $PATH'",
    "files": f"stat -c '%n %U:%G %a' {FILES}",
    "users": "id ops",
}


def state(host: Host) -> dict[str, str]:
    """Return what a host says to each question."""
    answers = {name: host.ssh(f"exec 2>&1; {question}", user="root") for name, question in QUESTIONS.items()}
    return {name: answer.stdout for name, answer in answers.items()}


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[list[str], list[str]]]:
    """Return, by question, the lines that only one of two states has."""
    return {
        name: (_only(one[name], other[name]), _only(other[name], one[name]))
        for name in one
        if one[name] != other[name]
    }


def _only(text: str, other: str) -> list[str]:
    return [line for line in text.splitlines() if line not in other.splitlines()]
