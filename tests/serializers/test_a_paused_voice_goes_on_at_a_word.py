"""A bot that is paused falls silent at once, keeps what was not heard, and goes on at the beginning of a word."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import numpy as np
import pytest
import websockets
from pipecat.frames.frames import InterruptionFrame, TTSAudioRawFrame, TTSStartedFrame, TTSStoppedFrame

from serializers.frames import MarkFrame
from serializers.kept import KEPT_SECS, KeptSpeech, Piece, SentMark
from serializers.transport import LEAD_SECS, PhoneTransport
from tests.serializers.test_transport_stands_in_for_pipecats import bot, heard
from tests.web_service import start_of

RATE = 8000


def words(*lengths: float, gap: float = 0.1) -> np.ndarray:
    """Words of these lengths in seconds, each of a pitch of its own, with a silence behind each."""
    parts = []
    for place, secs in enumerate(lengths):
        times = np.arange(round(secs * RATE)) / RATE
        parts += [8000 * np.sin(2 * np.pi * (300 + 100 * place) * times), np.zeros(round(gap * RATE))]
    return np.concatenate(parts).astype("<i2")


def piece(samples: np.ndarray, *, starts: float = 0.0, interruptible: bool = True) -> Piece:
    return Piece(samples.astype("<i2").tobytes(), RATE, starts, interruptible)


class Following:
    """Notes what it is told, and names marks anew."""

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.repeated: float | None = None
        self.sent = 0.0

    def taken_back(self, marks: list[str]) -> list[str]:
        self.marks += marks
        return [f"{mark} again" for mark in marks]

    def goes_on(self, repeated_secs: float) -> None:
        self.repeated = repeated_secs

    def audio_sent(self, secs: float) -> None:
        self.sent += secs


class TestWhatIsKept:
    def test_is_what_was_not_played_from_the_middle_of_a_piece_on(self):
        kept = KeptSpeech()
        for place in range(5):
            kept.add(piece(np.full(800, place), starts=place / 10))
            kept.add(SentMark(f"m{place}", (place + 1) / 10))
        rest = kept.take_back(0.25)
        assert [item.name for item in rest if isinstance(item, SentMark)] == ["m2", "m3", "m4"]
        assert sum(item.secs for item in rest if isinstance(item, Piece)) == pytest.approx(0.25)
        played, rate = kept.played_before(0.25)
        assert (len(played), rate) == (2 * 2000, RATE)
        assert kept.take_back(0.25) == []

    def test_is_bounded(self):
        kept = KeptSpeech()
        for place in range(1000):
            kept.add(piece(np.zeros(800), starts=place / 10))
            kept.add(SentMark("m", (place + 1) / 10))
        assert len(kept._items) <= 2 * (KEPT_SECS * 10 + 2)

    def test_promises_are_known(self):
        kept = KeptSpeech()
        kept.add(piece(np.zeros(800), starts=1.0, interruptible=False))
        assert kept.is_promised(1.05)
        assert not kept.is_promised(1.2)

    def test_is_known_by_when_it_was_played(self):
        kept = KeptSpeech()
        kept.add(piece(np.full(800, 5), starts=10.0))
        kept.add(piece(np.full(800, 7), starts=10.2))
        played = np.frombuffer(kept.played_between(10.05, 10.25, RATE), "<i2")
        assert len(played) == 1600
        assert [played[0], played[399], played[401], played[1199], played[1201], played[-1]] == [
            5,
            5,
            0,
            0,
            7,
            7,
        ]


async def until_secs(socket: Any, secs: float) -> list[dict[str, Any]]:
    """Messages until so much speech has come; what was sent before anything was said does not count."""
    messages, length = [], 0.0
    while length < secs:
        messages.append(json.loads(await asyncio.wait_for(socket.recv(), 5)))
        if messages[-1]["event"] == "media" and (length or np.abs(heard(messages[-1:])).max() > 400):
            length += len(heard(messages[-1:])) / RATE
    return messages


async def rest_of(socket: Any, last: str) -> list[dict[str, Any]]:
    messages = []
    while not messages or messages[-1].get("mark", {}).get("name") != last:
        messages.append(json.loads(await asyncio.wait_for(socket.recv(), 5)))
    return messages


def speech(*lengths: float) -> list[Any]:
    said = TTSAudioRawFrame(words(*lengths).tobytes(), RATE, 1, context_id="u")
    return [TTSStartedFrame(context_id="u"), said, TTSStoppedFrame(context_id="u"), MarkFrame("end")]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_what_was_not_heard_is_heard_after_all_from_the_beginning_of_its_word(carrier):
    transports: list[PhoneTransport] = []
    follower = Following()
    async with (
        bot(speech(0.4, 0.4, 0.4, 0.4), RATE, transports=transports) as (url, _),
        websockets.connect(url) as socket,
    ):
        await socket.send(start_of(carrier, "CA1"))
        await until_secs(socket, 0.6)
        voice = transports[0].voice
        began = time.monotonic()
        assert await voice.hold(follower)
        assert not await voice.hold(follower)
        while json.loads(await socket.recv())["event"] != "clear":
            pass
        assert time.monotonic() - began < 0.2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.4)  # the rest waits
        played, _ = voice._kept.played_before(began)
        await voice.go_on(lambda *_: 0.1)
        messages = await rest_of(socket, "end")
    again = heard([message for message in messages if message["event"] == "media"])
    assert follower.repeated == pytest.approx(0.1, abs=0.01)
    # Nothing is missing between what was played before and what came behind it, and nothing comes twice but one word.
    assert len(played) / 2 + len(again) == pytest.approx(
        2.0 * RATE + follower.repeated * RATE, abs=0.03 * RATE
    )
    assert follower.sent == pytest.approx(follower.repeated + LEAD_SECS, abs=0.15)
    assert not voice.is_held


async def test_marks_of_what_was_taken_back_come_again_in_their_place_under_new_names(monkeypatch):
    monkeypatch.setattr("serializers.transport.LEAD_SECS", 5)
    transports: list[PhoneTransport] = []
    follower = Following()
    async with (
        bot(speech(0.4, 0.4), RATE, transports=transports) as (url, _),
        websockets.connect(url) as socket,
    ):
        await socket.send(start_of("twilio", "CA1"))
        await rest_of(socket, "end")
        assert await transports[0].voice.hold(follower)
        assert follower.marks == ["end"]
        await transports[0].voice.go_on()
        messages = await rest_of(socket, "end again")
    assert [message["event"] for message in messages][-2:] == ["media", "mark"]


async def test_an_interruption_ends_a_pause_and_what_waited_is_not_said():
    transports: list[PhoneTransport] = []
    async with (
        bot(speech(0.4, 0.4, 0.4, 0.4), RATE, transports=transports) as (url, _),
        websockets.connect(url) as socket,
    ):
        await socket.send(start_of("twilio", "CA1"))
        await until_secs(socket, 0.6)
        voice = transports[0].voice
        await voice.hold(Following())
        await voice.queue_frame(InterruptionFrame())
        async with asyncio.timeout(2):
            while voice.is_held:
                await asyncio.sleep(0.01)
        await voice.go_on()  # too late: there is nothing any more
        await voice.queue_frame(MarkFrame("new"))
        messages = await rest_of(socket, "new")
    events = [message["event"] for message in messages]
    assert "media" not in events[events.index("clear") :]
    assert all(message.get("mark", {}).get("name") != "end" for message in messages)


async def test_what_nothing_may_take_back_is_not_paused():
    transports: list[PhoneTransport] = []
    frames = speech(0.4, 0.4)
    for frame in frames:
        frame.interruptible = False
    async with bot(frames, RATE, transports=transports) as (url, _), websockets.connect(url) as socket:
        await socket.send(start_of("twilio", "CA1"))
        await until_secs(socket, 0.3)
        assert not await transports[0].voice.hold(Following())


async def test_a_pause_that_nobody_ends_ends(monkeypatch):
    monkeypatch.setattr("serializers.transport.LONGEST_HOLD_SECS", 0.3)
    transports: list[PhoneTransport] = []
    async with (
        bot(speech(0.4, 0.4, 0.4), RATE, transports=transports) as (url, _),
        websockets.connect(url) as socket,
    ):
        await socket.send(start_of("twilio", "CA1"))
        await until_secs(socket, 0.5)
        assert await transports[0].voice.hold(Following())
        await rest_of(socket, "end")
