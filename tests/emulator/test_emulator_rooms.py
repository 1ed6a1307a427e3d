"""Lines in a room hear each other frame by frame, by one clock, also on a machine that is late."""

import asyncio
import time

import numpy as np
import pytest

from emulator import tone
from emulator.line.clock import Clock
from emulator.line.codecs import FRAME_SAMPLES
from emulator.line.line import PhoneLine
from emulator.line.other_end import BOT, COLLEAGUE
from emulator.line.room import Room
from emulator.timeline import Timeline


class Bot:
    """A media stream's end that only counts."""

    def __init__(self) -> None:
        self.frames = 0

    def say(self, frame: np.ndarray) -> None:
        self.frames += 1

    def return_marks(self, names: list[str]) -> None:
        pass


def lines(clock: Clock, number: int) -> list[PhoneLine]:
    """Lines that are up."""
    made = [PhoneLine(Timeline(clock.now), clock) for _ in range(number)]
    for line in made:
        line.timeline.answered()
        line.start()
    return made


def heard(line: PhoneLine) -> np.ndarray:
    return np.concatenate(line.heard)


async def test_a_late_machine_tears_no_hole_into_what_one_hears_of_the_other():
    clock, room = Clock(), Room()
    one, other = lines(clock, 2)
    room.join(one)
    room.join(other)
    one.mouthpiece.speak(tone(1000))
    for after in (0.2, 0.5):
        asyncio.get_running_loop().call_later(after, time.sleep, 0.25)
    await other.until_ms(1400)
    one.hang()
    other.hang()
    loud = np.flatnonzero(np.abs(heard(other)) > 0)
    assert 7990 <= loud[-1] - loud[0] <= 8010
    assert np.array_equal(heard(other)[loud[0] : loud[0] + 7900], tone(1000)[1:7901])
    assert other.earpiece.underruns == 0
    assert other.worst_lag_ms >= 100


async def test_what_is_said_is_heard_one_frame_later_and_the_mix_is_the_sum():
    clock, room = Clock(), Room()
    made = lines(clock, 3)
    for line in made:
        room.join(line)
    sounds = [np.full(FRAME_SAMPLES * 3, level, dtype=np.int16) for level in (100, 2000, 30000)]
    for line, sound in zip(made, sounds, strict=True):
        line.mouthpiece.speak(sound)
    await made[0].until_ms(200)
    levels = [int(heard(line).max()) for line in made]
    assert levels == [32000, 30100, 2100]
    first = [int(np.flatnonzero(heard(line))[0]) for line in made]
    assert first == [FRAME_SAMPLES] * 3
    for line in made:
        line.hang()
    assert len(room) == 0


async def test_muted_and_held_lines():
    clock, room = Clock(), Room()
    one, other = lines(clock, 2)
    room.join(one, muted=True)
    room.join(other)
    one.mouthpiece.speak(tone(200))
    await other.until_ms(300)
    assert not heard(other).any()
    room.mute(one, False)
    room.hold(other)
    assert not room.talking
    one.mouthpiece.speak(tone(200))
    room.press(one, "1")
    await other.until_ms(600)
    assert not heard(other).any()
    room.hold(other, False)
    room.press(one, "1")
    await other.until_ms(800)
    assert heard(other).any()
    assert [entry.data["digit"] for entry in other.timeline.of("keys_heard")] == ["1"]
    one.hang()
    other.hang()


async def test_whoever_leaves_ends_a_bridge_of_two_and_is_with_the_bot_again():
    clock, room, next_room = Clock(), Room(), Room()
    one, other = lines(clock, 2)
    room.join(one, hears=COLLEAGUE)
    room.join(other, hears=COLLEAGUE)
    waiting = asyncio.create_task(room.until_fewer_than(2))
    await one.until_ms(100)
    assert not waiting.done()
    next_room.join(other)
    await asyncio.wait_for(waiting, 1)
    assert (one in room, other in room, other in next_room) == (True, False, True)
    room.leave(one)
    room.leave(one)
    assert (one.room, one.other_end) == (None, BOT)
    assert len(one.people) == 1
    assert one.people[0][1] - one.people[0][0] >= 80
    one.hang()
    other.hang()


@pytest.mark.parametrize("with_bot", [False, True])
async def test_held_minutes_pass_quickly_only_where_no_stream_is_open(with_bot):
    clock, room = Clock(hold_speed=60), Room()
    one, other = lines(clock, 2)
    room.join(one)
    room.join(other)
    if with_bot:
        one.stream = Bot()
    begin = time.monotonic()
    await one.until_ms(1000 if with_bot else 20_000)
    secs = time.monotonic() - begin
    assert (0.8 < secs < 3) if with_bot else secs < 5
    assert one.now_ms - other.now_ms == 0
    assert abs(one.timeline.now_ms() - one.now_ms) < 300
    one.hang()
    other.hang()


async def test_somebody_outside_who_is_waited_for_keeps_time_real():
    clock, room = Clock(hold_speed=60), Room()
    one, other = lines(clock, 2)
    room.join(one)
    room.join(other)
    begin = time.monotonic()
    with clock.real_time():
        await one.until_ms(600)
    assert time.monotonic() - begin > 0.4
    await clock.sleep(10)
    assert time.monotonic() - begin < 4
    one.hang()
    other.hang()


async def test_a_line_that_breaks_stops_alone():
    clock = Clock()
    broken, whole = (PhoneLine(Timeline(clock.now), clock) for _ in range(2))
    future, other = broken.start(), whole.start()
    broken.earpiece = None
    await whole.until_ms(100)
    assert isinstance(future.exception(), AttributeError)
    assert not other.done()
    whole.hang()
    assert other.done()
