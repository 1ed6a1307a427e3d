"""Who is angry, insists, repeats themselves or is not understood is offered a person or a message, and no loop."""

from itertools import pairwise

import pytest

from tests.brain_talk import Talk

PERSON = "Shall I put you through to the front desk?"


@pytest.mark.parametrize(
    "words",
    [
        "This is ridiculous!",
        "You are useless.",
        "You never understand anything.",
        "I'm sick of this.",
        "I've had enough.",
        "Nobody has rung me back.",
        "They never returned my calls.",
        "I've been waiting, and no one ever answers.",
        "It's the fourth time I call about this.",
        "I need someone here immediately!",
        "We want help right away.",
    ],
)
def test_who_is_angry_is_offered_a_person(words):
    assert Talk().say(words) == PERSON


@pytest.mark.parametrize(
    "words",
    ["Can somebody ring me back?", "Nobody called. Please call me back.", "They can call me tomorrow."],
)
def test_a_wish_for_a_call_is_no_complaint(words):
    talk = Talk()
    assert talk.say(words).endswith(talk.line("message_name"))


def test_where_there_is_no_person_who_is_angry_is_offered_a_message():
    talk = Talk(tools=("end_call", "take_message"))
    assert talk.say("This is ridiculous!").endswith(talk.line("offer_message"))


def test_an_angry_word_does_not_hide_a_question():
    talk = Talk()
    assert talk.say("Where can I park? This is ridiculous!") == talk.answer("parking")


@pytest.mark.parametrize("again", ["Agent!", "I said I want to talk to a person!", "A human, please."])
def test_who_asks_for_a_person_twice_is_put_through(again):
    talk = Talk()
    talk.say("I need to talk to someone.")
    talk.say(again)
    assert talk.called == "transfer_call"


def test_what_is_never_understood_is_not_answered_with_the_same_words_twice_in_a_row():
    talk = Talk()
    said = [talk.say("Fnord blah.") for _ in range(6)]
    assert all(one != other for one, other in pairwise(said))
    assert said[2].startswith(talk.line("help")) and talk.line("offer_message") in said[2]
    assert said[3].endswith(PERSON)


def test_an_offer_stays_open_when_the_answer_to_it_was_not_understood():
    talk = Talk()
    talk.say("Do you do implants?")
    assert talk.say("Fnord blah.") == f"{talk.line('did_not_understand')} {talk.line('offer_message')}"
    assert talk.say("Yes, please.").endswith(talk.line("message_name"))
    talk = Talk()
    offer = talk.say("I need to talk to someone.")
    assert talk.say("Fnord blah.") == f"{talk.line('did_not_understand')} {offer}"
    talk.say("Yeah.")
    assert talk.called == "transfer_call"


def test_who_wants_no_message_is_offered_a_person_the_next_time():
    talk = Talk()
    assert talk.say("Do you do implants?").endswith(talk.line("offer_message"))
    talk.say("No.")
    assert talk.say("I said, do you do implants?") == f"{talk.line('off_topic')} {PERSON}"


@pytest.mark.parametrize(
    ("words", "topics"),
    [
        ("I want to know your prices and your address.", ["prices", "our address"]),
        ("How much is a filling and do you take Aetna", ["prices", "insurance"]),
        ("Where are you located can I pay by card", ["our address", "paying"]),
        ("Where are you? And can I pay by card?", ["our address", "paying"]),
        ("When are you open on Saturday and how much is a cleaning?", ["weekend hours", "prices"]),
    ],
)
def test_two_questions_are_answered_one_after_the_other(words, topics):
    talk = Talk()
    assert talk.say(words) == " ".join(talk.answer(topic) for topic in topics)


def test_a_question_is_answered_before_what_else_is_wanted():
    talk = Talk()
    assert talk.say("Where are you? And please connect me to billing.") == talk.answer("our address")
    assert talk.called == "transfer_call"
    talk = Talk()
    said = talk.say("Where are you? Could somebody call me back?")
    assert said == f"{talk.answer('our address')} {talk.line('message_start')} {talk.line('message_name')}"


YES = [
    "Yes.",
    "yeah",
    "Yep.",
    "uh-huh",
    "Uh huh.",
    "mhm",
    "Correct.",
    "That's right.",
    "Sure.",
    "Okay.",
    "Right.",
]
NO = ["No.", "nope", "nah", "Uh-uh.", "No, thanks.", "No thank you.", "Not really.", "That's wrong."]


@pytest.mark.parametrize("word", YES)
def test_a_short_yes_answers_every_question_of_the_brains(word):
    for before, after in (
        ("What is the weather like?", "message_name"),
        ("What's your fee for an exam?", None),
    ):
        talk = Talk()
        talk.say(before)
        said = talk.say(word)
        assert said.endswith(talk.line(after)) if after else said == talk.answer("prices")
    talk = Talk()
    talk.say("Can I talk to a real person?")
    talk.say(word)
    assert talk.called == "transfer_call"


@pytest.mark.parametrize("word", NO)
def test_a_short_no_answers_every_question_of_the_brains(word):
    talk = Talk()
    talk.say("What is the weather like?")
    assert talk.say(word) == talk.line("anything_else")
    talk = Talk()
    talk.say("What's your fee for an exam?")
    assert talk.say(word) == talk.line("say_it_differently")
    talk = Talk()
    talk.say("Can I talk to a real person?")
    assert talk.say(word).startswith(talk.line("transfer_declined"))
    talk = Talk()
    talk.say("I think that's everything.")
    talk.say(word)
    assert talk.called == "end_call"


@pytest.mark.parametrize(
    "words", ["Hold on.", "One moment, please.", "Wait a second.", "Just a minute.", "Hang on."]
)
def test_who_asks_for_time_is_given_it_and_the_question_stays_open(words):
    talk = Talk()
    talk.say("Can I talk to a real person?")
    assert talk.say(words) == talk.line("hold_on")
    assert not talk.reply.text.endswith("?")
    talk.say("Yes.")
    assert talk.called == "transfer_call"
