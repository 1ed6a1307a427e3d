"""Without a model, the local brain finds the choice of a node that a caller means, and comes back to its question."""

import pytest

from conversation.agents.files import load_agent
from conversation.language.utterance import Utterance
from conversation.local.dialogue.choosing import InFlow, place_of
from conversation.local.dialogue.state import DialogueState, Stage
from settings import ROOT
from tests.brain_talk import CALLER, FRIDAY, retriever

INTAKE = load_agent("intake", ROOT / "examples" / "intake")
ORDERLINE = load_agent("orderline", ROOT / "examples" / "orderline")
TOOLS = {"end_call", "take_message", "transfer_call"}


def in_node(node, agent=INTAKE, tools=TOOLS, **state):
    functions = {one.name for one in agent.call_flow.functions(node)}
    variables = agent.call_variables(caller_number=CALLER, now=FRIDAY)
    place = place_of(agent.call_flow, node, state)
    return InFlow(place, agent, retriever(agent), {*tools, *functions}, variables)


def said(text, node, agent=INTAKE, **more):
    _, reply = in_node(node, agent, **more).decide(DialogueState(), Utterance.parse(text))
    return reply


MEANT = [
    ("start", "It's about my last bill.", "bill"),
    ("start", "I think you have charged me twice.", "bill"),
    ("start", "There's water coming out of the wall!", "leak"),
    ("start", "Hello, I'd like to report a leak, please.", "leak"),
    ("start", "A bill.", "bill"),
    ("how_bad", "Yes, it is.", "still_running"),
    ("how_bad", "No, I turned it off.", "stopped"),
    ("how_bad", "Yeah.", "still_running"),
    ("unknown_account", "I don't have the number with me.", "no_number"),
    ("who", "Yes, that's me.", "thats_me"),
    ("who", "No.", "somebody_else"),
]


@pytest.mark.parametrize(("node", "text", "function"), MEANT)
def test_a_caller_chooses_in_their_own_words(node, text, function):
    reply = said(text, node, name="Ann Lee")
    assert reply.tool_call is not None, reply.text
    assert (reply.tool_call.name, reply.text) == (function, "")


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("I want to order six rolls.", "new_order"),
        ("Could I have some bread for tomorrow?", "new_order"),
        ("I placed an order yesterday and want to know about it.", "about_order"),
        ("Is my order ready?", "about_order"),
    ],
)
def test_two_choices_with_the_same_words_are_told_apart(text, function):
    reply = said(text, "start", ORDERLINE)
    assert reply.tool_call is not None, reply.text
    assert reply.tool_call.name == function


@pytest.mark.parametrize(
    "text",
    ["I like trains.", "What is the capital of France?", "My dog is called Rex.", "Well, um.", "Hello?"],
)
def test_what_means_no_choice_chooses_none_and_the_question_is_asked_again(text):
    reply = said(text, "start")
    assert reply.tool_call is None
    assert reply.text.endswith(
        ("Are you calling about a bill, or about a leak?", "Go ahead.", "take a message?")
    )


def test_a_question_is_answered_by_a_fact_and_the_flow_goes_on():
    reply = said("When is your office open?", "how_bad")
    assert reply.text == (
        "Our office is open from eight to five, Monday to Friday. For leaks somebody is always there. "
        "Is the water still running?"
    )


def test_a_goodbye_is_a_goodbye_and_a_wish_for_a_person_is_offered_one():
    assert said("Thank you, goodbye.", "start").tool_call.name == "end_call"
    _, reply = in_node("start").decide(DialogueState(), Utterance.parse("Put me through to billing."))
    assert (reply.tool_call.name, reply.tool_call.arguments["destination"]) == ("transfer_call", "billing")


@pytest.mark.parametrize("text", ["DTMF: 20417#", "It's two oh four one seven.", "20417"])
def test_a_number_is_taken_by_keys_and_in_words(text):
    reply = said(text, "account")
    assert (reply.tool_call.name, reply.tool_call.arguments) == ("check_account", {"number": "20417"})


def test_keys_choose_and_other_keys_are_told():
    assert said("DTMF: 2", "start").tool_call.name == "leak"
    assert said("DTMF: *", "unknown_account").tool_call.name == "no_number"
    assert said("DTMF: 7", "start").text.endswith("Press 1 for a bill, 2 for a leak.")


def test_who_is_not_understood_twice_hears_what_can_be_chosen():
    flow, state = in_node("start"), DialogueState()
    state, first = flow.decide(state, Utterance.parse("Trains are nice."))
    state, second = flow.decide(state, Utterance.parse("Trains are very nice."))
    assert first.text == (
        "Sorry, I didn't catch that. Could you say it again? Are you calling about a bill, or about a leak?"
    )
    assert second.text.endswith("Press 1 for a bill, 2 for a leak.")


def test_words_are_filled_in_with_the_flows_state():
    assert in_node("who", name="Ann Lee").enter(DialogueState())[1].text == (
        "Thank you. Am I speaking with Ann Lee?"
    )


def test_where_a_model_is_needed_callers_hear_that_and_can_leave_a_message():
    state, reply = in_node("goods", ORDERLINE).enter(DialogueState())
    assert (state.stage, reply.text) == (
        Stage.OFFER_MESSAGE,
        "I'm sorry, I can't do that by myself. Shall I take a message?",
    )
    state, reply = in_node("goods", ORDERLINE).decide(state, Utterance.parse("Yes, please."))
    assert reply.text == "Of course. May I have your name?"
    state, reply = in_node("goods", ORDERLINE, tools={"end_call"}).enter(DialogueState())
    assert (state.stage, reply.text) == (
        Stage.ANYTHING_ELSE,
        "I'm sorry, I can't do that by myself. Is there anything else I can help with?",
    )


def test_what_can_be_chosen_is_said_where_the_owner_has_no_words():
    flow = in_node("confirm", ORDERLINE)
    assert flow.enter(DialogueState())[1].text == "You can say: place order or something else."
    _, reply = flow.returned(DialogueState(), True, "That was the last one.")
    assert reply.text == "That was the last one. You can say: place order or something else."
