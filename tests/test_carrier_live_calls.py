"""Making a live call do something else: new documents, digits, transfers and recordings over REST."""

import json
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import pytest

from carriers.carrier import (
    CallEnded,
    CallNotFound,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    NotConfigured,
    NotRecording,
    RecordingFormat,
)
from carriers.telnyx import TelnyxCarrier
from carriers.twilio import TwilioCarrier
from tests.fake_rest import Answer, FakeRest, fake_rest

SID = "CA" + "0" * 32
CONTROL_ID = "v3:abc-DEF_123"
HTML = "<html>Bad gateway</html>"
CALL = f"/2010-04-01/Accounts/ACtest/Calls/{SID}"
ACTIONS = f"/v2/calls/{CONTROL_ID}/actions"
TEXML = f"/v2/texml/Accounts/acc/Calls/{CONTROL_ID}"
OK = Answer.json(200, {"sid": "RE1", "status": "in-progress", "data": {"result": "ok"}})

Verb = Callable[[object], Awaitable[object]]


def twilio(url: str, **other: object) -> TwilioCarrier:
    return TwilioCarrier(**{"account_sid": "ACtest", "auth_token": "token", "base_url": url, **other})


def telnyx(url: str, **other: object) -> TelnyxCarrier:
    own = {"api_key": "KEY", "base_url": f"{url}/v2", "account_sid": "acc", "connection_id": "1234"}
    return TelnyxCarrier(**{**own, **other})


TWILIO_VERBS = {
    "document": lambda carrier: carrier.update_document(SID, "<Response/>"),
    "url": lambda carrier: carrier.update_url(SID, "https://h/next"),
    "start_recording": lambda carrier: carrier.start_recording(SID),
    "pause_recording": lambda carrier: carrier.pause_recording(SID),
    "resume_recording": lambda carrier: carrier.resume_recording(SID),
    "stop_recording": lambda carrier: carrier.stop_recording(SID),
}
TELNYX_VERBS = {
    "document": lambda carrier: carrier.update_document(CONTROL_ID, "<Response/>"),
    "url": lambda carrier: carrier.update_url(CONTROL_ID, "https://h/next"),
    "start_recording": lambda carrier: carrier.start_recording(CONTROL_ID),
    "pause_recording": lambda carrier: carrier.pause_recording(CONTROL_ID),
    "resume_recording": lambda carrier: carrier.resume_recording(CONTROL_ID),
    "stop_recording": lambda carrier: carrier.stop_recording(CONTROL_ID),
    "digits": lambda carrier: carrier.send_digits(CONTROL_ID, "1"),
    "transfer": lambda carrier: carrier.transfer(CONTROL_ID, "+14155550101"),
}
ALL = pytest.mark.parametrize(
    ("build", "verb"),
    [pytest.param(twilio, verb, id=f"twilio-{name}") for name, verb in TWILIO_VERBS.items()]
    + [pytest.param(telnyx, verb, id=f"telnyx-{name}") for name, verb in TELNYX_VERBS.items()],
)


def refused(build: object, status: int, code: str) -> Answer:
    if build is twilio:
        return Answer.json(status, {"code": int(code), "message": "…", "status": status})
    return Answer.json(status, {"errors": [{"code": code, "title": "…"}]})


