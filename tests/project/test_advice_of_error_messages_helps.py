"""What an error message advises the user to do can be done, and helps.

Every message of the program is read for what it names: targets of make, modules, options, variables, files. And those
that advise something that a test can do are provoked, and the advice is followed.
"""

import ast
import asyncio
import importlib.util
import os
import re
import subprocess
import sys

import httpx
import pytest

from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from settings import ENV_FILE, ROOT, SettingsError, load_settings, misspelt, read_given, settings_class
from tests.web.test_server_start import environment, start
from tests.web_service import running

FOLDERS = (
    "web",
    "deployment",
    "calls",
    "carriers",
    "providers",
    "conversation",
    "emulator",
    "serializers",
    "deploy",
)
SOURCES = [*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def messages() -> list[tuple[str, str]]:
    """Every text in the sources that is no docstring, with its place."""
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        parts = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) in docstrings | parts:
                    continue
                text = node.value
            else:
                continue
            found.append((f"{path.relative_to(ROOT)}:{node.lineno}", text))
    return found


MESSAGES = messages()


def named(pattern: str) -> list[tuple[str, str]]:
    return [(where, name) for where, text in MESSAGES for name in re.findall(pattern, text)]


def test_targets_of_make_exist():
    found = named(r"`make ([a-z-]+)")
    assert found
    assert [where for where, target in found if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)] == []


def test_extras_exist():
    found = named(r"EXTRAS=([a-z]+)")
    assert found
    assert [where for where, extra in found if not re.search(rf"^{extra} = ", PROJECT, re.MULTILINE)] == []


def test_nobody_is_told_to_install_the_project_as_a_package():
    # Its modules are at the top level: an application, not a library.
    assert named(r"""pip install ["']?(?:phonebot|\.)\[""") == []
    assert named(r"""(phonebot\[)""") == []


def test_modules_exist():
    found = named(r"python -m ([a-z_.]+)")
    assert found
    missing = [
        where for where, module in found if module != "pip" and importlib.util.find_spec(module) is None
    ]
    assert missing == []


def test_documents_exist():
    found = named(r"\b(docs/[a-z-]+\.md|tests/[a-z_/-]+\.[a-z]+|agents/[a-z-]+\.toml)")
    assert found
    assert [f"{where}: {name}" for where, name in found if not (ROOT / name).exists()] == []


def test_variables_exist():
    """A variable that a message names is one that is read (or one of the emulator's own)."""
    known = {name.upper() for name in settings_class().model_fields} | {ENV_FILE}
    prefixes = {name.split("_")[0] for name in known if "_" in name}
    wrong = []
    for where, text in MESSAGES:
        if where.startswith("emulator/") or " " not in text:
            continue
        for name in re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b", text):
            if name.split("_")[0] in prefixes and name not in known and name not in ("API_KEY_INVALID",):
                wrong.append(f"{where}: {name}")
    assert wrong == []


def test_options_of_commands_exist():
    offered = {
        option
        for path in SOURCES
        for option in re.findall(
            r"""(?:add_argument|typer\.Option)\(\s*["'](?:-[a-z]["'],\s*["'])?(--[a-z-]+)""", path.read_text()
        )
    } | {"--help"}
    # Those of other programs: docker's, pipecat's, our own installer's.
    others = {"--build-arg", "--file", "--region", "--no-deps", "--require-hashes", "--forks", "--env-file"}
    wrong = [
        f"{where}: {option}"
        for where, text in MESSAGES
        if " " in text
        for option in re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text)
        if option not in offered | others
    ]
    assert wrong == []


# Followed


def suggestion(message: object) -> str:
    return re.search(r"did you mean '?([\w-]+)'?\?", str(message))[1]


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ('greetng = "Hello."\ninstructions = "x"', "greetng"),
        ('greeting = "Hello."\ninstructions = "x"\ntools = ["end_cal"]', "end_cal"),
        ('greeting = "Hello."\ninstructions = "x"\n[lines]\ngoodby = "Bye."', "goodby "),
        ('greeting = "Hello."\ninstructions = "x"\n[limits]\nsilence_sec = 3', "silence_sec "),
        ('greeting = "Hello."\ninstructions = "x"\n[services.options.sst]\nmodel = "x"', "sst"),
    ],
)
def test_a_mistake_in_an_agents_file_goes_away_with_the_word_that_is_suggested(tmp_path, wrong, mend):
    file = tmp_path / "desk.toml"
    file.write_text(wrong)
    with pytest.raises(AgentError) as caught:
        load_agent("desk", tmp_path)
    file.write_text(wrong.replace(mend.strip(), suggestion(caught.value)))
    load_agent("desk", tmp_path)


@pytest.mark.parametrize("wrong", ["receptonist", "RECEPTION", "reminders"])
def test_an_agent_that_is_not_known_is_found_by_the_name_that_is_suggested(wrong):
    with pytest.raises(AgentError) as caught:
        load_agent(wrong, ROOT / "agents")
    load_agent(suggestion(caught.value), ROOT / "agents")


