"""When somebody fell silent, and when a voice began, is found in the sound, on clean lines and noisy ones."""

import numpy as np
import pytest

from serializers.loud import begins_after, silent_for

RATE = 8000


def sound(*stretches, noise=0.0, seed=1):
    """Stretches of (seconds, root mean square), over noise."""
    rng = np.random.default_rng(seed)
    samples = np.concatenate([rng.normal(0, level, round(secs * RATE)) for secs, level in stretches])
    return np.clip(samples + rng.normal(0, noise, len(samples)), -32768, 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("noise", [0, 20, 300, 900])
@pytest.mark.parametrize("silent_secs", [0.2, 0.62, 1.4])
def test_how_long_a_speaker_is_silent_is_known_whatever_the_line_sounds_like(noise, silent_secs):
    audio = sound((0.8, 4000), (silent_secs, 0), noise=noise)
    assert abs(silent_for(audio, RATE) - silent_secs) <= 0.021


def test_who_has_said_nothing_is_not_silent_since_any_time():
    assert silent_for(b"", RATE) is None
    assert silent_for(sound((1.0, 0)), RATE) is None
    assert silent_for(sound((1.0, 0), noise=500), RATE) is None


def test_a_voice_begins_where_it_can_be_heard():
    assert begins_after(sound((0.06, 0), (0.04, 3000)), RATE) == pytest.approx(0.06)
    assert begins_after(sound((0.1, 3000)), RATE) == 0
    assert begins_after(sound((0.1, 0)), RATE) is None
    assert begins_after(b"", RATE) is None


@pytest.mark.parametrize("rate", [8000, 16000])
def test_pieces_of_any_length_are_judged(rate):
    assert begins_after(b"\x00\x40" * 3, rate) == 0
    assert silent_for(b"\x00\x40" * 3 + bytes(2 * rate), rate) == pytest.approx(1.0, abs=0.02)