async def asked(
    rest: FakeRest, carrier: TwilioCarrier | TelnyxCarrier, verb: Verb
) -> tuple[str, str, object]:
    try:
        await verb(carrier)
    finally:
        await carrier.aclose()
    (request,) = rest.requests
    body = json.loads(request.body) if request.body.startswith("{") else sorted(parse_qsl(request.body))
    return request.method, request.path, body


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        (TWILIO_VERBS["document"], f"{CALL}.json", [("Twiml", "<Response/>")]),
        (TWILIO_VERBS["url"], f"{CALL}.json", [("Method", "POST"), ("Url", "https://h/next")]),
        (TWILIO_VERBS["start_recording"], f"{CALL}/Recordings.json", [("RecordingChannels", "dual")]),
        (
            lambda carrier: carrier.start_recording(SID, status_url="https://h/recording"),
            f"{CALL}/Recordings.json",
            [
                ("RecordingChannels", "dual"),
                ("RecordingStatusCallback", "https://h/recording"),
                ("RecordingStatusCallbackEvent", "absent"),
                ("RecordingStatusCallbackEvent", "completed"),
                ("RecordingStatusCallbackEvent", "in-progress"),
                ("RecordingStatusCallbackMethod", "POST"),
            ],
        ),
        (
            TWILIO_VERBS["pause_recording"],
            f"{CALL}/Recordings/Twilio.CURRENT.json",
            [("PauseBehavior", "silence"), ("Status", "paused")],
        ),
        (
            lambda carrier: carrier.pause_recording(SID, keep_length=False),
            f"{CALL}/Recordings/Twilio.CURRENT.json",
            [("PauseBehavior", "skip"), ("Status", "paused")],
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
    ],
)
async def test_twilio_is_asked(verb, path, body):
    async with fake_rest(OK) as rest:
        assert await asked(rest, twilio(rest.url), verb) == ("POST", path, body)


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        (TELNYX_VERBS["document"], TEXML, {"Texml": "<Response/>"}),
        (TELNYX_VERBS["url"], TEXML, {"Url": "https://h/next", "Method": "POST"}),
        (
            lambda carrier: carrier.start_recording(CONTROL_ID, command_id="c"),
            f"{ACTIONS}/record_start",
            {"channels": "dual", "format": "wav", "command_id": "c"},
        ),
        (
            lambda carrier: carrier.start_recording(
                CONTROL_ID, file_format=RecordingFormat.MP3, command_id="c"
            ),
            f"{ACTIONS}/record_start",
            {"channels": "dual", "format": "mp3", "command_id": "c"},
        ),
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
        (
            lambda carrier: carrier.transfer(CONTROL_ID, "+14155550101", command_id="c"),
            f"{ACTIONS}/transfer",
            {"to": "+14155550101", "timeout_secs": 25, "command_id": "c"},
        ),
        (
            lambda carrier: carrier.transfer(
                CONTROL_ID,
                "sip:desk@example.com",
                caller_id="+14155550100",
                ring_timeout_secs=40,
                command_id="c",
            ),
            f"{ACTIONS}/transfer",
            {
                "to": "sip:desk@example.com",
                "from": "+14155550100",
                "timeout_secs": 40,
                "command_id": "c",
            },
        ),
    ],
)
async def test_telnyx_is_asked(verb, path, body):
    async with fake_rest(OK) as rest:
        assert await asked(rest, telnyx(rest.url), verb) == ("POST", path, body)


@pytest.mark.parametrize("name", sorted(TELNYX_VERBS.keys() - {"document", "url"}))
async def test_a_command_without_an_id_gets_a_new_one_each_time(name):
    async with fake_rest(OK) as rest:
        carrier = telnyx(rest.url)
        await TELNYX_VERBS[name](carrier)
        await TELNYX_VERBS[name](carrier)
        await carrier.aclose()
    first, second = (json.loads(request.body)["command_id"] for request in rest.requests)
    assert first != second


async def test_the_recordings_id_is_told_where_the_carrier_gives_one():
    async with fake_rest(OK) as rest:
        carriers = twilio(rest.url), telnyx(rest.url)
        assert await carriers[0].start_recording(SID) == "RE1"
        assert await carriers[1].start_recording(CONTROL_ID) is None
        for carrier in carriers:
            await carrier.aclose()


@ALL
async def test_a_call_that_had_ended_is_no_success(build, verb):
    ended = refused(build, 400, "21220") if build is twilio else refused(build, 422, "90018")
    async with fake_rest(ended) as rest:
        with pytest.raises(CallEnded, match="not live any more"):
            await asked(rest, build(rest.url), verb)


@pytest.mark.parametrize("name", ["document", "url", "start_recording"])
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


async def test_a_document_that_twilio_would_not_take_is_not_sent():
    async with fake_rest(OK) as rest:
        carrier = twilio(rest.url)
        with pytest.raises(CarrierRejected, match=r"4001 characters.*use update_url"):
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


async def test_twilio_says_how_digits_can_be_sent_instead():
    assert TelnyxCarrier.sends_digits_by_rest
    assert not TwilioCarrier.sends_digits_by_rest
    with pytest.raises(CarrierRejected, match="digits_document"):
        await TwilioCarrier().send_digits(SID, "1")


@pytest.mark.parametrize(
    ("destination", "other"),
    [("4155550101", {}), ("+14155550101", {"ring_timeout_secs": 4}), ("+14155550101", {"caller_id": "me"})],
)
async def test_telnyx_is_not_asked_for_a_transfer_to_nowhere(destination, other):
    async with fake_rest(OK) as rest:
        carrier = telnyx(rest.url)
        with pytest.raises(ValueError):
            await carrier.transfer(CONTROL_ID, destination, **other)
        await carrier.aclose()
    assert rest.requests == []


@pytest.mark.parametrize("verb", [TELNYX_VERBS["document"], TELNYX_VERBS["url"]])
async def test_telnyx_takes_no_new_document_without_the_account(verb):
    with pytest.raises(NotConfigured, match="TELNYX_ACCOUNT_SID"):
        await verb(telnyx("http://127.0.0.1:9", account_sid=None))


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
