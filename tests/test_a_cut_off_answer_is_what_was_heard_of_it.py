"""After a barge-in the model and the transcript know what the caller heard, and no more: any carrier, any voice."""

import httpx
import pytest

import conversation.transport
from emulator import Digits
from tests.talking_bot import API_KEY, Beeps, talking
from tests.voices import TimedBeeps, ToldAheadBeeps

ONE = "This is the first part."
TWO = "And here comes the second one, which is longer."
THREE = "Nobody hears the third."
CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
VOICES = pytest.mark.parametrize(
    "voice",
    [
        pytest.param(Beeps, id="a sentence a time"),
        pytest.param(lambda: TimedBeeps(words_first=True), id="timed words before the sound"),
        pytest.param(lambda: TimedBeeps(words_first=False), id="timed words after the sound"),
        pytest.param(ToldAheadBeeps, id="all texts ahead"),
    ],
)
IN_THE_SECOND = Digits("WWw2#", after_reply=False)
"""The first sentence takes 1.4 s, the second 2.8 s."""


def answers(words):
    return [("end_call", {"farewell": "Bye."})] if words.endswith("2#") else [f"{ONE} {TWO} {THREE}"]


def of_the_bot(context):
    return [
        message["content"] for message in context if message["role"] == "assistant" and message.get("content")
    ]


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


async def turns(bot):
    (call,) = bot.store.list()
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{bot.url}/calls/{call.id}", headers={"Authorization": f"Bearer {API_KEY}"})
    return answer.json()["turns"]


@CARRIERS
@VOICES
async def test_a_barge_in_leaves_what_was_heard(monkeypatch, tmp_path, carrier, voice):
    # A carrier that holds back far more than usual: all of the answer is sent when the caller is in its middle.
    monkeypatch.setattr(conversation.transport, "LEAD_SECS", 20)
    async with talking(monkeypatch, tmp_path, carrier, answers, voice=voice) as bot:
        await bot.network.call(bot.url, [Digits("1#"), IN_THE_SECOND])
        shown = await turns(bot)
    (call,) = bot.store.list()
    assert [m["role"] for m in bot.contexts[-1]] == ["system", "assistant", "user", "assistant", "user"]
    greeting, answer = of_the_bot(bot.contexts[-1])
    assert greeting == "Hello."
    assert answer.startswith(ONE)
    assert f"{ONE} {TWO}".startswith(answer)
    assert len(ONE) < len(answer) < len(f"{ONE} {TWO}")

    assert texts(call, "bot_heard")[:2] == ["Hello.", ONE]
    assert shown == [
        {"caller_said": "", "bot_replied": "Hello.", "interrupted": False},
        {"caller_said": "DTMF: 1#", "bot_replied": answer, "interrupted": True},
        {"caller_said": "DTMF: 2#", "bot_replied": "Bye.", "interrupted": False},
    ]


@CARRIERS
@VOICES
async def test_an_answer_that_nobody_interrupts_is_kept_whole(monkeypatch, tmp_path, carrier, voice):
    async with talking(monkeypatch, tmp_path, carrier, answers, voice=voice) as bot:
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
        shown = await turns(bot)
    assert of_the_bot(bot.contexts[-1]) == ["Hello.", f"{ONE} {TWO} {THREE}"]
    (call,) = bot.store.list()
    assert texts(call, "bot_heard") == ["Hello.", ONE, TWO, THREE, "Bye."]
    assert [turn["interrupted"] for turn in shown] == [False, False, False]
    assert result.report.marks_returned == result.report.marks_sent
