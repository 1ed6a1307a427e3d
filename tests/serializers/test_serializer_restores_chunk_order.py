"""Telnyx promises no order of audio: the caller is heard in order all the same, and without delay when it was kept."""

from __future__ import annotations

import base64
import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serializers import StreamStart, serializer_for
from serializers.codecs import codec_for
from serializers.reorder import JUMP_CHUNKS, WINDOW_CHUNKS, ReorderWindow

# A busy machine is no failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def audio_of(chunk):
    return b"%06d|" % chunk


class Listener:
    """Pushes chunks and keeps what came out."""

    def __init__(self):
        self.counts = Counter()
        self.heard = b""
        self._window = ReorderWindow(lambda reason: self.counts.update([reason]))

    def push(self, *chunks):
        for chunk in chunks:
            self.heard += self._window.push(chunk, audio_of(chunk))
        return self

    @property
    def order(self):
        return [int(part) for part in self.heard.split(b"|") if part]


@st.composite
def shuffled_within_the_window(draw):
    """1..n, each chunk overtaken by at most `WINDOW_CHUNKS` later ones, then a tail in order."""
    waiting = list(range(1, draw(st.integers(0, 60)) + 1))
    total = len(waiting)
    arrival = []
    while waiting:
        # Whoever is first may be passed over only while fewer than the window's number have passed it.
        passed = sum(1 for chunk in arrival if chunk > waiting[0])
        reach = min(WINDOW_CHUNKS - passed, len(waiting) - 1)
        arrival.append(waiting.pop(draw(st.integers(0, max(reach, 0))) if passed < WINDOW_CHUNKS else 0))
    return arrival, total


@unhurried
@given(shuffled_within_the_window())
def test_any_disorder_within_the_window_is_heard_in_order_with_nothing_lost_or_doubled(case):
    arrival, total = case
    listener = Listener().push(*arrival)
    assert listener.order == list(range(1, total + 1))
    assert not listener.counts


@unhurried
@given(shuffled_within_the_window(), st.data())
def test_doubled_chunks_are_heard_once(case, data):
    arrival, total = case
    doubled = []
    for chunk in arrival:
        doubled += [chunk] * data.draw(st.integers(1, 3))
    listener = Listener().push(*doubled)
    assert listener.order == list(range(1, total + 1))
    assert listener.counts == Counter(duplicate_chunk=len(doubled) - total) - Counter()


@unhurried
@given(st.integers(0, 10**9), st.integers(1, 80))
def test_chunks_in_order_are_never_held_back(first, count):
    if 1 < first <= 1 + WINDOW_CHUNKS:
        first = 1  # see test_the_first_chunks_may_be_out_of_order
    listener = Listener()
    for chunk in range(first, first + count):
        listener.push(chunk)
        assert listener.order[-1] == chunk
    assert not listener.counts


def test_the_first_chunks_may_be_out_of_order():
    assert Listener().push(3, 1, 2, 4).order == [1, 2, 3, 4]


def test_a_stream_that_begins_at_2_is_heard_after_the_window_and_whole():
    listener = Listener().push(*range(2, 12))
    assert listener.order == list(range(2, 12))
    assert listener.counts == {"missing_chunk": 1}


def test_a_lost_chunk_is_skipped_after_the_window():
    listener = Listener().push(1, 2)
    listener.push(4, 5, 6, 7, 8)
    assert listener.order == [1, 2]
    listener.push(9)
    assert listener.order == [1, 2, 4, 5, 6, 7, 8, 9]
    assert listener.counts == {"missing_chunk": 1}


def test_several_gaps_are_skipped_one_by_one():
    listener = Listener().push(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 22, 23, 24, 25, 26)
    assert listener.order == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 22, 23, 24, 25, 26]
    assert listener.counts["missing_chunk"] == 10


def test_a_late_chunk_is_dropped_and_counted():
    listener = Listener().push(1, 3, 4, 5, 6, 7, 8)
    listener.push(2, 9)
    assert listener.order == [1, 3, 4, 5, 6, 7, 8, 9]
    assert listener.counts == {"missing_chunk": 1, "late_chunk": 1}


