"""A model of a list that fails: the next one answers the same question. Through Pipecat's services of two vendors."""

import json
from contextlib import asynccontextmanager

import pytest

from calls.states import EndedBy
from emulator import Digits, Wait
from tests import fake_services as fake
from tests.failing_over import NEXT_SECS, failed_over, failing_over, pauses, texts
from tests.fake_anthropic import anthropic_calls, anthropic_words
from tests.fake_services import endpoint

ANSWER = "We open at nine and close at five."
GOODBYE = anthropic_calls("end_call", '{"farewell": "Bye."}')

WAYS = {
    "refuses the key": fake.status(401),
    "has too many requests": fake.status(429, "Retry-After: 60"),
    "has a fault": fake.status(500),
    "takes the request and is silent": fake.no_answer(),
    "sends headers and no token": fake.headers_and_no_token(),
    "closes": fake.closes(),
    "says nothing": fake.nothing(),
    "cuts a call of a tool": fake.calls("end_call", '{"farewell": "Go'),
}
STALLS = ("takes the request and is silent", "sends headers and no token")


@asynccontextmanager
async def two_models(monkeypatch, tmp_path, carrier, first, *second):
    async with (
        endpoint(*second) as anthropic,
        failing_over(
            monkeypatch,
            tmp_path,
            carrier,
            "llm",
            ["openai", "anthropic"],
            at={"openai": first, "anthropic": anthropic.url},
        ) as bot,
    ):
        yield bot, anthropic


def asked(request):
    """The conversation as a model got it, in words."""
    return json.dumps(request["messages"])


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize("way", WAYS)
async def test_the_same_question_is_answered(monkeypatch, tmp_path, carrier, way):
    async with (
        endpoint(WAYS[way]) as first,
        two_models(monkeypatch, tmp_path, carrier, first.url, anthropic_words(ANSWER), GOODBYE) as (
            bot,
            second,
        ),
    ):
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert [text for text in texts(call) if text != "One moment."] == ["Hello.", ANSWER, "Bye."]
    (switch,) = failed_over(call)
    assert switch[:3] == ("llm", "openai", "anthropic")
    assert switch[3] == ("stalled" if way in STALLS else "silent" if way == "says nothing" else "failed")
    assert len(first.requests) == 1, "the second turn goes to the one that works"
    assert "DTMF: 1#" in asked(second.requests[0])
    assert pauses(result)[0] < NEXT_SECS
    assert call.ended_by is EndedBy.BOT


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_nobody_listens_at_its_address(monkeypatch, tmp_path, carrier):
    async with two_models(
        monkeypatch, tmp_path, carrier, "http://127.0.0.1:9/v1", anthropic_words(ANSWER), GOODBYE
    ) as (bot, _):
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call) == ["Hello.", ANSWER, "Bye."]
    assert pauses(result)[0] < NEXT_SECS


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize("goes_on", ["and close at five.", ANSWER])
async def test_a_reply_that_breaks_off_goes_on_in_the_same_breath(monkeypatch, tmp_path, carrier, goes_on):
    """Whether the next model goes on as it was told, or begins anew, no word is said twice."""
    async with (
        endpoint(fake.stalls_after("We open at nine an")) as first,
        two_models(monkeypatch, tmp_path, carrier, first.url, anthropic_words(goes_on), GOODBYE) as (
            bot,
            second,
        ),
    ):
        await bot.network.call(bot.url, [Digits("1#"), Wait(0.5), Digits("2#")])
    (call,) = bot.store.list()
    assert [text for text in texts(call) if text != "One moment."] == ["Hello.", ANSWER, "Bye."]
    begun, told = second.requests[0]["messages"][-2:]
    assert begun == {"role": "assistant", "content": "We open at nine"}, (
        "not the word of which a part is missing"
    )
    assert "Go on with the very next word" in json.dumps(told)


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_every_model_is_down(monkeypatch, tmp_path, carrier):
    async with (
        endpoint(fake.status(401)) as first,
        two_models(monkeypatch, tmp_path, carrier, first.url, fake.status(401)) as (bot, _),
    ):
        result = await bot.network.call(bot.url, [Digits("1#")])
    (call,) = bot.store.list()
    assert texts(call) == [
        "Hello.",
        "I'm sorry, I have a technical problem. Please call again in a few minutes.",
    ]
    assert call.ended_by is EndedBy.ERROR
    assert call.end_cause == "LLM failed"
    assert result.report.goodbye_heard
    assert pauses(result)[0] < NEXT_SECS


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_next_call_passes_it_over(monkeypatch, tmp_path, carrier):
    async with (
        endpoint(fake.status(500)) as first,
        two_models(
            monkeypatch,
            tmp_path,
            carrier,
            first.url,
            anthropic_words(ANSWER),
            GOODBYE,
            anthropic_words(ANSWER),
            GOODBYE,
        ) as (bot, _),
    ):
        for _ in range(2):
            await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    after, before = sorted(bot.store.list(), key=lambda call: len(failed_over(call)))
    assert failed_over(before) == [("llm", "openai", "anthropic", "failed")]
    assert failed_over(after) == []
    assert texts(after) == texts(before) == ["Hello.", ANSWER, "Bye."]
    assert len(first.requests) == 1
