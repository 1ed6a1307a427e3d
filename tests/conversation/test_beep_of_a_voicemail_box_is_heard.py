"""A beep is a pure tone of the right length; voices, music, keys, ringing and noise are none."""

import numpy as np
import pytest
from pipecat.frames.frames import InputAudioRawFrame
from pipecat.tests.utils import run_test

from conversation.outbound.beep import BeepDetector, BeepListener

RATE = 16000
DTMF_1 = (697.0, 1209.0)


def tone(ms, *frequencies, level=0.3, rate=RATE):
    at = np.arange(int(rate * ms / 1000)) / rate
    return level * sum(np.sin(2 * np.pi * frequency * at) for frequency in frequencies) / len(frequencies)


def silence(ms, rate=RATE):
    return np.zeros(int(rate * ms / 1000))


def noise(ms, level, rate=RATE):
    return np.random.default_rng(7).normal(0, level, int(rate * ms / 1000))


def vowel(ms):
    """A voice: 140 Hz and its overtones, louder around 700 Hz."""
    harmonics = np.arange(140, 3400, 140)
    at = np.arange(int(RATE * ms / 1000)) / RATE
    return 0.3 * sum(
        np.sin(2 * np.pi * hz * at) * np.exp(-(((hz - 700) / 500) ** 2)) / 3 for hz in harmonics.astype(float)
    )


def beeps(*parts, rate=RATE, piece_ms=20):
    audio = (np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2").tobytes()
    detector = BeepDetector(rate)
    size = rate * piece_ms // 1000 * 2
    return sum(detector.hear(audio[at : at + size]) for at in range(0, len(audio), size))


@pytest.mark.parametrize("frequency", [520, 750, 1000, 1400, 2100])
@pytest.mark.parametrize("ms", [200, 400, 1000])
def test_a_beep_is_heard_once_when_it_has_ended(frequency, ms):
    assert beeps(silence(500), tone(ms, frequency), silence(300)) == 1


def test_a_beep_is_heard_at_every_rate_and_in_pieces_of_any_size():
    parts = (silence(200, 8000), tone(400, 1000, rate=8000), silence(200, 8000))
    assert beeps(*parts, rate=8000) == beeps(*parts, rate=8000, piece_ms=7) == 1


def test_a_beep_behind_a_voice_on_a_noisy_line_is_heard():
    line = np.concatenate([vowel(1500), silence(400), tone(500, 1000), silence(500)])
    assert beeps(line + noise(2900, 0.01)) == 1


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(tone(60, 1000), id="a click"),
        pytest.param(tone(4000, 1100), id="a fax"),
        pytest.param(tone(400, *DTMF_1), id="a key"),
        pytest.param(tone(2000, 440, 480), id="ringing"),
        pytest.param(tone(500, 480, 620), id="busy"),
        pytest.param(tone(400, 300), id="a low tone"),
        pytest.param(tone(400, 1000, level=0.003), id="too quiet"),
        pytest.param(vowel(800), id="a voice"),
        pytest.param(noise(1000, 0.1), id="noise"),
        pytest.param(
            np.concatenate([tone(100, hz) for hz in (600, 700, 800, 900, 1000, 1200)]), id="a melody"
        ),
    ],
)
def test_what_is_no_beep_is_not_taken_for_one(sound):
    assert beeps(silence(300), sound, silence(300)) == 0


def a_fax(lost_ms=0, reversals=False):
    """The tone with which one answers; as modern ones do, with phase reversals every 450 ms and a wobble of 15 Hz."""
    at = np.arange(RATE * 3) / RATE
    sound = 0.3 * np.sin(2 * np.pi * 2100 * at)
    if reversals:
        sound *= np.where((at // 0.45) % 2, -1, 1) * (1 + 0.2 * np.sin(2 * np.pi * 15 * at))
    for ms in (600, 1100, 1900):
        sound[ms * RATE // 1000 : (ms + lost_ms) * RATE // 1000] = 0
    return np.concatenate([silence(1800), sound, silence(500)])


@pytest.mark.parametrize(
    "sound", [a_fax(), a_fax(lost_ms=20), a_fax(reversals=True), a_fax(20, reversals=True)]
)
def test_a_fax_is_known_by_its_tone_while_it_lasts(sound):
    detector = BeepDetector(RATE)
    audio = (sound * 32767).astype("<i2")
    pieces = [audio[at : at + 320].tobytes() for at in range(0, len(audio), 320)]
    known = [(number * 0.02, detector.hear(piece), detector.is_fax) for number, piece in enumerate(pieces)]
    assert not any(beeped for _, beeped, _ in known)
    assert 2.9 < next(secs for secs, _, is_fax in known if is_fax) < 3.4


def test_a_fax_is_known_on_a_line_that_breaks_its_tone_to_pieces():
    detector = BeepDetector(RATE)
    detector.hear((a_fax(lost_ms=120) * 32767).astype("<i2").tobytes())
    assert detector.is_fax


@pytest.mark.parametrize("sound", [tone(1000, 2100), tone(3000, 1100), tone(3000, 1000), vowel(3000)])
def test_what_is_no_fax_is_not_taken_for_one(sound):
    detector = BeepDetector(RATE)
    detector.hear((np.concatenate([sound, silence(300)]) * 32767).astype("<i2").tobytes())
    assert not detector.is_fax


def test_a_beep_of_which_a_packet_is_lost_is_one_beep():
    beep = tone(800, 1000)
    beep[RATE // 2 : RATE // 2 + RATE // 50] = 0
    assert beeps(silence(300), beep, silence(300)) == 1


async def test_audio_goes_on_through_the_listener():
    heard = []

    async def on_beep():
        heard.append(1)

    audio = (np.concatenate([tone(400, 1000), silence(200)]) * 32767).astype("<i2").tobytes()
    size = RATE // 50 * 2
    frames = [InputAudioRawFrame(audio[at : at + size], RATE, 1) for at in range(0, len(audio), size)]
    down, _ = await run_test(BeepListener(on_beep, on_beep), frames_to_send=frames)
    assert b"".join(frame.audio for frame in down if isinstance(frame, InputAudioRawFrame)) == audio
    assert heard == [1]
