"""False starts and searched words are left out of a question, and a short one may be about what was told before."""

from functools import cache

import pytest

from conversation.agents.agent import Agent
from conversation.language.tidying import tidied
from conversation.language.utterance import clauses
from tests.brain_talk import Talk, meaning


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Can I? Sorry let me begin again. Is there a lift?", "Is there a lift?"),
        ("When do, let me rephrase that, when does the doctor come?", "when does the doctor come?"),
        ("I have, well, let me started over. Do you take cards?", "Do you take cards?"),
        ("What I wanted to ask is do you see children?", "do you see children?"),
        ("Do you have a, um, what do you call it, a ramp?", "Do you have a ramp?"),
        ("What does a uh? What's that called? A filling cost?", "What does a filling cost?"),
        ("Do you sell the, what's the word, I'll toothbrush?", "Do you sell the toothbrush?"),
        ("Um, where are you?", "where are you?"),
        ("Where is the arm, what's it called? The sauna?", "Where is the sauna?"),
        ("What's it called?", "What's it called?"),
        ("Let me start again.", "Let me start again."),
        ("I will call again tomorrow.", "I will call again tomorrow."),
        ("um", "um"),
    ],
)
def test_what_is_said_on_the_way_to_a_question_is_left_out(said, meant):
    assert tidied(said) == meant


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ("Do you? Sorry, let me start over. Is there parking?", "parking"),
        ("How much is a, er, how do you call it, a cleaning?", "prices"),
    ],
)
def test_the_rest_is_answered_alone(said, topic):
    assert meaning(said) == topic


@pytest.mark.parametrize(
    "said", ["How am I today?", "Hi, how are we today?", "Who knows today?", "How was I tomorrow?"]
)
def test_a_day_alone_names_no_fact(said):
    talk = Talk()
    talk.say(said)
    assert talk.reply.text != talk.answer("our opening hours")


@cache
def guest_house() -> Agent:
    return Agent(
        name="linden",
        greeting="Hello.",
        instructions="You answer the phone of the Linden House.",
        facts=[
            {
                "topic": "the way to us",
                "questions": ["How do I get to you?", "Is there a bus from the station?"],
                "answer": "Take bus nine from the station to Linden Square.",
            },
            {
                "topic": "the sauna",
                "questions": ["Is there a sauna?", "When is the sauna open?"],
                "answer": "The sauna is open from five to ten in the evening and costs six euros.",
            },
            {
                "topic": "the bar",
                "questions": ["Do you have a bar?"],
                "answer": "The bar is on the roof. Peanuts are free.",
            },
        ],
    )


@pytest.mark.parametrize("place", ["hotel", "restaurant", "place", "museum"])
def test_the_way_to_your_place_is_the_way_to_us(place):
    talk = Talk(agent=guest_house())
    assert talk.say(f"How do I get to your {place}?").startswith(talk.answer("the way to us"))
    talk = Talk(agent=guest_house())
    assert not talk.say("How do I get to the museum?").startswith(talk.answer("the way to us"))


@pytest.mark.parametrize(
    "more",
    [
        "Does it cost anything?",
        "Do I have to pay for that?",
        "Is that extra?",
        "How much is it?",
    ],
)
def test_a_short_question_is_about_what_was_told_before(more):
    talk = Talk(agent=guest_house())
    talk.say("Is there a sauna?")
    assert talk.say(more).startswith(talk.answer("the sauna"))


@pytest.mark.parametrize("more", ["Is that free?", "Is it heated?", "Is that far?"])
def test_what_was_told_is_not_told_again_to_a_question_that_it_does_not_answer(more):
    talk = Talk(agent=guest_house())
    talk.say("How do I get to you?")
    said = talk.say(more)
    assert not any(said.startswith(talk.answer(fact.topic)) for fact in talk.agent.facts)


def test_a_title_ends_no_sentence():
    assert clauses("Is Dr. Hale in? I know Mrs. Hill.") == ["Is Dr. Hale in?", "I know Mrs. Hill."]
