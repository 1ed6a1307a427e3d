"""What Call Control's events say, in our words."""

import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest

from carriers.carrier import (
    AnsweredBy,
    CarrierEvent,
    DialStatus,
    Direction,
    IncomingCall,
    LineState,
    RecordingState,
    RecordingUpdate,
    ReferResult,
    StatusUpdate,
    WebhookError,
)
from carriers.telnyx.call_control import TelnyxCallControl

IDS = {"call_control_id": "v3:1", "call_leg_id": "leg1", "call_session_id": "session1"}


def event(kind: str, **payload: object) -> bytes:
    payload = {**IDS, "from": "+12025550101", "to": "+12025550102", "client_state": None, **payload}
    data = {"event_type": kind, "id": "e1", "occurred_at": "2026-01-01T08:00:00.5Z", "payload": payload}
    return json.dumps({"data": data, "meta": {"attempt": 1}}).encode()


def heard(kind: str, **payload: object) -> CarrierEvent:
    return TelnyxCallControl().parse_event(event(kind, **payload))


def state(values: object) -> str:
    return b64encode(json.dumps(values).encode()).decode()


def test_an_event_says_where_and_when_it_happened():
    happened = heard("streaming.started", client_state=state({"call": "call_1"}))
    assert happened == CarrierEvent(
        kind="streaming.started",
        event_id="e1",
        call_id="v3:1",
        occurred_at=datetime(2026, 1, 1, 8, 0, 0, 500000, tzinfo=UTC),
        client_state={"call": "call_1"},
    )


def test_a_call_that_comes_in_waits_to_be_answered():
    happened = heard("call.initiated", direction="incoming", state="parked")
    assert happened.status == StatusUpdate("v3:1", LineState.RINGING)
    assert happened.incoming == IncomingCall("v3:1", "+12025550101", "+12025550102", Direction.INBOUND)


def test_a_call_that_we_make_is_none_that_comes_in():
    happened = heard("call.initiated", direction="outgoing", state="bridging")
    assert happened.incoming is None
    assert happened.status == StatusUpdate("v3:1", LineState.RINGING)


def test_a_withheld_number_is_no_number():
    happened = heard("call.initiated", direction="incoming", **{"from": "anonymous"})
    assert happened.incoming is not None
    assert happened.incoming.from_number is None


def test_a_call_is_answered():
    assert heard("call.answered").status == StatusUpdate("v3:1", LineState.IN_PROGRESS)


@pytest.mark.parametrize(
    ("cause", "line_state"),
    [
        ("normal_clearing", LineState.COMPLETED),
        ("time_limit", LineState.COMPLETED),
        ("user_busy", LineState.BUSY),
        ("call_rejected", LineState.BUSY),
        ("timeout", LineState.NO_ANSWER),
        ("no_answer", LineState.NO_ANSWER),
        ("originator_cancel", LineState.CANCELED),
        ("not_found", LineState.FAILED),
        ("unspecified", LineState.FAILED),
        ("something_new", LineState.FAILED),
    ],
)
def test_a_hangup_ends_the_call_and_says_why(cause, line_state):
    happened = heard(
        "call.hangup", hangup_cause=cause, hangup_source="callee", sip_hangup_cause="486", state="hangup"
    )
    assert happened.status == StatusUpdate("v3:1", line_state, reason=cause)
    assert (happened.hangup_cause, happened.hangup_source, happened.sip_code) == (cause, "callee", 486)


def test_a_hangup_may_say_little():
    happened = heard("call.hangup", sip_hangup_cause="unspecified")
    assert happened.status == StatusUpdate("v3:1", LineState.COMPLETED, "unspecified")
    assert (happened.hangup_cause, happened.hangup_source, happened.sip_code) == ("unspecified", "", None)


@pytest.mark.parametrize("kind", ["streaming.started", "call.bridged", "call.dtmf.received", "something.new"])
def test_other_events_change_no_state(kind):
    assert heard(kind).status is None


def test_a_leg_that_a_transfer_has_made_names_the_call():
    happened = heard("call.answered", client_state=state({"phonebot_transfer_of": "v3:0"}))
    assert (happened.transfer_of, happened.client_state) == ("v3:0", {})


@pytest.mark.parametrize(
    "carried",
    [None, "", "not base64!", "////", state([1]), state("x"), b64encode(b"[" * 9999).decode(), 7, ["x"]],
)
def test_what_a_leg_carries_may_be_anybodys(carried):
    happened = heard("call.answered", client_state=carried)
    assert (happened.client_state, happened.transfer_of) == ({}, None)


