"""What carriers report, in our words."""

import json

import pytest

from carriers.carrier import (
    DialStatus,
    Direction,
    Form,
    LineState,
    RecordingState,
    RecordingUpdate,
    WebhookError,
    phone_number,
)
from carriers.telnyx import TelnyxCarrier
from carriers.twilio import TwilioCarrier

BOTH = pytest.mark.parametrize(
    "carrier", [TwilioCarrier(), TelnyxCarrier()], ids=lambda carrier: carrier.name
)


@BOTH
def test_a_voice_webhook_says_who_calls_whom(carrier):
    call = carrier.parse_incoming(Form.parse("CallSid=CA1&AccountSid=AC1&From=%2B1415&To=%2B1800&New=x"))
    assert (call.call_id, call.from_number, call.to_number, call.account_id) == (
        "CA1",
        "+1415",
        "+1800",
        "AC1",
    )
    assert call.direction is Direction.INBOUND


@BOTH
def test_a_call_that_we_asked_for_is_outbound(carrier):
    assert (
        carrier.parse_incoming(Form.parse("CallSid=1&Direction=outbound-api")).direction is Direction.OUTBOUND
    )


@BOTH
@pytest.mark.parametrize("body", ["", "From=%2B1", "CallSid=", "CallSid=%20"])
def test_a_webhook_without_a_call_is_not_one(carrier, body):
    with pytest.raises(WebhookError, match="CallSid is missing"):
        carrier.parse_incoming(Form.parse(body))
    with pytest.raises(WebhookError, match="CallSid is missing"):
        carrier.parse_status(Form.parse(body))


@pytest.mark.parametrize("withheld", ["", "anonymous", "Anonymous", "unknown", "+266696687", None])
def test_a_withheld_number_is_no_number(withheld):
    assert phone_number(withheld) is None


def test_sip_addresses_are_kept():
    assert phone_number("sip:alice@example.com") == "sip:alice@example.com"


@BOTH
@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("queued", LineState.QUEUED),
        ("initiated", LineState.QUEUED),
        ("ringing", LineState.RINGING),
        ("in-progress", LineState.IN_PROGRESS),
        ("completed", LineState.COMPLETED),
        ("busy", LineState.BUSY),
        ("failed", LineState.FAILED),
        ("no-answer", LineState.NO_ANSWER),
        ("canceled", LineState.CANCELED),
        ("a-new-word", None),
        ("", None),
    ],
)
def test_every_word_for_a_state_is_understood(carrier, word, state):
    assert carrier.parse_status(Form.parse(f"CallSid=1&CallStatus={word}")).state is state


def test_twilios_duration_is_in_seconds():
    update = TwilioCarrier().parse_status(
        Form.parse("CallSid=1&CallStatus=completed&Duration=2&CallDuration=61&SipResponseCode=487")
    )
    assert (update.duration_secs, update.reason) == (61, "SIP 487")


def test_telnyx_says_why_a_call_ended():
    update = TelnyxCarrier().parse_status(
        Form.parse(
            "CallSid=1&CallStatus=completed&CallDuration=x&HangupCause=normal_clearing&SipHangupCause=200"
        )
    )
    assert (update.duration_secs, update.reason) == (None, "normal_clearing, SIP 200")


def event(event_type: str, **payload: object) -> bytes:
    payload = {"call_control_id": "v3:1", "from": "+1", "to": "+2", **payload}
    return json.dumps({"data": {"event_type": event_type, "id": "e1", "payload": payload}}).encode()


def test_a_new_call_control_call_says_who_calls_whom():
    update, incoming = TelnyxCarrier().parse_event(event("call.initiated", direction="incoming"))
    assert (update.state, update.event_id) == (LineState.RINGING, "e1")
    assert incoming is not None
    assert (incoming.from_number, incoming.to_number, incoming.direction) == ("+1", "+2", Direction.INBOUND)


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        ("normal_clearing", LineState.COMPLETED),
        ("user_busy", LineState.BUSY),
        ("timeout", LineState.NO_ANSWER),
        ("originator_cancel", LineState.CANCELED),
        ("something_new", LineState.COMPLETED),
        (None, LineState.COMPLETED),
    ],
)
def test_a_call_control_hangup_ends_the_call(cause, state):
    update, incoming = TelnyxCarrier().parse_event(event("call.hangup", hangup_cause=cause))
    assert (update.state, incoming) == (state, None)


