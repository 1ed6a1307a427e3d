"""Reports about calls of ours: they name the call, come twice, and may be about calls that nobody knows."""

import pytest

from tests.web_service import running

CARRIERS = pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
RECORDING = {
    "CallSid": "CA1",
    "RecordingSid": "RE1",
    "RecordingUrl": "https://h/RE1",
    "RecordingStatus": "completed",
    "RecordingDuration": "7",
    "RecordingChannels": "2",
}


def dialled(service, carrier):
    return service.store.dial_out(carrier=carrier, from_number="+12025550100", to_number="+12025550143")


@CARRIERS
async def test_the_first_report_names_a_call_that_the_carrier_had_not_named(tmp_path, carrier):
    async with running(tmp_path) as service:
        call, other = dialled(service, carrier), dialled(service, carrier)
        for state in ("ringing", "in-progress", "ringing", "completed", "completed"):
            answer = await service.post(f"/{carrier}/status?call={call.id}", CallSid="CA1", CallStatus=state)
            assert answer.status_code in (200, 204)
        assert (call.carrier_call_id, call.state) == ("CA1", "completed")
        assert [event.kind for event in call.events].count("answered") == 1
        assert (other.carrier_call_id, other.state) == ("", "queued")


@CARRIERS
async def test_a_report_for_two_different_calls_changes_neither(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = dialled(service, carrier)
        service.store.bind(call, "CA1")
        answer = await service.post(f"/{carrier}/status?call={call.id}", CallSid="CA2", CallStatus="busy")
        assert answer.status_code in (200, 204)
        assert (call.state, len(service.store.list())) == ("queued", 1)


async def test_a_call_of_one_carrier_is_not_named_by_the_other(tmp_path):
    async with running(tmp_path) as service:
        call = dialled(service, "twilio")
        await service.post(f"/telnyx/status?call={call.id}", CallSid="v3:1", CallStatus="busy")
        assert (call.carrier_call_id, call.state) == ("", "queued")


@CARRIERS
async def test_every_end_of_a_call_is_known(tmp_path, carrier):
    async with running(tmp_path) as service:
        for word, state in [
            ("busy", "busy"),
            ("no-answer", "no_answer"),
            ("failed", "failed"),
            ("canceled", "canceled"),
            ("completed", "completed"),
        ]:
            call = dialled(service, carrier)
            await service.post(f"/{carrier}/status?call={call.id}", CallSid=f"CA{word}", CallStatus=word)
            assert call.state == state


@CARRIERS
async def test_who_answered_is_written_down_once(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = dialled(service, carrier)
        for word in ("machine_start", "machine_start", "machine_end_beep", "something new"):
            answer = await service.post(f"/{carrier}/amd?call={call.id}", CallSid="CA1", AnsweredBy=word)
            assert answer.status_code in (200, 204)
        said = [event.data["who"] for event in call.events if event.kind == "answered_by"]
        assert said == ["machine", "greeting_ended", "unknown"]


@CARRIERS
async def test_a_recording_is_kept_with_its_call_also_after_the_end(tmp_path, carrier):
    async with running(tmp_path) as service:
        call = dialled(service, carrier)
        await service.post(f"/{carrier}/status?call={call.id}", CallSid="CA1", CallStatus="completed")
        for _ in "12":
            answer = await service.post(f"/{carrier}/recording?call={call.id}", **RECORDING)
            assert answer.status_code in (200, 204)
        (event,) = [event for event in call.events if event.kind == "recording"]
        assert event.data == {
            "state": "completed",
            "recording_id": "RE1",
            "url": "https://h/RE1",
            "duration_secs": 7,
            "channels": 2,
        }


@CARRIERS
@pytest.mark.parametrize("route", ["status", "amd", "recording", "transfer-answered"])
async def test_a_report_about_an_unknown_call_is_accepted_and_opens_none(tmp_path, carrier, route):
    async with running(tmp_path) as service:
        form = {**RECORDING, "CallStatus": "completed", "AnsweredBy": "human"}
        for query in ("", "?call=call_0"):
            answer = await service.post(f"/{carrier}/{route}{query}", **form)
            assert answer.status_code in (200, 204)
        assert service.store.list() == []


@CARRIERS
@pytest.mark.parametrize("route", ["status", "amd", "recording", "transfer-answered"])
async def test_a_report_that_lacks_what_it_must_have_is_one_line(tmp_path, carrier, route):
    async with running(tmp_path) as service:
        answer = await service.post(f"/{carrier}/{route}", From="+14155550100")
        assert (answer.status_code, "is missing" in answer.json()["error"]) == (400, True)
