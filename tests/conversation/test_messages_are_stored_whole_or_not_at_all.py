"""A message for the business is stored whole, after it was read back, or not at all."""

import pytest

from tests.brain_talk import CALLER, Talk


def message_talk(*said: str) -> Talk:
    talk = Talk()
    for words in ("Can I leave a message?", *said):
        talk.say(words)
    return talk


@pytest.mark.parametrize(
    "request_",
    [
        "Could someone call me back?",
        "Can you have somebody call me back tomorrow?",
        "Please call me back.",
        "Someone should call me on Monday.",
        "Call me when you can.",
        "Can you call me again later?",
        "Could you call me Tomorrow?",
    ],
)
def test_a_wish_to_be_called_names_nobody(request_):
    talk = message_talk()
    talk.say(request_)
    assert talk.state.draft.caller_name == ""
    talk = Talk()
    talk.say("Could someone call me back?")
    assert talk.reply.text.endswith(talk.line("message_name"))


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Anna Miller?", "Anna Miller"),
        ("Anna?", "Anna"),
        ("It's John Smith?", "John Smith"),
        ("Call me Anna.", "Anna"),
        ("You can call me John.", "John"),
        ("My name is Will?", "Will"),
        ("Yes, Anna Miller.", "Anna Miller"),
        ("This is Bill, please call me back.", "Bill"),
        ("Sure, it's Maria Lopez.", "Maria Lopez"),
    ],
)
def test_a_name_is_a_name_also_when_it_sounds_like_a_question(said, name):
    talk = message_talk(said)
    assert talk.state.draft.caller_name == name
    assert talk.reply.text == talk.line("message_number_known")


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("Please call me.", "Please call me."),
        ("Call me.", "Call me."),
        ("Yes, please call me back.", "Please call me back."),
        ("Please stop calling me.", "Please stop calling me."),
        ("I will call back tomorrow.", "I will call back tomorrow."),
        ("I need somebody to look at my bill.", "I need somebody to look at my bill."),
        ("Okay, tell Doctor Chen that I am late.", "Okay, tell Doctor Chen that I am late."),
        ("Can you call me about my crown?", "Can you call me about my crown?"),
    ],
)
def test_whatever_is_dictated_is_the_message_and_is_read_back(said, stored):
    talk = message_talk("Anna Miller", "Yes.", said)
    assert stored in talk.reply.text and "Is that right?" in talk.reply.text
    assert talk.called is None
    talk.say("Yes.")
    assert talk.called == "take_message"
    assert talk.arguments == {"caller_name": "Anna Miller", "message": stored, "callback_number": CALLER}


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ("It's urgent.", "It's urgent."),
        ("Yes, and tell her it hurts.", "And tell her it hurts."),
        ("Yeah, it is about the crown that fell out.", "It is about the crown that fell out."),
        ("Because my son is ill.", "Because my son is ill."),
        ("My daughter comes too.", "My daughter comes too."),
    ],
)
def test_what_is_said_after_a_pause_is_added_and_all_of_it_read_back(more, added):
    talk = message_talk("Anna Miller", "Yes.", "Please call me.")
    talk.say(more)
    assert talk.called is None
    assert f"Please call me. {added}" in talk.reply.text and "Is that right?" in talk.reply.text
    talk.say("Yes, that's right.")
    assert talk.arguments["message"] == f"Please call me. {added}"


@pytest.mark.parametrize(
    "yes",
    [
        "Yes.",
        "Yes, that's correct.",
        "Right.",
        "Yes please.",
        "That's right, thank you.",
        "Yeah, perfect, thanks.",
        "DTMF: 1",
    ],
)
def test_a_yes_in_other_words_stores_it(yes):
    talk = message_talk("Anna Miller", "Yes.", "Please call me.", yes)
    assert talk.called == "take_message" and talk.arguments["message"] == "Please call me."


@pytest.mark.parametrize(
    "said", ["Yes, this number is fine.", "You can call me on this number.", "The same number.", "Of course."]
)
def test_the_number_of_the_call_is_agreed_to_in_many_ways(said):
    assert message_talk("Anna Miller", said).state.draft.number == CALLER


def test_a_goodbye_in_the_middle_stores_nothing():
    for said in (["Anna Miller"], ["Anna Miller", "Yes."]):
        talk = message_talk(*said, "Goodbye then!")
        assert talk.called == "end_call"


def test_a_question_about_a_fact_where_the_name_is_asked_is_answered():
    talk = message_talk("Is there parking?")
    assert talk.reply.text == f"{talk.answer('parking')} {talk.line('message_name')}"


@pytest.mark.parametrize("said", ["No, thank you.", "No.", "No, never mind.", "I changed my mind."])
def test_a_no_where_the_name_is_asked_drops_the_message(said):
    talk = message_talk(said)
    assert talk.reply.text == f"{talk.line('message_dropped')} {talk.line('anything_else')}"


def test_a_number_of_another_country_is_taken_when_its_code_is_said():
    talk = message_talk(
        "Anna Miller", "No.", "plus four four, two zero, seven nine four six, zero nine five eight"
    )
    assert talk.state.draft.number == "+442079460958"


def test_an_extension_is_no_part_of_the_number_that_is_called():
    talk = message_talk("Anna Miller", "No.", "202 555 0143 extension 12")
    assert talk.state.draft.number == "2025550143"
