"""Run the scripts of operations/sh on this machine, with all that they keep below one folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

PLACES = {"STATE=/var/lib/elforge": "STATE={0}/state", "RUN=/run/elforge": "RUN={0}/run"}


def run_script(
    folder: Path, text: str, *args: str, stdin: str = "", seconds: int = 60
) -> subprocess.CompletedProcess[str]:
    """
    Run the text of a script and return what it said.

    + folder: where its state and its lock are; curl tries once more at most, and knows no proxy
    + seconds: when timeout(1) ends it, as it does on a host
    """
    for old, new in PLACES.items():
        assert old in text
        text = text.replace(old, new.format(folder))
    text = text.replace("--retry 3", "--retry 1 --noproxy '*'")
    return subprocess.run(
        ["timeout", "-k", "10", str(seconds), "sh", "-c", text, "script", *args],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def witnessed(folder: Path, text: str) -> Path:
    """Let each program that a script names say in the file returned what is in its argv, for all to read."""
    (folder / "bin").mkdir(exist_ok=True)
    said = folder / "argv"
    for name in set(re.findall(r"[a-z0-9_-]+", text)):
        program, ours = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"), folder / "bin" / name
        if program and not ours.exists():
            ours.write_text(f'#!/bin/sh\necho "{name} $*" >>{said}\nexec {program} "$@"\n')
            ours.chmod(0o755)
    return said
