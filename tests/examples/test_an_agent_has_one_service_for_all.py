"""`examples/one_voice`: a speech-to-speech model answers the phone, from a folder that has nothing else in it."""

import pytest

from emulator import Digits, Wait
from settings import ROOT
from tests.fake_realtime import Calls, RealtimeModel, Says, last_text
from tests.fake_services import socket_service
from tests.talking_bot import talking
from tests.talks.test_a_speech_to_speech_model_talks import WORD_FOR_WORD, texts

AGENT = (ROOT / "examples" / "one_voice" / "frontdesk.toml").read_text(encoding="utf-8")
OPTIONS = "[services.options.voice]\n"


def answers(items):
    words = last_text(items)
    if WORD_FOR_WORD in words:
        return Says(words.partition(WORD_FOR_WORD)[2])
    return Calls("end_call", {}) if "2" in words else Says("We are open from nine to six.")


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_caller_is_greeted_answered_and_said_goodbye_to(monkeypatch, tmp_path, carrier):
    model = RealtimeModel(answers)
    async with socket_service(model.talk) as service:
        agent = AGENT.replace(OPTIONS, f'{OPTIONS}base_url = "{service.url}"\n')
        assert agent != AGENT
        async with talking(
            monkeypatch, tmp_path, carrier, lambda _: [], agent=agent, OPENAI_API_KEY="k"
        ) as bot:
            script = [Wait(5), Digits("1#"), Wait(4), Digits("2#"), Wait(12)]
            result = await bot.network.call(bot.url, script)
    assert result.report.errors == []
    assert result.report.goodbye_heard
    (call,) = bot.store.list()
    assert texts(call) == [
        "Hello, this is the bicycle workshop.",
        "What can I do for you?",
        "We are open from nine to six.",
        "Thank you for calling.",
        "Goodbye.",
    ]
    assert model.session["audio"]["output"]["voice"] == "marin"
    assert "bicycle workshop" in model.session["instructions"]
