"""One service hears, answers and speaks: greeting, answers, tools and the goodbye are as with three."""

from contextlib import asynccontextmanager

import pytest

from calls.states import CallState, EndedBy
from emulator import Digits, HangUp, Wait
from tests.fake_realtime import Calls, RealtimeModel, Says
from tests.fake_services import socket_service
from tests.talking_bot import QUICK_AGENT, talking

CARRIERS = ["twilio", "telnyx"]
WORD_FOR_WORD = "word for word, in the caller's hearing, and nothing else: "


def last_text(items):
    content = items[-1].get("content") or [{}]
    return content[0].get("text") or content[0].get("transcript") or ""


def answers(items):
    words = last_text(items)
    if WORD_FOR_WORD in words:
        return Says(words.partition(WORD_FOR_WORD)[2])
    if "2" in words:
        return Calls("end_call", {"farewell": "Thank you for calling. Goodbye."})
    return Says("We are open.")


@asynccontextmanager
async def calling(monkeypatch, tmp_path, carrier, model):
    async with socket_service(model.talk) as service:
        agent = QUICK_AGENT + (
            f'[services]\nvoice = "openai-realtime"\n[services.options.voice]\nbase_url = "{service.url}"\n'
        )
        async with talking(
            monkeypatch, tmp_path, carrier, lambda _: [], agent=agent, OPENAI_API_KEY="k"
        ) as bot:
            yield bot


def texts(call, kind="bot_heard"):
    return [event.data["text"] for event in call.events if event.kind == kind]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_greeting_is_the_agents_own(monkeypatch, tmp_path, carrier):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, carrier, model) as bot:
        result = await bot.network.call(bot.url, [Wait(3), HangUp()])
    assert result.report.errors == []
    (call,) = bot.store.list()
    assert texts(call) == ["Hello."]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_keys_are_answered_and_the_goodbye_is_heard_before_the_line_drops(
    monkeypatch, tmp_path, carrier
):
    model = RealtimeModel(answers)
    async with calling(monkeypatch, tmp_path, carrier, model) as bot:
        result = await bot.network.call(bot.url, [Wait(2), Digits("1#"), Wait(3), Digits("2#"), Wait(10)])
    report = result.report
    assert report.errors == []
    (call,) = bot.store.list()
    print([(e.kind, e.data) for e in call.events])
    print([e for e in model.received if "append" not in e["type"]])
    assert texts(call) == ["Hello.", "We are open.", "Thank you for calling.", "Goodbye."]
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)
    assert report.goodbye_heard
    assert report.marks_returned == report.marks_sent
