"""Who thinks of something else while the bot says goodbye is heard; who only says goodbye, too, is not waited for."""

import asyncio

import pytest
from pipecat.frames.frames import (
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from conversation.local.speech import NoWordsFrame
from conversation.turns import second_thoughts
from conversation.turns.second_thoughts import SecondThoughts
from conversation.turns.words import languages, turn_words

MORE = {
    "en": ["Oh wait, I have another question.", "Hold on.", "Sorry, one more thing.", "And do you take cards?"],
    "es": ["Espere, otra pregunta.", "¿Y cuánto cuesta la primera visita?"],
    "fr": ["Attendez, encore une question.", "Et combien coûte la première visite ?"],
    "de": ["Moment, noch eine Frage.", "Und was kostet der erste Termin?"],
    "pt": ["Espere, mais uma pergunta.", "E quanto custa a primeira visita?"],
    "it": ["Aspetti, un'altra domanda.", "E quanto costa la prima visita?"],
    "nl": ["Wacht, nog een vraag.", "En wat kost de eerste afspraak?"],
    "pl": ["Chwileczkę, jeszcze jedno pytanie.", "A ile kosztuje pierwsza wizyta?"],
    "hi": ["रुकिए, एक और सवाल है।", "और पहली बार का कितना लगता है?"],
}  # fmt: skip
NO_MORE = {
    "en": ["Goodbye.", "Thank you so much, bye bye.", "You too, have a nice day.", "Okay.", "", "Can't wait, see you."],
    "es": ["Adiós, gracias.", "Igualmente."],
    "fr": ["Au revoir, merci.", "Bonne journée."],
    "de": ["Auf Wiederhören.", "Danke, tschüss."],
    "pt": ["Tchau, obrigado.", "Igualmente."],
    "it": ["Arrivederci, grazie.", "Altrettanto."],
    "nl": ["Tot ziens, bedankt.", "Insgelijks."],
    "pl": ["Do widzenia, dziękuję.", "Nawzajem."],
    "hi": ["धन्यवाद, नमस्ते।", "ठीक है।"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(second_thoughts, "LONGEST_SECS", 0.3)
    monkeypatch.setattr(second_thoughts, "WORDS_SECS", 0.15)


def said(text):
    return TranscriptionFrame(text, "", "")


@pytest.fixture
def thoughts():
    one = SecondThoughts(lambda: turn_words("en"))
    one.listen()
    return one


def texts(frames):
    return [frame.text for frame in frames]


def test_each_language_has_words_for_it():
    assert sorted(MORE) == sorted(NO_MORE) == languages()


@pytest.mark.parametrize("language", MORE)
def test_what_asks_for_more_is_known_in_each_language(language):
    words = turn_words(language)
    assert [text for text in MORE[language] if not words.thinks_again(text)] == []
    assert [text for text in NO_MORE[language] if words.thinks_again(text)] == []


async def test_where_nothing_is_said_nothing_is_waited_for(thoughts):
    async with asyncio.timeout(0.05):
        assert await thoughts.has_some() == []


async def test_words_that_ask_for_more_are_given_back_and_those_of_a_goodbye_are_not(thoughts):
    for text, more in (("Oh wait, one more question.", True), ("Thanks, goodbye.", False)):
        thoughts.listen()
        thoughts.hear(VADUserStartedSpeakingFrame())
        thoughts.hear(VADUserStoppedSpeakingFrame())
        assert thoughts.hear(said(text))
        assert texts(await thoughts.has_some()) == ([text] if more else [])


async def test_who_still_speaks_is_waited_for_with_the_words_that_follow(thoughts):
    thoughts.hear(VADUserStartedSpeakingFrame())
    waiting = asyncio.create_task(thoughts.has_some())
    await asyncio.sleep(0.1)
    thoughts.hear(VADUserStoppedSpeakingFrame())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    thoughts.hear(said("Wait, where can I park?"))
    assert texts(await waiting) == ["Wait, where can I park?"]


async def test_a_sound_without_words_and_one_that_does_not_end_keep_nobody(thoughts):
    thoughts.hear(VADUserStartedSpeakingFrame())
    thoughts.hear(VADUserStoppedSpeakingFrame())
    thoughts.hear(NoWordsFrame())
    async with asyncio.timeout(0.05):
        assert await thoughts.has_some() == []
    thoughts.listen()
    thoughts.hear(VADUserStartedSpeakingFrame())
    assert await thoughts.has_some() == []
    thoughts.listen()
    thoughts.hear(VADUserStartedSpeakingFrame())
    thoughts.hear(VADUserStoppedSpeakingFrame())
    assert await thoughts.has_some() == []  # a recogniser without words


async def test_only_final_words_are_kept_and_only_while_it_listens(thoughts):
    assert not thoughts.hear(InterimTranscriptionFrame("Wait", "", ""))
    assert await thoughts.has_some() == []
    assert not thoughts.hear(said("Wait, one more question."))


async def test_the_words_over_one_goodbye_are_not_those_over_the_next(thoughts):
    thoughts.hear(said("Wait, one more question."))
    assert texts(await thoughts.has_some()) == ["Wait, one more question."]
    thoughts.listen()
    assert await thoughts.has_some() == []
