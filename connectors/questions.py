"""Many questions in one exec: what is sent, and what comes back."""

from __future__ import annotations

import base64
import io
import re
import secrets
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

# Who asks and where: what changes the answer of a command, and is no secret.
WHO = frozenset(
    {
        *("_sudo", "_sudo_user", "_use_sudo_login", "_preserve_sudo_env", "_shell_executable", "_chdir"),
        *("_su_user", "_use_su_login", "_preserve_su_env", "_su_shell"),
        *("_doas", "_doas_user", "_dzdo", "_dzdo_user"),
    }
)
# What does not concern a fact: it is asked once, and needs no file of its own on the host.
NO_MATTER = frozenset(("_retries", "_retry_delay", "_retry_until", "_temp_dir"))
# Longer ones do not fit into an argument of execve(2) with some room to spare (MAX_ARG_STRLEN is 128 KiB).
LONGEST = 64 * 1024
# For all of them together; then the host ends what it has not answered.
SECONDS = 25
# Four at a time: as many that none of the four is done long before the others.
PARTS = 12
# What fits into one command line of xargs, which is 128 KiB whatever execve(2) would take.
ROOM = 96 * 1024

_SCRIPT = "".join(
    line
    for line in (Path(__file__).parent / "batch.sh").read_text().splitlines(keepends=True)
    if not line.startswith("#")
)


class Question(NamedTuple):
    """A command of a fact, and the arguments of pyinfra that decide who runs it where."""

    command: str
    who: tuple[tuple[str, str | bool], ...]

    @property
    def shell(self) -> str:
        """Return the program that runs the command."""
        return str(dict(self.who)["_shell_executable"])


class Answer(NamedTuple):
    """What a command came to."""

    code: int
    stdout: bytes
    stderr: bytes


class Malformed(ValueError):
    """What came back is not what batch.sh prints."""


def question(command: str, arguments: Mapping[str, Any]) -> Question | None:
    """
    Return the question that a fact asks, None for one that has to travel alone.

    That is one with anything on stdin, with a terminal, a time limit, variables or a password (which may be
    secrets), or with exit codes of its own.

    + command: shell
    + arguments: pyinfra's global ones, such as ``_sudo``
    """
    given = {key: value for key, value in arguments.items() if value and key not in NO_MATTER}
    if list(given.pop("_success_exit_codes", [0])) != [0]:
        return None
    given.setdefault("_shell_executable", arguments.get("_shell_executable", "sh"))
    if not given.keys() <= WHO or not all(isinstance(value, str | bool) for value in given.values()):
        return None
    return Question(command, tuple(sorted(given.items()))) if _fits(command) else None


def groups(questions: Iterable[Question]) -> list[dict[int, Question]]:
    """
    Return questions by who asks them, numbered; the first is alone, and goes before the others.

    It is the one that is waited for, and may itself wait for something on the host, as ``ElRelease`` does for
    the command of a run that was killed: what was read before that would be out of date.
    """
    first, *others = enumerate(questions)
    by_who: dict[tuple[tuple[str, str | bool], ...], dict[int, Question]] = {}
    for number, each in others:
        by_who.setdefault(each.who, {})[number] = each
    return [dict([first]), *by_who.values()]


def marks_of(batches: list[dict[int, Question]]) -> dict[int, str]:
    """
    Return by number what each answer is to end with: a word that is alike in a group, and secret from others.

    Who asks in one group can find out its word, and must not answer for those of another one.
    """
    return {number: mark for batch in batches for mark in (secrets.token_hex(8),) for number in batch}


def exec_command(
    batches: list[dict[int, Question]],
    wrapped: Callable[[str, dict[str, Any]], str],
    marks: Mapping[int, str],
) -> tuple[str, bytes]:
    """
    Return the shell that asks all groups of questions, one group after the other, and its stdin.

    A group that comes in incomplete is not run at all; without the first one there is no other.

    + batches: from ``groups``
    + wrapped: makes a command one that is run with certain global arguments, as pyinfra would
    + marks: from ``marks_of``
    """
    steps, stdin = [], b""
    for batch in batches:
        number, first = next(iter(batch.items()))
        text = "".join(f"{at}\0{each.command}\0" for at, each in batch.items())
        data = base64.b64encode(f"{marks[number]}\n{text}".encode())
        program = ["sh", "-c", _SCRIPT, "batch.sh", first.shell, str(_together(batch))]
        runner = ["timeout", "-k", "5", str(SECONDS), *program]
        asked = wrapped(shlex.join(runner), dict(first.who))
        steps.append(
            f'data=$(head -c {len(data)}); [ "${{#data}}" = {len(data)} ] || exit 1\n'
            f'printf %s "$data" | base64 -d | {asked}\n'
        )
        stdin += data
    steps[0] = steps[0].rstrip("\n") + " || exit 1\n"
    return shlex.join(["sh", "-c", "".join(steps)]), stdin


def answers(stdout: bytes, marks: Mapping[int, str]) -> dict[int, Answer]:
    """
    Return the answers by number, those to questions that came to their end; raise Malformed on anything else.

    + marks: what ``exec_command`` was given
    """
    files = _files(stdout)
    found: dict[int, Answer] = {}
    for mark in dict.fromkeys(marks.values()):
        for name in (each for each in files if each.endswith(".out")):
            # What comes after the last one is from a question whose shell has died.
            *printed, _ = re.split(rb"\n%s (\d+) (\d+)\n" % mark.encode(), files[name])
            for out, said, code in zip(printed[::3], printed[1::3], printed[2::3], strict=True):
                number = int(said)
                if marks.get(number) != mark or number in found or f"{number}.err" not in files:
                    raise Malformed(f"{name} has no answer to {number}")
                found[number] = Answer(int(code), out, files[f"{number}.err"])
    return found


def _files(stdout: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    stream = io.BytesIO(stdout)
    while line := stream.readline():
        sizes: list[tuple[str, int]] = []
        while not re.fullmatch(rb" *\d+ total\n", line):
            match = re.fullmatch(rb" *(\d+) (\d+\.(?:err|out))\n", line)
            if not match:
                raise Malformed(f"{line[:80]!r} is no size")
            sizes.append((match[2].decode(), int(match[1])))
            line = stream.readline()
        for name, size in sizes:
            files[name] = stream.read(size)
            if len(files[name]) != size:
                raise Malformed(f"{name} was cut short")
    return files


def _together(batch: dict[int, Question]) -> int:
    """Return how many share a shell; any so many of them fit into a command line, which xargs would cut."""
    longest = max(len(each.command.encode()) for each in batch.values())
    return max(1, min(-(-len(batch) // PARTS), ROOM // (longest + len("\0number\0"))))


def _fits(command: str) -> bool:
    try:
        return len(command.encode()) < LONGEST and "\0" not in command
    except UnicodeEncodeError:
        return False
