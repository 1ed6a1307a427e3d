"""Peaks of a recording: of each kind of WAV that carriers make, of hours, and of what is none."""

import io
import struct
import tracemalloc
import wave

import numpy as np
import pytest

from calls.peaks import FULL, NoWave, PeaksOfWave, put_right
from serializers.codecs import codec_for

RATE = 8000


def wav(samples, channels=2, *, size=None, code=1, bits=16, before=b"", after=b""):
    data = samples if isinstance(samples, bytes) else samples.astype("<i2").tobytes()
    frame = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, code, channels, RATE, RATE * frame, frame, bits)
    sound = struct.pack("<4sI", b"data", len(data) if size is None else size) + data
    body = b"WAVE" + before + form + sound + after
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def peaks(content, step=1000, most=6000):
    made = PeaksOfWave(most)
    for start in range(0, len(content), step):
        made.feed(content[start : start + step])
    return made.result()


def second(left, right):
    return np.column_stack([np.full(RATE, left), np.full(RATE, right)])


def test_each_side_has_the_loudest_of_each_fiftieth_of_a_second():
    sound = np.concatenate([second(0, -32768), second(16384, 0)])
    sound[RATE + 5, 0] = -24576
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(sound.astype("<i2").tobytes())
    found = peaks(file.getvalue())
    assert (found.duration_secs, found.per_sec) == (2.0, 50.0)
    assert found.sides[0] == [0] * 50 + [75] + [50] * 49
    assert found.sides[1] == [FULL] * 50 + [0] * 50


@pytest.mark.parametrize("step", [1, 7, 321, 1 << 20])
def test_the_pieces_in_which_a_file_arrives_make_no_difference(step):
    sound = (np.sin(np.arange(2 * 1234) / 3) * 20_000).reshape(-1, 2)
    assert peaks(wav(sound), step) == peaks(wav(sound), 500)


def test_what_stands_before_and_behind_the_sound_is_none():
    extra = struct.pack("<4sI", b"LIST", 3) + b"abc\x00"
    noise = struct.pack("<4sI", b"junk", 4000) + b"\x7f" * 4000
    found = peaks(wav(second(100, 0), before=extra, after=noise))
    assert found.duration_secs == 1.0 and max(found.sides[0]) == 1


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_file_that_was_written_as_it_came_has_the_length_that_it_has(size):
    assert peaks(wav(second(5000, 0), size=size)).duration_secs == 1.0


def test_a_file_that_was_cut_off_has_the_length_that_came():
    content = wav(second(5000, 0))
    assert peaks(content[: len(content) // 2]).duration_secs == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("code", "codec"), [(7, "PCMU"), (6, "PCMA")])
def test_compressed_sound_is_as_loud_as_it_was(code, codec):
    sound = np.full(RATE, 16_000, dtype="<i2").tobytes()
    found = peaks(wav(codec_for(codec).encode(sound), 1, code=code, bits=8))
    assert found.duration_secs == 1.0 and found.sides[0] == [found.sides[0][0]] * 50
    assert 47 <= found.sides[0][0] <= 50


def test_hours_have_no_more_points_than_minutes_and_need_little_memory():
    made = PeaksOfWave()
    block = wav(b"", size=0xFFFFFFFF)
    tracemalloc.start()
    made.feed(block)
    for number in range(200):  # 200 MB, 1 h 49 min
        made.feed(bytes(1 << 20) if number != 100 else b"\xff\x7f" * (1 << 19))
    found = made.result()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000
    assert 3000 <= len(found.sides[0]) <= 6000 and len(found.sides) == 2
    assert found.duration_secs == 200 * (1 << 20) / 32_000
    loud = [place for place, one in enumerate(found.sides[0]) if one]
    assert loud[0] / found.per_sec == pytest.approx(100 * (1 << 20) / 32_000, abs=2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html><p>Please log in",
        b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(100),
        b"RIFF\x00\x00\x00\x00AVI " + bytes(100),
        wav(b"", 2)[:30],
        wav(b"\0" * 100, 6, bits=16),
        wav(b"\0" * 100, 1, code=85, bits=0),
        b"RIFF\xff\xff\xff\xffWAVE" + b"JUNK\xff\xff\xff\x7f" + bytes(70_000),
        b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00" + bytes(100),
    ],
)
def test_what_is_no_wave_is_said_to_be_none(content):
    with pytest.raises(NoWave):
        peaks(content)


def test_a_recording_of_nothing_has_no_points():
    found = peaks(wav(b""))
    assert (found.duration_secs, found.sides) == (0.0, [[], []])


def spoken(*begins, secs=60, noise=1):
    """A side on which somebody speaks for 2 s each time, with breaths between the words."""
    side = [noise] * (secs * 50)
    for begin in begins:
        for place in range(round(begin * 50), round((begin + 2) * 50)):
            side[place] = 0 if place % 25 > 20 else 60
    return side


@pytest.mark.parametrize("shift", [-0.7, -0.1, 0.0, 0.02, 0.36, 0.9])
def test_a_recording_is_put_right_by_when_the_bot_speaks(shift):
    begins = [1.0, 7.3, 15.9, 31.0, 44.4]
    heard = [begin + shift for begin in begins]
    assert put_right(spoken(*heard), 50, begins) == pytest.approx(shift, abs=0.03)
    # Some turns are not heard, and some sounds are no turns
    assert put_right(spoken(*heard[:3], 22.2, 39.0), 50, begins) == pytest.approx(shift, abs=0.03)
    assert put_right(spoken(*heard[:2]), 50, begins[:2]) == pytest.approx(shift, abs=0.03)


@pytest.mark.parametrize(
    ("side", "per_sec", "begins"),
    [
        ([], 50, []),
        ([], 50, [1.0]),
        (spoken(2.0), 50, []),
        ([0] * 3000, 50, [1.0, 5.0]),
        (spoken(20.0), 50, [1.0, 5.0, 9.0]),
        (spoken(1.9, 11.0, 29.5), 50, [1.0, 10.6, 30.0, 40.0]),
        (spoken(1.5), 50, [1.0]),  # one moment alone may be another sound
        (spoken(2.0, 9.0), 1.5, [1.0, 8.0]),
        (spoken(2.0), 50, [-900.0, 1e6]),
    ],
)
def test_where_nothing_can_be_told_it_stays(side, per_sec, begins):
    assert put_right(side, per_sec, begins) == 0.0
