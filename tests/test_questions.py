"""What goes out in one exec and what comes back, through real shells; and what is kept between runs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import lessons, questions
from connectors.lessons import IDLE_RUNS, Lesson
from connectors.questions import (
    LONGEST,
    Answer,
    Malformed,
    Question,
    answers,
    exec_command,
    groups,
    marks_of,
    question,
)
from facts.frame import framed

PLAIN = question("true", {})
assert PLAIN


def asked(*commands: str, shell: str = "sh") -> list[Question]:
    found = [question(command, {"_shell_executable": shell}) for command in commands]
    assert all(found)
    return [each for each in found if each]


def run(asking: list[Question], cut: int = 0) -> tuple[dict[int, Answer], str]:
    batches = groups(asking)
    marks = marks_of(batches)
    command, stdin = exec_command(batches, lambda text, who: shlex.join(["sh", "-c", text]), marks)
    done = subprocess.run(
        ["sh", "-c", command], input=stdin[: len(stdin) - cut], capture_output=True, timeout=60
    )
    return answers(done.stdout, marks), done.stderr.decode()


# Across the wire


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 255)),
        min_size=1,
        max_size=6,
    )
)
def test_any_bytes_arrive_as_they_are(wanted):
    with tempfile.TemporaryDirectory() as folder:
        for number, (out, err, _) in enumerate(wanted):
            Path(folder, f"{number}.o").write_bytes(out)
            Path(folder, f"{number}.e").write_bytes(err)
        commands = [
            f"cat {folder}/{number}.o; cat {folder}/{number}.e >&2; exit {code}"
            for number, (_, _, code) in enumerate(wanted)
        ]
        found, _ = run(asked(*commands))
    assert found == {number: Answer(code, out, err) for number, (out, err, code) in enumerate(wanted)}


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_each_command_is_a_shell_s_own(shell):
    asking = asked(
        "exit 3", 'echo $# "$0"; cat', "cd /; pwd", "x=1 y='a  b'; echo \"$x $y\"", "unmatched '", shell=shell
    )
    found, _ = run(asking)
    for number, each in enumerate(asking):
        alone = subprocess.run([shell, "-c", each.command], stdin=subprocess.DEVNULL, capture_output=True)
        assert found[number] == Answer(alone.returncode, alone.stdout, alone.stderr)


def test_what_is_printed_goes_through_a_pipe():
    """SELinux lets a confined program write to that, and not to a file of ours."""
    assert run(asked("test -p /dev/stdout"))[0][0].code == 0


def test_commands_run_side_by_side():
    with tempfile.TemporaryDirectory() as folder:
        meet = f"until [ $(ls {folder} | wc -l) = 4 ]; do sleep 0.05; done"
        found, _ = run(asked("true", *[f"touch {folder}/{number}; {meet}" for number in range(4)]))
    assert len(found) == 5


def test_the_first_question_is_answered_before_the_others_are_asked():
    with tempfile.TemporaryDirectory() as folder:
        found, _ = run(asked(f"sleep 0.3; touch {folder}/done", f"test -e {folder}/done"))
    assert [found[number].code for number in (0, 1)] == [0, 0]


def test_what_comes_in_incomplete_is_not_run(tmp_path):
    found, _ = run(asked(f"touch {tmp_path}/first", f"touch {tmp_path}/second"), cut=1)
    assert set(found) == {0}
    assert not (tmp_path / "second").exists()


def test_nothing_stays_on_the_host():
    before = set(os.listdir("/dev/shm"))
    run(asked("true", "false"))
    assert {name for name in os.listdir("/dev/shm") if "elforge" in name} <= before


def test_a_command_that_hangs_is_ended_with_its_group(monkeypatch):
    monkeypatch.setattr(questions, "SECONDS", 1)
    before = set(os.listdir("/dev/shm"))
    found, _ = run(asked("echo first", "sleep 77.7", "echo other"))
    assert set(found) == {0}
    assert subprocess.run(["pgrep", "-f", "^sleep 77.7"], check=False).returncode == 1
    assert {name for name in os.listdir("/dev/shm") if "elforge" in name} <= before


def test_while_the_first_question_waits_no_other_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(questions, "SECONDS", 1)
    assert run(asked("sleep 77.7", f"touch {tmp_path}/other"))[0] == {}
    assert not (tmp_path / "other").exists()


def test_groups_are_by_who_asks():
    root, ada = {"_sudo": True}, {"_sudo": True, "_sudo_user": "ada"}
    who = [
        question(text, each) for text, each in (("0", {}), ("1", root), ("2", ada), ("3", root), ("4", {}))
    ]
    assert [list(each) for each in groups([each for each in who if each])] == [[0], [1, 3], [2], [4]]


@pytest.mark.parametrize(
    "stdout",
    [
        b"Welcome\n",
        b"1 0.err\n",
        b"1 0.err\n 1 total\n",
        b"0 total\nx",
        b"7 0.out\n7 total\n\nm 0 0\n",
        b"0 0.err\n14 0.out\n14 total\n\nm 0 0\n\nm 0 0\n",
        b"0 1.err\n7 0.out\n7 total\n\nm 1 0\n",
        b"0 2.err\n7 0.out\n7 total\n\nm 2 0\n",
    ],
)
def test_anything_else_is_no_answer(stdout):
    with pytest.raises(Malformed):
        answers(stdout, {0: "m", 1: "n"})


def test_a_question_that_did_not_come_to_its_end_has_no_answer():
    found, _ = run(asked("true", "echo whole", "echo half; kill -9 $PPID", "echo whole"))
    assert found[1] == found[3] == Answer(0, b"whole\n", b"")
    assert 2 not in found


def test_who_asks_in_one_group_does_not_answer_for_another():
    marks = marks_of([{0: PLAIN}, {1: PLAIN, 3: PLAIN}, {2: PLAIN}])
    assert marks[1] == marks[3]
    assert len({marks[0], marks[1], marks[2]}) == 3
    forged = b"\n%s 2 0\n" % marks[1].encode()
    with pytest.raises(Malformed):
        answers(b"0 2.err\n%d 1.out\n%d total\n%s" % (len(forged), len(forged), forged), marks)


def test_nobody_is_told_what_an_answer_ends_with():
    """Whoever knows it could answer for others, by the name of a file that one of them prints."""
    batches = groups(asked("true", "cat /proc/self/environ /proc/[0-9]*/cmdline"))
    marks = {0: "0" * 16, 1: "1234567890abcdef"}
    command, stdin = exec_command(batches, lambda text, who: shlex.join(["sh", "-c", text]), marks)
    done = subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, timeout=60)
    assert answers(done.stdout, marks)[1].stdout
    assert marks[1].encode() not in answers(done.stdout, marks)[1].stdout


def test_many_share_a_shell_and_each_has_its_own_answer():
    found, _ = run(
        asked(*[f"echo out {number}; echo err {number} >&2; exit {number}" for number in range(30)])
    )
    assert found == {
        number: Answer(number, f"out {number}\n".encode(), f"err {number}\n".encode()) for number in range(30)
    }


def test_long_ones_have_a_shell_each():
    found, _ = run(asked("true", *[f": {'x' * (LONGEST - 100)}; echo {number}" for number in range(1, 30)]))
    assert found == {0: Answer(0, b"", b"")} | {
        number: Answer(0, f"{number}\n".encode(), b"") for number in range(1, 30)
    }


# What a question is


@pytest.mark.parametrize(
    "arguments",
    [
        {"_env": {"A": "b"}},
        {"_stdin": "x"},
        {"_timeout": 5},
        {"_get_pty": True},
        {"_sudo": True, "_sudo_password": "x"},
        {"_su_password": "x"},
        {"_success_exit_codes": [0, 3]},
        {"_shell_executable": None},
        {"_new_in_pyinfra": True},
    ],
    ids=str,
)
def test_what_travels_alone(arguments):
    assert question("true", arguments) is None


@pytest.mark.parametrize("command", ["x" * LONGEST, "\udcff", "a\0b"], ids=["long", "bytes", "nul"])
def test_what_does_not_fit_travels_alone(command):
    assert question(command, {}) is None


# Between runs


def test_a_lesson_is_kept_for_its_owner_alone(tmp_path):
    lesson = Lesson("kin", {PLAIN: 0, asked("echo 'ü'")[0]: 2})
    lessons.save(tmp_path / "new", "a/b", lesson)
    (path,) = (tmp_path / "new").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert lessons.load(tmp_path / "new", "a/b") == lesson
    path.chmod(0o620)
    assert lessons.load(tmp_path / "new", "a/b") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_lesson_of_somebody_else_is_not_followed(tmp_path):
    lessons.save(tmp_path, "h", Lesson("kin", {PLAIN: 0}))
    os.chown(tmp_path / "h.json", 1, 1)
    assert lessons.load(tmp_path, "h") is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"kin": "", "questions": [1]}', json.dumps({"kin": 1}), "\udcff"]
)
def test_what_is_no_lesson_is_none(tmp_path, content):
    path = tmp_path / "h.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    path.chmod(0o600)
    assert lessons.load(tmp_path, "h") is None


def test_where_nothing_can_be_written_nothing_is_learned(tmp_path):
    (tmp_path / "file").touch()
    lessons.save(tmp_path / "file" / "below", "h", Lesson("kin", {PLAIN: 0}))
    assert lessons.of_kin(tmp_path / "file" / "below", "kin") is None


def test_what_is_not_asked_any_more_is_forgotten():
    old, new = asked("old", "new")
    lesson = lessons.learned(None, [old], "kin")
    for run_number in range(1, IDLE_RUNS):
        lesson = lessons.learned(lesson, [new], "kin")
        assert lesson.questions == {new: 0, old: run_number}
    assert lessons.learned(lesson, [new], "kin").questions == {new: 0}


def test_a_login_in_a_url_is_not_kept():
    secret = asked("curl -s https://bot:hun/ter2@git.lan/x; echo @@end")
    assert lessons.learned(None, [*secret, PLAIN], "kin").questions == {PLAIN: 0}


def test_what_is_dear_is_not_asked_along():
    dear = asked(framed("semanage port -l", dear=True))
    assert lessons.learned(None, [*dear, PLAIN], "kin").questions == {PLAIN: 0}


def test_the_newest_of_kin_is_followed(tmp_path):
    for age, host in enumerate(("new", "old")):
        lessons.save(tmp_path, host, Lesson("kin", {asked(host)[0]: 0}))
        os.utime(tmp_path / f"{host}.json", (0, 1000 - age))
    lessons.save(tmp_path, "stranger", Lesson("other", {PLAIN: 0}))
    found = lessons.of_kin(tmp_path, "kin")
    assert found
    assert [each.command for each in found.questions] == ["new"]
