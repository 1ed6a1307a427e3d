"""What carriers report, in our words."""

import pytest

from carriers.carrier import (
    AnsweredBy,
    DialStatus,
    Direction,
    Form,
    LineState,
    MachineResult,
    RecordingState,
    RecordingUpdate,
    ReferResult,
    WebhookError,
    phone_number,
)
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier

BOTH = pytest.mark.parametrize(
    "carrier", [TwilioCarrier(), TelnyxCarrier()], ids=lambda carrier: carrier.name
)


@BOTH
def test_a_voice_webhook_says_who_calls_whom(carrier):
    call = carrier.parse_incoming(
        Form.parse("CallSid=CA1&AccountSid=AC1&From=%2B14155550100&To=%2B18005550199&New=x")
    )
    assert (call.call_id, call.from_number, call.to_number) == ("CA1", "+14155550100", "+18005550199")
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


def test_twilio_says_why_a_call_ended():
    update = TwilioCarrier().parse_status(Form.parse("CallSid=1&CallStatus=completed&SipResponseCode=487"))
    assert update.reason == "SIP 487"


def test_telnyx_says_why_a_call_ended():
    update = TelnyxCarrier().parse_status(
        Form.parse("CallSid=1&CallStatus=completed&HangupCause=normal_clearing&SipHangupCause=200")
    )
    assert update.reason == "normal_clearing, SIP 200"


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
    result = carrier.parse_dial_result(Form.parse(f"CallSid=1&DialCallStatus={word}&DialCallSid=2"))
    assert (result.call_id, result.status) == ("1", status)


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
@pytest.mark.parametrize(("digits", "ended"), [("", False), ("hangup", True), ("#", True)])
def test_what_comes_after_a_message_may_tell_who_ended_it(carrier, digits, ended):
    form = f"CallSid=1&RecordingUrl=https%3A%2F%2Fh%2FRE1&RecordingDuration=7&Digits={digits}"
    told = carrier.parse_message(Form.parse(form))
    assert told.recording == RecordingUpdate("1", RecordingState.STOPPED, None, "https://h/RE1", 7)
    assert told.ended_by_caller is ended
    assert carrier.parse_message(Form.parse("CallSid=1")).recording.url is None
    with pytest.raises(WebhookError, match="CallSid is missing"):
        carrier.parse_message(Form.parse("Digits=hangup"))


def test_the_address_of_a_message_at_twilio_names_it():
    sid = "RE" + "0a" * 16
    url = f"https%3A%2F%2Fapi.twilio.com%2F2010-04-01%2FAccounts%2FAC1%2FRecordings%2F{sid}"
    assert (
        TwilioCarrier().parse_message(Form.parse(f"CallSid=1&RecordingUrl={url}")).recording.recording_id
        == sid
    )


@BOTH
def test_a_recording_callback_may_say_little_but_not_of_no_call(carrier):
    assert carrier.parse_recording(Form.parse("CallSid=1")) == RecordingUpdate("1", None)
    with pytest.raises(WebhookError, match="CallSid is missing"):
        carrier.parse_recording(Form.parse("RecordingStatus=completed"))


@BOTH
@pytest.mark.parametrize(
    ("word", "answered_by"),
    [
        ("human", AnsweredBy.HUMAN),
        ("machine", AnsweredBy.MACHINE),
        ("machine_start", AnsweredBy.MACHINE),
        ("machine_end_beep", AnsweredBy.GREETING_ENDED),
        ("machine_end_silence", AnsweredBy.GREETING_ENDED),
        ("machine_end_other", AnsweredBy.GREETING_ENDED),
        ("fax", AnsweredBy.FAX),
        ("Human", AnsweredBy.HUMAN),
        ("unknown", AnsweredBy.UNKNOWN),
        ("a-new-word", AnsweredBy.UNKNOWN),
    ],
)
def test_a_machine_detection_callback_says_who_answered(carrier, word, answered_by):
    form = Form.parse(f"CallSid=1&AccountSid=a&AnsweredBy={word}&MachineDetectionDuration=1500")
    assert carrier.parse_machine_detection(form) == MachineResult("1", answered_by)


