"""What a caller hears when the bot's stream is over, and what status callbacks change."""

import asyncio

import pytest
from pipecat.runner.types import WebSocketRunnerArguments

from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason, TransferOutcome
from tests.web_service import running, stream_of, streaming, verbs

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
async def test_a_lost_stream_is_replaced_thrice_and_then_apologised_for_in_the_agents_words(
    tmp_path, carrier
):
    async with running(tmp_path) as service:
        await service.post(f"/{carrier}/voice?agent=sales", **CALL)
        (call,) = service.store.list()
        for _ in "123":
            answer = await service.post(f"/{carrier}/connect-ended", **CALL)
            assert stream_of(answer.text)[1]["agent"] == "sales"
            assert call.take_return() == Resume(ResumeReason.LOST)
            assert call.events[-1].data == {"message": "the media stream ended before the call did"}
        answer = await service.post(f"/{carrier}/connect-ended", **CALL)
        assert verbs(answer.text) == [("Say", "Sales is sorry."), ("Pause", None), ("Hangup", None)]
        await service.post(f"/{carrier}/status", CallSid="CA1", CallStatus="completed")
        assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.ERROR)


@CARRIERS
async def test_a_bot_without_a_voice_is_apologised_for_at_once(tmp_path, carrier):
    async with running(tmp_path) as service:
        await service.post(f"/{carrier}/voice", **CALL)
        service.store.list()[0].will_end(EndedBy.ERROR, "the voice is gone")
        answer = await service.post(f"/{carrier}/connect-ended", **CALL)
        assert [verb for verb, _ in verbs(answer.text)] == ["Say", "Pause", "Hangup"]


@CARRIERS
@pytest.mark.parametrize(
    "resume", [Resume(ResumeReason.DIGITS), Resume(ResumeReason.TRANSFER, "desk", TransferOutcome.BUSY)]
)
async def test_a_caller_who_is_expected_back_keeps_the_reason(tmp_path, carrier, resume):
    async with running(tmp_path) as service:
        await service.post(f"/{carrier}/voice", **CALL)
        (call,) = service.store.list()
        call.expect_return(resume)
        stream_of((await service.post(f"/{carrier}/connect-ended?call={call.id}", **CALL)).text)
        assert call.take_return() == resume


async def test_what_nobody_vouches_for_connects_nobody_with_the_bot(tmp_path):
    async with running(tmp_path, telnyx_api_key="k", public_url="https://bot.example.com") as service:
        call, other = (service.store.open(carrier="telnyx", carrier_call_id=name) for name in ("CA1", "CA2"))
        others = service.way_back_path(other, "connect-ended")
        for path in ("/telnyx/connect-ended", f"/telnyx/connect-ended?call={call.id}"):
            assert (await service.post(path, **CALL)).status_code == 403
        for stolen in (others.replace(other.id, call.id), others.replace("connect-ended", "transfer")):
            assert (await service.post(stolen, **CALL, DialCallStatus="busy")).status_code == 403
        # An address for one call says nothing about another.
        answer = await service.post(others, **CALL)
        assert [verb for verb, _ in verbs(answer.text)] == ["Say", "Pause", "Hangup"]
        assert (call.state, call.resume) == ("ringing", None)
        answer = await service.post(service.way_back_path(call, "connect-ended"), **CALL)
        assert "/ws/telnyx/t" in stream_of(answer.text)[0]


@CARRIERS
async def test_a_call_that_this_process_does_not_know_is_apologised_for(tmp_path, carrier):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/connect-ended", **CALL)
        assert [verb for verb, _ in verbs(answer.text)] == ["Say", "Pause", "Hangup"]
        assert service.store.list() == []


async def test_a_broken_agent_file_does_not_keep_the_apology_away(tmp_path):
    async with running(tmp_path) as service:
        await service.post("/twilio/voice", **CALL)
        service.store.list()[0].will_end(EndedBy.ERROR, "the bot failed")
        (tmp_path / "agents" / "receptionist.toml").write_text("broken = ")
        answer = await service.post("/twilio/connect-ended", **CALL)
        assert [verb for verb, _ in verbs(answer.text)] == ["Say", "Pause", "Hangup"]


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


async def test_a_bot_that_fails_again_and_again_is_apologised_for(tmp_path):
    async def failing(arguments: WebSocketRunnerArguments) -> None:
        raise RuntimeError("boom")

    async with running(tmp_path, run_bot=failing) as service:
        document = (await service.post("/twilio/voice", **CALL)).text
        for _ in "1234":
            url, _ = stream_of(document)
            async with streaming(url) as socket:
                await asyncio.wait_for(socket.wait_closed(), 5)
            document = (await service.post("/twilio/connect-ended", **CALL)).text
        assert [verb for verb, _ in verbs(document)] == ["Say", "Pause", "Hangup"]
