"""Every request that carriers are sent, against the tables of what the carriers document."""

import json
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from carriers.carrier import (
    CallEnded,
    CarrierError,
    CarrierRejected,
    DialOut,
    MachineDetection,
    StreamDocument,
    TransferDocument,
)
from carriers.documents import Meeting
from carriers.recording import RecordingFormat
from emulator.facts import requests
from tests.carriers.test_carrier_live_calls import CARRIERS, CONTROL_ID, SID, VERBS
from tests.fake_rest import Answer, call_control, fake_rest, telnyx, twilio

BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
TO, FROM = "+14155550101", "+14155550100"
SIP = "sip:desk@pbx.example.com;transport=tls"
STREAM = StreamDocument(
    "wss://bot.example.com/ws/x/TOKEN", {"agent": "reminder", "note": "a & b"}, "https://h/e"
)
OK = Answer.json(
    200, {"sid": "RE1", "status": "in-progress", "calls": [], "data": {"call_control_id": CONTROL_ID}}
)

ROUTES = (
    ("twilio_rest", "POST", r"/2010-04-01/Accounts/\w+/Calls\.json", "create_call"),
    ("twilio_rest", "GET", r"/2010-04-01/Accounts/\w+/Calls\.json", "list_calls"),
    ("twilio_rest", "POST", r"/2010-04-01/Accounts/\w+/Calls/\w+\.json", "update_call"),
    ("twilio_rest", "GET", r"/2010-04-01/Accounts/\w+/Calls/\w+\.json", "fetch"),
    ("twilio_rest", "POST", r"/2010-04-01/Accounts/\w+/Calls/\w+/Recordings\.json", "start_recording"),
    (
        "twilio_rest",
        "POST",
        r"/2010-04-01/Accounts/\w+/Calls/\w+/Recordings/[\w.]+\.json",
        "update_recording",
    ),
    ("telnyx_call_control", "POST", r"/v2/calls", "dial"),
    ("telnyx_call_control", "POST", r"/v2/calls/[^/]+/actions/(\w+)", ""),
    ("telnyx_texml_rest", "GET", r"/v2/calls/[^/]+", "fetch"),
    ("telnyx_texml_rest", "POST", r"/v2/texml/Accounts/\w+/Calls", "create_call"),
    ("telnyx_texml_rest", "GET", r"/v2/texml/Accounts/\w+/Calls", "list_calls"),
    ("telnyx_texml_rest", "POST", r"/v2/texml/Accounts/\w+/Calls/[^/]+", "update_call"),
    ("telnyx_texml_rest", "POST", r"/v2/texml/Accounts/\w+/Calls/[^/]+/Recordings\.json", "start_recording"),
    (
        "telnyx_texml_rest",
        "POST",
        r"/v2/texml/Accounts/\w+/Calls/[^/]+/Recordings/[^/]+\.json",
        "update_recording",
    ),
)
TOO_MUCH = r"has 2\d\d\d characters, 2000 are allowed|4000 are allowed"


def complaints(request) -> list[str]:
    """What of a request is not as its carrier documents it."""
    parts = urlsplit(request.path)
    matching = [
        (table, kind or found[1])
        for table, method, pattern, kind in ROUTES
        if method == request.method and (found := re.fullmatch(pattern, parts.path))
    ]
    if not matching:
        return [f"{request.method} {parts.path} is in no table"]
    ((table, kind),) = matching
    documented = requests(table)[kind]
    if request.headers.get("content-type", "").startswith("application/json") and request.method == "POST":
        body = json.loads(request.body)
        problem = documented.violation(body, as_text=False)
    else:
        body = parse_qs(parts.query or request.body, keep_blank_values=True)
        problem = documented.form_violation(body)
    unknown = [f"{name} is not documented" for name in documented.unknown(body)]
    return unknown + ([str(problem)] if problem else [])


def dial(**options):
    return lambda carrier: carrier.dial(
        DialOut(**{"to": TO, "from_number": FROM, "stream": STREAM, **options})
    )


DIALS = {
    "dial": dial(),
    "dial in full": dial(
        status_url="https://bot.example.com/status?call=c1&key=k",
        ring_timeout_secs=120,
        machine_detection=MachineDetection.END_OF_GREETING,
        amd_url="https://bot.example.com/amd",
        time_limit_secs=600,
    ),
    "dial and detect": dial(
        status_url="https://h/s",
        machine_detection=MachineDetection.DETECT,
        amd_url="https://h/amd",
        ring_timeout_secs=5,
    ),
    "dial for the longest time": dial(time_limit_secs=14000),
    "dial for the shortest time": dial(time_limit_secs=60),
    "dial a SIP address": dial(to=SIP),
}
MORE = {
    "hang up": lambda carrier: carrier.hang_up(call_of(carrier)),
    "fetch": lambda carrier: carrier.fetch_call(call_of(carrier)),
    "record as mp3": lambda carrier: carrier.start_recording(
        call_of(carrier), status_url="https://h/recording", file_format=RecordingFormat.MP3
    ),
    "transfer to SIP": lambda carrier: carrier.transfer(
        call_of(carrier), TransferDocument(SIP, caller_id=FROM, action_url="https://h/dialled")
    ),
}
LISTS = {
    "find": lambda carrier: carrier.find_recent_call(TO, FROM, BEFORE),
    "legs": lambda carrier: carrier.dialled_from(call_of(carrier), TO, BEFORE),
}
EVENTS = {
    "bridge": lambda carrier: carrier.connect_calls(CONTROL_ID, "v3:other", Meeting("room-1")),
    "start a stream": lambda carrier: carrier.start_stream(CONTROL_ID, STREAM),
    "keys": lambda carrier: carrier.send_digits(CONTROL_ID, "0123456789ABCD*#wW"),
}


