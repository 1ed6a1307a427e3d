"""Making a call: what carriers are asked for, and never dialling twice because an answer was lost."""

import json
import socket
import time
from base64 import b64decode
from urllib.parse import parse_qsl

import pytest

from carriers.carrier import (
    CallNotFound,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    DialOut,
    DialUncertain,
    MachineDetection,
    NotConfigured,
    StreamDocument,
)
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier
from tests.fake_rest import Answer, call_control, fake_rest, refused, telnyx, twilio

TO, FROM = "+14155550101", "+14155550100"
SID = "CA" + "0" * 32
HTML = "<html>Bad gateway</html>"
STREAM = StreamDocument(
    "wss://bot.example.com/ws/x/TOKEN",
    {"agent": "reminder", "note": "a & <b>"},
    "https://bot.example.com/ended",
)
PLAIN = DialOut(to=TO, from_number=FROM, stream=STREAM)
FULL = DialOut(
    to=TO,
    from_number=FROM,
    stream=STREAM,
    status_url="https://bot.example.com/status",
    ring_timeout_secs=20,
    machine_detection=MachineDetection.END_OF_GREETING,
    amd_url="https://bot.example.com/amd",
    time_limit_secs=600,
)


BOTH = pytest.mark.parametrize("build", [twilio, telnyx])
ALL = pytest.mark.parametrize("build", [twilio, telnyx, call_control])


async def test_twilio_is_asked_for_a_call():
    async with fake_rest(Answer.json(201, {"sid": SID, "status": "queued"})) as rest:
        carrier = twilio(rest.url)
        dialled = await carrier.dial(PLAIN)
        await carrier.aclose()
    (request,) = rest.requests
    assert dialled.id == SID
    assert (request.method, request.path) == ("POST", "/2010-04-01/Accounts/ACtest/Calls.json")
    assert sorted(parse_qsl(request.body)) == [
        ("From", FROM),
        ("Timeout", "30"),
        ("To", TO),
        ("Twiml", TwilioCarrier().stream_document(STREAM)),
    ]


async def test_twilio_listens_for_a_machine_while_the_call_goes_on_and_reports_each_state():
    async with fake_rest(Answer.json(201, {"sid": SID})) as rest:
        carrier = twilio(rest.url)
        await carrier.dial(FULL)
        await carrier.aclose()
    assert sorted(parse_qsl(rest.requests[0].body)) == [
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", "https://bot.example.com/amd"),
        ("AsyncAmdStatusCallbackMethod", "POST"),
        ("From", FROM),
        ("MachineDetection", "DetectMessageEnd"),
        ("StatusCallback", "https://bot.example.com/status"),
        ("StatusCallbackEvent", "answered"),
        ("StatusCallbackEvent", "completed"),
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "ringing"),
        ("StatusCallbackMethod", "POST"),
        ("TimeLimit", "600"),
        ("Timeout", "20"),
        ("To", TO),
        ("Twiml", TwilioCarrier().stream_document(STREAM)),
    ]


async def test_twilio_is_told_where_to_ask_when_it_gets_no_document():
    backup = "https://handler.twilio.com/twiml/EH1"
    async with fake_rest(Answer.json(201, {"sid": SID, "status": "queued"})) as rest:
        carrier = twilio(rest.url, fallback_url=backup)
        await carrier.dial(PLAIN)
        await carrier.aclose()
    asked = parse_qsl(rest.requests[0].body)
    assert ("FallbackUrl", backup) in asked and ("FallbackMethod", "POST") in asked


async def test_telnyx_is_asked_for_a_texml_call():
    async with fake_rest(Answer.json(200, {"from": FROM, "to": TO, "status": "queued"})) as rest:
        carrier = telnyx(rest.url)
        dialled = await carrier.dial(PLAIN)
        await carrier.aclose()
    (request,) = rest.requests
    assert dialled.id is None  # documented: from, to and status
    assert (request.method, request.path) == ("POST", "/v2/texml/Accounts/acc/Calls")
    assert json.loads(request.body) == {
        "ApplicationSid": "1234",
        "To": TO,
        "From": FROM,
        "Texml": TelnyxCarrier().stream_document(STREAM),
        "Timeout": 30,
    }