@pytest.mark.parametrize(
    ("kind", "result", "answered_by"),
    [
        ("call.machine.detection.ended", "human", AnsweredBy.HUMAN),
        ("call.machine.detection.ended", "machine", AnsweredBy.MACHINE),
        ("call.machine.detection.ended", "not_sure", AnsweredBy.UNKNOWN),
        ("call.machine.premium.detection.ended", "human_residence", AnsweredBy.HUMAN),
        ("call.machine.premium.detection.ended", "human_business", AnsweredBy.HUMAN),
        ("call.machine.premium.detection.ended", "machine", AnsweredBy.MACHINE),
        ("call.machine.premium.detection.ended", "fax_detected", AnsweredBy.FAX),
        ("call.machine.premium.detection.ended", "silence", AnsweredBy.UNKNOWN),
        ("call.machine.premium.detection.ended", None, AnsweredBy.UNKNOWN),
        ("call.machine.greeting.ended", "ended", AnsweredBy.GREETING_ENDED),
        ("call.machine.greeting.ended", "beep_detected", AnsweredBy.GREETING_ENDED),
        # Neither beep nor silence came in time: waiting longer is of no use.
        ("call.machine.greeting.ended", "not_sure", AnsweredBy.GREETING_ENDED),
        ("call.machine.premium.greeting.ended", "beep_detected", AnsweredBy.GREETING_ENDED),
        ("call.machine.premium.greeting.ended", "no_beep_detected", AnsweredBy.GREETING_ENDED),
        ("call.machine.premium.greeting.ended", "prompt_ended", AnsweredBy.UNKNOWN),
        ("call.machine.premium.detection.started", None, None),
        ("call.refer.completed", "machine", None),
    ],
)
def test_machine_detection_says_who_answered(kind, result, answered_by):
    assert heard(kind, result=result).answered_by is answered_by


def test_two_legs_are_connected():
    assert heard("call.bridged").bridged
    assert not heard("call.answered").bridged


def test_a_stream_fails_or_ends():
    assert heard("streaming.failed", failure_reason="connection_failed").stream_failed == "connection_failed"
    assert heard("streaming.failed").stream_failed == "unspecified"
    assert heard("streaming.stopped").stream_stopped
    started = heard("streaming.started")
    assert (started.stream_failed, started.stream_stopped) == (None, False)


@pytest.mark.parametrize(
    ("kind", "code", "result"),
    [
        ("call.refer.completed", 200, ReferResult("v3:1", DialStatus.COMPLETED, 200)),
        ("call.refer.completed", None, ReferResult("v3:1", DialStatus.COMPLETED)),
        ("call.refer.failed", 486, ReferResult("v3:1", DialStatus.BUSY, 486)),
        ("call.refer.failed", 408, ReferResult("v3:1", DialStatus.NO_ANSWER, 408)),
        ("call.refer.failed", 503, ReferResult("v3:1", DialStatus.FAILED, 503)),
        ("call.refer.failed", None, ReferResult("v3:1", DialStatus.FAILED)),
        ("call.refer.failed", 202, ReferResult("v3:1", DialStatus.FAILED, 202)),
        ("call.refer.started", 100, None),
    ],
)
def test_a_refer_ends(kind, code, result):
    assert heard(kind, sip_notify_response=code).refer == result


def test_a_recording_is_ready():
    happened = heard(
        "call.recording.saved",
        channels="dual",
        recording_id="r1",
        recording_urls={"mp3": "https://h/r1.mp3"},
        recording_started_at="2026-01-01T08:00:00Z",
        recording_ended_at="2026-01-01T08:01:01.4Z",
    )
    assert happened.recording == RecordingUpdate(
        "v3:1", RecordingState.COMPLETED, "r1", "https://h/r1.mp3", 61, channels=2
    )


@pytest.mark.parametrize("urls", [None, [], {}, {"wav": 1}])
def test_an_event_about_a_recording_may_lack_the_file(urls):
    recording = heard("call.recording.saved", recording_urls=urls).recording
    assert recording is not None
    assert (recording.state, recording.url, recording.duration_secs) == (RecordingState.COMPLETED, None, None)


def test_an_event_about_a_recording_may_name_its_leg_only():
    happened = heard("call.recording.saved", call_control_id=None)
    assert happened.call_id is None
    assert happened.recording == RecordingUpdate(None, RecordingState.COMPLETED)


def test_a_recording_failed():
    assert heard("call.recording.error", reason="Internal server error").recording == RecordingUpdate(
        "v3:1", RecordingState.FAILED, reason="Internal server error"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data": []}',
        b"\xff",
        b'{"data": {"event_type": "x"}}',
        b'{"data": {"event_type": "x", "id": "1", "payload": []}}',
        b"[" * 100000,
    ],
)
def test_what_is_no_event_is_said_to_be_none(body):
    with pytest.raises(WebhookError, match="not a Call Control event"):
        TelnyxCallControl().parse_event(body)
