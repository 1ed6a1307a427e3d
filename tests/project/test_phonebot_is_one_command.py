"""`phonebot`: each command is documented, has help with examples that it understands, and works from any folder."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import phonebot
from conversation.agents.contradictions import contradictions
from conversation.agents.files import load_agent
from requirements.install import Environment, write_command
from settings import ROOT
from tests.document_commands import fresh_copy, shell_blocks

GROUPS = ("calls", "messages", "agent", "key", "webhooks", "cloud", "emulator")


def commands_of(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{before}{name} ")
        else:
            yield before + name


COMMANDS = list(commands_of(typer.main.get_command(phonebot.app)))


def run(*command: object, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def called(words: str, *more: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, ROOT / "phonebot.py", *words.split(), *more, **options)


def test_the_commands_are_those_that_were_promised():
    assert {
        "call",
        "run",
        "dial",
        "doctor",
        "calls list",
        "calls show",
        "agent check",
        "agent prompt",
        "agent voice",
        "agent new",
        "cloud env",
        "bench",
    } <= set(COMMANDS)
    assert {"emulator call", "emulator stories"} <= set(COMMANDS)


def test_help_names_every_command_and_loads_nothing_of_the_bot():
    program = """
import sys, phonebot
try:
    phonebot.main(["--help"])
finally:
    print("loaded:", *sys.modules)
