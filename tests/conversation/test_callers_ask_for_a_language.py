"""Callers ask for a language in set words, in any of the nine; what is no request is left to the model."""

from __future__ import annotations

import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    LLMContextFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test
from pipecat.transcriptions.language import Language

from conversation.lines.words import Asked, asked_for, guessed, words_of
from conversation.multilingual.processors import AnswerLanguage, LanguageGate, LanguageHeard

SPOKEN = ("en", "es-MX")


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("Do you speak Spanish?", "es"),
        ("Spanish, please.", "es"),
        ("um, can we speak spanish please", "es"),
        ("I'd like to speak Spanish", "es"),
        ("¿Habla español?", "es"),
        ("habla espanol", "es"),
        ("Hola, ¿habla usted español?", "es"),
        ("En español, por favor.", "es"),
        ("castellano", "es"),
        ("No hablo inglés.", "es"),
        ("Parlez-vous français ?", "fr"),
        ("Vous parlez français, s'il vous plaît ?", "fr"),
        ("Je ne parle pas anglais.", "fr"),
        ("Sprechen Sie Deutsch?", "de"),
        ("Kann ich Deutsch sprechen?", "de"),
        ("Auf Deutsch bitte", "de"),
        ("Ich spreche kein Englisch", "de"),
        ("Você fala português?", "pt"),
        ("Em português, por favor.", "pt"),
        ("Parla italiano?", "it"),
        ("Vorrei parlare in italiano.", "it"),
        ("Spreekt u Nederlands?", "nl"),
        ("In het Nederlands graag", "nl"),
        ("Czy mówi pan po polsku?", "pl"),
        ("Po polsku proszę", "pl"),
        ("क्या आप हिंदी बोलते हैं?", "hi"),
        ("हिन्दी में बात कीजिए", "hi"),
        ("Do you speak Swedish?", "sv"),
    ],
)
def test_a_request_is_understood_in_the_callers_own_language(words, language):
    assert asked_for(words, SPOKEN, "en") == Asked(language, only=True)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "?!",
        "I don't speak English",
        "I want to book a Spanish class",
        "Do you speak Spanish to your customers?",
        "Is your polish remover in stock?",
        "Polish",
        "I need a German car part",
        "no",
        "Yes, please.",
        "Quiero una mesa para dos personas",
    ],
)
def test_what_is_no_request_is_left_to_the_model(words):
    assert asked_for(words, SPOKEN, "en") is None


def test_a_request_with_more_behind_it_is_answered_by_the_model():
    said = "Do you speak Spanish? I need an appointment for tomorrow morning."
    assert asked_for(said, SPOKEN, "en") == Asked("es", only=False)


def test_who_does_not_speak_the_language_of_the_talk_is_understood_and_nobody_else():
    assert asked_for("No hablo inglés", SPOKEN, "es") is None
    assert asked_for("I don't speak Spanish", SPOKEN, "es") == Asked("en", only=True)


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("We are open from nine to five, and on Saturday until one.", "en"),
        ("Estamos abiertos de lunes a viernes y el sábado por la mañana.", "es"),
        ("Nous sommes ouverts du lundi au vendredi, et le samedi dans la matinée.", "fr"),
        ("Wir haben von Montag bis Freitag geöffnet, und am Samstag können Sie uns nicht erreichen.", "de"),
        ("Okay.", None),
        ("Willow Dental, Mill Street.", None),
        ("", None),
    ],
)
def test_the_language_of_a_sentence_is_known_where_it_is_plain(sentence, language):
    assert guessed(sentence, ("de", "en", "es", "fr", "it", "nl", "pt")) == language


def test_set_words_are_found_however_they_are_written():
    assert words_of("es").are_only("¡Sí, claro!", "yes")
    assert words_of("es-MX").are_only("si claro", "yes", "backchannels")
    assert words_of("hi").are_only("हाँ जी", "yes") and words_of("hi").are_only("हां", "yes")
    assert words_of("de").are_only("Einen Moment, bitte!", "hold_on", "please")
    assert not words_of("en").are_only("yes, at five", "yes")


# Where it is decided


