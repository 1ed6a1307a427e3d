"""Calls that are run by commands: what the server does when it is told of them."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

import calls.control
import carriers.telnyx.api
from calls.events.lifecycle import ErrorHappened, HangUpFailed, RecordingChanged, TransferStarted
from calls.states import CallState, EndedBy
from calls.transfer import ResumeReason
from carriers.telnyx.calls import TRANSFER_OF, client_state
from tests.fake_rest import Answer, FakeRest, fake_rest
from tests.web_service import Running, running

DONE = Answer.json(200, {"data": {"result": "ok"}})
ENDED = Answer.json(422, {"errors": [{"code": "90018", "title": "Call has already ended"}]})
ALIVE = Answer.json(200, {"data": {"call_control_id": "v3:1", "is_alive": True}})
_ids = iter(range(10**6))


def event(kind: str, event_id: str | None = None, **payload: Any) -> bytes:
    payload = {"call_control_id": "v3:1", "from": "+12025550100", "to": "+12025550101"} | payload
    data = {"event_type": kind, "id": event_id or f"e{next(_ids)}", "payload": payload}
    return json.dumps({"data": data}).encode()


def initiated(**payload: Any) -> bytes:
    return event("call.initiated", direction="incoming", **payload)


async def tell(service: Running, *bodies: bytes, query: str = "") -> None:
    for body in bodies:
        answer = await service.http.post(f"/telnyx/events{query}", content=body)
        assert answer.status_code == 200


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


def serving(tmp_path, rest: FakeRest, **values: Any):
    given = {"telnyx_api_key": "k", "telnyx_api_base_url": f"{rest.url}/v2", "allow_unsigned_webhooks": True}
    return running(tmp_path, **given, **values)


def commands(rest: FakeRest) -> list[str]:
    return [request.path.rsplit("/", 1)[1] for request in rest.requests if request.method == "POST"]


async def a_call(service: Running, rest: FakeRest):
    await tell(service, initiated(), event("call.answered"))
    await until(lambda: commands(rest) == ["answer"])
    return service.store.list()[0]


async def test_a_call_that_comes_in_is_answered_and_streamed_to_the_bot(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        await tell(service, initiated(), query="?agent=sales&campaign=spring")
        await until(lambda: rest.requests)
        body = json.loads(rest.requests[0].body)
        assert rest.requests[0].path == "/v2/calls/v3:1/actions/answer"
        assert body["stream_url"].startswith(f"{service.ws_url}/ws/telnyx/t")
        (call,) = service.store.list()
        assert (call.mode, call.agent, call.parameters) == ("call_control", "sales", {"campaign": "spring"})
        assert (call.from_number, call.to_number, call.state) == ("+12025550100", "+12025550101", "ringing")


async def test_a_calls_life_is_told_in_any_order_and_twice(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        first = initiated()
        hangup = event("call.hangup", hangup_cause="normal_clearing", hangup_source="caller")
        await tell(service, first, event("call.answered"), first, event("streaming.started"))
        await tell(service, event("call.dtmf.received", digit="1"), hangup, hangup, event("call.answered"))
        await tell(service, event("call.hangup", call_control_id="v3:unknown"))
        (call,) = service.store.list()
        assert (call.state, call.ended_by, call.end_cause) == ("completed", "caller", "normal_clearing")
        assert [e.kind for e in call.events].count("answered") == 1
        await until(lambda: rest.requests)
        assert commands(rest) == ["answer"]


async def test_a_delivery_with_a_known_id_counts_once(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        await tell(service, event("call.initiated", "1", direction="incoming"), event("call.hangup", "1"))
        assert service.store.list()[0].state == "ringing"


async def test_what_is_no_event_is_one_line(tmp_path):
    async with running(tmp_path) as service:
        answer = await service.http.post("/telnyx/events", content=b"{}")
        assert (answer.status_code, "not a Call Control event" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("trouble", [Answer(429), Answer(500), Answer(200, "<html>", "text/html")])
async def test_answering_is_tried_again_with_the_same_command_id(tmp_path, trouble):
    async with fake_rest(trouble, DONE) as rest, serving(tmp_path, rest) as service:
        await tell(service, initiated())
        await until(lambda: commands(rest) == ["answer", "answer"])
        first, second = (json.loads(request.body)["command_id"] for request in rest.requests)
        assert first == second


async def test_a_call_that_comes_while_the_library_loads_is_answered_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(calls.control, "ANSWER_BUDGET_SECS", 0.2)
    carriers.telnyx.api.TelnyxApi.import_sdk()  # whoever loads it first would wait for longer
    monkeypatch.setattr(carriers.telnyx.api.TelnyxApi, "import_sdk", lambda _: time.sleep(0.6))
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        await tell(service, initiated())
        await until(lambda: rest.requests)
        assert commands(rest) == ["answer"]


@pytest.mark.parametrize("refusals", [[Answer(401)], [Answer(404)], [Answer(500), Answer(500)]])
async def test_a_call_that_cannot_be_answered_is_turned_away(tmp_path, refusals, monkeypatch):
    monkeypatch.setattr(
        calls.control, "ANSWER_BUDGET_SECS", 0.25
    )  # enough for two attempts, and not for three
    async with fake_rest(*refusals, DONE) as rest, serving(tmp_path, rest) as service:
        await tell(service, initiated())
        (call,) = service.store.list()
        await until(lambda: set(commands(rest)) == {"answer", "hangup"})
        assert commands(rest)[0] == "answer"
        assert not call.is_over  # by our wish alone
        await tell(service, event("call.hangup", hangup_cause="normal_clearing"))
        assert (call.state, call.ended_by) == (CallState.FAILED, EndedBy.ERROR)
        assert "could not answer" in call.last(ErrorHappened).data["message"]


async def test_a_caller_who_gives_up_before_the_answer_is_no_error(tmp_path):
    async with fake_rest(ENDED) as rest, serving(tmp_path, rest) as service:
        await tell(service, initiated())
        (call,) = service.store.list()
        await until(lambda: call.is_over)
        assert (call.state, call.ended_by, call.has(ErrorHappened)) == ("canceled", EndedBy.CALLER, False)


async def test_a_call_for_an_unknown_agent_is_turned_away(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        await tell(service, initiated(), query="?agent=nobody")
        (call,) = service.store.list()
        await until(lambda: commands(rest) == ["hangup"])
        await tell(service, event("call.hangup", hangup_cause="normal_clearing"))
        assert call.is_over
        assert "nobody" in call.last(ErrorHappened).data["message"]


async def test_a_call_without_credentials_is_an_error_and_no_crash(tmp_path):
    async with running(tmp_path) as service:
        await tell(service, initiated())
        (call,) = service.store.list()
        await until(lambda: call.has(HangUpFailed))
        assert "no credentials" in call.last(ErrorHappened).data["message"]


@pytest.mark.parametrize("by_address", [True, False])
async def test_an_event_names_a_call_of_ours_that_has_no_name_yet(tmp_path, by_address):
    async with running(tmp_path) as service:
        call = service.store.dial_out(
            carrier="telnyx", mode="call_control", from_number="+12025550100", to_number="+12025550143"
        )
        state = None if by_address else client_state({"call_id": call.id})
        query = f"?call={call.id}" if by_address else ""
        told = {"direction": "outgoing", "client_state": state}
        await tell(service, event("call.initiated", **told), event("call.answered", **told), query=query)
        assert (call.carrier_call_id, call.state, len(service.store.list())) == ("v3:1", "in_progress", 1)
        await tell(service, event("call.machine.premium.detection.ended", result="machine"))
        await tell(service, event("call.machine.premium.greeting.ended", result="beep_detected"))
        assert [e.data["who"] for e in call.events if e.kind == "answered_by"] == [
            "machine",
            "greeting_ended",
        ]


async def test_a_finished_recording_finds_its_call_by_what_the_leg_carries(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        call = await a_call(service, rest)
        carried = json.loads(rest.requests[0].body)["client_state"]
        saved = event(
            "call.recording.saved",
            call_control_id=None,
            client_state=carried,
            recording_id="r1",
            recording_urls={"wav": "https://h/r1.wav"},
            channels="dual",
        )
        await tell(service, saved)
        assert call.last(RecordingChanged).data["url"] == "https://h/r1.wav"


def colleague(kind: str, **payload: Any) -> bytes:
    return event(kind, call_control_id="v3:2", client_state=client_state({TRANSFER_OF: "v3:1"}), **payload)


async def in_transfer(service: Running, rest: FakeRest):
    call = await a_call(service, rest)
    call.record(TransferStarted(destination="desk", warm=False))
    call.move(CallState.TRANSFERRING, cause="transfer to desk")
    return call


def outcomes(call) -> list[str]:
    return [e.data["outcome"] for e in call.events if e.kind == "transfer_ended"]


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        ("user_busy", "busy"),
        ("no_answer", "no_answer"),
        ("timeout", "no_answer"),
        ("call_rejected", "declined"),
        ("not_found", "failed"),
    ],
)
async def test_a_destination_that_was_not_reached_is_an_outcome(tmp_path, cause, outcome):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        call = await in_transfer(service, rest)
        ended = colleague("call.hangup", hangup_cause=cause, hangup_source="callee")
        await tell(service, colleague("call.initiated", direction="outgoing"), ended, ended)
        await tell(service, colleague("call.hangup", hangup_cause=cause, hangup_source="callee"))
        assert (outcomes(call), call.state, len(service.store.list())) == ([outcome], "in_progress", 1)


@pytest.mark.parametrize(("goes_on", "outcome"), [(True, "no_answer"), (False, "connected")])
async def test_the_callers_leg_tells_of_a_connection_that_was_not_told(tmp_path, goes_on, outcome):
    end = {} if goes_on else {"end_time": "2026-01-01T00:00:00Z"}
    alive = Answer.json(200, {"data": {"call_control_id": "v3:1", "is_alive": goes_on} | end})
    async with fake_rest(DONE, alive) as rest, serving(tmp_path, rest) as service:
        call = await in_transfer(service, rest)
        await tell(service, colleague("call.hangup", hangup_cause="normal_clearing", hangup_source="callee"))
        await until(lambda: outcomes(call))
        assert (outcomes(call), call.is_over) == ([outcome], not goes_on)


@pytest.mark.parametrize("bridged", [event, colleague])
@pytest.mark.parametrize("colleague_first", [True, False])
async def test_a_colleague_who_hangs_up_has_ended_the_call(tmp_path, bridged, colleague_first):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        call = await in_transfer(service, rest)
        await tell(service, colleague("call.answered"), bridged("call.bridged"))
        assert (outcomes(call), call.state) == (["connected"], "transferred")
        ends = [
            colleague("call.hangup", hangup_cause="normal_clearing", hangup_source="callee"),
            event("call.hangup", hangup_cause="normal_clearing", hangup_source="callee"),
        ]
        await tell(service, *(ends if colleague_first else reversed(ends)))
        assert (outcomes(call), call.state, call.ended_by) == (["connected"], "completed", EndedBy.HUMAN)


async def test_a_caller_who_hangs_up_while_it_rings_has_ended_the_call(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        call = await in_transfer(service, rest)
        await tell(
            service,
            event("call.hangup", hangup_cause="normal_clearing", hangup_source="caller"),
            colleague("call.hangup", hangup_cause="originator_cancel", hangup_source="caller"),
        )
        assert (outcomes(call), call.state, call.ended_by) == ([], "completed", EndedBy.CALLER)


async def test_a_refer_that_fails_is_an_outcome(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        call = await in_transfer(service, rest)
        await tell(service, event("call.refer.failed", sip_notify_response=486))
        assert (outcomes(call), call.state) == (["busy"], "in_progress")


async def test_the_carriers_time_limit_is_who_ended_the_call(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        call = await a_call(service, rest)
        await tell(service, event("call.hangup", hangup_cause="time_limit"))
        assert (call.state, call.ended_by) == ("completed", EndedBy.LIMIT)


async def test_a_lost_stream_is_started_again_for_a_caller_who_is_still_there(tmp_path):
    async with fake_rest(DONE, ALIVE, DONE) as rest, serving(tmp_path, rest) as service:
        call = await a_call(service, rest)
        await tell(service, event("streaming.stopped"))
        await until(lambda: commands(rest) == ["answer", "streaming_start"])
        first, second = (json.loads(rest.requests[number].body) for number in (0, 2))
        assert second["stream_url"].startswith(f"{service.ws_url}/ws/telnyx/t")
        assert second["stream_url"] != first["stream_url"]
        assert call.resume.reason is ResumeReason.LOST


async def test_a_stream_that_cannot_be_had_ends_the_call(tmp_path):
    answers = [DONE, ALIVE, DONE, ALIVE, Answer(404, '{"errors": []}'), DONE]
    async with fake_rest(*answers) as rest, serving(tmp_path, rest) as service:
        call = await a_call(service, rest)
        await tell(service, event("streaming.failed", failure_reason="connection_failed"))
        await until(lambda: commands(rest) == ["answer", "streaming_start"])
        assert any("connection_failed" in e.data["message"] for e in call.events if e.kind == "error")
        await tell(service, event("streaming.failed", failure_reason="connection_failed"))
        await until(lambda: commands(rest) == ["answer", "streaming_start", "streaming_start", "hangup"])
        await tell(service, event("call.hangup", hangup_cause="normal_clearing"))
        assert (call.state, call.ended_by) == ("completed", EndedBy.ERROR)


async def test_a_stream_that_ends_with_its_call_is_not_missed(tmp_path):
    gone = Answer.json(200, {"data": {"is_alive": False, "end_time": "2026-01-01T00:00:00Z"}})
    async with fake_rest(DONE, gone) as rest, serving(tmp_path, rest) as service:
        call = await a_call(service, rest)
        await tell(service, event("streaming.stopped"))
        await until(lambda: call.is_over)
        assert (commands(rest), call.ended_by, call.has(ErrorHappened)) == (["answer"], EndedBy.CALLER, False)


async def test_a_stream_that_ends_because_a_colleague_talks_is_not_missed(tmp_path):
    async with fake_rest(DONE) as rest, serving(tmp_path, rest) as service:
        call = await in_transfer(service, rest)
        await tell(service, colleague("call.bridged"), event("streaming.stopped"))
        await asyncio.sleep(0.2)
        assert (commands(rest), call.state, call.has(ErrorHappened)) == (["answer"], "transferred", False)
