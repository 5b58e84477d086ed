"""Go programs, compiled beside the hosts: quick where one is not about builds, or where all is emulated."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.inventory import GO
from lab.mirror import golang


def compiled(folder: Path, source: Path, **variables: str) -> Path:
    """Compile the program in a directory with the lab's Go, main's variables set; return its path."""
    archive = golang.trees()["go"] / "dl" / f"go{GO}.linux-amd64.tar.gz"
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    settings = {
        "HOME": str(folder / "home"),
        "PATH": "/usr/bin:/bin",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
    }
    flags = " ".join(f"-X main.{key}={value}" for key, value in variables.items())
    build = [folder / "go/bin/go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags]
    subprocess.run([*build, "-o", folder / "program", "."], cwd=source, env=settings, check=True)
    return folder / "program"
