"""Calls at Telnyx that run by commands: what each command says, and how two calls are connected."""

import json
from base64 import b64decode
from collections.abc import Awaitable, Callable

import pytest
from telnyx.types.calls.action_answer_params import ActionAnswerParams

from carriers.carrier import (
    CallEnded,
    CarrierRejected,
    CarrierUnavailable,
    Meeting,
    OtherCallEnded,
    RecordingFormat,
    StreamDocument,
    TransferDocument,
)
from carriers.telnyx.call_control import TelnyxCallControl
from tests.fake_rest import Answer, FakeRest, call_control, fake_rest, refused

CONTROL_ID, OTHER_ID = "v3:abc-DEF_123", "v3:colleague"
ACTIONS = f"/v2/calls/{CONTROL_ID}/actions"
OK = Answer.json(200, {"data": {"result": "ok"}})
STREAM = StreamDocument("wss://h/ws/TOKEN", {"agent": "desk"})
REFER = TransferDocument("sip:desk@pbx.example.com", action_url="https://h/referred", refer=True)
MEETING = Meeting("call_1")

Verb = Callable[[TelnyxCallControl], Awaitable[object]]


async def asked(rest: FakeRest, carrier: TelnyxCallControl, verb: Verb) -> tuple[str, str, dict[str, object]]:
    try:
        await verb(carrier)
    finally:
        await carrier.aclose()
    (request,) = rest.requests
    return request.method, request.path, json.loads(request.body)


def answer(carrier: TelnyxCallControl) -> Awaitable[None]:
    return carrier.answer(CONTROL_ID, STREAM)


def carried(encoded: object) -> object:
    return json.loads(b64decode(str(encoded)))


@pytest.mark.parametrize(
    ("verb", "action", "body"),
    [
        (
            lambda carrier: carrier.start_recording(CONTROL_ID, status_url="https://h/r", command_id="c"),
            "record_start",
            {"channels": "dual", "format": "wav"},
        ),
        (
            lambda carrier: carrier.start_recording(
                CONTROL_ID, file_format=RecordingFormat.MP3, command_id="c"
            ),
            "record_start",
            {"channels": "dual", "format": "mp3"},
        ),
        (
            lambda carrier: carrier.pause_recording(CONTROL_ID, recording_id="r1", command_id="c"),
            "record_pause",
            {"recording_id": "r1"},
        ),
        (
            lambda carrier: carrier.resume_recording(CONTROL_ID, recording_id="r1", command_id="c"),
            "record_resume",
            {"recording_id": "r1"},
        ),
        (lambda carrier: carrier.stop_recording(CONTROL_ID, command_id="c"), "record_stop", {}),
        (
            lambda carrier: carrier.transfer(CONTROL_ID, REFER, command_id="c"),
            "refer",
            {"sip_address": "sip:desk@pbx.example.com"},
        ),
        (lambda carrier: carrier.stop_stream(CONTROL_ID, command_id="c"), "streaming_stop", {}),
        (
            lambda carrier: carrier.start_stream(CONTROL_ID, StreamDocument("wss://h/ws/T"), command_id="c"),
            "streaming_start",
            {
                "stream_url": "wss://h/ws/T",
                "stream_track": "inbound_track",
                "stream_bidirectional_mode": "rtp",
                "stream_bidirectional_codec": "PCMU",
                "stream_bidirectional_target_legs": "self",
            },
        ),
    ],
)
async def test_call_control_is_commanded(verb, action, body):
    async with fake_rest(OK) as rest:
        expected = ("POST", f"{ACTIONS}/{action}", {**body, "command_id": "c"})
        assert await asked(rest, call_control(rest.url), verb) == expected


async def test_a_ringing_call_is_answered_with_its_stream():
    stream = StreamDocument("wss://h/ws/TOKEN", {"agent": "desk", "note": "a & b"}, "https://h/ended")
    async with fake_rest(OK) as rest:
        _, path, body = await asked(
            rest,
            call_control(rest.url, codec="PCMA"),
            lambda carrier: carrier.answer(CONTROL_ID, stream, command_id="c"),
        )
    assert path == f"{ACTIONS}/answer"
    assert carried(body.pop("client_state")) == stream.parameters
    retries = body.pop("webhook_retries_policies")
    assert set(retries) == {"streaming.failed", "streaming.stopped"}
    assert all(20_000 <= sum(one["retries_ms"]) <= 60_000 for one in retries.values())
    assert body == {
        "command_id": "c",
        "stream_url": "wss://h/ws/TOKEN",
        "stream_track": "inbound_track",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMA",
        "stream_bidirectional_target_legs": "self",
    }


@pytest.mark.parametrize("codec", ["PCMU", "L16"])
async def test_answering_asks_for_nothing_that_the_command_does_not_have(codec):
    async with fake_rest(OK) as rest:
        _, _, body = await asked(rest, call_control(rest.url, codec=codec), answer)
    assert body.keys() <= set(ActionAnswerParams.__annotations__)
    assert body.get("stream_codec") == ("L16" if codec == "L16" else None)


