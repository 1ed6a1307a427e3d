"""What the owner's own service knows of a caller reaches the greeting, which never waits longer than its budget."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from calls.call import Call
from calls.store import CallStore
from carriers.carrier import CarrierCall, CarrierUnavailable
from conversation.agents.files import load_agent
from conversation.lookup import LARGEST_ANSWER, who_calls
from emulator import Digits
from settings import SettingsError, load_settings
from tests.talking_bot import QUICK_AGENT, talking

CALLER, CALLED = "+12025550143", "+12025550100"


def a_call(**known) -> Call:
    numbers = {"from_number": CALLER, "to_number": CALLED}
    return CallStore().open(
        carrier="twilio", carrier_call_id="CA1", agent="receptionist", **(numbers | known)
    )


class Line:
    """A carrier that can be asked for numbers."""

    def __init__(self, answer=None, *, secs=0.0):
        self.answer, self.secs, self.asked = answer, secs, 0

    async def fetch_call(self, call_id):
        self.asked += 1
        await asyncio.sleep(self.secs)
        if self.answer is None:
            raise CarrierUnavailable("no answer")
        return self.answer


@asynccontextmanager
async def service(answer, *, token=None, budget_ms=2000):
    """Run a look-up service on localhost; yields the settings that name it, and what it was asked."""
    asked = []

    async def handle(request):
        asked.append((dict(request.headers), await request.json()))
        return await answer(request)

    app = web.Application()
    app.router.add_post("/who", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield (
            load_settings(
                caller_lookup_url=f"http://127.0.0.1:{port}/who",
                caller_lookup_token=token,
                caller_lookup_budget_ms=budget_ms,
            ),
            asked,
        )
    finally:
        await runner.cleanup()


def says(body=None, *, status=200, **kwargs):
    async def answer(_request):
        if body is None or isinstance(body, (str, bytes)):
            return web.Response(body=body, status=status, **kwargs)
        return web.json_response(body, status=status)

    return answer


def slowly(secs, body):
    async def answer(_request):
        await asyncio.sleep(secs)
        return web.json_response(body)

    return answer


def result(call):
    (event,) = [event for event in call.events if event.kind == "lookup"]
    return event.data["result"]


async def test_the_service_is_told_about_the_call_and_its_variables_are_found():
    call = a_call(parameters={"campaign": "spring"})
    async with service(says({"variables": {"name": "Anna", "visits": 3}}), token="s3cret") as (
        settings,
        asked,
    ):
        found = await who_calls(call, None, settings)
    assert found.variables == {"name": "Anna", "visits": 3}
    headers, question = asked[0]
    assert headers["Authorization"] == "Bearer s3cret"
    assert question == {
        "call_id": call.id,
        "carrier": "twilio",
        "direction": "inbound",
        "from": CALLER,
        "to": CALLED,
        "agent": "receptionist",
        "parameters": {"campaign": "spring"},
    }
    assert result(call) == "found"


async def test_a_flat_answer_is_the_variables_alone_and_null_is_no_value():
    async with service(says({"name": "Anna", "variables": 2, "city": None})) as (settings, _):
        assert (await who_calls(a_call(), None, settings)).variables == {"name": "Anna", "variables": 2}


async def test_lists_and_tables_reach_the_templates(tmp_path):
    (tmp_path / "desk.toml").write_text(
        'greeting = "Hello {{ pets[0].name }}."\ninstructions = "x"', encoding="utf-8"
    )
    agent = load_agent("desk", tmp_path)
    async with service(says({"variables": {"pets": [{"name": "Rex"}]}})) as (settings, _):
        found = await who_calls(a_call(), None, settings)
    assert agent.render(agent.greeting, agent.call_variables(looked_up=found.variables)) == "Hello Rex."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(says({}), "empty", id="empty object"),
        pytest.param(says({"variables": {}}), "empty", id="empty variables"),
        pytest.param(says(status=204), "empty", id="204"),
        pytest.param(says("not found", status=404), "empty", id="404"),
        pytest.param(says("oops", status=500), "failed", id="500"),
        pytest.param(says({"name": "Anna"}, status=401), "failed", id="401"),
        pytest.param(says("<html>Login</html>", content_type="text/html"), "failed", id="HTML"),
        pytest.param(says([1, 2]), "failed", id="a list"),
        pytest.param(says(b"\xff\xfe\x00"), "failed", id="no text"),
        pytest.param(says('{"a": NaN}'), "failed", id="NaN"),
        pytest.param(says('{"a":' * 20 + "1" + "}" * 20), "failed", id="deep"),
        pytest.param(says("[" * 30_000), "failed", id="deeper than the parser goes"),
        pytest.param(says({"a": "x" * LARGEST_ANSWER}), "failed", id="huge"),
    ],
)
async def test_an_answer_that_is_no_use_leaves_the_call_as_it_was(answer, expected):
    call = a_call()
    async with service(answer) as (settings, _):
        assert (await who_calls(call, None, settings)).variables == {}
    assert result(call) == expected


async def test_a_redirect_is_not_followed():
    elsewhere = []

    async def other(_request):
        elsewhere.append(1)
        return web.json_response({"name": "Mallory"})

    async with service(other) as (other_settings, _):
        away = says(status=307, headers={"Location": other_settings.caller_lookup_url})
        async with service(away) as (settings, _):
            call = a_call()
            assert (await who_calls(call, None, settings)).variables == {}
    assert (result(call), elsewhere) == ("failed", [])


async def test_nobody_at_the_address_is_a_failure_and_not_an_exception():
    call = a_call()
    settings = load_settings(caller_lookup_url="http://127.0.0.1:9/who")
    assert (await who_calls(call, None, settings)).variables == {}
    assert result(call) == "failed"


async def test_the_greeting_does_not_wait_longer_than_the_budget():
    call = a_call()
    async with service(slowly(3, {"name": "Anna"}), budget_ms=200) as (settings, _):
        began = time.monotonic()
        found = await who_calls(call, None, settings)
        assert time.monotonic() - began < 1.5
    assert found.variables == {}
    assert result(call) == "late"


async def test_what_comes_late_is_told_to_whoever_talks_by_then():
    told = asyncio.Event()
    late = {}
    async with service(slowly(0.5, {"name": "Anna"}), budget_ms=100) as (settings, _):
        found = await who_calls(a_call(), None, settings)
        assert found.variables == {}
        found.when_late(lambda variables: (late.update(variables), told.set()))
        async with asyncio.timeout(5):
            await told.wait()
    assert late == {"name": "Anna"}


async def test_a_call_that_comes_back_is_not_looked_up_again():
    call = a_call()
    async with service(says({"name": "Anna"})) as (settings, asked):
        await who_calls(call, None, settings)
        assert (await who_calls(call, None, settings)).variables == {"name": "Anna"}
    assert len(asked) == 1


async def test_missing_numbers_are_asked_of_the_carrier_first():
    call = a_call(from_number=None, to_number=None)
    line = Line(CarrierCall("CA1", None, from_number=CALLER, to_number=CALLED))
    async with service(says({"name": "Anna"})) as (settings, asked):
        await who_calls(call, line, settings)
    assert (call.from_number, call.to_number) == (CALLER, CALLED)
    assert (asked[0][1]["from"], asked[0][1]["to"]) == (CALLER, CALLED)


async def test_without_a_service_the_numbers_are_found_all_the_same_and_nothing_is_told_of_it():
    call = a_call(from_number=None, to_number=None)
    await who_calls(call, Line(CarrierCall("CA1", None, from_number=CALLER)), load_settings())
    assert call.from_number == CALLER
    assert "lookup" not in [event.kind for event in call.events]


async def test_a_withheld_number_is_not_asked_for():
    line = Line(CarrierCall("CA1", None, from_number=CALLER))
    await who_calls(a_call(from_number=None), line, load_settings())
    assert line.asked == 0


@pytest.mark.parametrize(
    "line", [pytest.param(Line(), id="carrier fails"), pytest.param(Line(None, secs=3), id="carrier is slow")]
)
async def test_the_carrier_counts_against_the_same_budget(line):
    call = a_call(from_number=None, to_number=None)
    async with service(says({"name": "Anna"}), budget_ms=300) as (settings, _):
        began = time.monotonic()
        await who_calls(call, line, settings)
        assert time.monotonic() - began < 1.5
    assert result(call) in ("found", "late")


async def test_neither_numbers_nor_names_are_logged():
    from loguru import logger

    lines = []
    sink = logger.add(lambda line: lines.append(str(line)), level="TRACE")
    try:
        for answer in (says({"name": "Anna"}), says("oops +12025550143", status=500), says("<html>")):
            async with service(answer) as (settings, _):
                await who_calls(a_call(), None, settings)
    finally:
        logger.remove(sink)
    assert sum("look-up" in line for line in lines) == 3
    assert not [line for line in lines if "5550" in line or "Anna" in line]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/who", "must be an https"),
        ("http://localhost.example.com", "must be an https"),
        ("ftp://localhost/who", "must start with https"),
        ("who", "must start with https"),
        ("https://", "has no host"),
    ],
)
def test_callers_numbers_are_sent_encrypted_or_not_at_all(url, reason):
    with pytest.raises(SettingsError, match=f"CALLER_LOOKUP_URL is not usable: {reason}"):
        load_settings(caller_lookup_url=url)


async def test_a_caller_is_greeted_by_name(monkeypatch, tmp_path):
    agent = QUICK_AGENT.replace('greeting = "Hello."', 'greeting = "Hello {{ name }}."')
    async with (
        service(says({"name": "Anna"})) as (settings, asked),
        talking(
            monkeypatch,
            tmp_path,
            "twilio",
            lambda words: [("end_call", {"farewell": "Bye."})],
            agent=agent,
            CALLER_LOOKUP_URL=settings.caller_lookup_url or "",
        ) as bot,
    ):
        await bot.network.call(bot.url, [Digits("1#")])
    (call,) = bot.store.list()
    assert [event.data["text"] for event in call.events if event.kind == "bot_heard"] == [
        "Hello Anna.",
        "Bye.",
    ]
    assert len(asked) == 1
