"""Making a live call do something else: new documents, digits, transfers and recordings over REST."""

import json
import socket
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import pytest

from carriers.actions import CommandActions, DocumentActions, KeyActions
from carriers.carrier import (
    CALL_CONTROL,
    MARKUP,
    CallEnded,
    CallNotFound,
    Carrier,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    NotRecording,
    StreamDocument,
    TransferDocument,
    runs_commands,
    runs_documents,
    sends_digits,
)
from carriers.telnyx.call_control import TelnyxCallControl
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier
from tests.fake_rest import Answer, FakeRest, call_control, ended, fake_rest, refused, telnyx, twilio

SID = "CA" + "0" * 32
CONTROL_ID = "v3:abc-DEF_123"
HTML = "<html>Bad gateway</html>"
CALL = f"/2010-04-01/Accounts/ACtest/Calls/{SID}"
ACTIONS = f"/v2/calls/{CONTROL_ID}/actions"
TEXML = f"/v2/texml/Accounts/acc/Calls/{CONTROL_ID}"
OK = Answer.json(200, {"sid": "RE1", "status": "in-progress", "data": {"result": "ok"}})

Verb = Callable[[object], Awaitable[object]]


CARRIERS = {"twilio": twilio, "telnyx": telnyx, "call_control": call_control}
STREAM = StreamDocument("wss://h/ws/TOKEN", {"agent": "desk"})
TRANSFER = TransferDocument("+14155550101", action_url="https://h/dialled")
REFER = TransferDocument("sip:desk@pbx.example.com", action_url="https://h/referred", refer=True)

TWILIO_VERBS = {
    "document": lambda carrier: carrier.update_document(SID, "<Response/>"),
    "start_recording": lambda carrier: carrier.start_recording(SID),
    "pause_recording": lambda carrier: carrier.pause_recording(SID),
    "resume_recording": lambda carrier: carrier.resume_recording(SID),
    "stop_recording": lambda carrier: carrier.stop_recording(SID),
    "transfer": lambda carrier: carrier.transfer(SID, TRANSFER),
}
COMMANDS = {
    "start_recording": lambda carrier: carrier.start_recording(CONTROL_ID),
    "pause_recording": lambda carrier: carrier.pause_recording(CONTROL_ID),
    "resume_recording": lambda carrier: carrier.resume_recording(CONTROL_ID),
    "stop_recording": lambda carrier: carrier.stop_recording(CONTROL_ID),
    "digits": lambda carrier: carrier.send_digits(CONTROL_ID, "1"),
}
TELNYX_VERBS = COMMANDS | {
    "document": lambda carrier: carrier.update_document(CONTROL_ID, "<Response/>"),
    "transfer": lambda carrier: carrier.transfer(CONTROL_ID, TRANSFER),
    "stop_this_recording": lambda carrier: carrier.stop_recording(CONTROL_ID, recording_id="r1"),
}
CALL_CONTROL_VERBS = COMMANDS | {
    "answer": lambda carrier: carrier.answer(CONTROL_ID, STREAM),
    "transfer": lambda carrier: carrier.transfer(CONTROL_ID, TRANSFER),
    "refer": lambda carrier: carrier.transfer(CONTROL_ID, REFER),
    "stop_stream": lambda carrier: carrier.stop_stream(CONTROL_ID),
}
VERBS = {"twilio": TWILIO_VERBS, "telnyx": TELNYX_VERBS, "call_control": CALL_CONTROL_VERBS}
ALL = pytest.mark.parametrize(
    ("build", "verb"),
    [
        pytest.param(CARRIERS[carrier], verb, id=f"{carrier}-{name}")
        for carrier, verbs in VERBS.items()
        for name, verb in verbs.items()
    ],
)


