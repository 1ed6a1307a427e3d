"""What a caller hears when the bot's stream is over, and what status callbacks change."""

import asyncio
import json

import pytest
import websockets
from pipecat.runner.types import WebSocketRunnerArguments

from calls.call import CallState, EndedBy
from tests.web_service import running, stream_of, verbs

CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
CALL = {"CallSid": "CA1", "From": "+14155550100", "CallStatus": "in-progress"}


@CARRIERS
@pytest.mark.parametrize("by", [EndedBy.BOT, EndedBy.HUMAN, EndedBy.LIMIT])
async def test_a_call_that_we_end_ends_without_another_word(tmp_path, carrier, by):
    async with running(tmp_path) as service:
        await service.post(f"/{carrier}/voice", **CALL)
        service.store.list()[0].will_end(by, "goodbye")
        assert verbs((await service.post(f"/{carrier}/connect-ended", **CALL)).text) == [("Hangup", None)]


@CARRIERS
async def test_a_lost_stream_is_apologised_for_in_the_agents_words(tmp_path, carrier):
    async with running(tmp_path) as service:
        await service.post(f"/{carrier}/voice?agent=sales", **CALL)
        answer = await service.post(f"/{carrier}/connect-ended", **CALL)
        assert verbs(answer.text) == [("Say", "Sales is sorry."), ("Hangup", None)]
        assert service.store.list()[0].events[-1].kind == "error"


@CARRIERS
async def test_a_call_that_this_process_does_not_know_is_apologised_for(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/connect-ended", **CALL)
        assert [verb for verb, _ in verbs(answer.text)] == ["Say", "Hangup"]
        assert service.store.list() == []


async def test_a_broken_agent_file_does_not_keep_the_apology_away(tmp_path):
    async with running(tmp_path) as service:
        await service.post("/twilio/voice", **CALL)
        (tmp_path / "agents" / "receptionist.toml").write_text("broken = ")
        answer = await service.post("/twilio/connect-ended", **CALL)
        assert [verb for verb, _ in verbs(answer.text)] == ["Say", "Hangup"]


@CARRIERS
async def test_a_caller_who_hung_up_ends_the_call(tmp_path, carrier):
    async with running(tmp_path) as service:
        await service.post(f"/{carrier}/voice", **CALL)
        await service.post(f"/{carrier}/connect-ended", **{**CALL, "CallStatus": "completed"})
        (call,) = service.store.list()
        assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.CALLER)
        assert [event.kind for event in call.events].count("error") == 0


@CARRIERS
async def test_status_callbacks_may_come_late_and_twice(tmp_path, carrier):
    async with running(tmp_path) as service:
        await service.post(f"/{carrier}/voice", **CALL)
        (call,) = service.store.list()
        for state in (
            "in-progress",
            "ringing",
            "in-progress",
            "completed",
            "completed",
            "in-progress",
            "busy",
            "?",
        ):
            answer = await service.post(f"/{carrier}/status", CallSid="CA1", CallStatus=state)
            assert answer.status_code in (200, 204)
        assert call.state is CallState.COMPLETED
        kinds = [event.kind for event in call.events]
        assert (kinds.count("answered"), kinds.count("ended")) == (1, 1)


@CARRIERS
async def test_a_status_of_an_unknown_call_is_accepted_and_opens_none(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/status", CallSid="CA9", CallStatus="completed")
        assert answer.status_code in (200, 204)
        assert service.store.list() == []


@CARRIERS
async def test_a_status_without_a_call_is_one_line(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/status", CallStatus="completed")
        assert (answer.status_code, "CallSid is missing" in answer.json()["error"]) == (400, True)


def event(kind: str, event_id: str, **payload: object) -> bytes:
    payload = {"call_control_id": "v3:1", "from": "+1", "to": "+2", "direction": "incoming", **payload}
    return json.dumps({"data": {"event_type": kind, "id": event_id, "payload": payload}}).encode()


async def test_call_control_events_tell_a_calls_life(tmp_path):
    async with running(tmp_path) as service:
        for body in [
            event("call.initiated", "1"),
            event("call.answered", "2"),
            event("streaming.started", "3"),
            event("call.hangup", "4", hangup_cause="normal_clearing"),
            event("call.initiated", "1"),
            event("call.hangup", "5", call_control_id="v3:unknown"),
        ]:
            assert (await service.http.post("/telnyx/events", content=body)).status_code == 200
        (call,) = service.store.list()
        assert (call.state, call.ended_by, call.end_cause) == ("completed", "caller", "normal_clearing")


async def test_a_repeated_call_control_event_counts_once(tmp_path):
    async with running(tmp_path) as service:
        await service.http.post("/telnyx/events", content=event("call.initiated", "1"))
        # The same delivery id with another content can only be a repetition.
        await service.http.post("/telnyx/events", content=event("call.hangup", "1"))
        assert service.store.list()[0].state == "ringing"


async def test_what_is_no_event_is_one_line(tmp_path):
    async with running(tmp_path) as service:
        answer = await service.http.post("/telnyx/events", content=b"{}")
        assert (answer.status_code, "not a Call Control event" in answer.json()["error"]) == (400, True)


async def test_a_bot_that_fails_is_apologised_for(tmp_path):
    async def failing(arguments: WebSocketRunnerArguments) -> None:
        raise RuntimeError("boom")

    async with running(tmp_path, run_bot=failing) as service:
        url, _ = stream_of((await service.post("/twilio/voice", **CALL)).text)
        async with websockets.connect(url) as socket:
            await asyncio.wait_for(socket.wait_closed(), 5)
        answer = await service.post("/twilio/connect-ended", **CALL)
        assert [verb for verb, _ in verbs(answer.text)] == ["Say", "Hangup"]
