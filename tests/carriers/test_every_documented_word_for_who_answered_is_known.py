"""Each interface tells who has answered in words of its own; telnyx' own types say which Call Control has."""

from typing import get_args

import pytest
from loguru import logger
from telnyx.types import (
    CallMachineDetectionEnded,
    CallMachineGreetingEnded,
    CallMachinePremiumCallScreeningDetectedWebhookEvent,
    CallMachinePremiumDetectionEnded,
    CallMachinePremiumGreetingEnded,
)
from telnyx.types.texml.accounts import CallResource

from carriers import detection
from carriers.carrier import AnsweredBy
from carriers.forms import Form
from carriers.telnyx.detection import CALL_CONTROL, TEXML

TWILIO = "human machine_start machine_end_beep machine_end_silence machine_end_other fax unknown".split()
TEXML_GUIDE = "human machine fax unknown".split()
MEANINGS = {
    "human": AnsweredBy.HUMAN,
    "machine_end": AnsweredBy.GREETING_ENDED,
    "machine": AnsweredBy.MACHINE,
    "fax": AnsweredBy.FAX,
}


def words_of(model, name="result"):
    """The words of a field, as its type tells them."""
    (literal,) = (one for one in get_args(model.model_fields[name].annotation) if get_args(one))
    return set(get_args(literal))


def model_at(model, *names):
    for name in names:
        (model,) = (
            one for one in get_args(model.model_fields[name].annotation) if hasattr(one, "model_fields")
        )
    return model


def meaning_of(word, kind=""):
    """What a documented word means, by its own beginning; an event of a greeting's end says that it has ended."""
    if kind.endswith("greeting.ended"):
        return AnsweredBy.UNKNOWN if word == "prompt_ended" else AnsweredBy.GREETING_ENDED
    for beginning, meaning in MEANINGS.items():
        if word.startswith(beginning):
            return meaning
    return AnsweredBy.UNKNOWN


@pytest.fixture
def logged():
    detection._logged.clear()
    lines = []
    sink = logger.add(lambda line: lines.append(line.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


@pytest.mark.parametrize(
    "event",
    [
        CallMachineDetectionEnded,
        CallMachineGreetingEnded,
        CallMachinePremiumDetectionEnded,
        CallMachinePremiumGreetingEnded,
        model_at(CallMachinePremiumCallScreeningDetectedWebhookEvent, "data"),
    ],
)
def test_every_word_of_telnyxs_own_types_is_known(event, logged):
    (kind,) = words_of(event, "event_type")
    words = words_of(model_at(event, "payload"))
    assert set(CALL_CONTROL[kind]) == words
    for word in words:
        assert detection.who_answered(CALL_CONTROL[kind], word, kind) is meaning_of(word, kind)
    assert logged == []


@pytest.mark.parametrize(
    ("words", "documented"),
    [
        (detection.CALLBACK_WORDS, TWILIO),
        (TEXML, TWILIO),
        (TEXML, TEXML_GUIDE),
        (TEXML, words_of(CallResource, "answered_by")),
    ],
)
def test_every_word_of_the_documents_is_known(words, documented, logged):
    for word in documented:
        assert detection.who_answered(words, word, "it") is meaning_of(word)
    assert logged == []


def test_a_word_that_is_not_documented_is_unknown_and_told_once(logged):
    for _ in range(3):
        result = detection.machine_result(Form.parse("CallSid=1&AnsweredBy=cyborg"), TEXML, "TeXML")
        assert result.answered_by is AnsweredBy.UNKNOWN
    assert detection.who_answered(detection.CALLBACK_WORDS, "cyborg", "Twilio") is AnsweredBy.UNKNOWN
    assert len(logged) == 2
    assert "TeXML" in logged[0] and "cyborg" in logged[0]


@pytest.mark.parametrize("word", ["+12025550143", "a b", "x" * 300, "", None, 5, ["human"], {"human": 1}])
def test_what_is_no_word_is_unknown_and_not_repeated_in_the_log(word, logged):
    assert detection.who_answered(TEXML, word, "TeXML") is AnsweredBy.UNKNOWN
    assert len(logged) == 1
    assert "12025550143" not in logged[0] and len(logged[0]) < 200


def test_the_log_is_not_filled_with_ever_new_words(logged):
    for number in range(200):
        word = f"word_{'x' * (number % 20)}_{'abcdefghij'[number // 20]}"
        assert detection.who_answered(detection.CALLBACK_WORDS, word, "Twilio") is AnsweredBy.UNKNOWN
    assert len(logged) <= 20


@pytest.mark.parametrize("word", ["Human", " human ", "HUMAN"])
def test_the_case_of_a_word_does_not_count(word, logged):
    assert detection.who_answered(detection.CALLBACK_WORDS, word, "Twilio") is AnsweredBy.HUMAN
    assert logged == []
