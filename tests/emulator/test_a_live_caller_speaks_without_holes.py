"""What comes from a browser with jitter is spoken on the line at its own pace, and holes are counted."""

import asyncio

import numpy as np
import pytest

from emulator import HangUp, PhoneNetwork, Wait, tone
from emulator.line.codecs import FRAME_SAMPLES, loudness
from emulator.line.live_caller import LONGEST_PREFILL_MS, MOST_MS, PREFILL_MS, LiveCaller, LiveMouthpiece
from tests.fake_bot import FakeBot, Line

FRAME = np.arange(1, FRAME_SAMPLES + 1, dtype=np.int16)
DOCUMENT = '<Connect><Stream url="wss://HOST/ws"/></Connect>'


def spoken(mouth: LiveMouthpiece, frames: int) -> np.ndarray:
    return np.concatenate([mouth.step() for _ in range(frames)])


def test_nothing_is_spoken_until_some_is_buffered_and_then_all_of_it():
    mouth = LiveMouthpiece()
    mouth.speak(FRAME)
    mouth.speak(FRAME)
    assert not spoken(mouth, 3).any() and mouth.waiting_ms == 40
    mouth.speak(FRAME)
    assert mouth.waiting_ms == PREFILL_MS
    assert (spoken(mouth, 3) == np.tile(FRAME, 3)).all()
    assert mouth.gaps == 0


def test_a_buffer_that_runs_dry_is_one_gap_and_fills_again_first():
    mouth = LiveMouthpiece()
    for _ in range(3):
        mouth.speak(FRAME)
    spoken(mouth, 6)
    assert mouth.gaps == 1
    mouth.speak(FRAME)
    assert not spoken(mouth, 1).any(), "one frame is spoken at once: the next late one is a gap again"
    mouth.speak(FRAME)
    mouth.speak(FRAME)
    assert not spoken(mouth, 1).any(), "after a gap more is kept back than before"
    mouth.speak(FRAME)
    assert (spoken(mouth, 4) == np.tile(FRAME, 4)).all()
    assert mouth.gaps == 1


def test_a_busy_machine_gets_a_longer_buffer_but_not_a_long_one():
    mouth = LiveMouthpiece()
    for _ in range(20):
        for _ in range(LONGEST_PREFILL_MS // 20):
            mouth.speak(FRAME)
        spoken(mouth, LONGEST_PREFILL_MS // 20 + 2)
    assert mouth.gaps == 20 and mouth.dropped_ms == 0


def test_what_piled_up_is_thrown_away_but_for_the_newest():
    mouth = LiveMouthpiece()
    numbered = [np.full(FRAME_SAMPLES, number, dtype=np.int16) for number in range(1, MOST_MS // 20 + 2)]
    for frame in numbered:
        mouth.speak(frame)
    assert mouth.waiting_ms == PREFILL_MS
    assert mouth.dropped_ms == len(numbered) * 20 - PREFILL_MS
    assert (spoken(mouth, 3) == np.concatenate(numbered[-3:])).all()


def test_noise_of_the_line_is_heard_while_nothing_is_spoken():
    mouth = LiveMouthpiece(noise_db=-50)
    assert loudness(mouth.step()) > 50


@pytest.mark.parametrize("size", [1, 7, 160, 333])
def test_frames_of_any_size_come_out_whole(size):
    mouth = LiveMouthpiece()
    samples = np.arange(1, 1600, dtype=np.int16)
    for at in range(0, len(samples), size):
        mouth.speak(samples[at : at + size])
    out = spoken(mouth, 12)
    assert (out[: len(samples)] == samples).all() and not out[len(samples) :].any()


async def test_a_live_caller_is_heard_hears_presses_and_hangs_up():
    heard: list[np.ndarray] = []
    callers: list[LiveCaller] = []

    async def talk(line: Line) -> None:
        await line.beep(200)
        await line.mark("end of greeting")
        await line.until_closed()

    def handset(line, press, timeline):
        callers.append(LiveCaller(line, press, timeline, heard.append))
        return callers[0]

    async with FakeBot(talk, {"/twilio/voice": DOCUMENT}) as bot, PhoneNetwork() as network:
        calling = asyncio.create_task(network.call(bot.url, handset=handset))
        while not (bot.lines and len(heard) > 20):
            await asyncio.sleep(0.01)
        for frame in tone(400).reshape(-1, FRAME_SAMPLES):
            callers[0].speak(frame)
            await asyncio.sleep(0.02)
        [still_said] = callers[0].lines
        assert still_said.end_ms - still_said.start_ms >= 200
        callers[0].press("5")
        await asyncio.sleep(0.8)
        callers[0].hang_up()
        async with asyncio.timeout(5):
            result = await calling
    (line,) = bot.lines
    assert [one["dtmf"]["digit"] for one in line.of("dtmf")] == ["5"]
    assert line.messages[-1]["event"] == "stop"
    assert sum(loudness(frame) > 1000 for frame in heard) == 10
    assert sum(loudness(result.said[at : at + 160]) > 1000 for at in range(0, len(result.said), 160)) >= 18
    report = result.report
    assert report.ended_by == "caller" and report.marks_returned == report.marks_sent == 1
    assert [turn.caller_said for turn in report.turns[1:]] == ["(speech)", "(keys 5)"]
    kinds = [(entry.kind, entry.data.get("edge")) for entry in result.timeline.entries]
    assert ("caller_speech", "start") in kinds and ("caller_speech", "stop") in kinds


async def test_a_scripted_caller_is_as_before():
    async def talk(line: Line) -> None:
        await line.until_closed()

    async with FakeBot(talk, {"/twilio/voice": DOCUMENT}) as bot, PhoneNetwork() as network:
        result = await network.call(bot.url, [Wait(0.1), HangUp()])
    assert result.report.ended_by == "caller"