async def asked(rest: FakeRest, carrier: Carrier, verb: Verb) -> tuple[str, str, object]:
    try:
        await verb(carrier)
    finally:
        await carrier.aclose()
    (request,) = rest.requests
    is_form = request.headers["content-type"] == "application/x-www-form-urlencoded"
    body = sorted(parse_qsl(request.body)) if is_form else json.loads(request.body)
    return request.method, request.path, body


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        (TWILIO_VERBS["document"], f"{CALL}.json", [("Twiml", "<Response/>")]),
        (TWILIO_VERBS["start_recording"], f"{CALL}/Recordings.json", [("RecordingChannels", "dual")]),
        (
            lambda carrier: carrier.start_recording(SID, status_url="https://h/recording"),
            f"{CALL}/Recordings.json",
            [
                ("RecordingChannels", "dual"),
                ("RecordingStatusCallback", "https://h/recording"),
                ("RecordingStatusCallbackEvent", "in-progress completed absent"),
                ("RecordingStatusCallbackMethod", "POST"),
            ],
        ),
        (
            TWILIO_VERBS["pause_recording"],
            f"{CALL}/Recordings/Twilio.CURRENT.json",
            [("PauseBehavior", "silence"), ("Status", "paused")],
        ),
        (
            TWILIO_VERBS["resume_recording"],
            f"{CALL}/Recordings/Twilio.CURRENT.json",
            [("Status", "in-progress")],
        ),
        (
            TWILIO_VERBS["stop_recording"],
            f"{CALL}/Recordings/Twilio.CURRENT.json",
            [("Status", "stopped")],
        ),
        (
            lambda carrier: carrier.stop_recording(SID, recording_id="RE1"),
            f"{CALL}/Recordings/RE1.json",
            [("Status", "stopped")],
        ),
        (
            TWILIO_VERBS["transfer"],
            f"{CALL}.json",
            [("Twiml", TwilioCarrier().transfer_document(TRANSFER))],
        ),
        (
            lambda carrier: carrier.transfer(SID, REFER),
            f"{CALL}.json",
            [("Twiml", TwilioCarrier().transfer_document(REFER))],
        ),
    ],
)
async def test_twilio_is_asked(verb, path, body):
    async with fake_rest(OK) as rest:
        assert await asked(rest, twilio(rest.url), verb) == ("POST", path, body)


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        (TELNYX_VERBS["document"], TEXML, [("Texml", "<Response/>")]),
        (
            lambda carrier: carrier.start_recording(CONTROL_ID),
            f"{TEXML}/Recordings.json",
            [("RecordingChannels", "dual")],
        ),
        (
            lambda carrier: carrier.start_recording(CONTROL_ID, status_url="https://h/recording"),
            f"{TEXML}/Recordings.json",
            [
                ("RecordingChannels", "dual"),
                ("RecordingStatusCallback", "https://h/recording"),
                ("RecordingStatusCallbackEvent", "in-progress completed absent"),
                ("RecordingStatusCallbackMethod", "POST"),
            ],
        ),
        (
            lambda carrier: carrier.pause_recording(CONTROL_ID, recording_id="r1"),
            f"{TEXML}/Recordings/r1.json",
            [("Status", "paused")],
        ),
        (
            lambda carrier: carrier.resume_recording(CONTROL_ID, recording_id="r1"),
            f"{TEXML}/Recordings/r1.json",
            [("Status", "in-progress")],
        ),
        (TELNYX_VERBS["stop_this_recording"], f"{TEXML}/Recordings/r1.json", [("Status", "stopped")]),
        (
            lambda carrier: carrier.pause_recording(CONTROL_ID, command_id="c"),
            f"{ACTIONS}/record_pause",
            {"command_id": "c"},
        ),
        (
            lambda carrier: carrier.resume_recording(CONTROL_ID, command_id="c"),
            f"{ACTIONS}/record_resume",
            {"command_id": "c"},
        ),
        (
            lambda carrier: carrier.stop_recording(CONTROL_ID, command_id="c"),
            f"{ACTIONS}/record_stop",
            {"command_id": "c"},
        ),
        (
            lambda carrier: carrier.send_digits(CONTROL_ID, "w12AD*#W", command_id="c"),
            f"{ACTIONS}/send_dtmf",
            {"digits": "w12AD*#W", "command_id": "c"},
        ),
        (TELNYX_VERBS["transfer"], TEXML, [("Texml", TelnyxCarrier().transfer_document(TRANSFER))]),
        (
            lambda carrier: carrier.transfer(CONTROL_ID, REFER),
            TEXML,
            [("Texml", TelnyxCarrier().transfer_document(REFER))],
        ),
    ],
)
async def test_telnyx_is_asked(verb, path, body):
    async with fake_rest(OK) as rest:
        assert await asked(rest, telnyx(rest.url), verb) == ("POST", path, body)


def test_each_carrier_says_how_its_calls_are_run():
    carriers: list[Carrier] = [TwilioCarrier(), TelnyxCarrier(), TelnyxCallControl()]
    assert [(one.name, one.mode, one.keeps_stream_while_transferring) for one in carriers] == [
        ("twilio", MARKUP, False),
        ("telnyx", MARKUP, False),
        ("telnyx", CALL_CONTROL, True),
    ]


@pytest.mark.parametrize("name", sorted(CALL_CONTROL_VERBS))
async def test_a_command_without_an_id_gets_a_new_one_each_time(name):
    async with fake_rest(OK) as rest:
        carrier = call_control(rest.url)
        await CALL_CONTROL_VERBS[name](carrier)
        await CALL_CONTROL_VERBS[name](carrier)
        await carrier.aclose()
    first, second = (json.loads(request.body)["command_id"] for request in rest.requests)
    assert first != second


async def test_the_recordings_id_is_told_where_the_carrier_gives_one():
    async with fake_rest(OK) as rest:
        carriers = twilio(rest.url), telnyx(rest.url), call_control(rest.url)
        assert await carriers[0].start_recording(SID) == "RE1"
        assert await carriers[1].start_recording(CONTROL_ID) == "RE1"
        assert await carriers[2].start_recording(CONTROL_ID) is None
        for carrier in carriers:
            await carrier.aclose()


@ALL
async def test_a_call_that_had_ended_is_no_success(build, verb):
    async with fake_rest(ended(build)) as rest:
        with pytest.raises(CallEnded, match="not live any more"):
            await asked(rest, build(rest.url), verb)


