"""What lines do to speech, measured: levels, noise, clipping, loss, codec, pace; and the same each time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talks import effects
from talks.effects import NOISES, SOUNDS, background, concealed, lost_frames, on_line, sound
from talks.format import Line
from talks.voices import LEVEL_DB, RATE, active_level_db
from talks.voices.bystanders import ALL
from talks.voices.sound import at_line, trimmed


def voice(secs: float = 3.0, pitch: float = 120.0, seed: int = 1) -> np.ndarray:
    """Something like speech at the level of speech: voiced syllables of a pitch, with pauses."""
    random = np.random.default_rng(seed)
    t = np.arange(int(secs * RATE)) / RATE
    folds = sum(np.sin(2 * np.pi * pitch * n * t) / n for n in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3 * t) + 0.3, 0, 1)
    return at_line((folds * syllables + 0.001 * random.standard_normal(len(t))).astype(np.float32), RATE)


SPEECH = voice()


@pytest.fixture(autouse=True)
def made_up_voices(monkeypatch):
    """Babble, coughs and the like are made of speech, for which this machine may lack the packages."""
    said = {pair: voice(2 + number / 5, 100 + 20 * number, number) for number, pair in enumerate(ALL)}
    for module in ("effects_noises", "effects_sounds"):
        monkeypatch.setattr(f"talks.{module}.speech", lambda *pair: said[pair])
    effects.noise.cache_clear()
    effects.sound.cache_clear()
    yield
    effects.noise.cache_clear()
    effects.sound.cache_clear()


def level_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean((samples / 32768) ** 2))


def pitch_of(samples: np.ndarray) -> float:
    middle = samples[len(samples) // 4 :][: 2 * RATE].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 17))
    frequencies = np.fft.rfftfreq(1 << 17, 1 / RATE)
    band = (frequencies > 70) & (frequencies < 200)
    return float(frequencies[band][np.argmax(spectrum[band])])


def test_a_clean_line_changes_nothing():
    assert np.abs(on_line(SPEECH, Line()).astype(int) - SPEECH).max() <= 1


@pytest.mark.parametrize("gain_db", [-18, -6, 6])
def test_loudness(gain_db):
    louder = on_line(SPEECH, Line(gain_db=gain_db))
    assert active_level_db(louder) - active_level_db(SPEECH) == pytest.approx(gain_db, abs=0.5)


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize(("snr_db", "gain_db"), [(20, 0), (10, 0), (15, -8)])
def test_noise_is_softer_than_the_caller_by_what_is_asked_for(name, snr_db, gain_db):
    line = Line(noise=name, snr_db=snr_db, gain_db=gain_db)
    behind = background(line)
    assert len(behind) >= 20 * RATE
    said = active_level_db(on_line(SPEECH, line))
    assert said - level_db(behind) == pytest.approx(snr_db, abs=1)


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_the_same_each_time_and_goes_round_without_a_click(name):
    line = Line(noise=name, snr_db=10)
    first = background(line)
    effects.noise.cache_clear()
    assert np.array_equal(background(line), first)
    around = np.concatenate([first[-400:], first[:400]]).astype(float)
    steps = np.abs(np.diff(around))
    assert steps[399] <= np.abs(np.diff(first.astype(float))).max()


def test_no_noise_is_silence():
    assert not background(Line()).any()


def test_an_unknown_noise_or_sound_is_an_error():
    with pytest.raises(KeyError):
        background(Line(noise="thunder"))
    with pytest.raises(KeyError):
        sound("thunder")


@pytest.mark.parametrize("clip", [3, 6, 12])
def test_clipping_takes_the_peaks_and_leaves_the_loudness(clip):
    clipped = on_line(SPEECH, Line(clip=clip)).astype(float)
    end = np.abs(clipped).max()
    flat = np.mean(np.abs(clipped) >= end - 1)
    expected = np.mean(np.abs(SPEECH) >= np.abs(SPEECH.astype(int)).max() * 10 ** (-clip / 20))
    assert flat == pytest.approx(expected, abs=0.002)
    assert flat > 0.001
    assert level_db(clipped) == pytest.approx(level_db(SPEECH.astype(float)), abs=0.5)


@given(st.integers(1, 40), st.floats(0, 0.5), st.integers(0, 2**32))
def test_as_many_packets_are_lost_as_the_share_says(secs, share, seed):
    lost = lost_frames(secs * RATE, share, seed)
    assert abs(len(lost) - share * secs * 50) <= 1
    assert len(set(lost)) == len(lost)
    assert 0 not in lost
    assert lost == lost_frames(secs * RATE, share, seed)


def test_short_words_lose_the_same_share_in_the_mean():
    counts = [len(lost_frames(RATE // 2, 0.03, seed)) for seed in range(2000)]
    assert np.mean(counts) / 25 == pytest.approx(0.03, abs=0.004)


def test_packets_are_lost_in_bursts():
    lost = lost_frames(2000 * RATE, 0.02, 7)
    together = sum(two - one == 1 for one, two in pairwise(lost))
    assert 0.25 < together / len(lost) < 0.5  # without bursts it would be 2 %


def test_only_lost_packets_are_concealed_and_a_long_loss_fades():
    samples = SPEECH[2400:10400].astype(float) / 32768
    out = concealed(samples, [10, 11, 12, 13, 14])
    assert np.array_equal(out[: 10 * 160], samples[: 10 * 160])
    assert np.array_equal(out[15 * 160 :], samples[15 * 160 :])
    assert not out[13 * 160 + 80 : 15 * 160].any()
    assert level_db(out[10 * 160 : 11 * 160] * 32768) > level_db(out[12 * 160 : 13 * 160] * 32768) + 3


def test_what_is_concealed_goes_on_in_the_same_pitch():
    t = np.arange(RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 200 * t)
    out = concealed(tone, [20])
    assert np.corrcoef(out[3200:3360], tone[3200:3360])[0, 1] > 0.95


@pytest.mark.parametrize("speed", [0.65, 0.8, 1.25, 1.5])
def test_pace_changes_and_pitch_does_not(speed):
    paced = on_line(SPEECH, Line(speed=speed))
    assert len(paced) == pytest.approx(len(SPEECH) / speed, rel=0.02)
    assert pitch_of(paced) == pytest.approx(pitch_of(SPEECH), rel=0.04)
    assert active_level_db(paced) == pytest.approx(active_level_db(SPEECH), abs=1)


def test_a_low_rate_codec_keeps_the_words_and_not_the_waveform():
    coded = on_line(SPEECH, Line(codec="gsm"))
    assert len(coded) == len(SPEECH)
    assert active_level_db(coded) == pytest.approx(active_level_db(SPEECH), abs=1.5)
    noise = coded.astype(float) - SPEECH
    assert 2 < level_db(SPEECH.astype(float)) - level_db(noise) < 25


@pytest.mark.parametrize(
    "line", [Line(loss=0.05), Line(speed=1.3), Line(clip=6, gain_db=-3), Line(codec="gsm", loss=0.02)]
)
def test_the_same_line_has_the_same_faults_each_time(line):
    assert np.array_equal(on_line(SPEECH, line), on_line(SPEECH, line))


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_are_short_and_as_loud_as_they_are_beside_speech(name):
    made = sound(name)
    assert 0.2 * RATE < len(made) < 5 * RATE
    loud = made[np.abs(made.astype(int)) > 0.02 * np.abs(made.astype(int)).max()]
    assert level_db(loud.astype(float)) == pytest.approx(LEVEL_DB + SOUNDS[name][1], abs=1)
    effects.sound.cache_clear()
    assert np.array_equal(sound(name), made)


def test_speech_is_cut_to_its_sounds():
    quiet = np.zeros(RATE, np.float32)
    said = np.sin(np.arange(RATE) / 3).astype(np.float32)
    cut = trimmed(np.concatenate([quiet, said, quiet]), RATE)
    assert len(cut) == pytest.approx(RATE * 1.06, abs=200)
    with pytest.raises(ValueError, match="no sound"):
        trimmed(quiet, RATE)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000])
def test_speech_of_every_rate_comes_to_the_line(rate):
    t = np.arange(2 * rate) / rate
    said = at_line((0.9 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), rate)
    assert len(said) == pytest.approx(2 * RATE, rel=0.01)
    assert active_level_db(said) == pytest.approx(LEVEL_DB, abs=0.5)
