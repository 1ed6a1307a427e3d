"""A caller for whom there is no room leaves a message over each carrier's real protocol, as the emulator speaks it."""

import io
import wave

import httpx
import numpy as np
import pytest

from calls.events.talk import MessageRecorded
from calls.recordings import recordings
from emulator import Audio, HangUp, PhoneNetwork, Wait, tone
from emulator.line.caller import Manners, Until
from tests.rest_client import ACCOUNT
from tests.web_service import running, until

WAYS = pytest.mark.parametrize(
    ("carrier", "mode"), [("twilio", ""), ("telnyx", ""), ("telnyx", "call_control")]
)
TONE = object()
"""Stands in a script for: until the tone is heard."""

QUICK = Manners(patience=0.3)
AGENT = """greeting = "Hello."
instructions = "x"
[lines]
leave_message = "Please speak after the tone, and we shall call you back."
message_taken = "Noted."
goodbye = "Bye."
"""
LEAVE = "Please speak after the tone, and we shall call you back."
WORDS = Audio(tone(2500, frequency=700), "Please call me back", after_reply=False)


async def called(tmp_path, monkeypatch, carrier, mode, script):
    """A call to a service that takes no calls."""
    monkeypatch.setattr("calls.message_box.SILENCE_SECS", 1)
    monkeypatch.setattr("calls.message_box.LONGEST_SECS", 6)
    monkeypatch.setattr("desk.message_box.SILENCE_SECS", 1)
    monkeypatch.setattr("desk.message_box.LONGEST_SECS", 6)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "box.toml").write_text(AGENT)
    async with PhoneNetwork(carrier) as network:
        known = {
            "twilio_account_sid": ACCOUNT.twilio_account_sid,
            "twilio_auth_token": ACCOUNT.twilio_auth_token,
            "twilio_api_base_url": network.rest_url,
            "telnyx_api_key": ACCOUNT.telnyx_api_key,
            "telnyx_api_base_url": f"{network.rest_url}/v2",
            "telnyx_connection_id": ACCOUNT.telnyx_connection_id,
            "allow_unsigned_webhooks": True,
        }
        async with running(tmp_path, agent="box", when_full="message", **known) as service:
            service.app.state.service.room.draining = True
            placed: list = []
            tone_is_heard = Until(what="the tone", holds=lambda _: placed[0].timeline.of("recording"))
            script = [tone_is_heard if one is TONE else one for one in script]
            result = await network.call(service.url, script, manners=QUICK, mode=mode, on_call=placed.append)
            assert result.report.errors == []
            (call,) = service.store.list()
            await until(lambda: call.is_over)
            book = tmp_path / "data" / "messages.jsonl"
            if any(isinstance(one, MessageRecorded) for one in call.events):
                await until(book.exists)
                address = recordings_url(call)
                async with httpx.AsyncClient(trust_env=False) as http:
                    file = (await http.get(address if address.endswith(".wav") else f"{address}.wav")).content
            else:
                assert not book.exists()
                file = b""
            return result, call, file


def recordings_url(call) -> str:
    return next(one.url for one in reversed(call.events) if getattr(one, "url", None))


def heard(result) -> list[str]:
    return [entry.text for entry in result.timeline.of("say")]


@WAYS
async def test_what_was_said_after_the_tone_is_the_message(tmp_path, monkeypatch, carrier, mode):
    result, call, file = await called(
        tmp_path, monkeypatch, carrier, mode, [TONE, Wait(0.6), WORDS, Wait(30)]
    )
    assert heard(result) == [LEAVE, "Noted. Bye."]
    assert [one.kind for one in call.events].count("message_taken") == 1
    assert [one.state for one in recordings(call)] == ["completed"]
    assert (call.state, call.ended_by) == ("completed", "limit")
    with wave.open(io.BytesIO(file)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2").astype(float)
        spectrum = np.abs(np.fft.rfft(samples.reshape(-1, reader.getnchannels())[:, 0]))
    assert abs(np.argmax(spectrum[1:]) * 8000 / len(samples) - 700) < 50
    assert result.report.ended_by in ("document", "bot")


@WAYS
async def test_a_caller_who_hangs_up_has_left_what_was_said(tmp_path, monkeypatch, carrier, mode):
    script = [TONE, Wait(0.6), WORDS, Wait(0.2), HangUp()]
    result, call, file = await called(tmp_path, monkeypatch, carrier, mode, script)
    assert result.report.ended_by == "caller"
    assert [one.kind for one in call.events].count("message_taken") == 1
    assert file


@WAYS
async def test_a_caller_who_hangs_up_before_the_tone_leaves_nothing(tmp_path, monkeypatch, carrier, mode):
    result, call, _ = await called(tmp_path, monkeypatch, carrier, mode, [Wait(0.5), HangUp()])
    assert result.report.ended_by == "caller"
    assert not call.has(MessageRecorded)
    assert (call.state, call.ended_by) == ("completed", "limit")


async def test_a_caller_who_says_nothing_hears_goodbye_at_twilio(tmp_path, monkeypatch):
    result, call, _ = await called(tmp_path, monkeypatch, "twilio", "", [Wait(30)])
    assert heard(result) == [LEAVE, "Bye."]
    assert not call.has(MessageRecorded)
