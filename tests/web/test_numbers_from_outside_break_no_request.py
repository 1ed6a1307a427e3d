"""Numbers and times that others send: what is none is taken for none, whatever its length or script."""

import json

import pytest
from pydantic import ValidationError

from carriers.forms import moment, whole_number
from carriers.telnyx.signatures import webhook_is_signed
from desk.dial_requests import DialBody
from tests.web.test_web_voice_webhooks import PUBLIC, TELNYX, telnyx_signed
from tests.web_service import running

NO_NUMBERS = [
    *("", " ", "-1", "+5", "1_0", "0x10", "1e400", "NaN", "inf", "-inf", "1.5", "½", "²", "٣٤", "१२"),
    *("9" * 400, "9" * 5000, "0" * 400, "1\x00", "\ud800"),
]


@pytest.mark.parametrize("text", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_what_is_no_count_is_none(text):
    assert whole_number(text) is None


@pytest.mark.parametrize("value", [None, 1.5, float("inf"), float("nan"), [], {}, b"5"])
def test_what_is_no_text_is_no_count_either(value):
    assert whole_number(value) is None


def test_counts_are_read():
    assert [whole_number(value) for value in ("0", " 42 ", "007", 486)] == [0, 42, 7, 486]


@pytest.mark.parametrize(
    "text",
    [
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "99999-01-01", "1e400", "NaN", "٣", ""),
        *("Mon, 99 Jan 2026 00:00:00 +0000", f"Mon, 01 Jan {'9' * 400} 00:00:00 +0000", "9" * 5000),
        "Mon, 01 Jan 2026 00:00:00 +" + "9" * 12,
    ],
)
def test_a_time_that_cannot_be_is_none(text):
    assert moment(text) is None


@pytest.mark.parametrize("timestamp", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_a_signature_of_no_time_is_not_valid(timestamp):
    assert not webhook_is_signed(
        TELNYX["telnyx_public_key"], "c2lnbmF0dXJl", timestamp, b"{}", now=1_763_712_000.0
    )


@pytest.mark.parametrize("timestamp", ["9" * 400, "-1", "1e400", "NaN", "0" * 400 + "1"])
async def test_a_telnyx_request_of_no_time_is_refused(tmp_path, timestamp):
    async with running(tmp_path, public_url=PUBLIC, **TELNYX) as service:
        body = b"CallSid=v3:1&CallStatus=completed"
        for path in ("/telnyx/status", "/telnyx/voice"):
            headers = telnyx_signed(body) | {"telnyx-timestamp": timestamp}
            answer = await service.http.post(path, content=body, headers=headers)
            assert answer.status_code == 403


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.parametrize(
    "text", [text for text in NO_NUMBERS if text != "\ud800"], ids=range(len(NO_NUMBERS) - 1)
)
async def test_no_field_of_a_form_breaks_a_webhook(tmp_path, carrier, text):
    fields = (
        *("CallDuration", "Duration", "SipResponseCode", "SipHangupCause", "SequenceNumber", "Timestamp"),
        *("RecordingDuration", "RecordingChannels", "DialCallDuration", "ReferSipResponseCode"),
        "NotifySipResponseCode",
    )
    form = dict.fromkeys(fields, text) | {"CallSid": "CA1", "CallStatus": "in-progress", "From": text}
    form |= {
        "RecordingStatus": "completed",
        "RecordingSid": "RE1",
        "DialCallStatus": "busy",
        "AnsweredBy": text,
    }
    async with running(tmp_path) as service:
        await service.post(f"/{carrier}/voice", CallSid="CA1")
        for path in ("status", "recording", "amd", "transfer", "transfer-answered", "connect-ended", "voice"):
            answer = await service.post(f"/{carrier}/{path}", **form)
            assert (path, answer.status_code in (200, 204, 400)) == (path, True)


@pytest.mark.parametrize(
    "value",
    [
        "1e400",
        "-1e400",
        "NaN",
        '"' + "9" * 400 + '"',
        "9" * 400,
        "-1",
        '"\\ud800"',
        "1e-400",
        '""',
        "null",
        "[]",
    ],
)
async def test_no_value_of_an_event_breaks_a_webhook(tmp_path, value):
    names = (
        "sip_hangup_cause",
        "recording_started_at",
        "recording_ended_at",
        "hangup_cause",
        "from",
        "result",
    )
    payload = {name: "VALUE" for name in names} | {"call_control_id": "v3:1", "channels": "VALUE"}
    async with running(tmp_path) as service:
        for kind in (
            "call.hangup",
            "call.initiated",
            "call.recording.saved",
            "call.refer.failed",
            "call.dtmf.received",
        ):
            event = {
                "data": {"event_type": kind, "id": f"{kind}", "occurred_at": "VALUE", "payload": payload}
            }
            body = json.dumps(event).replace('"VALUE"', value)
            answer = await service.http.post("/telnyx/events", content=body)
            assert answer.status_code in (200, 400)


@pytest.mark.parametrize("limit", ["9" * 400, "-1", "NaN", "1e400", "٣", "", "0"])
async def test_a_limit_that_is_none_is_said_to_be_none(tmp_path, limit):
    async with running(tmp_path, api_key="secret") as service:
        headers = {"Authorization": "Bearer secret"}
        answer = await service.http.get("/calls", params={"limit": limit}, headers=headers)
        assert answer.status_code == 422


@pytest.mark.parametrize("value", ["NaN", "1e400", "-Infinity", "9" * 400, "9" * 5000, '"\\ud800"'])
async def test_no_number_of_an_order_breaks_the_api(tmp_path, value):
    async with running(tmp_path, api_key="secret", caller_id="+14155550100") as service:
        for body in (
            f'{{"to": "+14155550101", "ring_timeout_secs": {value}}}',
            f'{{"to": "+14155550101", "parameters": {{"n": {value}}}}}',
            f'{{"to": {value}}}',
            value,
        ):
            headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
            answer = await service.http.post("/calls", content=body, headers=headers)
            assert answer.status_code in (400, 409, 413, 422)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "\ud800"])
def test_an_order_has_values_that_can_be_told_again(value):
    with pytest.raises(ValidationError):
        DialBody(to="+14155550101", parameters={"n": value})