def test_a_file_whose_name_no_call_can_say_is_found_once_it_is_renamed_as_advised(tmp_path):
    file = tmp_path / "Front Desk.toml"
    file.write_text('greeting = "Hello."\ninstructions = "x"')
    with pytest.raises(AgentError, match=r"though the file is there: .*such as front-desk\.toml; rename it"):
        load_agent("Front Desk", tmp_path)
    file.rename(tmp_path / "front-desk.toml")
    load_agent("front-desk", tmp_path)


def test_a_misspelt_variable_counts_once_it_is_spelt_as_suggested(tmp_path, monkeypatch):
    file = tmp_path / "some.env"
    file.write_text("PUBLIC_ULR=https://bot.example.com\n")
    monkeypatch.setenv(ENV_FILE, str(file))
    (line,) = misspelt(read_given())
    file.write_text(file.read_text().replace("PUBLIC_ULR", suggestion(line)))
    assert misspelt(read_given()) == []
    assert load_settings().public_url == "https://bot.example.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [("PUBLIC_URL", "bot.example.com"), ("DATABASE_URL", "calls.db"), ("CALLER_ID", "4155550100")],
)
def test_the_example_in_a_settings_message_is_one_that_is_taken(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    example = re.search(r"such as (\S+?),? |for example (\S+)|such as (\S+)\.", str(caught.value) + " ")
    assert example is not None, caught.value
    monkeypatch.setenv(name, next(filter(None, example.groups())).rstrip("."))
    load_settings()


def test_a_port_in_use_another_is_taken_as_advised(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        refused = start(tmp_path, "--port", str(taken.getsockname()[1]))
        assert "choose another with --port or PORT" in refused.stderr
        other = free.getsockname()[1]
        free.close()
        # It goes on to what it would say next.
        assert "TTS" in start(tmp_path, "--port", str(other), TTS="parrot").stderr.upper()


def test_a_data_dir_that_cannot_be_written_is_left_empty_as_advised(tmp_path):
    refused = start(tmp_path, DATA_DIR="/dev/null/data")
    assert "leave it empty for data" in refused.stderr
    surroundings = environment(tmp_path, DATA_DIR="")
    code = "from settings import load_settings as s; from deployment.checkup import use_data_dir as u; u(s().data_dir)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**surroundings, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data").is_dir()


async def dial(tmp_path, base, *arguments, **values):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "web.dial",
        "--url",
        base,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "API_KEY": "a-key-of-this-test-only", **values},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return said.decode()


async def test_whoever_dials_from_the_command_line_is_told_of_its_options(tmp_path):
    both = {"twilio_account_sid": "AC1", "twilio_auth_token": "t", "telnyx_api_key": "k"}
    async with running(tmp_path, api_key="a-key-of-this-test-only", **both) as service:
        said = await dial(tmp_path, service.url, "+12025550143")
        assert "give --carrier, twilio or telnyx" in said
        said = await dial(tmp_path, service.url, "+12025550143", "--carrier", "twilio")
        assert "set CALLER_ID" in said


async def test_a_server_that_does_not_run_is_started_as_advised(tmp_path):
    async with running(tmp_path, api_key="a-key-of-this-test-only") as service:
        base = service.url
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{base}/healthz")).status_code == 200
    assert "start it with `make run`" in await dial(tmp_path, base, "+12025550143")


def test_what_make_run_and_make_doctor_do_is_what_the_messages_promise():
    assert re.search(r"^run:.*\n\t\$\(PYTHON\) server\.py$", MAKEFILE, re.MULTILINE)
    assert re.search(r"^doctor:.*\n\t\$\(PYTHON\) -m web\.doctor", MAKEFILE, re.MULTILINE)


@pytest.mark.timeout(240)
def test_a_story_that_needs_a_server_of_its_own_is_played_by_the_one_that_is_advised():
    def play(*server: str) -> subprocess.CompletedProcess:
        story = ("call", "--scenario", "tests/stories/caller_hangs_up.yaml", "--carrier", "twilio")
        command = [sys.executable, "-m", "emulator", *story, *server]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)

    refused = play("--url", "http://127.0.0.1:9")
    assert refused.returncode == 2, refused.stdout
    advice = re.search(r'give --serve "(.+?)" instead of --url', refused.stderr)
    assert advice is not None, refused.stderr
    advised = advice[1].replace(".venv/bin/python", sys.executable)
    followed = play("--serve", advised)
    assert followed.returncode == 0, followed.stdout[-2000:] + followed.stderr[-2000:]


def test_the_application_that_dials_is_said_to_be_of_the_kind_that_the_mode_needs():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    comment = example[: example.index("\nTELNYX_CONNECTION_ID=")].rsplit("\n\n", 1)[-1].replace("\n# ", " ")
    assert (
        "With TELNYX_MODE=texml that is a TeXML application, with call_control a Voice API application"
        in comment
    )
