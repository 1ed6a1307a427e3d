"""Our webhooks answer the call, and the agent on Pipecat Cloud talks: each call gets a ticket of its own."""

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager

import pytest
from fastapi.responses import JSONResponse, Response

from calls.events.lifecycle import ErrorHappened
from calls.events.talk import BotHeard
from calls.states import CallState
from deployment.banner import start_lines
from deployment.start import StartError, check
from emulator import Digits, HangUp, Wait
from emulator.line.colleague import Colleague
from settings import ROOT
from tests.document_commands import shell_blocks
from tests.pipecat_cloud import ORGANIZATION, PUBLIC_KEY, PipecatCloud, pipecat_cloud
from tests.talking_bot import talking
from tests.web.test_calls_are_placed_from_the_command_line import dial
from tests.web_service import make_settings, running, stream_of, verbs, write_agents

CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])

HOST = f"phonebot.{ORGANIZATION}"

FORM = {"CallSid": "CA1", "From": "+12025550143", "To": "+12025550100", "CallStatus": "ringing"}

AGENT = """
greeting = "Hello {{ customer }}."
instructions = "Answer in one word."
tools = ["end_call", "transfer_call"]
[transfers.desk]
number = "+12025550111"
spoken = "the desk"
ring_timeout_secs = 5
[lines]
goodbye = "Bye."
transfer_announce = "One moment."
transfer_busy = "It is busy."
"""


def says_bye(_):
    return [("end_call", {"farewell": "Bye."})]


def deployed(cloud: PipecatCloud, *, auth: str = "token") -> dict[str, str]:
    """Deploy the agent; returns the settings of a server in front of it."""
    cloud.agents["phonebot"] = {"websocketAuth": auth}
    return {
        "pipecat_cloud_agent": HOST,
        "pipecat_cloud_public_key": PUBLIC_KEY,
        "pipecat_cloud_api_base_url": cloud.url,
    }


@asynccontextmanager
async def on_the_cloud(monkeypatch, tmp_path, carrier, answers, cloud):
    """The bot behind the cloud's sockets."""
    settings = {name.upper(): value for name, value in deployed(cloud).items()}
    async with talking(
        monkeypatch, tmp_path, carrier, answers, agent=AGENT, webhooks=False, **settings
    ) as bot:
        cloud.bot = bot.url.replace("http", "ws") + "/ws"
        yield bot


@asynccontextmanager
async def in_front(monkeypatch, tmp_path, carrier, answers=says_bye):
    """The bot on the cloud, our server in front, and a phone network; yields all three and the cloud."""
    async with pipecat_cloud() as cloud, on_the_cloud(monkeypatch, tmp_path, carrier, answers, cloud) as bot:
        credentials = {
            name.lower(): value for name, value in bot.network.environment().items() if "_" in name
        }
        async with running(
            tmp_path / "server",
            **credentials,
            **deployed(cloud),
            api_key="key",
            caller_id="+12025550100",
            allow_unsigned_webhooks=True,
        ) as server:
            yield bot, cloud, server


@pytest.fixture(autouse=True)
def folder(tmp_path):
    (tmp_path / "server").mkdir()


@CARRIERS
async def test_a_call_is_answered_here_and_talks_there(monkeypatch, tmp_path, carrier):
    async with in_front(monkeypatch, tmp_path, carrier) as (bot, cloud, server):
        result = await bot.network.call(
            f"{server.url}/{carrier}/voice?customer=Ann",
            [Digits("1#")],
            status_callback=f"{server.url}/{carrier}/status",
        )
        (there,) = bot.store.list()
        (here,) = server.store.list()
        async with asyncio.timeout(5):
            while not here.is_over:
                await asyncio.sleep(0.05)
    assert result.report.errors == []
    assert result.report.ended_by == "bot"
    assert [e.data["text"] for e in there.events if e.kind == "bot_heard"] == ["Hello Ann.", "Bye."]
    assert len(cloud.sessions) == 1
    assert cloud.tokens == {}
    assert here.state is CallState.COMPLETED
    assert (there.from_number, there.to_number) == (here.from_number, here.to_number)


async def test_a_call_that_the_bot_places_talks_there(monkeypatch, tmp_path):
    number = "+12025550143"
    async with in_front(monkeypatch, tmp_path, "twilio") as (bot, _, server):
        bot.network.add_person(Colleague(number, 0.2, "answers", [Wait(8), HangUp()]))
        order = {
            "to": number,
            "carrier": "twilio",
            "machine_detection": False,
            "parameters": {"customer": "Ann"},
        }
        placed = await server.http.post("/calls", json=order, headers={"Authorization": "Bearer key"})
        assert placed.status_code == 202, placed.text
        await bot.network.next_result(number)
        (there,) = bot.store.list()
    assert there.direction == "outbound"
    assert there.last(BotHeard).data["text"] == "Hello Ann."


