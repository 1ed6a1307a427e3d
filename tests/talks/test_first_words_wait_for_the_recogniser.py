"""What a caller says while the recogniser still connects is heard, whole and in order."""

from functools import partial

import numpy as np
import pytest

from conversation import pipeline
from conversation.turns.ear import Ear
from emulator import Audio, Digits, Wait, tone
from tests.fake_ears import deepgram_ears
from tests.fake_services import socket_service
from tests.hosted import IMPATIENT_AGENT, hosted_at, socket_ears
from tests.talking_bot import talking
from tests.tone_services import ToneActivity

CONNECTS_IN_SECS = 1.5
SPEECH_MS = 1200
SAID = "what are your hours"

RISING = np.concatenate([tone(300, frequency=hz) for hz in (300, 500, 700, 900)])
"""Speech of which it can be told what came first."""


def answers(words):
    if "2" in words:
        return [("end_call", {"farewell": "Bye."})]
    return ["We are open."] if "hours" in words else ["Pardon?"]


def pitches(sound, rate=8000):
    """What frequency is the loudest in each loud tenth of a second."""
    samples = np.frombuffer(sound, np.int16).astype(float)
    found = []
    for begin in range(0, len(samples) - 800, 800):
        piece = samples[begin : begin + 800]
        if np.abs(piece).max() > 3000:
            found.append(int(np.argmax(np.abs(np.fft.rfft(piece)))) * 10)
    return found


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_words_said_before_the_connection_are_heard_whole(monkeypatch, tmp_path, carrier):
    monkeypatch.setattr(pipeline, "open_ear", lambda *_, **__: Ear(ToneActivity()))
    sound = bytearray()
    peer = deepgram_ears(SAID, "understands", sound=sound)
    speech = Audio(RISING, SAID, after_reply=False)
    async with socket_service(peer, late_secs=CONNECTS_IN_SECS) as service:
        hosted_at(monkeypatch, "stt", "deepgram", service.url)
        ears = partial(socket_ears, "deepgram", connect_secs=8)
        async with talking(monkeypatch, tmp_path, carrier, answers, agent=IMPATIENT_AGENT, ears=ears) as bot:
            result = await bot.network.call(bot.url, [speech, Wait(2.5), Digits("2#")])
    (call,) = bot.store.list()
    said = [event.data["text"] for event in call.events if event.kind == "caller_said"]
    heard = [event.data["text"] for event in call.events if event.kind == "bot_heard"]
    print(said, heard, pitches(sound))
    assert said[0].lower().startswith(SAID)
    assert "We are open." in heard
    found = pitches(sound)
    assert found == sorted(found), "in order"
    assert {300, 500, 700, 900} <= set(found)
    assert len(found) * 100 >= SPEECH_MS - 150, "whole"
    first = next(entry.at_ms for entry in result.timeline.entries if entry.kind == "first_audio")
    assert first < CONNECTS_IN_SECS * 1000, "the greeting does not wait"
