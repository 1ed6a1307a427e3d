"""From `git clone` to a number of one's own: what README and docs must have, held against what the program does."""

import re
import subprocess
import tomllib

import pytest
from fastapi.routing import APIRoute
from loguru import logger

from carriers import descriptors
from conversation.agents.agent import Agent
from conversation.agents.files import load_agent
from deployment.banner import start_lines
from settings import ROOT, settings_class
from tests.document_commands import documents, shell_blocks
from tests.web_service import make_settings, running
from web import api, callers, documentation, drain, health, listening, lists, metrics, recordings
from web.console import login
from web.media import media_router
from web.routes import webhook_router

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST = (ROOT / "docs" / "first-number.md").read_text(encoding="utf-8")
DEPLOY = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
VARIABLES = {name.upper() for name in settings_class().model_fields}
MINORS = re.findall(
    r"\d+", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
)


def section(text: str, heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, f"there is no section: {heading}"
    return found[1]


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def rows(text: str) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


# The first minutes


def test_the_first_command_is_to_get_the_project_and_the_second_a_call():
    first, second = [block for block in shell_blocks() if block.place.startswith("README")][:2]
    assert re.fullmatch(r"git clone REPOSITORY phonebot && cd phonebot", first.commands[0])
    assert second.commands[0] == "make call"


def test_what_is_needed_is_said_as_the_project_has_it():
    _, least, _, beyond = map(int, MINORS)
    versions = [f"3.{minor}" for minor in range(least, beyond)]
    said = f"You need Python {', '.join(versions[:-1])} or {versions[-1]}, `make` and a package index"
    assert f"{said}, on Linux or macOS (Windows: in WSL)" in in_one_line(README)
    assert f"Python {versions[0]} to {versions[-1]}" in in_one_line(DEPLOY)


def test_the_greeting_is_changed_as_is_said(tmp_path):
    said = section(README, "Change the greeting")
    (name,) = re.findall(r"\[(agents/\S+\.toml)\]", said)
    assert "change the line that begins with `greeting =`, and `make call` again" in in_one_line(said)
    file = tmp_path / "receptionist.toml"
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("greeting =") for line in lines) == 1
    changed = ['greeting = "Ahoy!"' if line.startswith("greeting =") else line for line in lines]
    file.write_text("\n".join(changed), encoding="utf-8")
    assert load_agent("receptionist", tmp_path).greeting == "Ahoy!"
    # And it is the agent that `make call` talks to.
    assert settings_class().model_fields["agent"].get_default() == "receptionist"


def test_the_agent_that_is_shown_is_one(tmp_path):
    [shown] = re.findall(r"```toml\n(.*?)```", section(README, "Make it yours"), flags=re.DOTALL)
    (tmp_path / "workshop.toml").write_text(shown, encoding="utf-8")
    agent = load_agent("workshop", tmp_path)
    assert (list(agent.transfers), len(agent.facts)) == (["mechanic"], 1)


def test_every_document_is_in_the_index():
    listed = {cells[0] for cells in rows(section(README, "Documents"))}
    names = {str(path.relative_to(ROOT)) for path in documents()} - {"README.md"} | {".env.example"}
    assert listed == {f"[{name}]({name})" for name in names}


# Which way


def test_a_table_says_which_of_the_ways_is_whose():
    table = "\n".join(" | ".join(cells) for cells in rows(FIRST.partition("\n## ")[0]))
    for way in ("make call", "ngrok", "deploy.md", "pipecat-cloud.md"):
        assert way in table
    assert "[docs/first-number.md]" in section(README, "Answer a real number")
    assert "[docs/pipecat-cloud.md]" in section(README, "Answer a real number")


TELNYX = ("TELNYX_API_KEY", "TELNYX_PUBLIC_KEY", "TELNYX_ACCOUNT_SID", "TELNYX_CONNECTION_ID", "CALLER_ID")


@pytest.mark.parametrize(
    ("heading", "variables"),
    [
        ("Twilio", ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "CALLER_ID")),
        ("Telnyx, with a TeXML application", TELNYX),
        ("Telnyx, with Call Control", ("TELNYX_MODE",)),
    ],
)
def test_each_carrier_has_a_checklist_with_all_that_is_set_for_it(heading, variables):
    checklist = section(FIRST, heading)
    named = set(re.findall(r"`([A-Z][A-Z0-9_]+)(?:=[a-z_]+)?`", checklist))
    assert set(variables) <= named
    assert named <= VARIABLES
    if heading != "Telnyx, with Call Control":
        steps = re.findall(r"^(\d)\. (.+(?:\n   .+)*)", checklist, flags=re.MULTILINE)
        assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
        assert "Buy a number" in steps[0][1]
        assert "`make doctor`, then call the number" in steps[-1][1]


def test_the_checklists_name_the_fields_that_the_start_prints():
    printed = "\n".join(start_lines(make_settings(telnyx_api_key="k"), "https://bot.example.com"))
    for field in ("A call comes in", "Call status changes"):
        assert field in printed
        assert f'"{field}"' in in_one_line(section(FIRST, "Twilio"))
    for words in ("TeXML application", "Voice API", "/telnyx/events"):
        assert words in printed
        assert words.lower() in FIRST.lower()
    assert "Status callback" in printed
    assert "status callback" in section(FIRST, "Telnyx, with a TeXML application")