@CARRIERS
async def test_a_call_that_is_placed_without_a_server_talks_there(monkeypatch, tmp_path, carrier):
    number = "+12025550143"
    async with pipecat_cloud() as cloud, on_the_cloud(monkeypatch, tmp_path, carrier, says_bye, cloud) as bot:
        bot.network.add_person(Colleague(number, 0.2, "answers", [Wait(8), HangUp()]))
        given = {**bot.environment, "CALLER_ID": "+12025550100"}
        order = ("--direct", "--carrier", carrier, "--no-machine-detection", "--param", "customer=Ann")
        status, _, err = await dial(number, *order, **given)
        assert (status, err) == (0, "")
        await bot.network.next_result(number)
        (there,) = bot.store.list()
    assert len(cloud.sessions) == 1
    assert there.direction == "outbound"
    assert there.last(BotHeard).data["text"] == "Hello Ann."


async def test_a_call_run_by_commands_talks_there(monkeypatch, tmp_path):
    async with in_front(monkeypatch, tmp_path, "telnyx") as (bot, cloud, server):
        result = await bot.network.call(server.url, [Digits("1#")], mode="call_control")
        (there,) = bot.store.list()
    assert result.report.errors == []
    assert there.last(BotHeard).data["text"] == "Bye."
    assert len(cloud.sessions) == 1


def puts_through(words):
    if "1" in words:
        return [("transfer_call", {"destination": "desk", "reason": "a question"})]
    return ["Anything else?"] if "(" in words else says_bye(words)


@CARRIERS
async def test_a_caller_who_was_not_put_through_is_back_there_with_another_ticket(
    monkeypatch, tmp_path, carrier
):
    async with in_front(monkeypatch, tmp_path, carrier, puts_through) as (bot, cloud, server):
        result = await bot.network.call(
            f"{server.url}/{carrier}/voice",
            [Digits("1#"), Wait(12), Digits("2#")],
            colleagues=[Colleague("+12025550111", 0.2, "busy")],
        )
        (there,) = bot.store.list()
    assert result.report.errors == []
    heard = [event.data["text"] for event in there.events if event.kind == "bot_heard"]
    assert heard[:2] == ["Hello.", "One moment."]
    # Carriers' lists of calls are late, and the caller hears words until the outcome is known.
    assert [text for text in heard[2:] if text != "One moment."] == ["It is busy.", "Anything else?", "Bye."]
    assert len(cloud.sessions) == 2


@CARRIERS
async def test_without_a_ticket_for_the_way_back_a_caller_stays_with_the_bot(monkeypatch, tmp_path, carrier):
    async with in_front(monkeypatch, tmp_path, carrier, puts_through) as (bot, cloud, server):
        first = iter([None])

        async def only_once():
            return next(first, JSONResponse({"error": "Unauthorized", "code": "401"}, 401))

        cloud.answers_start = only_once
        result = await bot.network.call(
            f"{server.url}/{carrier}/voice", [Digits("1#"), Wait(3), Digits("2#")]
        )
        (there,) = bot.store.list()
    assert result.report.ended_by == "bot"
    assert len(cloud.sessions) == 1
    assert there.last(BotHeard).data["text"] == "Bye."


@CARRIERS
async def test_a_stream_that_was_lost_gets_a_new_ticket(tmp_path, carrier):
    async with pipecat_cloud() as cloud, running(tmp_path, **deployed(cloud)) as server:
        first, _ = stream_of((await server.post(f"/{carrier}/voice", **FORM)).text)
        assert first.startswith(f"{cloud.url.replace('http', 'ws')}/ws/generic/{HOST}/")
        (call,) = server.store.list()
        again = await server.post(
            f"/{carrier}/connect-ended?call={call.id}", **{**FORM, "CallStatus": "in-progress"}
        )
        second, _ = stream_of(again.text)
    assert second.startswith(f"{cloud.url.replace('http', 'ws')}/ws/generic/{HOST}/")
    assert second != first


async def test_nobody_gets_in_without_a_ticket_or_with_one_that_was_used(tmp_path):
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    async with pipecat_cloud() as cloud, running(tmp_path, **deployed(cloud)) as server:
        url, _ = stream_of((await server.post("/twilio/voice", **FORM)).text)
        cloud.tokens.clear()  # as after its first use
        for refused in (url, url.rpartition("/")[0]):
            with pytest.raises(InvalidStatus, match="403"):
                await connect(refused)


async def answer_with(response):
    return response


