"""The emulator's ear plays in real time, tells the truth about marks, and counts holes in speech."""

import numpy as np
import pytest

from emulator import tone
from emulator.line.codecs import SILENCE_BYTE, decode, encode
from emulator.line.earpiece import Earpiece
from emulator.line.hearing import SpeechStarted, SpeechStopped, SpeechWatch


def steps(ear: Earpiece, count: int) -> list[str]:
    return [name for _ in range(count) for name in ear.step().marks]


def test_a_mark_with_nothing_to_play_returns_at_once():
    assert Earpiece().mark("m") == ["m"]


def test_a_mark_returns_when_the_audio_before_it_was_played_to_its_end():
    ear = Earpiece()
    ear.play(tone(100))
    assert ear.mark("m") == []
    assert steps(ear, 5) == []
    assert steps(ear, 1) == ["m"]


def test_a_mark_that_comes_while_the_last_frame_plays_waits_for_its_end():
    ear = Earpiece()
    ear.play(tone(20))
    ear.step()
    assert ear.mark("m") == []
    assert steps(ear, 1) == ["m"]
    assert ear.mark("n") == ["n"]


def test_a_mark_behind_half_a_frame_is_not_early():
    ear = Earpiece()
    ear.play(tone(30))
    ear.mark("m")
    assert steps(ear, 2) == []
    assert steps(ear, 1) == ["m"]


def test_marks_return_in_their_order_between_the_audio():
    ear = Earpiece()
    for name in "abc":
        ear.play(tone(40))
        ear.mark(name)
    ear.mark("d")
    assert [ear.step().marks for _ in range(8)] == [[], [], ["a"], [], ["b"], [], ["c", "d"], []]


def test_clear_returns_every_outstanding_mark_and_silences():
    ear = Earpiece()
    ear.play(tone(20))
    ear.mark("playing")
    ear.play(tone(500))
    ear.mark("queued")
    ear.step()
    assert ear.clear() == ["playing", "queued"]
    assert ear.buffered_ms == 0
    heard = ear.step()
    assert heard.marks == []
    assert not heard.frame.any()


def test_audio_is_heard_sample_by_sample_in_the_order_it_was_sent():
    ear = Earpiece()
    sent = tone(300)
    for at in range(0, len(sent), 77):
        ear.play(sent[at : at + 77])
    heard = np.concatenate([ear.step().frame for _ in range(15)])
    assert np.array_equal(heard, sent)


@pytest.mark.parametrize(
    ("gap_frames", "underruns"), [(0, 0), (1, 0), (2, 1), (15, 1), (20, 1), (21, 0), (60, 0)]
)
def test_a_hole_of_more_than_20_and_up_to_400_ms_in_speech_is_an_underrun(gap_frames, underruns):
    ear = Earpiece()
    ear.play(tone(40))
    steps(ear, 2 + gap_frames)
    ear.play(tone(40))
    ear.step()
    assert ear.underruns == underruns


def test_silence_before_the_first_word_and_after_a_clear_is_no_underrun():
    ear = Earpiece()
    steps(ear, 5)
    ear.play(tone(100))
    steps(ear, 2)
    ear.clear()
    steps(ear, 5)
    ear.play(tone(40))
    steps(ear, 3)
    assert ear.underruns == 0


def test_silence_at_the_end_of_a_sentence_is_not_audible():
    ear = Earpiece()
    ear.play(np.zeros(1600, dtype=np.int16))
    assert (ear.buffered_ms, ear.audible_ms) == (200, 0)
    ear.play(tone(100))
    assert ear.audible_ms == 100


def listen(watch: SpeechWatch, samples: np.ndarray) -> list:
    frames = len(samples) // 160
    return [event for i in range(frames) for event in watch.hear(samples[i * 160 : (i + 1) * 160], i * 20)]


def silence(ms: int) -> np.ndarray:
    return np.zeros(ms * 8, dtype=np.int16)


def test_speech_is_found_where_it_is_loud():
    watch = SpeechWatch()
    events = listen(watch, np.concatenate([silence(200), tone(300), silence(300), tone(200), silence(800)]))
    assert events == [SpeechStarted(200), SpeechStopped(200, 1000)]
    assert [(burst.start_ms, burst.end_ms) for burst in watch.bursts] == [(200, 500), (800, 1000)]


def test_a_click_is_not_speech():
    watch = SpeechWatch()
    assert listen(watch, np.concatenate([silence(200), tone(20), silence(800)])) == []
    assert watch.bursts == []


def test_the_rest_of_an_interrupted_sentence_is_no_reply():
    watch = SpeechWatch()
    listen(watch, np.concatenate([tone(1000), silence(400), tone(200)]))
    reply = watch.reply_to(500, 900)
    assert reply is not None
    assert reply.start_ms == 1400


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA"])
def test_g711_agrees_with_the_reference_library(encoding):
    audioop = pytest.importorskip("audioop", reason="audioop and audioop-lts are both missing")
    from_law = audioop.ulaw2lin if encoding == "PCMU" else audioop.alaw2lin
    codes = bytes(range(256))
    values = decode(encoding, codes)
    assert values.tobytes() == from_law(codes, 2)
    assert np.array_equal(decode(encoding, encode(encoding, values)), values)
    samples = np.arange(-32768, 32768, dtype=np.int16)
    error = np.abs(decode(encoding, encode(encoding, samples)).astype(int) - samples)
    nearest = np.abs(samples.astype(int)[:, None] - values.astype(int)[None, :]).min(axis=1)
    step = np.maximum(np.abs(samples.astype(int)) // 16, 16)
    assert (error <= nearest + step // 2).all()


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA"])
def test_an_idle_line_is_silent(encoding):
    assert abs(int(decode(encoding, bytes([SILENCE_BYTE[encoding]]))[0])) <= 8
    assert encode("PCMU", np.zeros(2, dtype=np.int16)) == b"\xff\xff"
