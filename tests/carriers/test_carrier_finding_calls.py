"""Calls whose id nobody knows: which one an uncertain dial has made, and what became of a transfer."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest

from calls.control import CallControl
from calls.store import CallStore
from calls.transfer import Target, TransferOutcome
from calls.transfer_result import transfer_result
from carriers.carrier import (
    CallNotFound,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    LineState,
)
from tests.fake_rest import Answer, call_control, fake_rest, refused, telnyx, twilio

TO, FROM = "+14155550101", "+14155550100"
SID = "CA" + "0" * 32
HTML = "<html>Bad gateway</html>"
BOTH = pytest.mark.parametrize("build", [twilio, telnyx])
LOOKS = pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda carrier: carrier.find_recent_call(TO, FROM, SINCE), id="after-a-dial"),
        pytest.param(lambda carrier: carrier.dialled_from(SID, TO, SINCE), id="after-a-transfer"),
    ],
)


def listed(build: object, *calls: dict[str, object]) -> Answer:
    common = {"from": FROM, "to": TO, "status": "ringing"}
    return Answer.json(200, {"calls": [common | call for call in calls], "page": 0, "page_size": 20})


SINCE = datetime(2025, 11, 21, 10, 0, 0, tzinfo=timezone(timedelta(hours=2)))  # 08:00 UTC


@BOTH
async def test_a_call_that_may_have_been_made_can_be_found_even_before_it_rings(build):
    calls = [
        {"sid": "CAbefore-our-clock", "date_created": "Fri, 21 Nov 2025 07:59:52 +0000"},
        {"sid": "CAnew", "date_created": "Fri, 21 Nov 2025 08:00:01 +0000", "status": "no-answer"},
        {"sid": "CAqueued", "date_created": None, "start_time": None},
        {"sid": "CAold", "date_created": "Fri, 21 Nov 2025 07:59:00 +0000"},
    ]
    async with fake_rest(listed(build, *calls)) as rest:
        carrier = build(rest.url)
        found = await carrier.find_recent_call(TO, FROM, SINCE)
        await carrier.aclose()
    assert [call.id for call in found] == ["CAnew", "CAbefore-our-clock", "CAqueued"]
    assert (found[0].state, found[0].to_number, found[0].from_number) == (LineState.NO_ANSWER, TO, FROM)
    (request,) = rest.requests
    url = urlsplit(request.path)
    assert request.method == "GET"
    assert url.path.removesuffix(".json").endswith("/Calls")
    assert dict(parse_qsl(url.query)) == {"To": TO, "From": FROM, "PageSize": "20"}


async def test_telnyx_times_in_iso_8601_are_understood_too():
    calls = [
        {"sid": "v3:new", "date_created": "2025-11-21T08:00:01Z"},
        {"sid": "v3:old", "date_created": "2025"},
    ]
    calls.append({"sid": "v3:older", "date_created": "2025-11-21 07:00:00"})
    async with fake_rest(listed(telnyx, *calls)) as rest:
        carrier = telnyx(rest.url)
        found = await carrier.find_recent_call(TO, FROM, SINCE.astimezone(UTC))
        await carrier.aclose()
    # What cannot be read counts: dialling twice is worse than looking at one call too many.
    assert [call.id for call in found] == ["v3:new", "v3:old"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, CarrierRejected),
        (401, CarrierUnauthorized),
        (404, CallNotFound),
        (429, CarrierUnavailable),
        (500, CarrierUnavailable),
    ],
)
@LOOKS
@BOTH
async def test_looking_for_a_call_fails_like_other_requests(build, look, status, error):
    async with fake_rest(refused(build, status, "20001")) as rest:
        carrier = build(rest.url)
        with pytest.raises(error) as caught:
            await look(carrier)
        assert type(caught.value) is error
        await carrier.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, HTML, "text/html"),
        Answer(200, "{}"),
        Answer(502, HTML, "text/html"),
        Answer(hang_up=True),
        Answer(delay_secs=30),
    ],
)
@LOOKS
@BOTH
async def test_no_list_is_not_an_empty_list(build, look, answer):
    async with fake_rest(answer) as rest:
        carrier = build(rest.url, timeout_secs=0.3 if answer.delay_secs else 5)
        with pytest.raises(CarrierUnavailable):
            await look(carrier)
        await carrier.aclose()


@pytest.mark.parametrize(("build", "query"), [(twilio, {"ParentCallSid": SID}), (telnyx, {"To": TO})])
async def test_what_became_of_a_transfer_can_be_asked(build, query):
    calls = [
        {"sid": "CAbusy", "date_created": "Fri, 21 Nov 2025 08:00:01 +0000", "status": "busy"},
        {"sid": "CAold", "date_created": "Fri, 21 Nov 2025 07:00:01 +0000", "status": "completed"},
    ]
    async with fake_rest(listed(build, *calls)) as rest:
        carrier = build(rest.url)
        legs = await carrier.dialled_from(SID, TO, SINCE)
        await carrier.aclose()
    assert [(leg.id, leg.state) for leg in legs] == [("CAbusy", LineState.BUSY)]
    assert dict(parse_qsl(urlsplit(rest.requests[0].path).query)) == {**query, "PageSize": "20"}


async def test_calls_that_run_by_commands_are_told_of_by_events():
    async with fake_rest(Answer()) as rest:
        carrier = call_control(rest.url)
        store = CallStore()
        call = store.dial_out(carrier="telnyx", mode=carrier.mode, from_number=FROM, to_number=TO)
        control = CallControl(call, carrier, store)
        with pytest.raises(CarrierRejected, match="wait for the call's first event"):
            await control.find(SINCE)
        outcome, source = await transfer_result(control, Target("desk", TO))
        assert (outcome, "events tell" in source) == (TransferOutcome.UNKNOWN, True)
        await carrier.aclose()
    assert rest.requests == []
