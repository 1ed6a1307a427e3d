"""A caller who asks for a transfer by its name is put through; one who only seems to want a person is asked first."""

import pytest

from tests.brain_talk import Talk


@pytest.mark.parametrize(
    ("words", "destination"),
    [
        ("Please connect me to the front desk.", "front-desk"),
        ("Connect me with the front desk, please.", "front-desk"),
        ("Hi, could you put me through to the front desk?", "front-desk"),
        ("Can I speak to the front desk?", "front-desk"),
        ("I'd like to talk to someone at the front desk.", "front-desk"),
        ("Front desk, please.", "front-desk"),
        ("Get me the front desk.", "front-desk"),
        ("I need the front desk now.", "front-desk"),
        ("Put me through to billing, please.", "billing"),
        ("Transfer me to your billing office.", "billing"),
        ("Can I have billing, please?", "billing"),
        ("Billing, please.", "billing"),
        ("Thanks. Please connect me to billing.", "billing"),
        ("I'd like to be connected to billing.", "billing"),
        ("Can I be put through to billing?", "billing"),
        ("I need to talk to the people in billing.", "billing"),
        ("Billing department, please.", "billing"),
        ("Can you pass me to billing?", "billing"),
        ("Could you connect me with whoever does billing?", "billing"),
        ("Please transfer me for in to billing.", "billing"),
    ],
)
def test_a_wish_with_a_name_is_done(words, destination):
    talk = Talk()
    talk.say(words)
    assert talk.called == "transfer_call"
    assert talk.arguments["destination"] == destination


@pytest.mark.parametrize(
    "words",
    [
        "Can I talk to a real person?",
        "I have a question about my invoice.",
        "Agent!",
        "Is there anybody I can talk to about my bill?",
    ],
)
def test_a_wish_without_a_name_is_asked_about(words):
    talk = Talk()
    assert "Shall I put you through" in talk.say(words)
    assert talk.called is None


@pytest.mark.parametrize(
    "words",
    [
        "Don't connect me to the front desk.",
        "Can I have the number of the front desk?",
        "Do I need to speak to billing?",
        "Connect me to billing or to the front desk.",
        "Where is the front desk?",
        "When can I reach billing?",
    ],
)
def test_other_words_about_them_put_nobody_through(words):
    talk = Talk()
    talk.say(words)
    assert talk.called != "transfer_call"


@pytest.mark.parametrize(
    "words",
    [
        "Good evening. May I talk to a live operator, please?",
        "I want to speak with a human.",
        "I'd like to talk to a real person now, please.",
        "Please let me speak to an actual human being.",
    ],
)
def test_who_plainly_wants_a_person_is_put_through_to_the_first(words):
    talk = Talk()
    talk.say(words)
    assert talk.called == "transfer_call"
    assert talk.arguments["destination"] == "front-desk"


@pytest.mark.parametrize(
    "words",
    [
        "I don't want to talk to a person.",
        "I think I should talk to a person about my tooth.",
        "I want to talk to a person tomorrow.",
        "If I want to talk to a human, what do I do?",
    ],
)
def test_who_may_not_want_one_now_is_not(words):
    talk = Talk()
    talk.say(words)
    assert talk.called is None


def test_where_nobody_can_be_put_through_a_message_is_offered():
    talk = Talk(tools=("end_call", "take_message"))
    said = talk.say("Please connect me to the front desk.")
    assert said == f"{talk.line('transfer_unavailable')} {talk.line('offer_message')}"


@pytest.mark.parametrize(
    "words",
    ["Put me through, please.", "Can I speak to a representative?", "I want to speak with Doctor Chen."],
)
def test_a_wish_that_names_none_of_them_is_for_the_first(words):
    talk = Talk()
    assert talk.say(words) == talk.line("transfer_confirm", destination="the front desk")
