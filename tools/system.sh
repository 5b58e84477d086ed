#!/bin/sh
# system.sh [vm]: install the programs that the lab needs, when they are missing; with vm, those of its VMs, too.
set -eu
say() { echo "$*" >&2; }

# EL has apt-get, too, once the lab is set up.
if command -v apt-get >/dev/null && [ ! -e /etc/redhat-release ]; then
    lists="lab/packages.txt ${1:+lab/packages-$1.txt}"
    missing() { dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q 'ok installed' || echo "$1"; }
    install() { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@"; }
elif command -v dnf >/dev/null; then
    lists=lab/packages-el.txt # EL has no QEMU that does without KVM
    missing() { rpm -q --quiet --whatprovides "$1" || echo "$1"; }
    install() { dnf -qy install epel-release && dnf -qy install "$@"; }
else
    say "the lab needs apt-get or dnf; elforge itself does not: see README.md for your own hosts"
    exit 1
fi

packages=
for package in $(sed 's/#.*//' $lists); do
    packages="$packages $(missing "$package")"
done
packages=$(echo $packages)
[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    say "the lab needs these packages; install them, or run make as root: $packages"
    exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "Installing $packages ..."
install $packages >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
