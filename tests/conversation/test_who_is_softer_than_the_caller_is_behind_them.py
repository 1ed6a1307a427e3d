"""How loud somebody is tells the caller from people, a television or a street behind them."""

import numpy as np
import pytest

from conversation.playout import Playout
from conversation.turns.behind import Behind
from conversation.turns.holding import PhoneVoice
from conversation.turns.loudness import NOTHING_DB, loudness

RATE = 8000


def noise(db, secs=1.0, seed=1):
    """Noise of a loudness."""
    samples = np.random.default_rng(seed).normal(0, 32768 * 10 ** (db / 20), round(secs * RATE))
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


class Line:
    """A phone line with somebody at its other end, and a bot that says something or nothing."""

    sample_rate = hears_hz = RATE

    def __init__(self):
        self.sound = b""
        self.played = b""

    @property
    def voice(self):
        return self

    def heard_lately(self, secs):
        return self.sound[-2 * round(secs * RATE) :]

    def played_between(self, since, until):
        silence = bytes(2 * round((until - since) * RATE))
        return (silence + self.played)[-len(silence) :]

    def hears(self, db, seed=1):
        self.sound = noise(db, 3.0, seed)
        return PhoneVoice.hears_nobody(self.phone_voice)


@pytest.fixture
def line():
    line = Line()
    line.phone_voice = PhoneVoice(line, Playout())
    return line


def test_the_loudest_fifth_is_the_speech_of_a_sound():
    assert loudness(noise(-20, 0.4) + bytes(2 * RATE), RATE) == pytest.approx(-20, abs=0.5)
    assert loudness(b"", RATE) == loudness(bytes(800), RATE) == NOTHING_DB


def test_of_a_caller_who_has_said_nothing_anything_may_come(line):
    assert not line.hears(-45)


def test_what_is_much_softer_than_the_caller_is_nobody(line):
    line.hears(-20)
    line.phone_voice.caller_has_spoken()
    assert line.hears(-34, seed=2)
    assert not line.hears(-25, seed=2)


def test_a_quiet_caller_is_the_caller(line):
    line.hears(-40)
    line.phone_voice.caller_has_spoken()
    assert not line.hears(-43, seed=2)


def test_noise_that_was_taken_for_a_turn_changes_little(line):
    for db in (-20, -20, -45, -45):
        line.hears(db)
        line.phone_voice.caller_has_spoken()
    assert line.hears(-34, seed=2)


def test_the_room_between_the_words_of_its_own_voice_is_nobody(line):
    line.played = noise(-10, 1.0, seed=5)
    line.sound = (np.frombuffer(line.played, "<i2") // 4).astype("<i2").tobytes()
    assert line.phone_voice.hears_nobody()
    line.played = b""
    assert line.hears(-40)
    assert not line.hears(-22)


class Detector:
    """Hears windows of speech and of nothing, as a detector reports them."""

    SECS = 0.032

    def __init__(self):
        self.behind = Behind()

    def hears(self, db, secs, *, share=1.0):
        """Hear a sound, of some share speech; tell how many seconds were taken for speech behind the caller."""
        size, seed, left_out = 2 * round(self.SECS * RATE), 0, 0
        for place in range(round(secs / self.SECS)):
            seed += 1
            window = noise(db, self.SECS, seed)[:size]
            is_speech = int(place * share) != int((place + 1) * share)
            left_out += self.behind.hears(window, is_speech, self.SECS)
        return left_out * self.SECS

    def silence(self, secs):
        assert self.hears(-70, secs, share=0.0) == 0


def test_speech_that_goes_on_behind_the_caller_is_left_out_after_a_moment_and_at_once_the_next_time():
    detector = Detector()
    assert detector.hears(-20, 2.0) == 0
    assert 3.0 < detector.hears(-36, 5.0) < 4.0
    assert detector.hears(-20, 2.0) < 0.1
    assert detector.hears(-36, 2.0) > 1.5


def test_who_answers_softly_in_a_quiet_room_is_heard():
    detector = Detector()
    detector.hears(-20, 2.0)
    for _ in range(5):
        detector.silence(3.0)
        assert detector.hears(-36, 0.8) == 0


def test_a_caller_who_grows_softer_by_less_is_heard_whatever_they_say():
    detector = Detector()
    detector.hears(-20, 2.0)
    assert detector.hears(-29, 60.0) == 0


def test_speech_behind_a_caller_who_has_said_nothing_is_speech():
    assert Detector().hears(-40, 20.0) == 0


def test_who_takes_the_telephone_over_and_is_softer_is_heard_after_a_while():
    detector = Detector()
    detector.hears(-20, 2.0)
    assert detector.hears(-36, 40.0) > 5
    assert detector.hears(-36, 5.0) < 0.5


def test_a_click_is_not_taken_for_a_loud_caller():
    detector = Detector()
    detector.hears(-30, 2.0)
    detector.hears(-5, 0.032)
    assert detector.hears(-32, 10.0) == 0
