"""Days, goodbyes and, where a name was asked for, names are preferred to words that sound alike; nothing else is."""

import numpy as np
import pytest
import soxr

from conversation.local.dictation import Dictated
from conversation.local.models import LocalModels
from conversation.local.recognisers import STT_RATE
from conversation.local.usual import NOTHING_BEGUN, Begun, Usual, names, of_callers
from conversation.local.weights import Weights
from tests.on_the_line import RATE, moonshine_and_piper, on_the_line


@pytest.fixture(scope="module")
def models() -> LocalModels:
    return moonshine_and_piper()


def weights_of(models: LocalModels) -> Weights:
    """Moonshine's."""
    assert models.dictation is not None
    return models.dictation.weights


def read(usual: Usual, models: LocalModels, text: str) -> Begun:
    """How far a text has come."""
    begun = NOTHING_BEGUN
    for token in weights_of(models).tokens(text):
        begun = usual.after(begun, token)
    return begun


@pytest.fixture(scope="module")
def usual(models) -> Usual:
    found = Usual(weights_of(models))
    found.add("the ninth", 2)
    found.add("the ninth of March", 5)
    found.add("Goodbye", 3)
    found.add("Bennett", 4)
    return found


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("I come on the ninth", 2),
        ("the ninth or the tenth", 2),
        ("the ninth of March", 5),
        ("the ninth of May", 2),
        ("the ninth of March. Goodbye", 8),
        ("Goodbye. Goodbye. Goodbye.", 3),  # what is said again and again may be a loop
        ("on the night", 0),
        ("the ninths", 0),
        ("We saw Bennett there.", 4),
        ("Bennetts", 0),
    ],
)
def test_what_phrases_are_worth(usual, models, text, worth):
    assert usual.worth_at_end(read(usual, models, text)) == worth


def test_what_has_begun_counts_until_it_comes_to_nothing(usual, models):
    tokens = weights_of(models).tokens("Bennett")
    assert len(tokens) > 1
    begun = usual.after(NOTHING_BEGUN, tokens[0])
    assert 0 < usual.worth(begun) < 4
    assert usual.worth(read(usual, models, "Benches")) == 0
    assert usual.worth(read(usual, models, "the")) == 0  # in every sentence
    assert tokens[1] in usual.goes_on_with(begun)


def test_what_was_understood_as_a_phrase_is_not_given_up_as_readily(usual, models):
    assert usual.worth_of("On the ninth of March, Bennett.") == 9
    sound, (begin, end) = on_the_line(models, "Six two nine.")
    samples = np.frombuffer(sound, np.int16)[round((begin - 0.25) * RATE) : round((end + 0.25) * RATE)]
    at_16k = soxr.resample(samples / np.float32(32768), RATE, STT_RATE).astype(np.float32)
    again = models.dictation.heard_as(at_16k, "Sick to nine.", Dictated.NUMBER)
    assert again is not None
    assert models.dictation.heard_as(at_16k, "Sick to nine.", Dictated.NUMBER, worth=50) is None


def test_a_name_is_no_lone_word(models):
    sound, _ = on_the_line(models, "Shaw.")
    words, margin = ["Sure", "Yes"], -1.0
    at_16k = soxr.resample(np.frombuffer(sound, np.int16) / np.float32(32768), RATE, STT_RATE).astype(
        np.float32
    )
    assert models.lone_words.heard_as(at_16k, "Sheep bark.", words, margin) == "Sure"
    assert models.lone_words.heard_as(at_16k, "Sheep bark.", words, margin, worth=50) is None


def test_names_and_days_are_in_the_data(models):
    assert {"Susan", "Gregory", "Larson", "McDonald"} <= names()
    assert len(names()) > 3500
    usual = of_callers(weights_of(models))
    for said in ("by Tuesday", "On Friday", "the 21st of June", "The thirtieth of April", "half past", "No,"):
        assert usual.worth_at_end(read(usual, models, said)) > 0, said
    assert usual.worth_at_end(read(usual, models, "Larson")) == 0


@pytest.mark.parametrize("name", ["Neil Farr.", "It's Ada Moody.", "Hugh Dyer.", "Lana Boyd."])
def test_a_name_that_was_asked_for(models, name):
    sound, _ = on_the_line(models, name)
    assert models.transcribe(sound, RATE, asked_for_name=True) == name
    assert models.transcribe(sound, RATE) != name


@pytest.mark.parametrize("said", ["Could you do the ninth?", "Yes, the sixth."])
def test_a_day_on_a_bad_line(models, said):
    sound, _ = on_the_line(models, said)
    samples = np.frombuffer(sound, np.int16)
    noisy = samples + np.random.default_rng(3).normal(0, 300, len(samples))
    assert models.transcribe(noisy.astype(np.int16).tobytes(), RATE) == said


@pytest.mark.parametrize(
    "said",
    [
        "The thief took my wallet.",
        "Where could I buy a ticket?",
        "The knife is not for sale.",
        "They come at night.",
        "I would rather not say it.",
        "She has a loose filling.",
    ],
)
@pytest.mark.parametrize("asked_for_name", [False, True])
def test_what_only_sounds_so_stays(models, said, asked_for_name):
    sound, _ = on_the_line(models, said)
    assert models.transcribe(sound, RATE, asked_for_name=asked_for_name) == said
