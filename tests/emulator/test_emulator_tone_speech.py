"""Speech made of tones is found again word by word: through µ-law, cut off, out of step, and two voices at once."""

import numpy as np
import pytest

from emulator.line.codecs import decode, encode
from emulator.line.signals import key, ringing
from emulator.line.tonespeech import BOT, WORD_MS, ToneEars, chords_of, speak, utterances, words_of

HELLO = "Thank you for calling Willow Dental. How can I help you today?"
OTHER = "Nobody answers there at the moment, so I am back with you."


def silence(ms):
    return np.zeros(ms * 8, dtype=np.int16)


def on_the_line(*pieces, encoding="PCMU"):
    return decode(encoding, encode(encoding, np.concatenate(pieces)))


def test_a_text_is_its_letters_and_digits():
    assert words_of("It's 5 o'clock - isn't it?") == ["its", "5", "oclock", "isnt", "it"]
    assert chords_of("hello") == (90, 6)  # as docs/stories.md tells; both are of the word alone
    assert len(speak(HELLO)) == 12 * WORD_MS * 8


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA"])
@pytest.mark.parametrize("shift", [0, 3, 9.875, 13])
def test_all_words_are_found_whatever_the_alignment(encoding, shift):
    before = np.zeros(round((500 + shift) * 8), dtype=np.int16)
    ears = ToneEars(on_the_line(before, speak(HELLO), silence(300), encoding=encoding))
    found = ears.find(HELLO)
    assert (found.heard, found.words, found.share) == (12, 12, 1.0)
    assert abs(found.start_ms - 500 - shift) <= 20
    assert abs(found.end_ms - (500 + shift + 12 * WORD_MS - 40)) <= 20
    assert ears.find(OTHER) is None or ears.find(OTHER).heard <= 2


def test_how_much_of_a_text_was_heard_is_known_to_the_word():
    ears = ToneEars(on_the_line(silence(200), speak(HELLO)[: 5 * WORD_MS * 8 + 400], silence(500)))
    assert ears.find(HELLO).heard == 5
    ears = ToneEars(on_the_line(speak(HELLO)[5 * WORD_MS * 8 :], silence(100)))
    assert ears.find(HELLO).heard == 7


def test_a_bot_and_a_person_who_speak_at_once_are_both_understood():
    for delay in range(0, 1600, 35):
        one = np.concatenate([silence(100), speak(HELLO, BOT), silence(2000)]).astype(np.int32)
        two = np.concatenate([silence(100 + delay), speak(OTHER), silence(3000)])[: len(one)]
        ears = ToneEars(on_the_line(np.clip(one + two, -32768, 32767).astype(np.int16)))
        assert [ears.find(text).share for text in (HELLO, OTHER)] == [1.0, 1.0]


def test_noise_keys_and_ringing_are_no_words_and_disturb_none():
    rng = np.random.default_rng(1)
    said = np.concatenate([silence(400), speak(HELLO), silence(3000)]).astype(np.float64)
    noise = rng.normal(0, 32768 * 10 ** (-45 / 20), len(said))
    tones = np.concatenate([frame for digit in "0123456789*#" * 3 for frame in key(digit)]).astype(np.float64)
    ring = np.concatenate([frame for frame, _ in zip(ringing(), range(len(said) // 160), strict=False)])
    for disturbance in (noise, np.resize(tones, len(said)), np.resize(ring, len(said))):
        heard = np.clip(said + disturbance, -32768, 32767).astype(np.int16)
        assert ToneEars(on_the_line(heard)).find(HELLO).share == 1.0
        alone = ToneEars(on_the_line(np.clip(disturbance, -32768, 32767).astype(np.int16)))
        assert alone.transcript(words_of(f"{HELLO} {OTHER}")) == []


def test_pieces_with_pauses_are_one_text_and_a_repetition_is_found_after_the_first():
    first, second = speak("Thank you for calling Willow Dental."), speak("How can I help you today?")
    audio = on_the_line(first, silence(700), second, silence(500), speak(HELLO), silence(100))
    ears = ToneEars(audio)
    found = ears.find(HELLO)
    assert found.share == 1.0
    again = ears.find(HELLO, after_ms=found.end_ms)
    assert again.share == 1.0
    assert again.start_ms > found.end_ms


def test_the_same_is_heard_bit_by_bit():
    audio = on_the_line(silence(100), speak(HELLO), silence(100))
    whole, bits = ToneEars(audio), ToneEars()
    for at in range(0, len(audio), 160):
        bits.hear(audio[at : at + 160])
    assert bits.find(HELLO) == whole.find(HELLO)
    assert bits.heard_ms == whole.heard_ms
    assert [text for _, text in utterances(bits.transcript(words_of(HELLO)))] == [
        "thank you for calling willow dental how can i help you today"
    ]
