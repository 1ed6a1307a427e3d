"""Where chunks end, for voices that time their words and for those that are told all sentences ahead."""

import pytest
from pipecat.frames.frames import TTSTextFrame

from conversation.heard.chunks import LONGEST_CHUNK_SECS, SECS_PER_CHARACTER, SpokenChunks

BASE = 5_000_000_000
"""What the pipeline's clock shows at the first sound, in nanoseconds."""


def word(text, secs, *, spaced=False):
    frame = TTSTextFrame(text, "word")
    frame.pts = BASE + round(secs * 1e9)
    frame.includes_inter_frame_spaces = spaced
    return frame


def spoken(*words, at=0.0):
    chunks = SpokenChunks()
    chunks.begin(BASE, at)
    for frame in words:
        chunks.add_word(frame)
    return chunks


def test_a_sentence_ends_where_the_next_begins():
    chunks = spoken(word("Hello", 0.1), word("there.", 0.5), word("How", 1.25), word("are", 1.5), at=10)
    assert chunks.next_due() == pytest.approx(11.25)
    assert chunks.take_due(11.2) is None
    assert chunks.take_due(11.25).text == "Hello there."
    assert chunks.next_due() is None
    assert [chunk.text for chunk in chunks.end(12)] == ["How are"]


def test_a_long_sentence_is_cut():
    words = [word(f"word{n}", n * 0.5) for n in range(16)]
    chunks = spoken(*words)
    first, second = chunks.take_due(100), chunks.take_due(100)
    for chunk in (first, second):
        assert chunk.words[-1][0] - chunk.words[0][0] < LONGEST_CHUNK_SECS
    texts = [chunk.text for chunk in (first, second, *chunks.end(8))]
    assert " ".join(texts) == " ".join(frame.text for frame in words)


@pytest.mark.parametrize("last", ["done.", "done!", "done?", 'done."', "done…", "完了。"])
def test_punctuation_ends_a_sentence(last):
    assert spoken(word("All", 0), word(last, 0.5), word("Next", 1)).take_due(1).text == f"All {last}"


def test_words_that_bring_their_spaces_are_joined_without_more():
    words = [word("你", 0, spaced=True), word("好。", 0.3, spaced=True), word("请", 0.6, spaced=True)]
    assert spoken(*words).take_due(1).text == "你好。"


def test_an_utterance_is_timed_from_its_own_first_sound():
    chunks = spoken(word("One.", 0.2), at=0)
    chunks.end(3)
    chunks.begin(BASE + round(60e9), 3.0)
    chunks.add_word(word("Two.", 60.1))
    chunks.add_word(word("Three.", 61))
    assert chunks.next_due() == pytest.approx(4.0)


def test_sentences_that_were_told_ahead_end_where_their_length_says():
    chunks = SpokenChunks()
    chunks.begin(BASE, 1.0)
    for text in ("Fifteen letters", "Thirty letters, thirty letters", "The last."):
        chunks.add_ahead(TTSTextFrame(text, "sentence"), 1.0)
    assert chunks.next_due() == pytest.approx(1 + 15 * SECS_PER_CHARACTER)
    assert chunks.take_due(2.0).text == "Fifteen letters"
    assert chunks.take_due(4.0).text.startswith("Thirty")
    # The end of the last one is the end of the utterance, however long that takes.
    assert chunks.take_due(100) is None
    assert [chunk.text for chunk in chunks.end(8)] == ["The last."]


def test_the_pace_is_learned():
    chunks = SpokenChunks()
    for _ in range(10):
        chunks.begin(BASE, 0)
        chunks.add_ahead(TTSTextFrame("x" * 100, "sentence"), 0)
        chunks.end(10)
    assert chunks.pace == pytest.approx(0.1, rel=0.01)


def test_a_voice_that_gave_no_sound_has_said_nothing():
    chunks = SpokenChunks()
    chunks.begin(BASE, 2)
    chunks.add_ahead(TTSTextFrame("Never spoken.", "sentence"), 2)
    assert chunks.end(2) == []
    assert chunks.pace == SECS_PER_CHARACTER