def test_other_call_control_events_change_no_state():
    assert TelnyxCarrier().parse_event(event("streaming.started"))[0].state is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": []}', b"\xff", b'{"data": {"event_type": "x"}}']
)
def test_what_is_no_call_control_event_is_said_to_be_none(body):
    with pytest.raises(WebhookError, match="not a Call Control event"):
        TelnyxCarrier().parse_event(body)


@pytest.mark.parametrize("body", [b"\xff\xfe", "&".join(f"a{i}=" for i in range(600)).encode()])
def test_a_body_that_is_no_form_is_said_to_be_none(body):
    with pytest.raises(WebhookError, match="not a form"):
        Form.parse(body)


@BOTH
@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("completed", DialStatus.COMPLETED),
        ("answered", DialStatus.COMPLETED),
        ("busy", DialStatus.BUSY),
        ("no-answer", DialStatus.NO_ANSWER),
        ("failed", DialStatus.FAILED),
        ("canceled", DialStatus.CANCELED),
        ("a-new-word", None),
    ],
)
def test_every_end_of_a_dial_is_understood(carrier, word, status):
    result = carrier.parse_dial_result(
        Form.parse(f"CallSid=1&DialCallStatus={word}&DialCallSid=2&DialCallDuration=30")
    )
    assert (result.call_id, result.status, result.child_id, result.duration_secs) == ("1", status, "2", 30)


@BOTH
def test_a_dial_that_reached_nobody_has_no_child_and_no_duration(carrier):
    result = carrier.parse_dial_result(Form.parse("CallSid=1&DialCallStatus=busy&DialCallSid="))
    assert (result.child_id, result.duration_secs) == (None, None)


@BOTH
@pytest.mark.parametrize(
    ("body", "missing"), [("DialCallStatus=busy", "CallSid"), ("CallSid=1&CallStatus=busy", "DialCallStatus")]
)
def test_a_webhook_without_a_dial_is_not_about_one(carrier, body, missing):
    with pytest.raises(WebhookError, match=f"{missing} is missing"):
        carrier.parse_dial_result(Form.parse(body))


@BOTH
@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("in-progress", RecordingState.IN_PROGRESS),
        ("completed", RecordingState.COMPLETED),
        ("absent", RecordingState.ABSENT),
        ("a-new-word", None),
    ],
)
def test_a_recording_callback_says_where_the_file_is(carrier, word, state):
    update = carrier.parse_recording(
        Form.parse(
            f"CallSid=1&RecordingSid=RE1&RecordingStatus={word}&RecordingUrl=https%3A%2F%2Fh%2FRE1"
            "&RecordingDuration=61&RecordingChannels=2"
        )
    )
    assert update == RecordingUpdate("1", state, "RE1", "https://h/RE1", 61, 2)


@BOTH
def test_a_recording_callback_may_say_little_but_not_of_no_call(carrier):
    assert carrier.parse_recording(Form.parse("CallSid=1")) == RecordingUpdate("1", None)
    with pytest.raises(WebhookError, match="CallSid is missing"):
        carrier.parse_recording(Form.parse("RecordingStatus=completed"))


def test_telnyxs_event_about_a_recording_says_where_the_file_is():
    saved = event(
        "call.recording.saved",
        channels="dual",
        recording_id="r1",
        recording_urls={"mp3": "https://h/r1.mp3"},
    )
    assert TelnyxCarrier().parse_recording_event(saved) == RecordingUpdate(
        "v3:1", RecordingState.COMPLETED, "r1", "https://h/r1.mp3", channels=2, event_id="e1"
    )


@pytest.mark.parametrize("urls", [None, [], {}, {"wav": 1}])
def test_telnyxs_event_about_a_recording_may_lack_the_file(urls):
    update = TelnyxCarrier().parse_recording_event(event("call.recording.saved", recording_urls=urls))
    assert update is not None
    assert (update.state, update.url) == (RecordingState.COMPLETED, None)


def test_telnyx_says_that_a_recording_failed():
    update = TelnyxCarrier().parse_recording_event(
        event("call.recording.error", reason="Internal server error")
    )
    assert update == RecordingUpdate(
        "v3:1", RecordingState.FAILED, reason="Internal server error", event_id="e1"
    )


def test_other_events_are_about_no_recording():
    assert TelnyxCarrier().parse_recording_event(event("call.answered")) is None
    with pytest.raises(WebhookError, match="not a Call Control event"):
        TelnyxCarrier().parse_recording_event(b'{"data": {"event_type": "x", "id": "1", "payload": []}}')