async def test_the_leg_that_a_transfer_makes_carries_the_callers_id():
    transfer = TransferDocument("+14155550101", "+14155550100", 40, fallback=STREAM)
    async with fake_rest(OK) as rest:
        _, path, body = await asked(
            rest,
            call_control(rest.url),
            lambda carrier: carrier.transfer(CONTROL_ID, transfer, command_id="c"),
        )
    assert path == f"{ACTIONS}/transfer"
    state = body.pop("target_leg_client_state")
    assert body == {"to": "+14155550101", "from": "+14155550100", "timeout_secs": 40, "command_id": "c"}
    event = {
        "event_type": "call.hangup",
        "id": "e1",
        "payload": {"call_control_id": "v3:other", "client_state": state, "hangup_cause": "user_busy"},
    }
    heard = TelnyxCallControl().parse_event(json.dumps({"data": event}).encode())
    assert (heard.call_id, heard.transfer_of) == ("v3:other", CONTROL_ID)


async def test_a_caller_cannot_pretend_to_be_a_transferred_leg():
    stream = StreamDocument("wss://h/ws", {"phonebot_transfer_of": "v3:somebody", "kept": "yes"})
    async with fake_rest(OK) as rest:
        verb: Verb = lambda carrier: carrier.answer(CONTROL_ID, stream)  # noqa: E731
        _, _, body = await asked(rest, call_control(rest.url), verb)
    assert carried(body["client_state"]) == {"kept": "yes"}


async def test_two_calls_are_bridged_and_neither_is_parked_afterwards():
    async with fake_rest(OK) as rest:
        _, path, body = await asked(
            rest,
            call_control(rest.url),
            lambda carrier: carrier.connect_calls(CONTROL_ID, OTHER_ID, MEETING, command_id="c"),
        )
    assert path == f"{ACTIONS}/bridge"
    # With park_after_unbridge a leg would stay alone when the other one hangs up.
    assert body == {"call_control_id": OTHER_ID, "command_id": "c"}


async def connected(*answers: Answer) -> tuple[Exception, list[str]]:
    async with fake_rest(*answers) as rest:
        carrier = call_control(
            rest.url, timeout_secs=0.3 if any(answer.delay_secs for answer in answers) else 5
        )
        with pytest.raises(Exception) as caught:
            await carrier.connect_calls(CONTROL_ID, OTHER_ID, MEETING)
        await carrier.aclose()
    return caught.value, [request.path for request in rest.requests]


def status(**data: object) -> Answer:
    return Answer.json(200, {"data": {"call_control_id": CONTROL_ID, **data}})


GONE = refused(call_control, 422, "90018")


@pytest.mark.parametrize("code", ["90018", "90015"])
async def test_a_colleague_who_is_gone_leaves_the_caller_with_the_bot(code):
    error, paths = await connected(refused(call_control, 422, code), status(is_alive=True))
    assert type(error) is OtherCallEnded
    assert paths == [f"{ACTIONS}/bridge", f"/v2/calls/{CONTROL_ID}"]


@pytest.mark.parametrize(
    "caller", [status(is_alive=False, end_time="2025-11-21T08:00:00Z"), refused(call_control, 404, "10005")]
)
async def test_when_the_caller_is_gone_the_colleague_is_hung_up(caller):
    error, paths = await connected(GONE, caller, OK)
    assert type(error) is CallEnded
    assert paths[2:] == [f"/v2/calls/{OTHER_ID}/actions/hangup"]


async def test_a_caller_of_whom_nobody_knows_is_not_given_up():
    error, paths = await connected(GONE, Answer(500, "<html>", "text/html"))
    assert type(error) is OtherCallEnded
    assert len(paths) == 2


async def test_a_colleague_who_cannot_be_hung_up_either_changes_nothing():
    error, _ = await connected(GONE, refused(call_control, 404, "10005"), Answer(500, ""))
    assert type(error) is CallEnded


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(call_control, 422, "90034"), CarrierRejected),
        (refused(call_control, 429, "10011"), CarrierUnavailable),
        (Answer(delay_secs=30), CarrierUnavailable),
    ],
)
async def test_a_bridge_that_fails_otherwise_touches_neither_call(answer, error):
    caught, paths = await connected(answer)
    assert type(caught) is error
    assert paths == [f"{ACTIONS}/bridge"]


async def test_an_id_of_the_other_call_that_is_none_is_not_sent():
    async with fake_rest(OK) as rest:
        carrier = call_control(rest.url)
        with pytest.raises(CarrierRejected, match="not sent"):
            await carrier.connect_calls(CONTROL_ID, "../x", MEETING)
        await carrier.aclose()
    assert rest.requests == []
