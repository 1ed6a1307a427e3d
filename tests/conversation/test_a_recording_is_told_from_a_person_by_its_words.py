"""The first words on an answered call: clear ones decide between person and recording, a model judges the rest."""

import pytest
from pipecat.classifiers.base_classifier import BaseClassifier, ChoiceResult, ClassifierError, YesNoQuestion
from pipecat.extensions.voicemail.voicemail_detector import VOICEMAIL_QUESTION

from conversation.outbound.greetings import (
    PERSON,
    RECORDING,
    SURE,
    GreetingClassifier,
    is_hello,
    judge,
    sounds_recorded,
)


class Model(BaseClassifier):
    """A model with a fixed opinion, or with none."""

    def __init__(self, choice=None):
        super().__init__()
        self.choice_made, self.asked = choice, 0

    async def _ask(self, state, questions, images=()):
        self.asked += 1
        if self.choice_made is None:
            raise ClassifierError("no answer")
        result = ChoiceResult(choice=self.choice_made, probabilities={}, confidence=0.9)
        return dict.fromkeys(questions, result), None


async def ask(classifier, text):
    return (await classifier.choice(text, {"voicemail": VOICEMAIL_QUESTION}))["voicemail"].choice


@pytest.mark.parametrize(
    "text",
    [
        "Hi, you've reached Sam. Please leave a message after the tone.",
        "Leave your name and number after the beep and I'll call you back.",
        "The person you are trying to reach is not available. At the tone, please record your message.",
        "Your call has been forwarded to an automated voice messaging system.",
        "The mailbox is full and cannot accept any messages at this time.",
        "The number you have dialed is not in service.",
        "You have reached the voicemail box of five five five.",
        "Please leave a brief message.",
    ],
)
def test_a_recording_gives_itself_away(text):
    assert sounds_recorded(text)
    assert judge(text).choice == RECORDING
    assert judge(text).confidence >= SURE


@pytest.mark.parametrize(
    "text",
    [
        "Hello?",
        "Hi.",
        "Yeah?",
        "Yes, hello?",
        "Good morning.",
        "Hello, who is this?",
        "Speaking.",
        "Um, hello? Hello?",
    ],
)
def test_a_hello_is_a_person_beyond_doubt(text):
    assert is_hello(text)
    assert judge(text).choice == PERSON
    assert judge(text).confidence >= SURE


@pytest.mark.parametrize(
    "text",
    [
        "This is Anna.",
        "Anna Miller speaking, hello.",
        "Can I leave a message for him?",
        "She's not available right now, who is calling please?",
        "No, I am her husband. What is it about?",
        "Yes, I can take a message for her.",
        "I can't talk right now.",
    ],
)
def test_what_a_person_might_say_does_not_convict_anybody(text):
    assert not sounds_recorded(text)
    assert judge(text).choice == PERSON


@pytest.mark.parametrize(
    "text", ["I can't come to the phone right now.", "We are currently closed.", "You've reached Sam."]
)
def test_likely_words_are_a_guess_and_no_proof(text):
    assert not sounds_recorded(text)
    assert judge(text).choice == RECORDING
    assert judge(text).confidence < SURE


async def test_a_model_is_asked_about_what_the_words_leave_open_only():
    model = Model(RECORDING)
    classifier = GreetingClassifier(model)
    assert await ask(classifier, "Hello?") == PERSON
    assert await ask(classifier, "Please leave a message after the tone.") == RECORDING
    assert model.asked == 0
    assert await ask(classifier, "This is Sam.") == RECORDING
    assert model.asked == 1


async def test_without_a_model_or_with_one_that_fails_the_words_decide():
    for classifier in (GreetingClassifier(), GreetingClassifier(Model())):
        assert await ask(classifier, "This is Sam.") == PERSON
        assert await ask(classifier, "I'm not available.") == RECORDING


async def test_nothing_else_is_answered():
    with pytest.raises(ClassifierError):
        await GreetingClassifier().yes_no("Hello?", {"x": YesNoQuestion(instructions="Is it raining?")})


def test_a_long_text_is_judged_quickly():
    assert judge("leave a " * 5000 + "message").choice == RECORDING