def test_a_late_chunk_that_comes_twice_is_late_once():
    listener = Listener().push(1, 3, 4, 5, 6, 7, 8, 2, 2)
    assert listener.counts == {"missing_chunk": 1, "late_chunk": 1, "duplicate_chunk": 1}


@pytest.mark.parametrize("jump", [10**6, -(10**6)])
def test_a_far_jump_begins_a_new_count(jump):
    start = 2 * 10**6
    listener = Listener().push(start, start + 1, start + 3)
    listener.push(start + jump, start + jump + 1)
    # What was held is heard before the jump: it is older.
    assert listener.order == [start, start + 1, start + 3, start + jump, start + jump + 1]


def test_one_mad_number_costs_nothing():
    listener = Listener().push(1, 2, 999_999, 3, 4, 6, 5)
    assert listener.order == [1, 2, 999_999, 3, 4, 5, 6]


def test_a_count_that_begins_anew_nearby_is_followed():
    listener = Listener().push(*range(1, JUMP_CHUNKS - 5))
    listener.push(*range(1, 30))
    assert listener.order[-20:] == list(range(10, 30))


def test_a_chunk_without_number_releases_everything():
    listener = Listener().push(1, 3)
    heard = listener._window.push(None, b"x")
    assert heard == audio_of(3) + b"x"
    assert listener._window.push(4, b"y") == b"y"


@unhurried
@given(st.lists(st.none() | st.integers(0, 200) | st.integers(0, 10**18)))
def test_any_numbers_at_all_release_each_chunk_at_most_once(numbers):
    counts = Counter()
    window = ReorderWindow(lambda reason: counts.update([reason]))
    out = b"".join(window.push(number, b"%06d|" % index) for index, number in enumerate(numbers))
    heard = [int(part) for part in out.split(b"|") if part]
    assert len(heard) == len(set(heard))
    dropped = counts["late_chunk"] + counts["duplicate_chunk"]
    assert len(numbers) - WINDOW_CHUNKS <= len(heard) + dropped <= len(numbers)


# --- the same through the serializer ----------------------------------------------------------------------------------

TELNYX = StreamStart(carrier="telnyx", stream_id="6b4f", call_id="v3:abc")


def media(chunk, payload):
    text = base64.b64encode(payload).decode() if isinstance(payload, bytes) else payload
    return json.dumps(
        {
            "event": "media",
            "stream_id": "6b4f",
            "media": {"track": "inbound", "chunk": str(chunk), "payload": text},
        }
    )


async def test_released_chunks_come_as_one_frame():
    serializer = serializer_for(TELNYX)
    chunks = {number: bytes([number]) * 160 for number in (1, 2, 3, 4)}
    assert (await serializer.deserialize(media(1, chunks[1]))).num_frames == 160
    assert await serializer.deserialize(media(3, chunks[3])) is None
    assert await serializer.deserialize(media(4, chunks[4])) is None
    frame = await serializer.deserialize(media(2, chunks[2]))
    assert frame.audio == codec_for("PCMU").decode(chunks[2] + chunks[3] + chunks[4])
    assert not serializer.ignored


async def test_a_chunk_with_unusable_audio_does_not_hold_up_the_next():
    serializer = serializer_for(TELNYX)
    await serializer.deserialize(media(1, b"\xff" * 160))
    assert await serializer.deserialize(media(2, "***")) is None
    assert (await serializer.deserialize(media(3, b"\xff" * 160))).num_frames == 160
    assert serializer.ignored == {"bad_base64": 1}


async def test_lost_and_late_chunks_are_counted_by_the_serializer():
    serializer = serializer_for(TELNYX)
    for chunk in (1, 3, 4, 5, 6, 7, 8, 2, 8):
        await serializer.deserialize(media(chunk, b"\xff" * 160))
    assert serializer.ignored == {"missing_chunk": 1, "late_chunk": 1, "duplicate_chunk": 1}


async def test_twilio_keeps_the_order_of_arrival():
    serializer = serializer_for(StreamStart(carrier="twilio", stream_id="6b4f", call_id="CA1"))
    for chunk in (5, 2, 2, 900):
        assert (await serializer.deserialize(media(chunk, b"\xff" * 160))).num_frames == 160