def call_of(carrier):
    return SID if carrier.name == "twilio" else CONTROL_ID


def cases():
    for name, verbs in VERBS.items():
        every = {**verbs, **DIALS, **MORE, **(EVENTS if name == "call_control" else LISTS)}
        for verb, act in every.items():
            yield pytest.param(CARRIERS[name], {}, act, id=f"{name}-{verb}")
    for act in ("dial", "dial in full"):
        yield pytest.param(telnyx, {"codec": "PCMA"}, DIALS[act], id=f"telnyx-PCMA-{act}")
        yield pytest.param(call_control, {"codec": "L16"}, DIALS[act], id=f"call_control-L16-{act}")
    yield pytest.param(call_control, {"codec": "L16"}, EVENTS["start a stream"], id="call_control-L16-stream")


@pytest.mark.parametrize(("build", "options", "act"), cases())
async def test_no_request_has_anything_that_is_not_documented(build, options, act):
    async with fake_rest(OK) as rest:
        carrier = build(rest.url, **options)
        try:
            await act(carrier)
        except CarrierError:
            pass  # the answer is none of this request's; what was sent counts
        finally:
            await carrier.aclose()
    assert rest.requests
    assert [complaint for request in rest.requests for complaint in complaints(request)] == []


async def test_a_misspelt_parameter_would_be_seen():
    async with fake_rest(OK) as rest:
        carrier = twilio(rest.url)
        await carrier.hang_up(SID)
        await carrier.aclose()
    (request,) = rest.requests
    request.body = request.body.replace("Status", "Statsu")
    assert complaints(request) == ["Statsu is not documented"]


# Addresses and parameters that Telnyx would not take are never sent.

LONG = "https://h/" + "x" * 2000
TOO_LONG = StreamDocument("wss://h/" + "x" * 2000)
FAT = StreamDocument("wss://h/ws", {f"p{number}": "x" * 400 for number in range(8)})


@pytest.mark.parametrize(
    ("build", "act"),
    [
        (telnyx, dial(stream=TOO_LONG)),
        (telnyx, dial(status_url=LONG)),
        (telnyx, dial(machine_detection=MachineDetection.DETECT, amd_url=LONG)),
        (telnyx, lambda carrier: carrier.start_recording(CONTROL_ID, status_url=LONG)),
        (telnyx, lambda carrier: carrier.transfer(CONTROL_ID, TransferDocument(TO, action_url=LONG))),
        (call_control, dial(stream=TOO_LONG)),
        (call_control, dial(status_url=LONG)),
        (call_control, lambda carrier: carrier.answer(CONTROL_ID, TOO_LONG)),
        (call_control, lambda carrier: carrier.start_stream(CONTROL_ID, TOO_LONG)),
        (call_control, lambda carrier: carrier.answer(CONTROL_ID, FAT)),
        (call_control, dial(stream=FAT)),
    ],
)
async def test_what_is_too_long_for_telnyx_is_refused_with_the_cause_and_not_sent(build, act):
    async with fake_rest(OK) as rest:
        carrier = build(rest.url)
        with pytest.raises(
            CarrierRejected, match=r"has 2\d\d\d characters, 2000 are allowed|4000 are allowed"
        ) as refused:
            await act(carrier)
        await carrier.aclose()
    assert not isinstance(refused.value, CallEnded)
    assert "xxxx" not in str(refused.value)
    assert rest.requests == []


@pytest.mark.parametrize(
    "address", ["ws://bot.example.com/ws", "ws://10.0.0.1/ws", "http://bot.example.com/ws"]
)
@pytest.mark.parametrize("build", [telnyx, call_control])
async def test_telnyx_is_given_no_address_without_tls(build, address):
    async with fake_rest(OK) as rest:
        carrier = build(rest.url)
        with pytest.raises(CarrierRejected, match="set PUBLIC_URL to an https:// address"):
            await dial(stream=StreamDocument(address))(carrier)
        await carrier.aclose()
    assert rest.requests == []


async def test_on_this_machine_there_is_no_tls():
    async with fake_rest(OK) as rest:
        carrier = call_control(rest.url)
        await dial(stream=StreamDocument("ws://127.0.0.1:7860/ws"))(carrier)
        await carrier.aclose()
    assert [complaint for request in rest.requests for complaint in complaints(request)] == []
