#!/bin/sh
# venv.sh PYTHON DIRECTORY LOCK: a virtual environment with exactly what a lock file pins.
set -eu
python=$1 venv=$2 lock=$3
say() { echo "$*" >&2; }

# EL's own python3 is too old; its newer ones have their venv module with them.
hint='install one of them, and run make PYTHON=python3.12, for example' package=python3-venv
if [ -e /etc/redhat-release ]; then
    hint='run dnf install python3.11, then make PYTHON=python3.11' package=$python
fi
command -v "$python" >/dev/null || { say "no $python here, it takes Python 3.11 to 3.14: $hint"; exit 1; }
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' ||
    { say "$("$python" --version) is not 3.11 to 3.14: $hint"; exit 1; }
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && [ "$package" = python3-venv ] && command -v apt-get >/dev/null; then
        apt-get -q update && apt-get -qy install python3-venv
    else
        say "$python has no venv module: install the package $package"
        exit 1
    fi
fi
say "Installing Python packages into $venv ..."
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$lock"
