"""The scripted model knows the lines of its talks though they were misheard, and nothing that is like none of them."""

import pytest

from talks.agent_facts import read_agent
from talks.dialogue import Dialogue
from talks.dialogue_words import NAME, UNKNOWN, WAITING
from talks.format import Stored, Talk, Turn
from talks.stage import AGENTS
from talks.understanding import lines_of, nearest

FACTS = {name: read_agent(name, [AGENTS]) for name in ("receptionist", "reminder")}
TOOLS = {"end_call": [], "take_message": [], "transfer_call": ["front-desk", "billing"]}
OF_A_CALLER = [
    Turn("question", say="I've heard you're strict. <0.5> What if I don't turn up?", topics=["parking"]),
    Turn(
        "two-questions",
        say="May my nephew come along, and may he bring his scooter?",
        topics=["parking", "prices"],
    ),
    Turn(
        "question",
        say="Is anybody in on New Year?",
        topics=["our opening hours", "weekend hours"],
        answered=["Saturday we"],
    ),
    Turn("hold", say="Stay with me, the postman is coming."),
    Turn("request", say="I want word from one of you.", answered=["name"]),
    Turn("message", say="Robert Ashworth.", answered=["number"]),
    Turn("one-word", say="Exactly."),
    Turn("goodbye", say="Right then, cheerio to you all."),
    Turn("request", say="Get me whoever does the invoices."),
]
REMINDED = [Turn("request", say="Count on me, I shall show up.")]
TALKS = [
    Talk("made up", OF_A_CALLER, ends="transfer:billing"),
    Talk("placed", REMINDED, agent="reminder", placed_by="bot", stored=Stored(words=["confirmed"])),
]
LINES = lines_of(TALKS, FACTS, NAME)


def answer(*texts, agent="receptionist", facts=None, tools=TOOLS):
    """What comes after texts of the caller and the bot by turns, the caller first."""
    told = "\n".join((facts if facts is not None else FACTS[agent].facts).values())
    if agent == "reminder":
        told += ' If they can come, keep "confirmed" with take_message.'
    lines = [line for line in LINES if line.agent is FACTS[agent]]
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
    return Dialogue(told, tools, FACTS[agent], lines).run(messages)


@pytest.mark.parametrize(
    "heard",
    ["I've heard you're strict. What if I don't turn up?", "I heard your strict. What if I don't earn up?"],
)
def test_a_line_is_answered_with_its_fact_though_it_was_misheard(heard):
    assert answer(heard).text == FACTS["receptionist"].facts["parking"]


def test_both_facts_of_two_questions_are_told_and_one_of_several_that_are_right():
    facts = FACTS["receptionist"].facts
    assert answer("May my nephews come along and may he ring his scooter").text == (
        f"{facts['parking']} {facts['prices']}"
    )
    assert answer("Is anybody in on New Year?").text == facts["weekend hours"]


@pytest.mark.parametrize(
    "heard", ["What if I don't?", "I heard music. What a day!", "Do you deliver pizza?", "Strict."]
)
def test_what_resembles_no_line_is_not_known(heard):
    assert nearest(heard, LINES) is None
    assert answer(heard).text == UNKNOWN


def test_a_fact_that_was_not_sent_is_not_told():
    assert (
        FACTS["receptionist"].facts["parking"]
        not in answer("I've heard you're strict. What if I don't turn up?", facts={"x": "y"}).text
    )


def test_wishes_of_lines_are_done():
    assert answer("Stay with me, the post man is coming.").text == WAITING
    assert answer("I want a word from one of you.").text == NAME
    assert answer("Right then. Cheery to you all.").tool == "end_call"
    transfer = answer("Get me whoever does the in voices.")
    assert (transfer.tool, transfer.arguments["destination"]) == ("transfer_call", "billing")


def test_a_tool_that_was_not_offered_is_not_called():
    assert answer("Get me whoever does the invoices.", tools={"end_call": []}).tool is None


def test_names_are_taken_as_they_were_heard():
    reply = answer("Take a message.", NAME, "Robot Ash.", "?", "Yes.", "?", "I lost a ring.")
    assert "Robot Ash" in reply.text and "Ashworth" not in reply.text


def test_this_one_is_no_digit():
    assert (
        "number that you are calling from"
        in answer("Take a message.", NAME, "Ann.", "?", "This one is fine.", "?", "I lost a ring.").text
    )


def test_a_misheard_yes_takes_the_message_and_a_goodbye_does_too():
    texts = ["Take a message.", "?", "Ann.", "?", "Yes.", "?", "I lost a ring.", "Is that right?"]
    assert answer(*texts, "Exact lee.").tool == "take_message"
    assert answer(*texts, "Eggs.").tool is None
    assert answer(*texts, "Thanks, goodbye.").tool == "take_message"
    assert answer(*texts, "No, please don't send it.").tool is None
    assert answer(*texts, "No, please don't send it.", "?", "Goodbye.").tool == "end_call"


@pytest.mark.parametrize(
    ("heard", "note"),
    [
        ("Count on me, I shall slow up.", "Confirmed"),
        ("Yes, I will come.", "Confirmed"),
        ("Sorry, I'm away then.", "Cannot come"),
    ],
)
def test_a_patient_who_is_reminded_is_noted(heard, note):
    reply = answer("Hello?", "Hello Paul, this is Willow Dental. Can you come?", heard, agent="reminder")
    assert reply.tool == "take_message" and reply.arguments["message"].startswith(note)
    assert reply.arguments["caller_name"] == "Paul"


def test_who_comes_to_the_telephone_hears_the_greeting_again():
    greeting = "Hello Paul, this is Willow Dental. Can you come?"
    assert answer("Hello?", greeting, "Paul speaking.", agent="reminder").text == greeting
