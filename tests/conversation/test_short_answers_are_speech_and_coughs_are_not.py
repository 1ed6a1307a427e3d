"""A lone "yes" is heard over a phone line, said fast or quietly; a cough is not taken for speech."""

import asyncio

import numpy as np
import pytest
import soxr
from pipecat.audio.vad.vad_analyzer import VADState
from pipecat.frames.frames import TranscriptionFrame, VADUserStartedSpeakingFrame
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import SegmentedSTTService

from conversation.turns.detectors import PHONE_VAD, shared_vad
from conversation.turns.ears import open_ear
from emulator import Audio, Wait
from tests.talking_bot import talking

LINE_HZ, PIPELINE_HZ = 8000, 16000

WAYS = [LINE_HZ, PIPELINE_HZ]
"""A phone's ear hears the line as it is; where there is no phone, the pipeline's detector hears twice the rate."""


def over_the_line(samples: np.ndarray, rate: int) -> bytes:
    """What the pipeline gets of a sound at 8 kHz: half a second of a quiet line around it, through mu-law."""
    quiet = np.zeros(LINE_HZ // 2)
    heard = np.concatenate([quiet, samples, quiet])
    heard += np.random.default_rng(7).normal(0, 0.0003, len(heard))
    compressed = np.sign(heard) * np.log1p(255 * np.abs(np.clip(heard, -1, 1))) / np.log(256)
    steps = np.round(compressed * 127) / 127
    expanded = np.sign(steps) * (256 ** np.abs(steps) - 1) / 255
    return (soxr.resample(expanded, LINE_HZ, rate) * 32767).astype(np.int16).tobytes()


async def is_speech(samples: np.ndarray, rate: int) -> bool:
    pcm = over_the_line(samples, rate)
    pieces = [pcm[at : at + rate // 50 * 2] for at in range(0, len(pcm), rate // 50 * 2)]
    if rate == PIPELINE_HZ:
        analyzer = shared_vad(params=PHONE_VAD)
        analyzer.set_sample_rate(rate)
        return any([analyzer._run_analyzer(piece) is VADState.SPEAKING for piece in pieces])
    ear, told = open_ear(PHONE_VAD), []
    ear.begin(rate, told.append)
    for piece in pieces:
        ear.hear(piece)
        await asyncio.sleep(0)
    ear.close()
    return any(isinstance(frame, VADUserStartedSpeakingFrame) for frame in told)


def spoken(text: str, pace: float, loudness: float) -> np.ndarray:
    """A word of the local voice at 8 kHz.

    Args:
        text: The word.
        pace: 1 is the voice's own; less is faster.
        loudness: Mean level while there is sound, 1 being full scale.
    """
    pytest.importorskip("piper", reason="the local stack is not installed: make setup")
    from piper.config import SynthesisConfig

    from conversation.local.models import local_models

    voice = local_models().voice
    # Without the voice's chance, so that each run hears the same.
    config = SynthesisConfig(length_scale=pace, noise_scale=0.0, noise_w_scale=0.0)
    pieces = [chunk.audio_float_array for chunk in voice.synthesize(text, config)]
    samples = soxr.resample(np.concatenate(pieces), voice.config.sample_rate, LINE_HZ)
    return samples * loudness / np.sqrt(np.mean(samples[np.abs(samples) > 0.01] ** 2))


def cough(seed: int) -> np.ndarray:
    """A burst of coloured noise that rises at once and dies away, once or twice, at 8 kHz."""
    random = np.random.default_rng(seed)
    count = int(LINE_HZ * random.uniform(0.15, 0.35))
    spectrum = np.fft.rfft(random.normal(0, 1, count))
    frequencies = np.fft.rfftfreq(count, 1 / LINE_HZ)
    spectrum /= 1 + ((frequencies - random.uniform(500, 1500)) / 800) ** 2
    secs = np.arange(count) / LINE_HZ
    burst = (
        np.fft.irfft(spectrum, count)
        * np.minimum(1, secs / 0.01)
        * np.exp(-secs / random.uniform(0.05, 0.12))
    )
    burst *= random.uniform(0.2, 0.7) / np.abs(burst).max()
    return np.concatenate([burst, np.zeros(LINE_HZ // 7), burst * 0.6]) if seed % 2 else burst


@pytest.mark.parametrize("word", ["Yes.", "No.", "Nope."])
@pytest.mark.parametrize(("pace", "loudness"), [(1.0, 0.01), (0.8, 0.05), (0.5, 0.02), (0.4, 0.01)])
@pytest.mark.parametrize("rate", WAYS)
async def test_a_lone_short_answer_is_speech(word, pace, loudness, rate):
    assert await is_speech(spoken(word, pace, loudness), rate)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("rate", WAYS)
async def test_a_cough_is_not_speech(seed, rate):
    assert not await is_speech(cough(seed), rate)


@pytest.mark.parametrize("rate", WAYS)
async def test_a_quiet_line_is_not_speech(rate):
    assert not await is_speech(np.zeros(LINE_HZ * 3), rate)


class HearsNo(SegmentedSTTService):
    """Ears that take whatever was found to be speech for a "No."."""

    def __init__(self) -> None:
        super().__init__(settings=STTSettings())

    async def run_stt(self, audio: bytes):
        yield TranscriptionFrame("No.", "", "", finalized=True)


async def test_a_short_and_quiet_answer_is_answered_on_a_call(monkeypatch, tmp_path):
    samples = (spoken("No.", 0.5, 0.02) * 32767).astype(np.int16)
    script = [Audio(samples, "No."), Wait(3)]

    def answers(_):
        return [("end_call", {"farewell": "As you like, bye."})]

    async with talking(monkeypatch, tmp_path, "twilio", answers, ears=HearsNo, silence_secs=3) as bot:
        await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    assert [e.data["text"] for e in call.events if e.kind == "caller_said"] == ["No."]
    assert [e.data["text"] for e in call.events if e.kind == "bot_heard"] == ["Hello.", "As you like, bye."]
