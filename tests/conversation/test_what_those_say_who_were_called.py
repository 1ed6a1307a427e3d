"""People and telephones that the bot has called: who they are, whether they come, and screening that was misheard."""

import pytest

from conversation.agents.files import load_agent
from conversation.language.answers import names_self, says_whether_coming
from conversation.language.screening import screening
from tests.brain_talk import AGENTS, Talk


def reminded():
    return Talk(agent=load_agent("reminder", AGENTS))


@pytest.mark.parametrize(
    "text",
    [
        "Yes, this is Peter Novak.",
        "Hello? Speaking.",
        "Mary here.",
        "Hi, it's Oliver.",
        "Good morning, Joan Baker speaking.",
    ],
)
def test_who_comes_to_the_telephone_says_a_name(text):
    assert names_self(text)
    talk = reminded()
    assert talk.say(text) == talk.line("greeting_question")
    talk.say("Yes.")
    assert talk.called == "take_message"


@pytest.mark.parametrize(
    "text",
    [
        "I'm coming.",
        "This is fine.",
        "She's not here.",
        "It's about my bill.",
        "I'm sorry, no.",
        "This is Max, why?",
    ],
)
def test_other_words_name_nobody(text):
    assert not names_self(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Yes, I'll be there.", True),
        ("Then I can come, yes.", True),
        ("Sorry, I can't make it.", True),
        ("I have to reschedule.", True),
        ("Yes, I will.", False),
        ("No, I will call again.", False),
        ("Yes.", False),
    ],
)
def test_an_answer_to_can_you_come_is_known(text, says):
    assert says_whether_coming(text) is says


@pytest.mark.parametrize(
    ("between", "answer", "note"),
    [
        ("What's the weather like?", "Well, yes, I'll be there.", "Confirmed"),
        ("What's the weather like?", "Then I can't make it.", "Cannot come"),
        ("And where is it?", "Fine, I'll be there.", "Confirmed"),
    ],
)
def test_the_greetings_question_is_answered_whatever_was_asked_since(between, answer, note):
    talk = reminded()
    talk.say(between)
    talk.say(answer)
    assert talk.called == "take_message" and talk.arguments["message"].startswith(note)


@pytest.mark.parametrize(
    "text", ["Where was it again?", "Sorry, where is that exactly?", "And where's this?"]
)
def test_where_that_is_asks_for_the_address(text):
    talk = reminded()
    assert talk.say(text).startswith(talk.answer("our address"))


@pytest.mark.parametrize(
    "text",
    [
        "Please stay your name and why are you call in.",
        "Great your name and the season for your call.",
        "If you accord your name and reason of calling, I'll see.",
    ],
)
def test_screening_is_known_though_some_of_its_words_were_misheard(text):
    found = screening(text)
    assert found is not None and found.kind == "asks"


@pytest.mark.parametrize(
    "text",
    [
        "Please leave your name and why you are calling.",
        "State your name and number, and we will call.",
        "Sorry, the person you are calling is not in.",
        "This call is being recorded.",
        "Good morning, the name is Baker, how are you?",
        "I'll see if she is here.",
    ],
)
def test_boxes_and_people_are_not_taken_for_misheard_screening(text):
    assert screening(text) is None
