"""What a transfer's caller hears next, and what is remembered of the transfer."""

import pytest

from calls.events.lifecycle import TransferStarted
from calls.events.talk import Attached
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason, TransferOutcome
from tests.web_service import Running, running, stream_of, verbs

CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
CALL = {"CallSid": "CA1", "From": "+14155550100", "CallStatus": "in-progress"}
ENDED = [("Hangup", None)]


async def in_transfer(service: Running, carrier: str):
    await service.post(f"/{carrier}/voice", **CALL)
    (call,) = service.store.list()
    call.move(CallState.IN_PROGRESS, cause="media stream")
    call.record(Attached(stream_id="1"))
    call.record(TransferStarted(destination="desk", warm=False))
    call.expect_return(Resume(ResumeReason.TRANSFER, "desk"))
    call.move(CallState.TRANSFERRING, cause="transfer to desk")
    return call


def outcomes(call) -> list[str]:
    return [event.data["outcome"] for event in call.events if event.kind == "transfer_ended"]


@CARRIERS
@pytest.mark.parametrize(
    ("status", "outcome"),
    [("busy", "busy"), ("no-answer", "no_answer"), ("failed", "failed"), ("nonsense", "failed")],
)
async def test_a_caller_who_was_not_put_through_is_back_with_the_bot_which_knows_why(
    tmp_path, carrier, status, outcome
):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        answers = [
            await service.post(f"/{carrier}/transfer?call={call.id}", **CALL, DialCallStatus=status)
            for _ in "12"
        ]
        assert all("/ws/" in stream_of(answer.text)[0] for answer in answers)
        assert outcomes(call) == [outcome]
        assert call.state == "in_progress"
        resume = call.take_return()
        assert (resume.reason, resume.destination, resume.outcome) == ("transfer", "desk", outcome)


@CARRIERS
async def test_a_late_repetition_does_not_tell_the_bot_twice(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        await service.post(f"/{carrier}/transfer?call={call.id}", **CALL, DialCallStatus="busy")
        call.take_return()
        call.record(Attached(stream_id="2"))
        await service.post(f"/{carrier}/transfer?call={call.id}", **CALL, DialCallStatus="busy")
        assert (outcomes(call), call.resume) == (["busy"], None)


@CARRIERS
@pytest.mark.parametrize("status", ["completed", "answered"])
async def test_a_call_ends_when_the_colleague_has_hung_up(tmp_path, carrier, status):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        for _ in "12":
            answer = await service.post(f"/{carrier}/transfer?call={call.id}", **CALL, DialCallStatus=status)
            assert verbs(answer.text) == ENDED
        assert (outcomes(call), call.resume, call.state) == (["connected"], None, "transferred")
        await service.post(f"/{carrier}/status", CallSid="CA1", CallStatus="completed")
        assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.HUMAN)


@CARRIERS
async def test_a_caller_who_hangs_up_after_the_talk_has_ended_the_call(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        form = {**CALL, "CallStatus": "completed", "DialCallStatus": "completed"}
        assert verbs((await service.post(f"/{carrier}/transfer?call={call.id}", **form)).text) == ENDED
        assert (outcomes(call), call.state, call.ended_by) == (["connected"], "completed", EndedBy.CALLER)


@CARRIERS
async def test_a_caller_who_gives_up_while_it_rings_has_ended_the_call(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        form = {**CALL, "CallStatus": "completed", "DialCallStatus": "canceled"}
        assert verbs((await service.post(f"/{carrier}/transfer?call={call.id}", **form)).text) == ENDED
        assert (outcomes(call), call.state, call.ended_by) == ([], "completed", EndedBy.CALLER)


@CARRIERS
async def test_the_colleagues_answer_is_known_at_once(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        colleague = {"CallSid": "CA2", "ParentCallSid": "CA1"}
        for state in ("ringing", "in-progress", "in-progress", "completed"):
            answer = await service.post(
                f"/{carrier}/transfer-answered?call={call.id}", **colleague, CallStatus=state
            )
            assert answer.status_code in (200, 204)
        assert (outcomes(call), call.state, call.carrier_call_id) == (["connected"], "transferred", "CA1")
        assert len(service.store.list()) == 1
        answer = await service.post(f"/{carrier}/transfer?call={call.id}", **CALL, DialCallStatus="completed")
        assert (verbs(answer.text), outcomes(call)) == (ENDED, ["connected"])


@CARRIERS
async def test_a_sip_caller_can_be_referred(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        form = {**CALL, "ReferCallStatus": "busy", "ReferSipResponseCode": "202"}
        stream_of((await service.post(f"/{carrier}/transfer?call={call.id}", **form)).text)
        assert outcomes(call) == ["busy"]
        call.record(TransferStarted(destination="desk", warm=False))
        form = {**CALL, "ReferCallStatus": "in-progress", "NotifySipResponseCode": "200"}
        assert verbs((await service.post(f"/{carrier}/transfer?call={call.id}", **form)).text) == ENDED
        assert outcomes(call) == ["busy", "connected"]


@CARRIERS
async def test_a_conference_that_ends_after_a_warm_transfer_ends_the_call(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        call.take_return()
        destination = call.transfer_under_way
        call.transfer_ended(destination, TransferOutcome.CONNECTED)
        answer = await service.post(f"/{carrier}/transfer?call={call.id}", **CALL, DialCallStatus="answered")
        assert (verbs(answer.text), outcomes(call)) == (ENDED, ["connected"])
        assert call.ending.by is EndedBy.HUMAN


@CARRIERS
async def test_a_conference_that_could_not_begin_brings_the_caller_back(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = await in_transfer(service, carrier)
        call.take_return()
        call.transfer_ended("desk", TransferOutcome.CONNECTED)
        answer = await service.post(f"/{carrier}/transfer?call={call.id}", **CALL, DialCallStatus="failed")
        stream_of(answer.text)
        assert (call.resume.destination, call.resume.outcome) == ("desk", "failed")


@CARRIERS
@pytest.mark.parametrize("status", ["busy", "completed"])
async def test_a_transfer_of_an_unknown_call_ends_politely(tmp_path, carrier, status):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/transfer?call=call_0", **CALL, DialCallStatus=status)
        polite = ["Say", "Pause", "Hangup"] if status == "busy" else ["Hangup"]
        assert (answer.status_code, [verb for verb, _ in verbs(answer.text)]) == (200, polite)
        assert service.store.list() == []


@CARRIERS
async def test_what_is_no_transfers_end_is_one_line(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/transfer", **CALL)
        assert (answer.status_code, "DialCallStatus is missing" in answer.json()["error"]) == (400, True)


async def test_an_unsigned_transfer_needs_the_calls_own_address(tmp_path):
    async with running(tmp_path, telnyx_api_key="k", public_url="https://bot.example.com") as service:
        call = service.store.open(carrier="telnyx", carrier_call_id="CA1")
        for query in ("", f"?call={call.id}", f"?call={call.id}&address_key=x", "?address_key="):
            answer = await service.post(f"/telnyx/transfer{query}", **CALL, DialCallStatus="busy")
            assert answer.status_code == 403
        assert call.resume is None
        address = service.way_back_path(call, "transfer")
        answer = await service.post(address, **CALL, DialCallStatus="busy")
        assert "/ws/telnyx/t" in stream_of(answer.text)[0]
