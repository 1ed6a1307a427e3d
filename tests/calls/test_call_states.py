"""A call's state: whatever is reported in whatever order, it never leaves its end, and ends once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.call import Call, IllegalMove, Turn
from calls.events.reading import read_event
from calls.events.talk import BotHeard, CallerSaid, Interrupted
from calls.states import ENDS, NEXT, CallState, EndedBy
from carriers.carrier import Direction, LineState, StatusUpdate

UPDATES = st.lists(st.sampled_from([*LineState, None]), max_size=12)
DIRECTIONS = st.sampled_from(list(Direction))


def a_call(direction: Direction = Direction.INBOUND) -> Call:
    return Call(carrier="c", carrier_call_id="1", direction=direction)


def kinds(call: Call) -> list[str]:
    return [event.kind for event in call.events]


def report(state: LineState | None, reason: str = "") -> StatusUpdate:
    return StatusUpdate("1", state, reason)


@given(DIRECTIONS, UPDATES)
def test_status_callbacks_in_any_order_never_leave_an_end(direction, states):
    call = a_call(direction)
    end = None
    for state in states:
        changed = call.apply(report(state))
        assert not (end and changed)
        end = end or (call.state if call.is_over else None)
        assert end is None or call.state is end
    first_end = next((state for state in states if state and CallState(state.value) in ENDS), None)
    assert call.is_over == (
        first_end is not None
    )  # an end that was reported is believed, out of order or not
    if first_end:
        assert call.state == first_end.value
    assert kinds(call).count("ended") == call.is_over
    assert (call.ended_by is not None) == (call.ended_at is not None) == call.is_over


@given(DIRECTIONS, UPDATES, st.randoms(use_true_random=False))
def test_doubled_status_callbacks_change_nothing_more(direction, states, random):
    once, twice = a_call(direction), a_call(direction)
    for state in states:
        once.apply(report(state))
        for _ in range(random.randint(1, 3)):
            twice.apply(report(state))
    assert (once.state, kinds(once)) == (twice.state, kinds(twice))


@given(DIRECTIONS, st.lists(st.sampled_from(list(CallState)), max_size=12))
def test_moves_follow_the_drawn_ways_only(direction, states):
    call = a_call(direction)
    for state in states:
        before, events = call.state, len(call.events)
        allowed = state in NEXT[before]
        try:
            changed = call.move(state, cause="test")
        except IllegalMove:
            assert not allowed
            assert state is not before
            changed = False
        assert changed is allowed
        assert call.state is (state if allowed else before)
        assert (len(call.events) > events) is changed
    assert kinds(call).count("ended") <= 1
    assert kinds(call).count("answered") <= 1


@given(UPDATES)
def test_every_change_is_an_event_with_its_cause(states):
    call = a_call()
    changes = [state for state in states if call.apply(report(state, "because"))]
    told = [event.data for event in call.events if event.kind == "state"][1:]
    assert told == [{"state": state.value, "cause": "because"} for state in changes]


def test_somebody_elses_call_rings_and_ours_is_queued():
    assert kinds(a_call()) == ["state", "ringing"]
    assert (a_call().state, a_call(Direction.OUTBOUND).state) == (CallState.RINGING, CallState.QUEUED)


def test_times_come_from_the_clock():
    times = iter(datetime(2025, 11, 21, tzinfo=UTC) + timedelta(seconds=n) for n in range(100))
    call = Call(carrier="c", carrier_call_id="1", clock=lambda: next(times))
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.move(CallState.COMPLETED, cause="over")
    assert call.created_at < call.answered_at < call.ended_at == call.events[-2].at


def test_a_completed_call_that_nobody_here_ended_was_ended_by_the_caller():
    call = a_call()
    call.apply(report(LineState.COMPLETED, "SIP 200"))
    assert (call.ended_by, call.end_cause) == (EndedBy.CALLER, "SIP 200")
    assert call.events[-1].data == {"ended_by": "caller", "cause": "SIP 200"}


@pytest.mark.parametrize(
    ("direction", "state", "ended_by"),
    [
        (Direction.INBOUND, LineState.CANCELED, EndedBy.CALLER),
        (Direction.OUTBOUND, LineState.CANCELED, EndedBy.BOT),
        (Direction.OUTBOUND, LineState.BUSY, EndedBy.CALLER),
        (Direction.OUTBOUND, LineState.NO_ANSWER, EndedBy.CALLER),
        (Direction.OUTBOUND, LineState.FAILED, EndedBy.ERROR),
    ],
)
def test_every_end_has_somebody_who_ended_it(direction, state, ended_by):
    call = a_call(direction)
    call.apply(report(state))
    assert call.ended_by is ended_by


def test_who_announced_the_end_ended_the_call_whoever_reports_it():
    call = a_call()
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.will_end(EndedBy.BOT, "said goodbye")
    assert call.ended_by is None  # not over yet
    call.will_end(EndedBy.LIMIT, "too long")
    call.move(CallState.COMPLETED, cause="the stream stopped", ended_by=EndedBy.CALLER)
    assert (call.ended_by, call.end_cause) == (EndedBy.BOT, "said goodbye")


def test_a_later_end_is_no_news():
    call = a_call()
    call.move(CallState.BUSY, cause="busy")
    assert call.move(CallState.COMPLETED, cause="late", ended_by=EndedBy.BOT) is False
    assert (call.state, call.ended_by) == (CallState.BUSY, EndedBy.CALLER)
    with pytest.raises(IllegalMove, match="cannot go from busy to in_progress"):
        call.move(CallState.IN_PROGRESS, cause="?")


def test_a_late_answer_does_not_bring_a_transfer_back():
    call = a_call()
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.move(CallState.TRANSFERRING, cause="asked for sales")
    assert call.apply(report(LineState.IN_PROGRESS)) is False
    assert call.state is CallState.TRANSFERRING
    call.move(CallState.IN_PROGRESS, cause="nobody answered")
    assert kinds(call).count("answered") == 1


def test_turns_are_made_from_what_was_heard():
    call = a_call()
    for kind, text in [
        ("bot_said", "Hello."),
        ("bot_heard", "Hello."),
        ("caller_said", "Are you"),
        ("caller_said", "open?"),
        ("bot_said", "Yes."),
        ("bot_heard", "Yes."),
        ("bot_said", "Until six."),
        ("bot_heard", "Until six."),
        ("caller_said", "Thanks."),
        ("bot_said", "You are welcome."),
    ]:
        call.record(read_event(call.clock(), kind, {"text": text}))
    assert call.turns == [
        Turn("", "Hello."),
        Turn("Are you open?", "Yes. Until six."),
        Turn("Thanks.", ""),
    ]


def test_a_turn_tells_that_the_bot_was_cut_off_in_it():
    call = a_call()
    call.record(CallerSaid(text="Are you open?"))
    call.record(BotHeard(text="Yes."))
    call.record(Interrupted(heard="Until"))
    call.record(CallerSaid(text="And parking?"))
    call.record(Interrupted(heard=""))
    call.record(CallerSaid(text="Hello?"))
    call.record(BotHeard(text="I am here."))
    assert call.turns == [
        Turn("Are you open?", "Yes. Until", interrupted=True),
        Turn("And parking?", "", interrupted=True),
        Turn("Hello?", "I am here."),
    ]
