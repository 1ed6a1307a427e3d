"""Answers and reports about recordings overtake each other; what comes too late changes nothing."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from calls.call import Call
from calls.recordings import UNKNOWN, began, is_paused, recordings, was_changed, was_reported
from carriers.recording import RecordingUpdate

FILE = {"url": "https://carrier.example/RE1", "duration_secs": 12, "channels": 2}


def a_call() -> Call:
    return Call(carrier="c", carrier_call_id="CA1")


def reported(call: Call, state, recording_id, *, url=None, duration_secs=None, channels=None) -> bool:
    known = None if state == UNKNOWN else state
    return was_reported(call, RecordingUpdate("CA1", known, recording_id, url, duration_secs, channels))


def states(call: Call) -> list[str]:
    return [event.data["state"] for event in call.events if event.kind == "recording"]


def test_a_report_of_the_file_that_is_faster_than_the_answer_to_stop_stays():
    call = a_call()
    was_changed(call, "in_progress", "RE1")
    assert reported(call, "completed", "RE1", **FILE)
    was_changed(call, "stopped", "RE1")
    assert states(call) == ["in_progress", "completed"]


@pytest.mark.parametrize("end", ["completed", "absent", "failed"])
@pytest.mark.parametrize("late", ["paused", "in_progress", "stopped"])
def test_nothing_follows_the_end_of_a_recording(end, late):
    call = a_call()
    was_changed(call, "in_progress", "RE1")
    reported(call, end, "RE1")
    was_changed(call, late, "RE1")
    assert [one.state for one in recordings(call)] == [end]
    assert not is_paused(call)


@pytest.mark.parametrize("recording_id", ["RE1", None])
@pytest.mark.parametrize("late", ["in_progress", "paused", "stopped", "failed", "absent", "unknown"])
def test_a_file_that_is_there_stays_whatever_is_reported_after_it(late, recording_id):
    call = a_call()
    was_changed(call, "in_progress", "RE1")
    assert reported(call, "completed", "RE1", **FILE)
    if late != "in_progress" or recording_id:  # without a name, it is the beginning of another recording
        assert not reported(call, late, recording_id)
    assert [(one.id, one.state) for one in recordings(call)] == [("RE1", "completed")]


@pytest.mark.parametrize("end", ["absent", "failed"])
@pytest.mark.parametrize("late", ["in_progress", "paused", "stopped", "unknown"])
def test_no_report_takes_back_that_a_recording_has_ended(end, late):
    call = a_call()
    was_changed(call, "in_progress", "RE1")
    reported(call, end, "RE1")
    assert not reported(call, late, "RE1")
    assert [(one.id, one.state) for one in recordings(call)] == [("RE1", end)]


@pytest.mark.parametrize("recording_id", ["RE1", None])
def test_a_late_report_of_the_beginning_does_not_end_a_pause(recording_id):
    call = a_call()
    was_changed(call, "in_progress", recording_id)
    was_changed(call, "paused", recording_id)
    reported(call, "in_progress", "RE1", channels=2)
    reported(call, "unknown", "RE1")
    assert is_paused(call)
    was_changed(call, "in_progress", "RE1")
    assert not is_paused(call)


def test_the_end_of_an_earlier_recording_does_not_end_the_pause_of_another():
    call = a_call()
    was_changed(call, "in_progress", "RE1")
    was_changed(call, "stopped", "RE1")
    was_changed(call, "in_progress", "RE2")
    was_changed(call, "paused", "RE2")
    reported(call, "completed", "RE1", **FILE)
    assert is_paused(call)


def test_a_recording_that_was_not_named_at_first_is_one_recording():
    call = a_call()
    was_changed(call, "in_progress", None)
    was_changed(call, "stopped", None)
    reported(call, "completed", "R-1", **FILE)
    was_changed(call, "in_progress", None)
    assert [(one.id, one.state) for one in recordings(call)] == [("R-1", "completed"), (None, "in_progress")]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_whatever_the_order_the_file_is_what_remains(order):
    call = a_call()
    news = [
        lambda: was_changed(call, "in_progress", "RE1"),
        lambda: reported(call, "in_progress", "RE1"),
        lambda: was_changed(call, "stopped", "RE1"),
        lambda: reported(call, "completed", "RE1", **FILE),
    ]
    for number in order:
        news[number]()
    assert [(one.id, one.state) for one in recordings(call)] == [("RE1", "completed")]


def test_the_same_report_is_written_down_once():
    call = a_call()
    was_changed(call, "in_progress", "RE1")
    assert reported(call, "completed", "RE1", **FILE)
    assert not reported(call, "completed", "RE1", **FILE)


def test_a_recording_begins_when_we_are_told_or_when_a_carrier_with_a_right_clock_says_so():
    told = datetime(2026, 11, 26, 9, 0, 1, 500_000, tzinfo=UTC)
    call = Call(carrier="c", carrier_call_id="CA1", clock=lambda: told)
    was_changed(call, "in_progress", "RE1")
    assert began(call) == {0: told}
    for apart, believed in ((-0.2, True), (90, False)):
        says = told + timedelta(seconds=apart)
        was_reported(call, RecordingUpdate("CA1", "completed", "RE1", "https://x.test", started_at=says))
        assert began(call) == {0: says if believed else told - timedelta(seconds=0.2)}


def test_of_a_recording_of_which_nobody_says_when_it_began_it_is_not_known():
    call = a_call()
    reported(call, "completed", "RE1", **FILE)
    assert began(call) == {}
