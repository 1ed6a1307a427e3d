"""What a session was at when it died is told to the next one: a tool without a result is not known to have worked."""

from calls.call import Call
from calls.events.lifecycle import GoodbyePromised, TransferStarted
from calls.events.talk import Attached, CallerSaid, Detached, MessageTaken, ToolStarted, ToolUsed
from calls.states import CallState, EndedBy
from calls.transcript import NOT_KNOWN, call_successes, heard_messages, to_context


def tools(*events) -> list[tuple[str, dict, bool]]:
    call = Call("twilio", "CA1")
    for event in events:
        call.record(event)
    uses = [one.tool for one in heard_messages(call.events) if one.tool is not None]
    return [(use.name, dict(use.arguments), use.result != NOT_KNOWN) for use in uses]


def test_a_tool_whose_session_died_is_not_known_to_the_next():
    events = (CallerSaid("A table"), ToolStarted("book", {"guests": 4}), Attached("MZ2"))
    assert tools(*events) == [("book", {"guests": 4}, False)]


def test_the_model_is_told_so_in_the_place_of_a_result():
    call = Call("twilio", "CA1")
    for event in (CallerSaid("A table"), ToolStarted("book", {"guests": 4}), Attached("MZ2")):
        call.record(event)
    messages = heard_messages(call.events)
    context = to_context(messages)
    assert [one["role"] for one in context] == ["user", "assistant", "tool"]
    assert "not known whether this was done" in context[-1]["content"]
    assert list(call_successes(messages).values()) == [False]


def test_a_tool_that_still_runs_is_no_part_of_the_conversation_yet():
    assert tools(CallerSaid("A table"), ToolStarted("book", {"guests": 4})) == []
    assert tools(CallerSaid("A table"), ToolStarted("book", {"guests": 4}), Detached("lost")) == []


def test_a_tool_that_has_returned_is_told_once():
    used = ToolUsed("book", {"guests": 4}, "booked", ok=True)
    assert tools(ToolStarted("book", {"guests": 4}), used, Attached("MZ2")) == [("book", {"guests": 4}, True)]


def test_of_two_at_a_time_only_the_one_without_a_result_is_not_known():
    begun = (ToolStarted("book", {"guests": 4}), ToolStarted("book", {"guests": 2}))
    used = ToolUsed("book", {"guests": 2}, "booked", ok=True)
    assert tools(*begun, used, Attached("MZ2")) == [
        ("book", {"guests": 2}, True),
        ("book", {"guests": 4}, False),
    ]


def test_what_has_an_event_of_its_own_is_known_by_that():
    taken = MessageTaken("Ann", "+12025550100", "Call me")
    assert tools(ToolStarted("take_message", {}), taken, Attached("MZ2"))[0][2]
    goodbye = GoodbyePromised("Bye.", EndedBy.BOT, "end_call", CallState.COMPLETED)
    assert tools(ToolStarted("end_call", {}), goodbye, Attached("MZ2")) == []
    started = TransferStarted("desk", warm=False)
    assert tools(ToolStarted("transfer_call", {}), started, Attached("MZ2")) == []
