"""Digits and letters that were understood as words are written again, as nothing but digits or letters."""

import numpy as np
import pytest
import soxr

from conversation.language.spoken_numbers import dictated_number, spoken_number
from conversation.local.dictation import Dictated, may_be
from conversation.local.letters import OUTSIDE, behind_each_pair
from conversation.local.lone_words import ANSWER_MARGIN, NO_MARGIN, said_alone
from conversation.local.models import Expected, LocalModels
from conversation.local.recognisers import STT_RATE
from conversation.local.weights import END, Decoding
from tests.on_the_line import RATE, moonshine_and_piper, on_the_line


@pytest.fixture(scope="module")
def models() -> LocalModels:
    return moonshine_and_piper()


def heard(models: LocalModels, said: str) -> np.ndarray:
    """The sound of what was said, with a quarter of a second of silence around it."""
    pcm, (begin, end) = on_the_line(models, said)
    samples = np.frombuffer(pcm, np.int16)[round((begin - 0.25) * RATE) : round((end + 0.25) * RATE)]
    return np.asarray(soxr.resample(samples / np.float32(32768), RATE, STT_RATE), np.float32)


@pytest.mark.parametrize(
    ("said", "understood", "digits"),
    [
        ("Nine oh four, three.", "Nine of four, three.", "9043"),
        ("Five, two, seven, eight.", "Fife, two, seven eighths.", "5278"),
        ("My number is three one six, five two nine.", "My number is free one six, fight tonight.", "316529"),
        ("You can reach me at six four one.", "You can reach me at sick for one.", "641"),
        ("Three eight, double two.", "Three ate, double to", "3822"),
    ],
)
def test_a_number_that_was_written_as_words(models, said, understood, digits):
    found = models.dictation.heard_as(heard(models, said), understood, Dictated.NUMBER)
    assert found is not None
    assert spoken_number(found) == digits


def test_a_group_behind_other_digits_is_heard_whole(models):
    sound, speech = on_the_line(models, "Oh one four six.")
    assert models.dictation.heard_as(
        heard(models, "Oh one four six."), "Over four six.", Dictated.NUMBER
    ) == ("Oh, one, four, six.")
    found = models.transcribe_alone(sound, RATE, speech, Expected([], 0, Dictated.NUMBER, "Three one five."))
    assert dictated_number(found) == "0146"


def test_what_announces_a_number_stays_before_it(models):
    sound = heard(models, "You can reach me at six four one.")
    found = models.dictation.heard_as(sound, "You can reach me at sick for one.", Dictated.NUMBER)
    assert found.startswith("You can reach me at ")


@pytest.mark.parametrize(
    ("said", "understood", "letters"),
    [
        ("L, O, R, I.", "L, o, are I.", "L, O, R, I."),
        ("L, I, A, M.", "Ally, a m.", "L, I, A, M."),
        (
            "My name is Nolan. N, O, L, A, N.",
            "My name is Nolan. An o l a, then.",
            "My name is Nolan. N, O, L, A, N.",
        ),
    ],
)
def test_a_spelling_that_was_written_as_words(models, said, understood, letters):
    assert models.dictation.heard_as(heard(models, said), understood, Dictated.LETTERS) == letters


@pytest.mark.parametrize(
    ("said", "understood", "letters"),
    [
        ("D, U, R, A, N, T.", "D-U-R-A-M-D.", "D, U, R, A, N, T."),
        ("H, A, N, S, E, N.", "H-A-M-F-E-N.", "H, A, N, S, E, N."),
        ("That's B, R, O, D, Y.", "That's V-R-O-D-Y.", "That's B, R, O, D, Y."),
    ],
)
def test_of_letters_that_sound_alike_the_usual_one_is_taken(models, said, understood, letters):
    assert may_be(understood, None) is Dictated.LETTERS
    assert models.dictation.heard_as(heard(models, said), understood, Dictated.LETTERS) == letters


def test_a_spelling_that_is_unusual_and_clear_stays(models):
    assert (
        models.dictation.heard_as(heard(models, "X, Q, W, J."), "X, Q, W, J.", Dictated.LETTERS)
        == "X, Q, W, J."
    )


@pytest.mark.parametrize(
    ("before", "usual", "unusual"), [("th", "e", "p"), ("qu", "i", "q"), ("", "s", "x"), ("joh", "n", "m")]
)
def test_letters_are_usual_behind_others(before, usual, unusual):
    first, second = [OUTSIDE, OUTSIDE, *(ord(letter) - ord("a") for letter in before)][-2:]
    behind = behind_each_pair()[first, second]
    assert behind[ord(usual) - ord("a")] > 0.5
    assert behind[ord(unusual) - ord("a")] < -1


@pytest.mark.parametrize(
    "said",
    [
        "I would rather not say it.",
        "I have one for you, too.",
        "I need two rooms for four.",
        "We come at one or two on Friday.",
        "My name is T Miller.",
        "No, it is too late for me.",
    ],
)
@pytest.mark.parametrize("asked", list(Dictated))
def test_sentences_are_no_numbers_and_no_spellings(models, said, asked):
    if dictated := may_be(said, asked):
        assert models.dictation.heard_as(heard(models, said), said, dictated) is None


