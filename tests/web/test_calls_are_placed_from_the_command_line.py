"""`python -m web.dial`: as a client of the server, and without one."""

import asyncio
import os
import sys
from urllib.parse import parse_qs

import pytest

from emulator import Digits, Wait
from emulator.line.colleague import Colleague
from settings import ENV_FILE, ROOT
from tests.fake_rest import Answer, fake_rest
from tests.talking_bot import talking
from tests.web_service import write_agents

TO, FROM = "+12025550143", "+12025550100"
CREATED = Answer.json(201, {"sid": "CA1", "status": "queued"})
TWILIO = {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "t"}


async def dial(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run the command; its exit status, and what it wrote."""
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "web.dial",
        *arguments,
        cwd=ROOT,
        env={**known, ENV_FILE: "", "DATABASE_URL": "memory", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def goodbye(words: str) -> list:
    return [("end_call", {"farewell": "Bye."})]


async def test_a_call_is_placed_by_the_server_and_followed_to_its_end(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", goodbye, CALLER_ID=FROM) as bot:
        # The first keys may come before the bot's own first words, and count as somebody's hello.
        keys = [Wait(3), Digits("2#")] * 5
        bot.network.add_person(Colleague(TO, 0.3, "answers", [*keys, Wait(30)]))
        status, out, err = await dial(
            TO, "--carrier", "twilio", "--param", "name=Ann", "--wait", **bot.environment
        )
    assert (status, err) == (0, "")
    (call,) = bot.store.list()
    assert call.parameters["name"] == "Ann"
    lines = out.splitlines()
    assert lines[0] == f"{call.id} queued"
    kinds = [line.split()[1] for line in lines[1:]]
    assert kinds[0] == "state"
    assert [kind for kind in kinds if kind in ("ringing", "answered", "ended")] == [
        "ringing",
        "answered",
        "ended",
    ]
    assert "ended ended_by=bot cause=end_call" in out


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ((TO,), {}, "API_KEY is not set"),
        ((TO,), {"API_KEY": "k", "PORT": "1"}, "cannot be asked (ConnectError): start it"),
        ((TO, "--param", "Ann"), {"API_KEY": "k"}, "write NAME=VALUE"),
        ((TO, "--ring", "1"), {"API_KEY": "k"}, "ring_timeout_secs"),
        ((TO,), {"PORT": "no"}, "PORT is not usable"),
        ((TO, "--direct"), {}, "no credentials for twilio or telnyx"),
        ((TO, "--direct"), TWILIO, "CALLER_ID"),
        ((TO, "--direct"), {**TWILIO, "CALLER_ID": FROM}, "PIPECAT_CLOUD_AGENT"),
        ((TO, "--direct"), {**TWILIO, "CALLER_ID": FROM, "PIPECAT_CLOUD_AGENT": "Bad"}, "AGENT.ORGANISATION"),
    ],
)
async def test_what_is_missing_is_one_line(arguments, environment, words):
    status, out, err = await dial(*arguments, **environment)
    assert (status, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


async def test_what_the_server_refuses_is_one_line(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", goodbye, CALLER_ID=FROM) as bot:
        status, _, err = await dial("+493012345678", "--carrier", "twilio", **bot.environment)
        assert (status, "DIAL_COUNTRIES" in err, err.count("\n")) == (2, True, 1)
        status, _, err = await dial(TO, **{**bot.environment, "API_KEY": "wrong"})
        assert (status, "API_KEY" in err, err.count("\n")) == (2, True, 1)


@pytest.mark.parametrize(("state", "status"), [("completed", 0), ("busy", 1)])
async def test_a_bot_in_the_cloud_calls_without_any_server(tmp_path, state, status):
    ended = Answer.json(200, {"sid": "CA1", "status": state})
    async with fake_rest(CREATED, Answer.json(200, {"sid": "CA1", "status": "ringing"}), ended) as rest:
        returned, out, err = await dial(
            TO,
            "--agent",
            "sales",
            "--wait",
            AGENTS_DIR=str(write_agents(tmp_path / "agents")),
            CALLER_ID=FROM,
            PIPECAT_CLOUD_AGENT="bot.acme",
            TWILIO_API_BASE_URL=rest.url,
            **TWILIO,
        )
    assert (returned, "ended" in out) == (status, True), err
    form = parse_qs(rest.requests[0].body)
    assert "wss://api.pipecat.daily.co/ws/twilio" in form["Twiml"][0]
    assert 'name="_pipecatCloudServiceHost" value="bot.acme"' in form["Twiml"][0]
    assert 'name="agent" value="sales"' in form["Twiml"][0]
    assert "StatusCallback" not in form
