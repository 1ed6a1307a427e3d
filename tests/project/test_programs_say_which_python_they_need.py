"""A program started with a Python that lacks the packages says in one line which Python has them."""

import importlib.util
import re
import shlex
import subprocess
import sys

import pytest

from settings import ROOT
from tests.document_commands import documents, fresh_copy, shell_blocks

FOLDERS = (".", "web", "emulator", "bench", "talks", "deploy")
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
    done = run(sys.executable, "-X", "importtime", "bot.py", *arguments)
    assert done.returncode == status
    assert "usage: bot.py" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    imported = set(re.findall(r"^import time:.*\| +(\w+)$", done.stderr, re.MULTILINE))
    assert "argparse" in imported
    assert imported & {"piper", "moonshine_voice"} == set(), "voice and ears are loaded"


@pytest.mark.skipif(importlib.util.find_spec("aiortc") is not None, reason="the extra is installed here")
def test_a_bot_for_browsers_without_the_extra_says_how_to_get_it():
    try:
        done = run(sys.executable, "bot.py", "-t", "webrtc", "--port", "0")
    except subprocess.TimeoutExpired:
        raise AssertionError("it serves browsers, whose calls it will refuse") from None
    assert done.returncode == 2
    assert "`make setup EXTRAS=webrtc` brings it" in done.stderr.splitlines()[-1]
    assert re.search(r"^aiortc==", (ROOT / "requirements" / "webrtc.lock").read_text(), re.MULTILINE)


def test_whoever_reads_of_browsers_is_told_of_the_extra():
    for path in documents():
        text = " ".join(path.read_text(encoding="utf-8").split())
        for sentence in re.findall(r"[^.;]*`python bot\.py[^`]*`(?:[^.;]|\.(?! ))*", text):
            if "browser" in sentence:
                assert "`make setup EXTRAS=webrtc`" in sentence, f"{path.name}: {sentence}"
                break
        else:
            assert path.name != "README.md", "it says nothing of browsers"


def test_no_block_of_a_document_needs_an_environment_that_nobody_has_activated():
    for block in shell_blocks():
        bare = [command for command in block.commands if re.match(r"(\w+=\S+ )*(python|pytest) ", command)]
        assert bare == [], block.place


@pytest.mark.parametrize("name", ["README.md", "docs/deploy.md"])
def test_python_in_the_text_is_the_environments_once_it_is_activated_as_is_said(name, tmp_path):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.search(r"`python [\w.-]", text)
    said = re.search(r"`(source \.venv/bin/activate)` once in a terminal", " ".join(text.split()))
    assert said, f"{name}: which python `python` is"
    copy = fresh_copy(tmp_path)
    for first, status in (("true", 1), (said[1], 0)):
        # Where there is no environment, `python` is the machine's, if there is one
        code = f"{first}; python -c 'import pipecat'"
        surroundings = {"PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            ["bash", "-c", code], cwd=copy, env=surroundings, capture_output=True, text=True
        )
        assert (done.returncode != 0) == bool(status), done.stderr