class Talk:
    """A conversation that notes what is changed."""

    def __init__(self, now: str = "en") -> None:
        self.spoken, self.now = SPOKEN, now
        self.heard: dict[str, int] = {}
        self.context = None
        self.changed: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.session = type("Session", (), {"deaf": False})()

    def speaks(self, language: str) -> str | None:
        return {"en": "en", "es": "es-MX"}.get(language)

    def unknown(self) -> str:
        return "I only speak English and Spanish."

    async def change(self, tag: str, why: str) -> list[Frame]:
        self.changed.append((tag, why))
        return []

    def note(self, text: str) -> None:
        self.notes.append(text)


def asked_by(words: str) -> LLMContextFrame:
    messages = [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": words}]
    return LLMContextFrame(LLMContext(messages=messages))


async def through(talk: Talk, words: str, *heard: tuple[str, Language | None]) -> list[Frame]:
    """What reaches the model, after the recogniser has reported these words."""
    transcripts = [TranscriptionFrame(text, "", "", language) for text, language in heard]
    await run_test(LanguageHeard(talk), frames_to_send=transcripts)
    down, _ = await run_test(LanguageGate(talk, "DTMF: "), frames_to_send=[asked_by(words)])
    return list(down)


async def test_a_request_changes_the_language_and_the_model_answers():
    talk = Talk()
    (frame,) = await through(talk, "¿Habla español?")
    assert isinstance(frame, LLMContextFrame)
    assert talk.changed == [("es-MX", "asked")]


async def test_a_language_that_nobody_configured_is_declined_at_once():
    talk = Talk()
    (frame,) = await through(talk, "Parlez-vous français ?")
    assert isinstance(frame, TTSSpeakFrame) and frame.text == "I only speak English and Spanish."
    assert talk.changed == []


async def test_with_a_question_behind_it_the_model_is_told_which_languages_there_are():
    talk = Talk()
    (frame,) = await through(talk, "Do you speak French? When do you open on Saturdays?")
    assert isinstance(frame, LLMContextFrame)
    assert "French, which you do not speak" in talk.notes[0] and "English and Spanish" in talk.notes[0]


@pytest.mark.parametrize("region", [Language.ES, Language.ES_MX, Language.ES_ES])
async def test_what_the_recogniser_hears_changes_the_language_whatever_its_region(region):
    talk = Talk()
    await through(
        talk, "quisiera una cita para mañana", ("quisiera una cita", region), ("para mañana", region)
    )
    assert talk.changed == [("es-MX", "spoken")]


@pytest.mark.parametrize(
    "heard",
    [
        [("Hola", Language.ES)],
        [("okay", Language.ES), ("okay okay", Language.ES)],
        [("I need a table for two", Language.EN), ("por favor", Language.ES)],
        [("quisiera una cita", None)],
        [("", Language.ES)],
        [],
    ],
)
async def test_a_word_or_a_mere_okay_of_another_language_changes_nothing(heard):
    talk = Talk()
    (frame,) = await through(talk, "I need a table for two", *heard)
    assert isinstance(frame, LLMContextFrame)
    assert (talk.changed, talk.notes) == ([], [])


async def test_a_language_that_is_heard_and_not_spoken_is_told_to_the_model():
    talk = Talk()
    await through(talk, "je voudrais un rendez-vous", ("je voudrais un rendez-vous", Language.FR))
    assert talk.changed == []
    assert "takes the caller's words for French" in talk.notes[0]


async def test_words_of_one_turn_do_not_count_in_the_next():
    talk = Talk()
    await through(talk, "Hola", ("Hola", Language.ES))
    await through(talk, "gracias", ("buenas", Language.ES))
    assert talk.changed == []


async def test_keys_ask_for_no_language():
    talk = Talk()
    (frame,) = await through(talk, "DTMF: 2")
    assert isinstance(frame, LLMContextFrame) and talk.changed == []


async def test_an_answer_in_a_language_that_is_not_spoken_is_said_and_noted_once():
    talk = Talk()
    french = "Nous sommes ouverts du lundi au vendredi, et le samedi dans la matinée."
    sentences = [AggregatedTextFrame(french, "sentence"), AggregatedTextFrame(french, "sentence")]
    down, _ = await run_test(AnswerLanguage(talk), frames_to_send=sentences)
    assert [frame.text for frame in down] == [french, french]
    assert talk.changed == [] and len(talk.notes) == 1