def test_telnyx_is_not_forgotten_to_be_allowed_to_dial():
    assert "Outbound Voice Profiles" in section(FIRST, "Telnyx, with a TeXML application")


def test_what_trial_accounts_may_not_is_said():
    assert "A trial account calls, and is called by, verified numbers only" in in_one_line(
        section(FIRST, "Twilio")
    )
    telnyx_says = in_one_line(section(FIRST, "Telnyx, with Call Control"))
    assert re.search(r"A new Telnyx account may have .+ until it is verified", telnyx_says)


def test_what_costs_money_is_said():
    said = in_one_line(section(FIRST, "What it costs"))
    for what in (
        "the number",
        "each minute",
        "a transfer has two",
        "Media streams",
        "recordings",
        "detection",
        "voice",
    ):
        assert what in said
    assert "max_duration_secs" in Agent.model_fields["limits"].annotation.model_fields
    assert "`limits.max_duration_secs`" in said
    assert 'deploy.md), "Whom it may call", has the limits' in said.replace("[deploy.md](", "")
    assert section(DEPLOY, "Whom it may call")


# When it does not work


TROUBLE = section(FIRST, "When it does not work")


@pytest.fixture
def logged():
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


async def test_the_lines_of_the_log_that_are_explained_are_those_of_the_log(tmp_path, logged):
    explained = re.findall(r"a line `(Refused at .+?)`", TROUBLE)
    assert len(explained) == 2
    credentials = {"twilio_account_sid": "AC1", "twilio_auth_token": "token", "telnyx_api_key": "key"}
    async with running(tmp_path, public_url="https://bot.example.com", **credentials) as service:
        call = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}
        signed = {"X-Twilio-Signature": "of another account's"}
        assert (await service.http.post("/twilio/voice", data=call, headers=signed)).status_code == 403
        assert (await service.post("/telnyx/voice/an-old-key", **call)).status_code == 403
    said = "".join(logged)
    assert [line for line in explained if line not in said] == [], said


def test_what_is_seen_when_it_does_not_work_is_there():
    assert len(rows(TROUBLE)) >= 9
    tables = [Agent.model_fields[name].get_default(call_default_factory=True) for name in ("lines", "brain")]
    lines = [line for table in tables for line in table.model_dump().values()]
    spoken = re.findall(r'^\| "(.+?)"', TROUBLE, flags=re.MULTILINE)
    assert spoken
    assert [words for words in spoken if not any(words in str(line) for line in lines)] == []
    targets = re.findall(r"`make ([a-z]+)", TROUBLE)
    assert {"doctor", "bench", "setup"} <= set(targets)
    assert [name for name in targets if not re.search(rf"^{name}:", MAKEFILE, flags=re.MULTILINE)] == []
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", TROUBLE)) <= VARIABLES


# Routes


def path_of(written: str) -> str:
    return re.sub(r"\b(KEY|CARRIER|TOKEN)\b", lambda word: f"{{{word[0].lower()}}}", written)


def test_every_route_is_in_the_list_with_what_vouches_for_it():
    (table,) = re.findall(r"^\| route \| .*\n(?:\|.*\n)+", DEPLOY, flags=re.MULTILINE)
    listed = [path_of(path) for cells in rows(table) for path in re.findall(r"`(\S+)`", cells[0])]
    routers = (
        *map(webhook_router, descriptors()),
        media_router(),
        documentation.router,
        drain.router,
        health.router,
        login.router,
        metrics.router,
    )
    there = {route.path for router in routers for route in router.routes}
    assert sorted(listed) == sorted(
        {
            *there,
            *(f"{path}..." for path in ("/calls", "/messages", "/callers", "/console", "/console/static")),
            *("/stats", "/events", "/favicon.ico"),
        }
    )
    for cells in rows(table):
        assert len(cells) == 3
        assert all(cells), cells


def test_every_request_to_the_api_is_in_its_list():
    listed = {
        (
            method,
            path.partition("?")[0]
            .replace("ID", "{call_id}")
            .replace("NUMBER", "{number}")
            .replace("SEQ", "{seq}"),
        )
        for cells in rows(section(DEPLOY, "The API"))
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (\S+?)`", cells[0])
    }
    routers = (lists.router, api.router, recordings.router, listening.router, callers.router)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    there = {(method, route.path) for route in routes for method in route.methods - {"HEAD"}}
    assert listed == there


def test_nothing_is_said_of_a_file_that_is_not_in_a_clone():
    """Whoever has cloned the project can open each file that a document names."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    names = set(tracked.stdout.splitlines())
    folders = {name.rpartition("/")[0] for name in names}
    for path in documents():
        for target in re.findall(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            found = str((path.parent / target).resolve().relative_to(ROOT.resolve()))
            assert found in names or found in folders, f"{path.name}: {target}"
