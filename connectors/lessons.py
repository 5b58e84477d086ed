"""What a host was asked in the runs before, kept in the user's cache directory; safe to delete.

A lesson saves time and decides nothing: a question that nobody asks any more costs a moment on the host.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from connectors.questions import Question

# A question that was not asked in this many runs is forgotten.
IDLE_RUNS = 2
# A login in a URL may hold a password: not for a file.
_LOGIN = re.compile(r"//\S*@\w")
# How a fact's command begins that is worth waiting for, but not asking when nobody needs it (facts/frame.py).
_DEAR = ": dear; "


class Lesson(NamedTuple):
    """The questions for a host, with the number of runs since each was last asked."""

    kin: str  # the same for hosts that answered their first question alike
    questions: dict[Question, int]


def folder(project: str, deploy: str) -> Path:
    """Return where the lessons of a deploy are, a file per host."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    name = hashlib.sha256(f"{project}\0{deploy}".encode()).hexdigest()[:16]
    return Path(cache).expanduser() / "elforge" / "facts" / name


def load(place: Path, host: str) -> Lesson | None:
    """Return the lesson of a host, None when there is none, or none that only its owner can have written."""
    return _read(_path(place, host))


def of_kin(place: Path, kin: str) -> Lesson | None:
    """Return the newest lesson of a host that answered its first question alike."""
    try:
        paths = sorted(place.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return None
    return next((lesson for path in paths if (lesson := _read(path)) and lesson.kin == kin), None)


def learned(before: Lesson | None, asked: Iterable[Question], kin: str) -> Lesson:
    """Return the lesson after a run: what was asked, then what was asked lately; nothing dear, no secrets."""
    cheap = [each for each in asked if not each.command.startswith(_DEAR)]
    kept = {each: 0 for each in cheap if not _LOGIN.search(each.command)}
    older = before.questions if before else {}
    idle = {each: runs + 1 for each, runs in older.items() if each not in kept and runs + 1 < IDLE_RUNS}
    return Lesson(kin, {**kept, **idle})


def save(place: Path, host: str, lesson: Lesson) -> None:
    """Keep a lesson for the next run, for its owner's eyes only; whoever cannot write it learns nothing."""
    rows = [[each.command, dict(each.who), runs] for each, runs in lesson.questions.items()]
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place, prefix=".")  # mode 0600
        with os.fdopen(handle, "w") as file:
            json.dump({"kin": lesson.kin, "questions": rows}, file)
        Path(name).replace(_path(place, host))
    except OSError:
        return


def _path(place: Path, host: str) -> Path:
    return place / f"{quote(host, safe='')}.json"


def _read(path: Path) -> Lesson | None:
    """These commands will run as root on hosts: nobody else may have had a hand in them."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid() or stat.S_IMODE(state.st_mode) & 0o077:
                return None
            content = json.load(file)
        rows = content["questions"]
        questions = {Question(command, tuple(sorted(who.items()))): int(idle) for command, who, idle in rows}
        return Lesson(str(content["kin"]), questions)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