def test_a_long_sentence_is_not_written_again(models):
    sound, speech = on_the_line(models, "Tell her that I am late.")
    again = models.transcribe_alone(sound, RATE, speech, Expected([], 0, Dictated.NUMBER))
    assert again == models.transcribe(sound, RATE)


def test_a_number_is_heard_through_the_recogniser(models):
    sound, speech = on_the_line(models, "Three one four, nine oh seven, two two six one.")
    found = models.transcribe_alone(sound, RATE, speech, Expected([], 0, Dictated.NUMBER))
    assert dictated_number(found) == "3149072261"


@pytest.mark.parametrize("said", ["R, O, B, I, N.", "E, L, L, I, O, T.", "My name is Erin."])
def test_what_the_detector_has_noticed_late_is_looked_at_whole(models, said):
    sound, (begin, end) = on_the_line(models, said)
    expected = Expected(said_alone(), NO_MARGIN, Dictated.LETTERS)
    assert end - 0.2 > begin + 0.4
    late = models.transcribe_alone(sound, RATE, (end - 0.2, end), expected)
    assert late == models.transcribe_alone(sound, RATE, (begin, end), expected)


def test_a_soft_sound_before_a_lone_word_is_none_of_it(models):
    sound, speech = on_the_line(models, "Yes.")
    samples = np.frombuffer(sound, np.int16).copy()
    hum = 0.03 * np.abs(samples).max() * np.sin(np.arange(len(samples)) * 0.7)
    expected = Expected(said_alone(), ANSWER_MARGIN)
    assert (
        models.transcribe_alone((samples + hum.astype(np.int16)).tobytes(), RATE, speech, expected) == "Yes."
    )


def test_what_is_written_step_by_step_is_as_likely_as_in_one_piece(models):
    weights, sound = models.dictation.weights, heard(models, "Good morning.")
    text = weights.tokens("Good morning.")
    encoded = weights.encoded(sound)
    (whole,) = weights.scores(encoded, len(sound), [text])
    decoding = Decoding(weights, encoded, len(sound))
    for at, token in enumerate([*text, END]):
        assert decoding.scores.shape[0] == (1 if at == 0 else 3)
        assert decoding.scores[-1, token] == pytest.approx(
            whole[at, token], abs=1.0
        )  # its weights are rounded
        decoding.write([0] * 3, [token] * 3)


def test_tokens_are_those_that_the_recogniser_writes(models):
    weights, sound = models.dictation.weights, heard(models, "Sixteen oranges and a telephone.")
    decoding = Decoding(weights, weights.encoded(sound), len(sound))
    written: list[int] = []
    while (token := int(decoding.scores[0].argmax())) != END and len(written) < 30:
        written.append(token)
        decoding.write([0], [token])
    text = weights.text(written)
    assert len(text.split()) >= 4
    assert weights.tokens(text) == written
    assert len(weights.tokens("🦷")) == 1 + 4  # a space, and the bytes of what has no piece


@pytest.mark.parametrize(
    ("understood", "asked", "dictated"),
    [
        ("Seven eighths of nine.", Dictated.NUMBER, Dictated.NUMBER),
        ("My number is six, two.", Dictated.NUMBER, None),
        ("My number is six, two, dad.", Dictated.NUMBER, Dictated.NUMBER),
        ("Six, two, nine, four.", Dictated.NUMBER, None),
        ("Two or two.", Dictated.NUMBER, None),  # each of its words sounds like a digit
        ("I would rather not do that now.", Dictated.NUMBER, None),
        ("Six, two, dad, four, nine, sheep.", None, Dictated.NUMBER),
        ("We open at nine.", None, None),
        ("Hold i e.", Dictated.LETTERS, Dictated.LETTERS),
        ("H, O, L, T.", Dictated.LETTERS, Dictated.LETTERS),  # one of them may sound like another
        ("My name is Holt. H, O, L, T.", None, Dictated.LETTERS),
        ("My name is Anna Louise Miller.", Dictated.LETTERS, None),
        ("A, b, c, then, e.", None, Dictated.LETTERS),
        ("A, b, c, and, e.", Dictated.LETTERS, Dictated.LETTERS),
        ("I have a car.", None, None),
        ("", Dictated.NUMBER, None),
        ("two " * 40, Dictated.NUMBER, None),
    ],
)
def test_what_was_probably_dictated(understood, asked, dictated):
    assert may_be(understood, asked) is dictated


def test_who_has_begun_to_spell_goes_on_with_it():
    assert may_be("Ellen.", Dictated.LETTERS, so_far="It is Holt. H, O,") is Dictated.LETTERS
    assert may_be("Ellen.", None) is None
    assert may_be("Sheep.", Dictated.NUMBER, so_far="Two o") is Dictated.NUMBER
    assert may_be("Over four six.", Dictated.NUMBER, so_far="Three one five.") is Dictated.NUMBER
    assert may_be("Nine four six.", Dictated.NUMBER, so_far="Three one five.") is None
    assert may_be("Ellen.", None, so_far="H, O,") is None
    assert may_be("I would like to come on Friday.", Dictated.LETTERS, so_far="H, O,") is None
