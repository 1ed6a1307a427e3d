"""On a line: a noise over the bot silences it at once and costs no word; its own voice from a loudspeaker does not."""

import pytest

from conversation import pipeline
from conversation.turns.ear import Ear
from conversation.turns.holding import PhoneVoice
from emulator import Audio, Digits, HangUp, Wait, tone
from emulator.line.impairments import IDEAL
from tests.talking_bot import talking
from tests.tone_services import ToneActivity

ANSWER = "We are open from nine in the morning until six in the evening."
LOUDSPEAKER = IDEAL.but(echo_db=-15, echo=0.15)


def answers(words):
    return [("end_call", {"farewell": "Bye."})] if words.endswith("2#") else [ANSWER]


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


@pytest.fixture(autouse=True)
def ears_for_everything_loud(monkeypatch):
    monkeypatch.setattr(pipeline, "open_ear", lambda *_: Ear(ToneActivity()))


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_noise_silences_it_at_once_and_costs_no_word(monkeypatch, tmp_path, carrier):
    noise = Audio(tone(300, frequency=900), text="(a cough)", after_reply=False)
    script = [Digits("1#"), Wait(1.5), noise, Wait(3.5), Digits("2#")]
    async with talking(monkeypatch, tmp_path, carrier, answers) as bot:
        result = await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    assert texts(call, "bot_heard")[-2:] == [ANSWER, "Bye."]
    assert texts(call, "caller_said") == ["DTMF: 1#", "DTMF: 2#"]
    assert [event.kind for event in call.events].count("interruption_undone") == 1
    entries = result.timeline.entries
    coughs = next(entry.at_ms for entry in entries if entry.text == "(a cough)")
    cleared = [entry.at_ms for entry in entries if entry.kind == "clear"]
    first = next(at_ms for at_ms in cleared if at_ms >= coughs)
    assert first - coughs < 700  # 100 to 250 ms on a machine with nothing else to do
    assert result.report.marks_returned == result.report.marks_sent
    assert result.report.goodbye_heard


@pytest.mark.parametrize("knows_itself", [True, False])
async def test_its_own_voice_from_a_loudspeaker_does_not_pause_it(monkeypatch, tmp_path, knows_itself):
    held = []
    hold = PhoneVoice.hold

    async def counted(self):
        held.append(await hold(self))
        return held[-1]

    monkeypatch.setattr(PhoneVoice, "hold", counted)
    if not knows_itself:
        monkeypatch.setattr(PhoneVoice, "hears_itself", lambda _: False)
    async with talking(monkeypatch, tmp_path, "twilio", answers, line=LOUDSPEAKER) as bot:
        await bot.network.call(bot.url, [Digits("1#"), Wait(4.5), HangUp()])
    (call,) = bot.store.list()
    assert any(held) is not knows_itself
    if knows_itself:
        assert texts(call, "bot_heard")[-1] == ANSWER
