"""A question that the local brain calls off topic may be the owner's business: callers ask a pizza shop for pizza."""

import pytest

from conversation.agents.files import load_agent
from tests.brain_talk import Talk

SHOPS = {
    "pizza": (
        "ordering",
        ["Can I order by phone?", "How do I order a pizza?"],
        "Tell me which pizza you would like.",
    ),
    "delivery": ("pizza", ["Which pizzas do you have?", "Do you deliver?"], "We deliver all our pizzas."),
    "cars": ("our cars", ["Do you sell used cars?", "Which cars do you have?"], "We sell used cars."),
    "phones": ("new phones", ["Do you sell phones?"], "We sell new phones."),
    "repairs": (
        "repairs",
        ["Can you fix my phone?", "My screen is broken."],
        "We repair phones and computers.",
    ),
    "factory": ("jobs", ["Are you hiring?", "Do you have any jobs?"], "Please send us an application."),
    "cinema": ("discounts", ["Do you have discounts?"], "Students pay half."),
    "travel": ("flights", ["Can you book flights?", "I need a flight."], "We book flights to everywhere."),
    "restaurant": (
        "the menu",
        ["What is on the menu?", "Can you tell me the menu?"],
        "Today we have soup and fish.",
    ),
    "taxi": ("taxis", ["Can I order a taxi?", "I need a cab."], "A taxi is on its way in ten minutes."),
}


@pytest.fixture
def shop(tmp_path):
    def open_(name):
        topic, questions, answer = SHOPS[name]
        (tmp_path / f"{name}.toml").write_text(
            'greeting = "Hello."\ninstructions = "Sell."\ntools = ["end_call", "take_message"]\n'
            f'[[facts]]\ntopic = "{topic}"\nquestions = {questions}\nanswer = "{answer}"\n'
            '[[facts]]\ntopic = "opening hours"\nquestions = ["When are you open?"]\nanswer = "From noon."\n'
        )
        return Talk(agent=load_agent(name, tmp_path))

    return open_


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("pizza", "Can I order a pizza?"),
        ("pizza", "Can you order me a pizza?"),
        ("delivery", "Can I order a pizza?"),
        ("cars", "Do you sell cars?"),
        ("phones", "I need a new phone."),
        ("repairs", "How do I fix my computer?"),
        ("factory", "Are you hiring at the moment?"),
        ("cinema", "Can you give me a discount?"),
        ("travel", "Book me a flight to London."),
        ("restaurant", "What's on the menu?"),
        ("taxi", "Can you call me a cab?"),
    ],
)
def test_an_owner_who_answers_it_is_asked_for_it(shop, name, question):
    assert shop(name).say(question) == SHOPS[name][2]


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("pizza", "Are you hiring at the moment?"),
        ("cars", "Can I order a pizza?"),
        ("phones", "What is the weather like?"),
        ("factory", "Book me a flight to London."),
    ],
)
def test_everybody_elses_business_stays_refused(shop, name, question):
    talk = shop(name)
    assert talk.say(question).startswith((talk.line("off_topic"), talk.line("did_not_understand")))