async def test_telnyx_listens_for_a_machine_while_the_call_goes_on_and_reports_each_state():
    async with fake_rest(Answer.json(200, {"status": "queued"})) as rest:
        carrier = telnyx(rest.url)
        await carrier.dial(FULL)
        await carrier.aclose()
    assert json.loads(rest.requests[0].body) == {
        "ApplicationSid": "1234",
        "To": TO,
        "From": FROM,
        "Texml": TelnyxCarrier().stream_document(STREAM),
        "Timeout": 20,
        "StatusCallback": "https://bot.example.com/status",
        "StatusCallbackEvent": "initiated ringing answered completed",
        "StatusCallbackMethod": "POST",
        "MachineDetection": "DetectMessageEnd",
        "DetectionMode": "Premium",
        "AsyncAmd": True,
        "AsyncAmdStatusCallback": "https://bot.example.com/amd",
        "AsyncAmdStatusCallbackMethod": "POST",
        "TimeLimit": 600,
    }


@pytest.mark.parametrize("name", ["sid", "call_sid", "call_control_id"])
async def test_an_id_that_telnyx_gives_without_documenting_it_is_taken(name):
    async with fake_rest(Answer.json(200, {"status": "queued", name: "v3:abc"})) as rest:
        carrier = telnyx(rest.url)
        assert (await carrier.dial(PLAIN)).id == "v3:abc"
        await carrier.aclose()


@pytest.mark.parametrize(
    ("detection", "word"), [("detect", "Enable"), ("end_of_greeting", "DetectMessageEnd")]
)
@BOTH
async def test_each_kind_of_machine_detection_has_its_word(build, detection, word):
    dial_out = DialOut(
        TO, FROM, STREAM, machine_detection=MachineDetection(detection), amd_url="https://h/amd"
    )
    async with fake_rest(Answer.json(201, {"sid": SID})) as rest:
        carrier = build(rest.url)
        await carrier.dial(dial_out)
        await carrier.aclose()
    body = rest.requests[0].body
    sent = json.loads(body) if body.startswith("{") else dict(parse_qsl(body))
    assert sent["MachineDetection"] == word


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, CarrierRejected),
        (401, CarrierUnauthorized),
        (403, CarrierUnauthorized),
        (404, CallNotFound),
        (422, CarrierRejected),
        (429, CarrierUnavailable),
    ],
)
@ALL
async def test_what_the_carrier_refused_was_certainly_not_dialled(build, status, error):
    async with fake_rest(refused(build, status, "21211")) as rest:
        carrier = build(rest.url)
        with pytest.raises(error) as caught:
            await carrier.dial(PLAIN)
        assert type(caught.value) is error
        assert TO not in str(caught.value)
        await carrier.aclose()
    assert len(rest.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer.json(500, {"code": 20500, "message": "…", "status": 500}),
        Answer(502, HTML, "text/html"),
        Answer(200, HTML, "text/html"),
        Answer(201, "", "application/json"),
        Answer(200, "[]"),
        Answer(hang_up=True),
        Answer(delay_secs=30),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:6]}-{answer.hang_up}-{answer.delay_secs:g}",
)
@ALL
async def test_without_a_clear_answer_the_call_may_have_been_made_and_is_not_dialled_again(build, answer):
    async with fake_rest(answer) as rest:
        carrier = build(rest.url, dial_timeout_secs=0.3 if answer.delay_secs else 5)
        began = time.monotonic()
        with pytest.raises(DialUncertain, match="look before dialling again") as caught:
            await carrier.dial(PLAIN)
        assert time.monotonic() - began < 4
        assert "\n" not in str(caught.value)
        await carrier.aclose()
    assert len(rest.requests) == 1


async def test_a_call_without_an_id_is_uncertain_at_twilio():
    async with fake_rest(Answer.json(201, {})) as rest:
        carrier = twilio(rest.url)
        with pytest.raises(DialUncertain, match="under which id"):
            await carrier.dial(PLAIN)
        await carrier.aclose()


