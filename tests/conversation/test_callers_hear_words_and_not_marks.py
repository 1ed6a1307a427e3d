"""Whole calls with a model that writes for the eye: what the voice gets, and what is recorded as said."""

import json

from calls.states import EndedBy
from emulator import Digits
from tests.talking_bot import QUICK_AGENT, Beeps, talking

GIVEN: list[str] = []


class Listening(Beeps):
    """A voice that notes what it is given to say, and says it quickly."""

    async def run_tts(self, text: str, context_id: str):
        GIVEN.append(text)
        async for frame in super().run_tts(text[:12], context_id):
            yield frame


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


def answers(words):
    if "1" in words:
        return [
            "<think>The caller wants the price. **Secret.**</think>",
            "**Sure!** A cut is $3.50 ",
            "at [our shop](https://example.com/x). 😀\n\n- Mon-Fri, 9:00-17:00\n",
            '<tool_call>{"name": "secret", "arguments": {}}</tool_call>',
        ]
    return [("end_call", {"farewell": "**Goodbye**, Ms. Nguyen! 👋"})]


async def test_the_voice_gets_words_and_the_record_what_was_said(monkeypatch, tmp_path):
    GIVEN.clear()
    agent = QUICK_AGENT + '\n[pronounce]\n"Nguyen" = "win"\n'
    async with talking(monkeypatch, tmp_path, "twilio", answers, voice=Listening, agent=agent) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
    (call,) = bot.store.list()
    assert [text.strip() for text in GIVEN] == [
        "Hello.",
        "Sure!",
        "A cut is three dollars and fifty cents at our shop.",
        "Monday to Friday, nine a.m. to five p.m.",
        "Goodbye, Ms. win!",
    ]
    recorded = [
        "Hello.",
        "Sure!",
        "A cut is $3.50 at our shop.",
        "Mon-Fri, 9:00-17:00",
        "Goodbye, Ms. Nguyen!",
    ]
    assert texts(call, "bot_heard") == recorded
    assert texts(call, "bot_said") == recorded
    assert call.ended_by is EndedBy.BOT
    shown = json.dumps(bot.contexts[-1])
    assert "ecret" not in shown
    assert "**" not in shown
