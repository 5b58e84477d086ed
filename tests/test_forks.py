"""Runs in a fork end as they would in a process that was started for them, but for threads that are left."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import forks


@pytest.fixture
def program(tmp_path):
    def write(text: str) -> str:
        (tmp_path / "program.py").write_text(text)
        return str(tmp_path / "program.py")

    return write


def test_words_environment_output_and_exit_code(program):
    path = program("import os, sys\nprint(sys.argv[1:], dict(os.environ))\nsys.exit('wrong')\n")
    done = forks.run([path, "-y", "a b"], {"KEY": "value"}, 60)
    assert (done.returncode, done.stdout, done.stderr) == (1, "['-y', 'a b'] {'KEY': 'value'}\n", "wrong\n")


def test_one_that_kills_itself(program):
    assert forks.run([program("import os\nos.kill(os.getpid(), 9)\n")], {}, 60).returncode == -9


def test_an_exception_is_told_with_where_it_was_raised(program):
    done = forks.run([program("def work():\n    1 / 0\n\n\nwork()\n")], {}, 60)
    assert done.returncode == 1
    assert "in work" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_what_was_to_be_done_at_the_end_is_done(program):
    path = program("import atexit, sys\natexit.register(lambda: print('end'))\nsys.exit(3)\n")
    done = forks.run([path], {}, 60)
    assert (done.returncode, done.stdout) == (3, "end\n")


def test_a_module(program):
    done = forks.run(["-m", "pyinfra", "--version"], {"PATH": "/usr/bin"}, 60)
    assert (done.returncode, done.stdout.startswith("pyinfra: v3.")) == (0, True)


def test_one_that_takes_too_long_is_ended(program):
    with pytest.raises(subprocess.TimeoutExpired):
        forks.run([program("import time\ntime.sleep(600)\n")], {}, 1)


def test_several_at_once_do_not_see_each_other(program):
    path = program("import sys, time\ntime.sleep(0.2)\nprint(sys.argv[1])\n")
    with ThreadPoolExecutor() as pool:
        said = pool.map(lambda each: forks.run([path, str(each)], {}, 60).stdout, range(8))
    assert list(said) == [f"{each}\n" for each in range(8)]
