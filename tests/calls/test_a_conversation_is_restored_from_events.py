"""A call's events are enough to go on with its conversation: for a model, and for the local brain."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import LLMContextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test

import bot
from calls.events.reading import read_event
from calls.transcript import Message, Role, call_successes, heard_messages, to_context
from conversation.after_call import transcript
from emulator import Digits
from tests.brain_talk import Talk
from tests.conversation.test_brain_in_a_pipeline import brain, schema
from tests.talking_bot import talking

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def happened(*events):
    return [
        read_event(START + timedelta(seconds=second), kind, data)
        for second, (kind, data) in enumerate(events)
    ]


def said(messages):
    return [(message.role.value, message.text) for message in messages]


def test_words_are_kept_as_they_were_heard():
    messages = heard_messages(
        happened(
            ("attached", {"stream_id": "MZ1"}),
            ("bot_said", {"text": "Hello."}),
            ("bot_heard", {"text": "Hello."}),
            ("bot_said", {"text": "How can I help?"}),
            ("bot_heard", {"text": "How can I help?"}),
            ("dtmf", {"digits": "1"}),
            ("interrupted", {"heard": ""}),
            ("caller_said", {"text": "DTMF: 1"}),
            ("bot_heard", {"text": "We are open."}),
            ("bot_said", {"text": "From nine to five."}),
            ("interrupted", {"heard": "From nine"}),
            ("caller_said", {"text": "And on Sunday?"}),
            ("silence_prompt", {"n": 1}),
            ("bot_heard", {"text": "Still there?"}),
            ("detached", {"reason": "socket closed"}),
        )
    )
    assert said(messages) == [
        ("bot", "Hello. How can I help?"),
        ("caller", "DTMF: 1"),
        ("bot", "We are open. From nine"),
        ("caller", "And on Sunday?"),
        ("bot", "Still there?"),
    ]
    assert [message.interrupted for message in messages] == [True, False, True, False, False]
    assert messages[0].at == START + timedelta(seconds=2)


def test_a_persons_note_is_known_to_the_next_session_and_is_no_words_of_the_call():
    messages = heard_messages(
        happened(
            ("bot_heard", {"text": "Hello."}),
            ("note_given", {"text": "They are in a hurry.", "answer_now": False, "by": "ann"}),
            ("caller_said", {"text": "Hi."}),
        )
    )
    assert said(messages) == [("bot", "Hello."), ("note", "They are in a hurry."), ("caller", "Hi.")]
    context = to_context(messages)
    assert [one["role"] for one in context] == ["assistant", "developer", "user"]
    assert context[1]["content"].endswith("They are in a hurry.")
    assert transcript(messages) == "Agent: Hello.\nCaller: Hi."


def test_a_message_that_was_taken_is_told_once_whoever_tells_it():
    taken = {"caller_name": "Ann", "callback_number": "555 0101", "message": "Call me."}
    asked = {"caller_name": "Ann", "message": "Call me."}
    tool = ("tool", {"name": "take_message", "arguments": asked, "result": "The message was taken."})
    both = heard_messages(happened(("message_taken", taken), tool))
    alone = heard_messages(happened(("message_taken", taken)))
    assert [(m.tool.name, m.tool.arguments) for m in both] == [("take_message", asked)]
    assert [(m.tool.name, m.tool.arguments) for m in alone] == [("take_message", taken)]
    assert len(heard_messages(happened(("message_taken", taken), tool) * 2)) == 2


def test_a_message_that_was_not_taken_is_told_too():
    refused = {"name": "take_message", "arguments": {}, "result": "Not taken: the message is empty."}
    messages = heard_messages(happened(("tool", refused), ("message_taken", {"message": "Call me."})))
    assert [message.tool.result.split(":")[0].split(" ")[0] for message in messages] == ["Not", "The"]


@pytest.mark.parametrize(
    ("told", "succeeded"),
    [
        ({"result": "Nothing came of it.", "ok": False}, False),
        ({"result": "Not a word was lost.", "ok": True}, True),
        ({"result": "Not taken: the message is empty."}, False),  # as written before there was a field
        ({"result": "The message was taken."}, True),
        ({"result": {"outcome": "busy"}}, False),
    ],
)
def test_whether_a_tool_succeeded_is_what_its_event_says(told, succeeded):
    messages = heard_messages(happened(("tool", {"name": "pay", "arguments": {}, **told})))
    assert [message.tool.ok for message in messages] == [succeeded]
    (call, _) = to_context(messages)
    assert call_successes(messages) == {call["tool_calls"][0]["id"]: succeeded}


@pytest.mark.parametrize("outcome", ["connected", "busy"])
def test_a_transfer_succeeded_if_the_two_talked(outcome):
    (message,) = heard_messages(happened(("transfer_ended", {"destination": "sales", "outcome": outcome})))
    assert message.tool.ok is (outcome == "connected")


@pytest.mark.parametrize("tool_is_told_first", [True, False])
def test_a_transfer_is_told_once_with_its_outcome(tool_is_told_first):
    arguments = {"destination": "sales", "reason": "a quote"}
    tool = ("tool", {"name": "transfer_call", "arguments": arguments, "result": {"outcome": "handed over"}})
    ended = ("transfer_ended", {"destination": "sales", "outcome": "busy", "reason": "busy signal"})
    order = [tool, ended] if tool_is_told_first else [ended, tool]
    started = ("transfer_started", {"destination": "sales", "warm": False})
    (message,) = heard_messages(happened(started, *order))
    assert message.tool.arguments == arguments
    assert message.tool.result == {"outcome": "busy", "detail": "busy signal"}
    assert json.loads(message.text) == message.tool.result


def test_a_transfer_that_no_tool_asked_for_is_told_as_well():
    ended = ("transfer_ended", {"destination": "sales", "outcome": "no_answer", "reason": ""})
    first, second = heard_messages(happened(ended, ("transfer_started", {"destination": "sales"}), ended))
    assert first.tool.name == second.tool.name == "transfer_call"
    assert first.tool.arguments == {"destination": "sales"}
    assert first.tool.result == {"outcome": "no_answer"}


def test_a_model_is_shown_calls_of_tools_with_their_results():
    use = {"name": "take_message", "arguments": {"message": "Grüße"}, "result": "The message was taken."}
    context = to_context(
        heard_messages(
            happened(("caller_said", {"text": "Yes."}), ("tool", use), ("bot_heard", {"text": "Taken."}))
        )
    )
    user, call, result, reply = context
    assert user == {"role": "user", "content": "Yes."}
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {"message": "Grüße"}
    assert result == {
        "role": "tool",
        "tool_call_id": call["tool_calls"][0]["id"],
        "content": '"The message was taken."',
    }
    assert reply == {"role": "assistant", "content": "Taken."}


texts = st.text(max_size=12)
names = st.sampled_from(["take_message", "transfer_call", "end_call", "send_digits", ""])
tables = st.dictionaries(st.sampled_from(["message", "destination", "n"]), st.one_of(texts, st.integers()))
results = st.one_of(texts, tables, st.none(), st.sampled_from(["Not taken: empty.", {"outcome": "busy"}]))
EVENTS = st.one_of(
    st.tuples(
        st.sampled_from(["caller_said", "bot_said", "bot_heard"]), st.fixed_dictionaries({"text": texts})
    ),
    st.tuples(st.just("interrupted"), st.fixed_dictionaries({}, optional={"heard": texts})),
    st.tuples(
        st.just("tool"), st.fixed_dictionaries({"name": names, "arguments": tables, "result": results})
    ),
    st.tuples(st.just("message_taken"), tables),
    st.tuples(st.sampled_from(["transfer_started", "transfer_ended", "attached", "detached"]), tables),
    st.tuples(st.sampled_from(["dtmf", "silence_prompt", "state", "error", "something new"]), tables),
)


@given(st.lists(EVENTS, max_size=30))
def test_whatever_happened_the_context_is_valid(events):
    messages = heard_messages(happened(*events))
    context = to_context(messages)
    calls = Counter()
    for index, message in enumerate(context):
        match message["role"]:
            case "user" | "assistant" if "content" in message:
                assert message["content"]
            case "assistant":
                (call,) = message["tool_calls"]
                assert call["type"] == "function" and call["function"]["name"]
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
                assert context[index + 1]["role"] == "tool"
                assert context[index + 1]["tool_call_id"] == call["id"]
                calls[call["id"]] += 1
            case "tool":
                assert message["content"]
                assert message["tool_call_id"] in calls
            case role:
                pytest.fail(f"unknown role {role}")
    assert all(count == 1 for count in calls.values())

    # Nothing that somebody heard is left out, and nothing else is in it.
    heard = {
        Role.CALLER: [data["text"] for kind, data in events if kind == "caller_said"],
        Role.BOT: [
            data["text"] if kind == "bot_heard" else data.get("heard", "")
            for kind, data in events
            if kind in ("bot_heard", "interrupted")
        ],
    }
    for role, expected in heard.items():
        told = " ".join(message.text for message in messages if message.role is role)
        assert told == " ".join(filter(None, expected))
    assert [message.at for message in messages if message.tool is None] == sorted(
        message.at for message in messages if message.tool is None
    )


TURNS = [
    "I'd like to leave a message",
    "My name is Ann Miller",
    "DTMF: 5550101#",
    "Please call me back about my invoice",
    "Yes",
    "No, thank you",
]


def talk_for(turns):
    """The events of a talk with the local brain, and where it then stands."""
    talk, events = Talk(), [("bot_heard", {"text": "Hello."})]
    for text in turns:
        events.append(("caller_said", {"text": text}))
        reply = talk.say(text)
        if talk.called == "take_message":
            arguments = dict(talk.arguments)
            events.append(("message_taken", {"message": arguments["message"]}))
            events.append(("tool", {"name": "take_message", "arguments": arguments, "result": "Taken."}))
            reply = talk.tool_returns("take_message")
        if reply:
            events.append(("bot_heard", {"text": reply}))
    return events, talk.state


@pytest.mark.parametrize("turns", range(1, len(TURNS)))
async def test_the_local_brain_goes_on_where_the_call_was(turns):
    events, _ = talk_for(TURNS[:turns])
    _, expected = talk_for(TURNS[: turns + 1])
    service = brain()
    messages = to_context(heard_messages(happened(*events, ("caller_said", {"text": TURNS[turns]}))))
    await run_test(service, frames_to_send=[LLMContextFrame(LLMContext(messages, tools=schema()))])
    if turns == 4:  # the message is being passed on
        assert service.state.stage == "waiting"
        assert service.state.draft.text
        return
    assert service.state == expected


async def test_what_a_tool_did_when_the_line_was_lost_is_told_on_the_next():
    events, expected = talk_for(TURNS[:5])
    assert events.pop()[0] == "bot_heard"  # the line was lost before this was heard
    service = brain()
    context = LLMContext(to_context(heard_messages(happened(*events))), tools=schema())
    down, _ = await run_test(service, frames_to_send=[LLMContextFrame(context)])
    assert service.state == expected
    assert expected.last_reply in "".join(getattr(frame, "text", "") for frame in down)


async def test_a_session_goes_on_with_the_conversation_that_it_is_given(monkeypatch, tmp_path):
    history = [Message(Role.CALLER, "I am Ann.", START), Message(Role.BOT, "Hello Ann.", START)]
    monkeypatch.setattr(bot, "heard_messages", lambda _: history)
    async with talking(
        monkeypatch, tmp_path, "twilio", lambda _: [("end_call", {"farewell": "Bye."})]
    ) as talk:
        await talk.network.call(talk.url, [Digits("1#")])
    (context,) = talk.contexts
    assert [message["content"] for message in context[1:]] == [
        "I am Ann.",
        "Hello Ann.",
        "Hello.",
        "DTMF: 1#",
    ]
