"""Whoever starts a program with a Python that lacks the packages is told which Python has them, in one line."""

import importlib.util
import re
import shlex
import subprocess
import sys
import time

import pytest

from settings import ROOT

FOLDERS = (".", "web", "emulator", "bench", "deploy")
PROGRAMS = [
    "tests/story_bot.py",
    *(
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in sorted((ROOT / folder).glob("*.py"))
        if '\nif __name__ == "__main__":\n    ' in path.read_text(encoding="utf-8")
    ),
]


def as_started(program: str) -> list[str]:
    if "/" not in program:
        return [program]
    return ["-m", program.removesuffix(".py").removesuffix("/__main__").replace("/", ".")]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_programs_are_known():
    assert {"bot.py", "server.py", "web/dial.py", "emulator/__main__.py", "bench/__main__.py"} <= set(
        PROGRAMS
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_packages_it_is_one_line_with_cause_and_fix(program):
    # -S: without site-packages, as the system's Python is
    done = run(sys.executable, "-S", *as_started(program))
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert re.search(r"cannot run with \S+: it has no package '\w+'\. Fix: ", line)
    assert "make setup" in line or ".venv/bin/python" in line


@pytest.mark.skipif(not (ROOT / ".venv/bin/python").exists(), reason="there is no .venv here to be sent to")
def test_the_command_that_is_named_works():
    line = run(sys.executable, "-S", "server.py", "--help").stderr
    command = shlex.split(line.split("Fix: use ")[1])
    assert command == [".venv/bin/python", "-S", "server.py", "--help"]
    command.remove("-S")
    done = run(*command)
    assert done.returncode == 0 and "usage: server.py" in done.stdout


def test_a_bug_of_our_own_keeps_its_traceback():
    code = "from environment import need_packages; need_packages(); import calls.no_such_module"
    done = run(sys.executable, "-c", code)
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_another_release_of_a_package_is_not_a_traceback_either():
    code = "from environment import need_packages; need_packages(); from pydantic import NoSuchModel"
    done = run(sys.executable, "-c", code)
    assert done.returncode == 2
    assert "its package 'pydantic' is of another release" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["--no-such-flag"], 2)])
def test_the_bot_shows_its_flags_without_loading_anything(arguments, status):
    began = time.monotonic()
    done = run(sys.executable, "bot.py", *arguments)
    assert done.returncode == status
    assert "usage: bot.py" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "loading" not in done.stderr.lower()
    assert time.monotonic() - began < 20


@pytest.mark.skipif(importlib.util.find_spec("aiortc") is not None, reason="the extra is installed here")
def test_a_bot_for_browsers_without_the_extra_says_how_to_get_it():
    done = run(sys.executable, "bot.py", "-t", "webrtc")
    assert done.returncode == 2
    assert "`make setup EXTRAS=webrtc` brings it" in done.stderr.splitlines()[-1]
    assert re.search(r"^aiortc==", (ROOT / "requirements" / "webrtc.lock").read_text(), re.MULTILINE)