@pytest.mark.parametrize("name", ["document", "start_recording", "transfer"])
async def test_twilios_other_answer_for_an_ended_call_is_understood(name):
    async with fake_rest(refused(twilio, 404, "20404")) as rest:
        with pytest.raises(CallEnded):
            await asked(rest, twilio(rest.url), TWILIO_VERBS[name])


@pytest.mark.parametrize("name", ["pause_recording", "resume_recording", "stop_recording"])
async def test_twilio_tells_that_nothing_is_recorded(name):
    async with fake_rest(refused(twilio, 404, "20404")) as rest:
        with pytest.raises(NotRecording, match="no recording under way"):
            await asked(rest, twilio(rest.url), TWILIO_VERBS[name])


@pytest.mark.parametrize(
    ("status", "error", "nothing_done"),
    [
        (400, CarrierRejected, None),
        (401, CarrierUnauthorized, None),
        (403, CarrierUnauthorized, None),
        (404, CallNotFound, None),
        (422, CarrierRejected, None),
        (429, CarrierUnavailable, True),
        (500, CarrierUnavailable, False),
    ],
)
@ALL
async def test_a_refusal_becomes_one_of_our_errors(build, verb, status, error, nothing_done):
    async with fake_rest(refused(build, status, "10001")) as rest:
        with pytest.raises(error) as caught:
            await asked(rest, build(rest.url), verb)
    assert type(caught.value) is error
    if nothing_done is not None:
        assert caught.value.nothing_done is nothing_done
    assert len(rest.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, HTML, "text/html"),
        Answer(200, HTML, "text/html"),
        Answer(200, "[]"),
        Answer(hang_up=True),
        Answer(delay_secs=30),
    ],
    ids=["502 HTML", "HTML", "a list", "no answer", "a late answer"],
)
@ALL
async def test_without_a_sensible_answer_it_may_have_happened_and_is_not_repeated(build, verb, answer):
    async with fake_rest(answer) as rest:
        carrier = build(rest.url, timeout_secs=0.2 if answer.delay_secs else 5)
        began = time.monotonic()
        with pytest.raises(CarrierUnavailable) as caught:
            await asked(rest, carrier, verb)
        assert time.monotonic() - began < 4
    assert not caught.value.nothing_done
    assert len(rest.requests) == 1


@ALL
async def test_a_request_that_reached_nobody_had_no_effect(build, verb):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        carrier = build(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(CarrierUnavailable, match="cannot be reached") as caught:
            await verb(carrier)
        await carrier.aclose()
    assert caught.value.nothing_done


async def test_a_document_that_twilio_would_not_take_is_not_sent():
    async with fake_rest(OK) as rest:
        carrier = twilio(rest.url)
        with pytest.raises(CarrierRejected, match="4001 characters"):
            await carrier.update_document(SID, "x" * 4001)
        assert rest.requests == []
        await carrier.update_document(SID, "x" * 4000)
        await carrier.aclose()


@pytest.mark.parametrize("digits", ["", "12 34", "1,2", "E", "1\n", "1" * 65])
async def test_what_is_no_digit_is_not_sent_and_not_repeated_in_the_message(digits):
    async with fake_rest(OK) as rest:
        carrier = telnyx(rest.url)
        with pytest.raises(CarrierRejected, match="digits must be") as caught:
            await carrier.send_digits(CONTROL_ID, digits)
        await carrier.aclose()
    assert rest.requests == []
    assert "12 34" not in str(caught.value)


@pytest.mark.parametrize("build", CARRIERS.values(), ids=CARRIERS)
def test_a_carrier_has_what_its_mode_says_and_nothing_else(build):
    carrier = build("http://127.0.0.1:1")
    for has, actions in (
        (runs_documents(carrier), DocumentActions),
        (runs_commands(carrier), CommandActions),
        (sends_digits(carrier), KeyActions),
    ):
        own = {name for name in vars(actions) if not name.startswith("_")}
        assert own
        assert {name for name in own if hasattr(carrier, name)} == (own if has else set())


@ALL
async def test_an_id_that_would_change_the_path_is_not_sent(build, verb, monkeypatch):
    monkeypatch.setitem(globals(), "SID", "../x")
    monkeypatch.setitem(globals(), "CONTROL_ID", "../x")
    async with fake_rest(OK) as rest:
        carrier = build(rest.url)
        with pytest.raises(CarrierRejected, match="not sent"):
            await verb(carrier)
        await carrier.aclose()
    assert rest.requests == []


@pytest.mark.parametrize("build", [twilio, telnyx])
async def test_a_recordings_id_that_would_change_the_path_is_not_sent_either(build):
    async with fake_rest(OK) as rest:
        carrier = build(rest.url)
        with pytest.raises(CarrierRejected, match=r"recording.* id is not a T.*not sent"):
            await carrier.stop_recording(SID, recording_id="../x")
        await carrier.aclose()
    assert rest.requests == []