@BOTH
@pytest.mark.parametrize(("body", "missing"), [("AnsweredBy=human", "CallSid"), ("CallSid=1", "AnsweredBy")])
def test_a_webhook_without_a_detection_is_not_about_one(carrier, body, missing):
    with pytest.raises(WebhookError, match=f"{missing} is missing"):
        carrier.parse_machine_detection(Form.parse(body))


@BOTH
@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        (
            "ReferCallStatus=in-progress&ReferSipResponseCode=202&NotifySipResponseCode=200",
            DialStatus.COMPLETED,
            200,
        ),
        ("ReferCallStatus=busy&ReferSipResponseCode=202&NotifySipResponseCode=486", DialStatus.BUSY, 486),
        ("ReferCallStatus=no-answer&ReferSipResponseCode=202", DialStatus.NO_ANSWER, 202),
        ("ReferCallStatus=failed&ReferSipResponseCode=603", DialStatus.FAILED, 603),
        ("ReferCallStatus=canceled", DialStatus.CANCELED, None),
        # Accepted, and then nothing more is told.
        ("ReferSipResponseCode=202", DialStatus.COMPLETED, 202),
        ("ReferSipResponseCode=405", DialStatus.FAILED, 405),
        ("ReferCallStatus=a-new-word&NotifySipResponseCode=486", DialStatus.BUSY, 486),
        ("ReferCallStatus=a-new-word&NotifySipResponseCode=480", DialStatus.NO_ANSWER, 480),
    ],
)
def test_every_end_of_a_refer_is_understood(carrier, fields, status, code):
    assert carrier.parse_refer_result(Form.parse(f"CallSid=1&{fields}")) == ReferResult("1", status, code)


@BOTH
@pytest.mark.parametrize("body", ["CallSid=1", "CallSid=1&ReferCallStatus=", "ReferCallStatus=busy"])
def test_a_webhook_without_a_refer_is_not_about_one(carrier, body):
    with pytest.raises(WebhookError, match="is missing"):
        carrier.parse_refer_result(Form.parse(body))


def test_json_has_fields_as_a_form_has():
    form = Form.parse_json(
        b'{"call": {"id": "7", "legs": [{"secs": 1.50}, {"secs": 20}]}, "live": true, "over": null, "to": "\xc3\xa9"}'
    )
    assert dict(form) == {
        "call.id": "7",
        "call.legs.0.secs": "1.50",
        "call.legs.1.secs": "20",
        "live": "true",
        "to": "é",
    }


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b'"deep"' + b"}" * levels


def with_members(count: int) -> bytes:
    return b'{"a": [' + b", ".join([b"[]"] * (count - 1)) + b"]}"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"call=7", id="a form"),
        pytest.param(b'["call"]', id="no object"),
        pytest.param(b'{"call": NaN}', id="no number"),
        pytest.param(b'{"call": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"call": "\\ud800"}', id="half a character"),
        pytest.param(b'{"call": null, "call": "7"}', id="a name twice"),
        pytest.param(b'{"call.id": "1", "call": {"id": "7"}}', id="a path twice"),
        pytest.param(nested(17), id="deep"),
        pytest.param(nested(10_000), id="very deep"),
        pytest.param(with_members(501), id="many members"),
    ],
)
def test_json_that_is_no_object_of_fields_is_refused(body):
    with pytest.raises(WebhookError, match="not a JSON object of fields"):
        Form.parse_json(body)


def test_json_may_be_as_large_as_a_form():
    assert Form.parse_json(nested(16)) == {".".join(["a"] * 16): "deep"}
    assert Form.parse_json(with_members(500)) == {}
