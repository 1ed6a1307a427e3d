"""The recogniser keeps several texts of a sound until it knows the likeliest; where nobody speaks it writes nothing."""

import numpy as np
import pytest

from conversation.local import beam
from conversation.local.beam import LONGEST_SECS, written
from conversation.local.models import LocalModels
from conversation.local.recognisers import STT_RATE
from tests.on_the_line import RATE, moonshine_and_piper, on_the_line


@pytest.fixture(scope="module")
def models() -> LocalModels:
    return moonshine_and_piper()


@pytest.mark.parametrize(
    "said",
    [
        "Could you tell me where the office is?",
        "I would like to come on Thursday at three.",
        "My knee has been hurting since Monday.",
    ],
)
def test_sentences_over_a_telephone(models, said):
    sound, _ = on_the_line(models, said)
    assert models.transcribe(sound, RATE) == said


@pytest.mark.parametrize("width", [1, 2, 4])
def test_of_more_texts_none_is_less_likely(models, monkeypatch, width):
    """One text after the other, the best of a wider search is at least as likely as that of a narrower one."""
    sound, _ = on_the_line(models, "We were wondering whether Otto could come by.")
    weights = models.recogniser.weights
    samples = np.frombuffer(sound, np.int16).repeat(2).astype(np.float32) / 32768

    def likely(texts: int) -> float:
        monkeypatch.setattr(beam, "BEAM", texts)
        tokens = weights.tokens(written(weights, samples))
        (scores,) = weights.scores(weights.encoded(samples), len(samples), [tokens])
        return sum(float(scores[at, token]) for at, token in enumerate([*tokens, 2])) / (len(tokens) + 1)

    assert likely(width) >= likely(1) - 0.02


def test_of_texts_that_are_nearly_as_likely_the_one_that_callers_say_is_written(models):
    sound, _ = on_the_line(models, "Is there a fee for the ferry?")
    weights = models.recogniser.weights
    samples = np.frombuffer(sound, np.int16).repeat(2).astype(np.float32) / 32768
    offered: list[str] = []

    def the_last(texts):
        offered.extend(texts)
        return [float(text == texts[-1]) for text in texts]

    found = written(weights, samples, the_last)
    assert len(offered) > 1
    assert found == offered[-1]
    assert written(weights, samples, lambda texts: [0.0] * len(texts)) == written(weights, samples)


def test_what_is_much_less_likely_is_not_offered(models):
    sound, _ = on_the_line(models, "Good morning, could I speak to Anna, please?")
    samples = np.frombuffer(sound, np.int16).repeat(2).astype(np.float32) / 32768
    offered: list[str] = []
    written(models.recogniser.weights, samples, lambda texts: offered.extend(texts) or [0.0] * len(texts))
    assert all("Anna" in text or "Ana" in text for text in offered)


@pytest.mark.parametrize("sound", ["silence", "noise", "hum"])
def test_where_nobody_speaks_nothing_is_written(models, sound):
    times = np.arange(STT_RATE) / STT_RATE
    samples = {
        "silence": np.zeros(STT_RATE),
        "noise": np.random.default_rng(7).normal(0, 0.02, STT_RATE),
        "hum": 0.05 * np.sin(2 * np.pi * 100 * times),
    }[sound]
    assert models.recogniser.transcribe(samples.astype(np.float32)) == ""
    assert models.recogniser.transcribe(samples[:200].astype(np.float32)) == ""


def test_a_long_sound_is_cut_where_it_is_soft(models):
    said = "The first part of the letter is about the garden and the house."
    sound, _ = on_the_line(models, said)
    once = np.frombuffer(sound, np.int16)
    long = np.concatenate([once] * (1 + round(LONGEST_SECS * RATE) // len(once) + 1))
    assert len(long) / RATE > LONGEST_SECS
    found = models.transcribe(long.tobytes(), RATE)
    assert found.lower().count("garden") == len(long) // len(once)