FAILURES = {
    "key": (JSONResponse({"error": "Unauthorized", "code": "401"}, 401), "PIPECAT_CLOUD_PUBLIC_KEY"),
    "agent": (JSONResponse({"error": "Not found", "code": "404"}, 404), "PIPECAT_CLOUD_AGENT"),
    "full": (JSONResponse({"error": "At capacity", "code": "PCC-AGENT-AT-CAPACITY"}, 429), "max_agents"),
    "broken": (JSONResponse({"error": "Oops", "code": "500"}, 500), "500"),
    "no token": (JSONResponse({"sessionId": "1"}), "websocket_auth"),
    "empty token": (JSONResponse({"wsUrl": "wss://x/ws", "token": ""}), "websocket_auth"),
    "odd address": (JSONResponse({"wsUrl": "https://x/ws", "token": "t"}), "websocket_auth"),
    "a list": (JSONResponse([1]), "websocket_auth"),
    "no JSON": (Response("<html>"), "websocket_auth"),
}


@CARRIERS
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_caller_hears_an_apology_when_the_cloud_gives_no_ticket(tmp_path, carrier, failure):
    answer, told = FAILURES[failure]
    async with pipecat_cloud() as cloud, running(tmp_path, **deployed(cloud)) as server:
        cloud.answers_start = lambda: answer_with(answer)
        document = (await server.post(f"/{carrier}/voice?agent=sales", **FORM)).text
        (call,) = server.store.list()
    assert verbs(document) == [("Say", "Sales is sorry."), ("Pause", None), ("Hangup", None)]
    assert told in call.last(ErrorHappened).data["message"]
    assert PUBLIC_KEY not in call.last(ErrorHappened).data["message"]


async def test_a_cloud_that_does_not_answer_keeps_a_caller_waiting_for_a_few_seconds_only(tmp_path):
    async def never():
        await asyncio.sleep(15)

    async with pipecat_cloud() as cloud, running(tmp_path, **deployed(cloud)) as server:
        cloud.answers_start = never
        began = time.monotonic()
        document = (await server.http.post("/twilio/voice", data=FORM, timeout=20)).text
        took = time.monotonic() - began
    assert verbs(document)[-1] == ("Hangup", None)
    assert took < 8


async def test_a_cloud_that_nothing_is_heard_of_is_an_apology_too(tmp_path):
    settings = deployed(PipecatCloud(url="http://127.0.0.1:9"))
    async with running(tmp_path, **settings) as server:
        document = (await server.post("/twilio/voice", **FORM)).text
        dialled = await server.http.post("/calls", json={"to": "+12025550143"})
    assert verbs(document)[-1] == ("Hangup", None)
    assert dialled.status_code == 401


async def test_one_failure_of_the_cloud_is_not_heard(tmp_path):
    async with pipecat_cloud() as cloud, running(tmp_path, **deployed(cloud)) as server:
        answers = iter([JSONResponse({"error": "Bad gateway", "code": "502"}, 502), None])
        cloud.answers_start = lambda: answer_with(next(answers))
        document = (await server.post("/twilio/voice", **FORM)).text
    assert stream_of(document)[0].startswith("ws://")
    assert len(cloud.started) == 2


def test_a_key_without_an_agent_is_told_at_start(tmp_path):
    settings = make_settings(
        agents_dir=write_agents(tmp_path / "agents"), pipecat_cloud_public_key=PUBLIC_KEY
    )
    with pytest.raises(StartError, match="PIPECAT_CLOUD_AGENT"):
        check(settings)


def test_the_start_says_who_talks_and_what_to_paste():
    settings = make_settings(pipecat_cloud_agent=HOST, pipecat_cloud_public_key=PUBLIC_KEY)
    lines = "\n".join(start_lines(settings, "https://bot.example.com"))
    assert HOST in lines
    assert "https://bot.example.com/twilio/voice" in lines
    assert PUBLIC_KEY not in lines
    assert "<Stream" not in lines


async def test_an_agent_with_tokens_is_tried_without_a_phone_as_the_page_says(monkeypatch, tmp_path):
    (block,) = [
        block for block in shell_blocks() if "pipecat-cloud.md" in block.place and "/start" in block.text
    ]
    ask, dial_it = block.commands

    async def run(command: str, status: int = 0) -> str:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euc", command),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == status, said.decode()
        return said.decode()

    async with (
        pipecat_cloud() as cloud,
        on_the_cloud(monkeypatch, tmp_path, "twilio", says_bye, cloud) as bot,
    ):
        assert "https://api.pipecat.daily.co" in ask
        ask = ask.replace("https://api.pipecat.daily.co", cloud.url).replace("pk_...", PUBLIC_KEY)
        told = json.loads(await run(ask))
        dial_it = dial_it.replace("WSURL/TOKEN", f"{told['wsUrl']}/{told['token']}")
        dial_it = dial_it.replace(".venv/bin/python", sys.executable)
        # The bot of these tests knows keys, and says what no recogniser understands: 1 is a call that was no good.
        said = await run(f"{dial_it} --digits '1#'", status=1)
        (there,) = bot.store.list()
    assert "answered     yes" in said
    assert there.last(BotHeard).data["text"] == "Bye."
