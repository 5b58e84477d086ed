"""What is known of a host in this run, and what it is worth asking along."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from pyinfra.connectors.util import CommandOutput

from connectors import lessons
from connectors.questions import Question

# An answer is good for so long, whatever else a run is waiting for.
FRESH_SECONDS = 20


class Memory:
    """The questions and answers of one host."""

    def __init__(self, place: Path, host: str) -> None:
        """Begin with what the last runs asked; ``place`` is where that is kept."""
        self._place, self._host = place, host
        self._lesson = lessons.load(place, host)
        self._asked: dict[Question, None] = {}
        self._answers: dict[Question, tuple[float, CommandOutput]] = {}
        self._kin = ""
        self._batch_at = 0.0
        self._one_by_one = False

    def answer(self, question: Question) -> CommandOutput | None:
        """Return what is known, None for what has to be asked."""
        self._asked[question] = None
        return self._known(question)

    def along(self, question: Question) -> list[Question]:
        """Return what to ask together with a question that has no answer; nothing while a batch is fresh."""
        if self._one_by_one or _fresh(self._batch_at):
            return []
        if self._lesson is None and self._kin:
            self._lesson = lessons.of_kin(self._place, self._kin)
        known = {**(self._lesson.questions if self._lesson else {}), **self._asked}
        along = [each for each in known if each != question and self._known(each) is None]
        if along:
            self._batch_at = time.time()
        return along

    def forget(self) -> None:
        """Drop all answers; the next question is asked together with the others again."""
        self._answers.clear()
        self._batch_at = 0.0

    def give_up(self) -> None:
        """Ask one by one from now on, and forget what only earlier runs have asked: it may be in the way."""
        self._one_by_one, self._lesson = True, None

    def remember(self, question: Question, output: CommandOutput, at: float) -> None:
        """Note an answer to what was asked at a time."""
        self._kin = self._kin or hashlib.sha256(f"{question}\0{output.stdout}".encode()).hexdigest()
        self._answers[question] = at, output

    def save(self) -> None:
        """Keep for the next run what was asked in this one."""
        lesson = lessons.learned(self._lesson, self._asked, self._kin)
        if self._asked and lesson != self._lesson:
            lessons.save(self._place, self._host, lesson)

    def _known(self, question: Question) -> CommandOutput | None:
        at, output = self._answers.get(question, (0.0, None))
        return output if _fresh(at) else None


def _fresh(at: float) -> bool:
    """A clock that was set back makes nothing fresher."""
    return abs(time.time() - at) < FRESH_SECONDS
