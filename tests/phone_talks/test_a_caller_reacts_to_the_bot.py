"""The person of a talk speaks when the talk says so, by what is heard on the line; time is virtual here."""

import asyncio

import numpy as np
import pytest

from emulator import Timeline, tone
from emulator.line.clock import Clock
from emulator.line.codecs import FRAME_MS, FRAME_SAMPLES, loudness
from emulator.line.line import PhoneLine
from talks.caller import Part, TalkingCaller, sound_of
from talks.format import Echo, Turn
from talks.mouth import Mouth

BOT = tone(2000, level=0.2)


class Stage:
    """A line whose frames pass as fast as they can, with a bot that speaks at given times."""

    def __init__(self, *turns, bot=(), echo=None, background=None):
        self.line = PhoneLine(Timeline(lambda: 0.0), Clock())
        self.line.mouthpiece = Mouth(self.line, background, echo)
        self.keys, self.failures = [], []
        parts = [
            Part(turn, tone(600) if turn.say else np.zeros(0, np.int16), turn.say or "") for turn in turns
        ]
        self.caller = TalkingCaller(
            parts, self.line, self.keys.append, self.line.timeline, self.failures.append
        )
        self.bot = dict(bot)

    async def run(self, secs=60.0):
        """Let time pass; returns when the person hung up, in ms, or None."""
        talking = asyncio.create_task(self.caller.run())
        for frame in range(round(secs * 1000 / FRAME_MS)):
            if (length := self.bot.get(frame * FRAME_MS)) is not None:
                self.line.earpiece.play(tone(length, level=0.2))
            self.line.speak_frame()
            self.line.hear_frame()
            for _ in range(3):
                await asyncio.sleep(0)
            if talking.done():
                talking.result()
                return self.line.now_ms
        talking.cancel()
        return None

    def starts(self):
        return [done.start_ms for done in self.caller.done]


async def test_a_polite_line_comes_after_the_bot_is_silent():
    stage = Stage(Turn(say="Hello"), Turn(say="Again", after=0.5), bot={1000: 2000, 5000: 1000})
    await stage.run()
    first, second = stage.starts()
    assert first == pytest.approx(3900, abs=40)
    assert second == pytest.approx(6500, abs=40)


async def test_a_line_without_a_reply_is_followed_by_the_next_in_the_end():
    stage = Stage(Turn(say="Hello"), Turn(say="Hello?"), bot={1000: 2000})
    await stage.run()
    assert stage.starts()[1] - stage.caller.done[0].end_ms == pytest.approx(8000, abs=60)
    assert [done.in_time for done in stage.caller.done] == [True, False]


async def test_a_line_into_the_bots_words_comes_so_far_into_them():
    stage = Stage(Turn(say="Hello"), Turn(say="Stop", into=1.2), bot={1000: 2000, 5000: 3000})
    await stage.run()
    assert stage.starts()[1] == pytest.approx(6200, abs=40)
    assert stage.caller.done[1].in_time


async def test_a_line_into_words_that_never_come_is_told_apart():
    stage = Stage(Turn(say="Hello"), Turn(say="Mhm", into=1.2), bot={1000: 2000})
    await stage.run()
    assert not stage.caller.done[1].in_time


async def test_a_piece_comes_after_the_own_one_whatever_the_bot_does():
    stage = Stage(Turn(say="two"), Turn(say="three", then=1.3), bot={0: 1000, 2600: 4000})
    await stage.run()
    first, second = stage.caller.done
    assert second.start_ms - first.end_ms == pytest.approx(1300, abs=40)


async def test_after_hold_on_nothing_is_said_for_so_long():
    stage = Stage(Turn(say="Hold on", waits=10), Turn(say="Here"), bot={0: 1000, 3000: 500})
    await stage.run()
    assert stage.starts()[1] - stage.caller.done[0].end_ms >= 10_000


async def test_keys_are_pressed_and_silence_is_kept():
    stage = Stage(Turn(press="12"), Turn(silence=9.0), Turn(say="Yes"), bot={0: 1000, 3000: 500, 8000: 1000})
    await stage.run()
    assert stage.keys == ["1", "2"]
    _, silence, yes = stage.starts()
    assert (silence, yes) == (pytest.approx(4400, abs=60), pytest.approx(13_400, abs=60))


async def test_a_caller_hangs_up_when_the_talk_says_so_or_nothing_more_comes():
    quick = Stage(Turn(say="Hello"), Turn(hang_up=True), bot={0: 1000, 3000: 1000})
    assert await quick.run() == pytest.approx(4900, abs=60)
    patient = Stage(Turn(say="Bye"), bot={0: 1000, 3000: 1000})
    assert await patient.run() == pytest.approx(16_000, abs=60)


# The mouth


async def test_the_bots_voice_comes_back_as_late_and_as_soft_as_the_talk_says():
    stage = Stage(Turn(silence=5.0), bot={1000: 2000}, echo=Echo(gain_db=-15, delay_ms=200))
    await stage.run(4.0)
    said, heard = np.concatenate(stage.line.said), np.concatenate(stage.line.heard)
    late = 200 * 8
    quiet = heard[: len(said) - late].astype(float) * 10 ** (-15 / 20)
    # What is heard in a frame can only be in the microphone with the next one.
    assert np.abs(said[late:] - quiet).max() <= 1
    assert loudness(said[: 1100 * 8]) == 0


async def test_without_an_echo_the_microphone_is_silent():
    stage = Stage(Turn(silence=5.0), bot={1000: 2000})
    await stage.run(4.0)
    assert loudness(np.concatenate(stage.line.said)) == 0


async def test_surroundings_are_heard_between_the_words_too():
    noise = np.random.default_rng(1).normal(0, 300, 1234).astype(np.int16)
    stage = Stage(Turn(say="Hello"), bot={0: 1000}, background=noise)
    await stage.run(4.0)
    said = np.concatenate(stage.line.said)
    assert np.array_equal(said[:1234], noise) and np.array_equal(said[1234 : 2 * 1234], noise)
    first = stage.caller.done[0].start_ms * 8
    beep = tone(600)[:FRAME_SAMPLES].astype(int)
    around = noise[np.arange(first, first + FRAME_SAMPLES) % len(noise)]
    assert np.array_equal(said[first : first + FRAME_SAMPLES], np.clip(beep + around, -32768, 32767))


@pytest.mark.parametrize("level", [0.3, 0.003])
def test_the_beginning_and_the_end_of_soft_speech_are_found(level):
    silence = np.zeros(400 * 8, np.int16)
    assert sound_of(np.concatenate([silence, tone(600, level=level), silence])) == (400, 1000)
