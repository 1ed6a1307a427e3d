"""A caller never sits in silence because a provider failed, and the log says what to mend in one line."""

from loguru import logger
from pipecat.utils.errors import ErrorCategory

from calls.states import EndedBy
from emulator import Digits
from tests.talking_bot import talking

APOLOGY = "I'm sorry, I have a technical problem. Please call again in a few minutes."
WAY_ON = "I'm sorry, that did not work. Could you say it again, please?"


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


async def test_a_rejected_key_ends_the_call_with_an_apology(monkeypatch, tmp_path):
    lines = []
    sink = logger.add(lines.append, level="ERROR", format="{message}")
    async with talking(monkeypatch, tmp_path, "twilio", lambda _: [ErrorCategory.AUTHENTICATION]) as bot:
        result = await bot.network.call(bot.url, [Digits("1#")])
    logger.remove(sink)
    (call,) = bot.store.list()
    assert texts(call, "bot_heard") == ["Hello.", APOLOGY]
    assert (call.ended_by, call.end_cause) == (EndedBy.ERROR, "LLM failed")
    assert result.report.goodbye_heard
    assert any("LLM failed, local: the key was rejected: check it in .env" in line for line in lines)


async def test_one_failed_answer_is_asked_for_again(monkeypatch, tmp_path):
    def answers(words):
        if "1" in words:
            return [ErrorCategory.SERVER]
        return [("end_call", {"farewell": "Bye."})]

    async with talking(monkeypatch, tmp_path, "telnyx", answers) as bot:
        result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert texts(call, "bot_heard") == ["Hello.", WAY_ON, "Bye."]
    assert call.ended_by is EndedBy.BOT
    assert result.report.errors == []


async def test_a_model_that_fails_again_and_again_is_not_asked_for_ever(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", lambda _: [ErrorCategory.CONNECTIVITY]) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Digits("2#"), Digits("3#")])
    (call,) = bot.store.list()
    assert texts(call, "bot_heard") == ["Hello.", WAY_ON, WAY_ON, APOLOGY]
    assert call.ended_by is EndedBy.ERROR


async def test_without_a_voice_the_carriers_own_voice_apologises(monkeypatch, tmp_path):
    async with talking(monkeypatch, tmp_path, "twilio", lambda _: ["VOICELESS"]) as bot:
        result = await bot.network.call(bot.url, [Digits("1#")])
    (call,) = bot.store.list()
    assert call.ended_by is EndedBy.ERROR
    assert APOLOGY in [entry.text for entry in result.timeline.entries if entry.kind == "say"]