@ALL
async def test_a_request_that_reached_nobody_was_certainly_not_dialled(build):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        carrier = build(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(CarrierUnavailable, match="cannot be reached") as caught:
            await carrier.dial(PLAIN)
        await carrier.aclose()
    assert type(caught.value) is CarrierUnavailable


@BOTH
async def test_dialling_waits_longer_than_other_requests(build):
    async with fake_rest(Answer(201, json.dumps({"sid": SID}), delay_secs=0.6)) as rest:
        carrier = build(rest.url, timeout_secs=0.1)
        assert (await carrier.dial(PLAIN)).id == SID
        await carrier.aclose()


@pytest.mark.parametrize(
    ("build", "kind"), [(telnyx, "TeXML application"), (call_control, "Voice API application")]
)
async def test_telnyx_cannot_dial_without_an_application_of_the_right_kind(build, kind):
    async with fake_rest(Answer()) as rest:
        carrier = build(rest.url, connection_id=None)
        with pytest.raises(NotConfigured, match=f"TELNYX_CONNECTION_ID is not set: .* {kind}"):
            await carrier.dial(PLAIN)
        await carrier.aclose()
    assert rest.requests == []


MADE = Answer.json(200, {"data": {"call_control_id": "v3:abc", "is_alive": False, "record_type": "call"}})


async def test_telnyx_can_stream_without_texml():
    async with fake_rest(MADE) as rest:
        carrier = call_control(rest.url, codec="PCMA")
        dialled = await carrier.dial(FULL)
        await carrier.aclose()
    (request,) = rest.requests
    assert dialled.id == "v3:abc"
    assert (request.method, request.path) == ("POST", "/v2/calls")
    body = json.loads(request.body)
    assert json.loads(b64decode(body.pop("client_state"))) == STREAM.parameters
    assert body == {
        "connection_id": "1234",
        "to": TO,
        "from": FROM,
        "timeout_secs": 20,
        "time_limit_secs": 600,
        "command_id": FULL.command_id,
        "answering_machine_detection": "premium",
        "webhook_url": "https://bot.example.com/status",
        "webhook_url_method": "POST",
        "stream_url": STREAM.stream_url,
        "stream_track": "inbound_track",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMA",
        "stream_bidirectional_target_legs": "self",
        # A process that died needs some seconds until it can answer
        "webhook_retries_policies": {
            "streaming.failed": {"retries_ms": [1000, 1500, 2000, 3000, 20000]},
            "streaming.stopped": {"retries_ms": [1000, 1500, 2000, 3000, 20000]},
        },
    }


async def test_telnyx_l16_is_asked_for_in_both_directions():
    async with fake_rest(MADE) as rest:
        carrier = call_control(rest.url, codec="L16")
        await carrier.dial(DialOut(TO, FROM, StreamDocument("wss://h/ws")))
        await carrier.aclose()
    body = json.loads(rest.requests[0].body)
    assert body["stream_codec"] == body["stream_bidirectional_codec"] == "L16"
    assert body["stream_bidirectional_sampling_rate"] == 16000
    assert "client_state" not in body


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.json(422, {"errors": [{"code": "90015"}]}), CarrierRejected),
        (Answer.json(429, {"errors": [{"code": "10011"}]}), CarrierUnavailable),
        (Answer.json(500, {"errors": [{"code": "10000"}]}), DialUncertain),
        (Answer(502, HTML, "text/html"), DialUncertain),
        (Answer(200, HTML, "text/html"), DialUncertain),
        (Answer(200, "{}"), DialUncertain),
        (Answer.json(200, {"data": {}}), DialUncertain),
        (Answer(hang_up=True), DialUncertain),
        (Answer(delay_secs=30), DialUncertain),
    ],
)
async def test_a_call_control_call_is_not_dialled_twice_either(answer, error):
    async with fake_rest(answer) as rest:
        carrier = call_control(rest.url, dial_timeout_secs=0.3 if answer.delay_secs else 5)
        with pytest.raises(error) as caught:
            await carrier.dial(PLAIN)
        await carrier.aclose()
    assert type(caught.value) is error
    assert len(rest.requests) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"to": "4155550101"}, "to is neither"),
        ({"to": "+1415{{From}}"}, "to is neither"),
        ({"to": "sip:a b@h"}, "to is neither"),
        ({"from_number": ""}, "from_number is neither"),
        ({"ring_timeout_secs": 4}, "ring_timeout_secs must be 5 to 120"),
        ({"ring_timeout_secs": 121}, "ring_timeout_secs"),
        ({"machine_detection": MachineDetection.DETECT}, "amd_url is missing"),
    ],
)
def test_a_call_that_no_carrier_would_make_is_refused_at_once(change, named):
    fields = {"to": TO, "from_number": FROM, "stream": STREAM}
    with pytest.raises(ValueError, match=named) as caught:
        DialOut(**{**fields, **change})
    assert not change.get("to") or change["to"] not in str(caught.value)


async def test_a_stream_that_twilio_would_not_take_in_a_request_is_not_dialled():
    long = StreamDocument("wss://h/ws", {f"note{i}": "x" * 400 for i in range(10)})
    async with fake_rest(MADE) as rest:
        carrier = twilio(rest.url)
        with pytest.raises(CarrierRejected, match=r"4\d\d\d characters, Twilio takes 4000.*parameters"):
            await carrier.dial(DialOut(TO, FROM, long))
        await carrier.aclose()
    assert rest.requests == []


def test_sip_addresses_can_be_called():
    DialOut("sip:desk+1@pbx.example.com:5060;transport=tcp", FROM, STREAM)


def test_each_call_has_its_own_command_id_for_all_attempts():
    assert PLAIN.command_id == PLAIN.command_id != FULL.command_id
