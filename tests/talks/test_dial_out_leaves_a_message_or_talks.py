"""A call is ordered by the API, somebody's phone rings, and a person, a box or a fax line gets what is meant for it."""

import asyncio

import aiohttp
import numpy as np
import pytest

from calls.events.talk import Detached, VoicemailLeft
from calls.states import CallState
from conversation.outbound.first_seconds import ANSWER_SECS
from emulator import Audio, Colleague, Digits, tone
from emulator.line.codecs import SAMPLE_RATE
from tests.talking_bot import API_KEY, MS_PER_CHARACTER, QUICK_AGENT, talking

OURS, THEM = "+12025550100", "+12025550143"
MESSAGE = "Hello Anna, please call us back when you can. Thank you."
AGENT = (
    QUICK_AGENT
    + """
[dial_out]
greeting = "Hello {{ name }}."
on_voicemail = "leave_message"
voicemail_message = "Hello {{ name }}, please call us back when you can. Thank you."
"""
)
MODES = pytest.mark.parametrize(
    ("carrier", "mode"), [("twilio", "texml"), ("telnyx", "texml"), ("telnyx", "call_control")]
)


def says_goodbye(words):
    return [("end_call", {"farewell": "Bye."})]


async def dial(bot, person, **order):
    """Order a call to somebody; returns how it went for them, and the call once it is over."""
    bot.network.add_person(person)
    asked = {
        "to": THEM,
        "from": OURS,
        "carrier": bot.network.dialect.name,
        "parameters": {"name": "Anna"},
        **order,
    }
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{bot.url}/calls", json=asked) as answer,
    ):
        assert answer.status == 202, await answer.text()
    result = await bot.network.next_result(THEM, timeout_secs=40)
    (call,) = bot.store.list()
    async with asyncio.timeout(5):
        while not call.is_over or not call.has(Detached):
            await asyncio.sleep(0.02)
    return result, call


def beeps_ms(samples):
    """For how long our voice (440 Hz) is in a recording."""
    size = SAMPLE_RATE // 50
    wave = np.exp(-2j * np.pi * 440 * np.arange(size) / SAMPLE_RATE)
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size)]
    return 20 * sum(abs(np.dot(piece, wave)) * 2 / size > 2000 for piece in pieces)


@MODES
async def test_a_box_records_the_whole_message_after_its_beep(monkeypatch, tmp_path, carrier, mode):
    async with talking(monkeypatch, tmp_path, carrier, says_goodbye, agent=AGENT, TELNYX_MODE=mode) as bot:
        result, call = await dial(bot, Colleague(THEM, 0.3, behaviour="voicemail"))
    assert call.state is CallState.VOICEMAIL
    assert call.last(VoicemailLeft).data == {"heard": True}
    assert result.message is not None
    assert beeps_ms(result.message) == pytest.approx(len(MESSAGE) * MS_PER_CHARACTER, abs=200)
    assert result.report.ended_by == "bot"


@MODES
async def test_a_box_without_a_beep_gets_the_message_too(monkeypatch, tmp_path, carrier, mode):
    async with talking(monkeypatch, tmp_path, carrier, says_goodbye, agent=AGENT, TELNYX_MODE=mode) as bot:
        result, call = await dial(bot, Colleague(THEM, 0.3, behaviour="voicemail", beeps=False))
    assert call.state is CallState.VOICEMAIL
    whole = len(MESSAGE) * MS_PER_CHARACTER
    heard = [event.data["text"] for event in call.events if event.kind == "bot_heard"]
    assert " ".join(heard).endswith(MESSAGE)
    # Nothing but the carrier's word says that it is a box, so the bot listens for an answer before it hangs up.
    listens = ANSWER_SECS * 1000
    last = result.heard[-round((whole + listens + 1000) * SAMPLE_RATE / 1000) :]
    assert beeps_ms(last) == pytest.approx(whole, abs=200)
    assert beeps_ms(last[-round(listens * SAMPLE_RATE / 1000) + SAMPLE_RATE // 2 :]) == 0


@MODES
async def test_a_person_is_greeted_by_name_and_talked_with(monkeypatch, tmp_path, carrier, mode):
    hello = Audio(tone(400, frequency=300), "hello", after_reply=False)
    person = Colleague(THEM, 0.3, script=[hello, Digits("1#")])
    async with talking(monkeypatch, tmp_path, carrier, says_goodbye, agent=AGENT, TELNYX_MODE=mode) as bot:
        _, call = await dial(bot, person)
    heard = [event.data["text"] for event in call.events if event.kind == "bot_heard"]
    assert heard == ["Hello Anna.", "Bye."]
    assert call.state is CallState.COMPLETED


async def test_a_box_is_hung_up_on_where_the_agent_leaves_no_messages(monkeypatch, tmp_path):
    agent = AGENT.replace('"leave_message"', '"hang_up"')
    async with talking(monkeypatch, tmp_path, "twilio", says_goodbye, agent=agent) as bot:
        result, call = await dial(bot, Colleague(THEM, 0.3, behaviour="voicemail"))
    assert call.state is CallState.VOICEMAIL
    assert result.message is None or beeps_ms(result.message) == 0
    assert not call.has(VoicemailLeft)