"""
    done = run(sys.executable, "-c", program)
    shown, _, loaded = done.stdout.partition("loaded:")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in shown.split("Commands:")[1].splitlines() if line.strip()} == {
        command.split()[0] for command in COMMANDS
    }
    assert "..." not in shown.split("Commands:")[1], "a description is cut off"
    roots = {name.split(".")[0] for name in loaded.split()}
    assert "typer" in roots
    assert (
        roots
        & {
            "pipecat",
            "fastapi",
            "numpy",
            "sqlalchemy",
            "server",
            "settings",
            "web",
            "deployment",
            "calls",
            "emulator",
        }
        == set()
    )


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group_names_its_commands(group):
    done = called(group, "--help")
    for command in COMMANDS:
        if command.startswith(f"{group} "):
            assert re.search(rf"^  {command.split()[1]}  +[A-Z].*\w\.$", done.stdout, re.MULTILINE), command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples_of_options_that_it_has(command):
    done = called(command, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().startswith(f"usage: phonebot {command} ")
    options, rest = re.split(
        r"^ *(?:examples?|without a terminal):$", done.stdout, maxsplit=1, flags=re.MULTILINE
    )
    examples = [line for line in rest.splitlines() if "phonebot" in line]
    assert examples
    for example in examples:
        assert f"phonebot {command}" in example
        for option in re.findall(r"(?<= )--[a-z-]+", example.split("phonebot", 1)[1].split("   ")[0]):
            assert re.search(rf"{option}\b", options), f"{example}: {option}"


def test_each_command_has_a_section_in_the_documents_and_is_shown_there():
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^## phonebot (.+)$", text, re.MULTILINE) == [
        *(command for command in COMMANDS if command != "bench" and command.split()[0] not in GROUPS),
        *(command for command in COMMANDS if command.split()[0] in GROUPS),
        "bench",
    ]
    shown = {words for block in shell_blocks() for words in block.commands if "bin/phonebot " in words}
    for command in COMMANDS:
        assert any(f"bin/phonebot {command}" in words for words in shown), command
    for words in re.findall(r"`phonebot ([a-z ]+?)(?: --[^`]*)?`", text):
        assert words.strip() in COMMANDS, words


def test_what_a_program_says_and_its_exit_status_are_the_commands():
    for command, module in (
        ("dial", "web.dial"),
        ("doctor", "web.doctor"),
        ("cloud env", "deploy.cloud_env"),
    ):
        arguments = ["+12025550143"] if command == "dial" else []
        broken = {"PORT": "no"}
        one, other = (
            called(command, *arguments, **broken),
            run(sys.executable, "-m", module, *arguments, **broken),
        )
        assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)
        assert one.returncode == 2 and "PORT is not usable" in one.stdout + one.stderr
    refused = called("dial", "+12025550143", "--no-such-option")
    assert refused.returncode == 2 and "unrecognized arguments: --no-such-option" in refused.stderr


def test_all_that_stands_behind_a_command_gets_to_its_program():
    arguments = ["--rest-port", "9333", "--url", "http://127.0.0.1:1/-x"]
    one = called("emulator env", *arguments)
    assert one.returncode == 0
    assert one.stdout == run(sys.executable, "-m", "emulator", "env", *arguments).stdout
    assert "9333" in one.stdout and "/-x" in one.stdout


@pytest.fixture
def elsewhere(tmp_path) -> tuple[Path, Path]:
    """A copy of the project, and another folder, with a blank in its name."""
    copy, folder = tmp_path / "the project", tmp_path / "some where"
    copy.mkdir()
    folder.mkdir()
    return fresh_copy(copy), folder


def test_the_installed_command_finds_its_project_from_any_folder(elsewhere):
    project, folder = elsewhere
    (project / ".env").write_text("AGENT=nobody-of-this-name\nAGENTS_DIR=agents\n", encoding="utf-8")
    link = folder / "pb"
    link.symlink_to(project / ".venv" / "bin" / "phonebot")
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    done = subprocess.run(
        [link, "doctor", "--offline"], cwd=folder, env=plain, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert "nobody-of-this-name" in done.stdout
    assert (project / "data").is_dir() and not (folder / "data").exists()


def test_a_file_that_is_named_is_looked_for_where_the_user_is(elsewhere):
    project, folder = elsewhere
    (folder / "mine.toml").write_text('greeting = "Hello."\ninstructions = "x"\ntools = ["transfer_call"]\n')
    done = run(project / ".venv/bin/phonebot", "agent", "check", "mine.toml", cwd=folder)
    assert done.returncode == 1
    assert "there is nobody to put callers through to" in done.stdout
    written = run(
        project / ".venv/bin/phonebot",
        "cloud",
        "env",
        "--local-voice",
        "--output",
        "my.env",
        cwd=folder,
        LOG_LEVEL="INFO",
    )
    assert written.returncode == 0, written.stderr
    assert (folder / "my.env").is_file() and not (project / "my.env").exists()


def test_the_command_is_a_file_of_its_own_and_nothing_else_is_installed(tmp_path):
    (tmp_path / "env" / "bin").mkdir(parents=True)
    write_command(Environment(tmp_path / "env"), tmp_path / "project")
    assert [path.name for path in (tmp_path / "env").rglob("*") if path.is_file()] == ["phonebot"]
    command = (tmp_path / "env" / "bin" / "phonebot").read_text(encoding="utf-8").splitlines()[-1]
    assert shlex.split(command) == [
        "exec",
        str(tmp_path / "env/bin/python"),
        str(tmp_path / "project/phonebot.py"),
        "$@",
    ]


def test_an_agent_that_cannot_be_used_is_a_fault_with_its_fix():
    done = called("agent check", "recepionist")
    assert done.returncode == 1
    assert "did you mean 'receptionist'?" in done.stdout
    assert called("agent check", "receptionist").returncode == 0


def test_a_new_agent_loads_and_is_not_overwritten(tmp_path):
    folder = tmp_path / "my bots"
    done = called(
        "agent new",
        "front-desk",
        "--in",
        folder,
        "--business",
        'Ann "A" \\ {{ Co }}',
        "--desk",
        "+12025550100",
    )
    assert done.returncode == 0, done.stderr
    agent = load_agent("front-desk", folder)
    assert agent.tools == ["end_call", "take_message", "transfer_call", "hours_today"]
    assert agent.variables["business"] == 'Ann "A" \\ {{ Co }}'
    assert agent.facts[-1].tool == "hours_today" and contradictions(agent) == []
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    again = called("agent new", "front-desk", "--in", folder)
    assert again.returncode == 2 and "is there already" in again.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_new_agent_of_words_alone(tmp_path):
    assert called("agent new", "plain", "--in", tmp_path, "--no-python").returncode == 0
    assert load_agent("plain", tmp_path).tools == ["end_call", "take_message"]
    assert not (tmp_path / "plain.py").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Front Desk"], "cannot be an agent's name"),
        (["desk", "--desk", "911"], "is no number in E.164 form"),
    ],
)
def test_what_a_new_agent_cannot_be_is_said(tmp_path, arguments, said):
    done = called("agent new", *arguments, "--in", tmp_path / "x")
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "x").exists()


def test_what_a_model_is_told_is_printed_for_a_call_of_ones_choice():
    call = ("--outbound", "--caller", "+12025550147", "--param", "name=Ann", "--at", "2026-12-25T10:00")
    done = called("agent prompt", "reminder", *call)
    assert done.returncode == 0
    assert "Friday, December 25, 2026, 10:00" in done.stdout
    assert "You have placed this call (outbound)" in done.stdout
    assert '"caller_number": "+12025550147"' in done.stdout and '"name": "Ann"' in done.stdout
    assert called("agent prompt", "recepionist").returncode == 1
    assert "is no time" in called("agent prompt", "reminder", "--at", "noon").stderr
    assert "name=Ann" in called("agent prompt", "reminder", "--param", "Ann").stderr
