"""What Telnyx's REST API may answer, and what we make of it."""

import json
import time

import pytest

from carriers.carrier import (
    CallNotFound,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    LineState,
    NotConfigured,
)
from carriers.telnyx.carrier import TelnyxCarrier
from tests.fake_rest import Answer, call_control, fake_rest, telnyx

CALL_ID = "v3:abc-DEF_123"
OK = Answer.json(200, {"data": {"result": "ok"}})
HTML = "<html>Bad gateway</html>"


BOTH = pytest.mark.parametrize("build", [telnyx, call_control])


def errors(status: int, code: str) -> Answer:
    return Answer.json(status, {"errors": [{"code": code, "title": "…", "detail": "…"}]})


@BOTH
async def test_hanging_up_is_a_command_with_an_id(build):
    async with fake_rest(OK) as rest:
        carrier = build(rest.url)
        assert (await carrier.hang_up(CALL_ID)).already_ended is False
        await carrier.hang_up(CALL_ID)
        await carrier.aclose()
    first, second = rest.requests
    assert (first.method, first.path) == ("POST", f"/v2/calls/{CALL_ID}/actions/hangup")
    assert first.headers["authorization"] == "Bearer KEY"
    ids = [json.loads(request.body)["command_id"] for request in (first, second)]
    assert len(set(ids)) == 2  # Telnyx ignores a command whose id it knows


@BOTH
async def test_a_call_that_had_ended_is_hung_up_successfully(build):
    async with fake_rest(errors(422, "90018")) as rest:
        carrier = build(rest.url)
        assert (await carrier.hang_up(CALL_ID)).already_ended is True
        await carrier.aclose()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (errors(422, "90015"), CarrierRejected),
        (errors(400, "10015"), CarrierRejected),
        (errors(401, "10009"), CarrierUnauthorized),
        (Answer(403, "", "text/plain"), CarrierUnauthorized),
        (Answer(404, HTML, "text/html"), CallNotFound),
        (errors(429, "10011"), CarrierUnavailable),
        (errors(500, "10000"), CarrierUnavailable),
        (Answer(503, HTML, "text/html"), CarrierUnavailable),
        (Answer(422, "[]"), CarrierRejected),
        (Answer(200, HTML, "text/html"), CarrierUnavailable),
        (Answer(200, "", "application/json"), CarrierUnavailable),
        (Answer(200, "[]"), CarrierUnavailable),
        (Answer(hang_up=True), CarrierUnavailable),
        (Answer(delay_secs=30), CarrierUnavailable),
    ],
)
@BOTH
async def test_whatever_is_answered_becomes_one_of_our_errors(build, answer, error):
    async with fake_rest(answer) as rest:
        carrier = build(rest.url, timeout_secs=0.3 if answer.delay_secs else 5)
        began = time.monotonic()
        with pytest.raises(error) as caught:
            await carrier.hang_up(CALL_ID)
        assert type(caught.value) is error
        assert "\n" not in str(caught.value)
        assert time.monotonic() - began < 4
        await carrier.aclose()
    assert len(rest.requests) == 1  # the SDK's own retries are off


@BOTH
async def test_nobody_listening_is_unavailable(build):
    carrier = build("http://127.0.0.1:9", timeout_secs=2)
    with pytest.raises(CarrierUnavailable, match="cannot be reached"):
        await carrier.hang_up(CALL_ID)
    await carrier.aclose()


@pytest.mark.parametrize("call_id", ["", "..", "a/b", "a?b", "a b", "v3:\n"])
@BOTH
async def test_an_id_that_would_change_the_path_is_not_sent(build, call_id):
    async with fake_rest(OK) as rest:
        carrier = build(rest.url)
        with pytest.raises(CarrierRejected, match="not a Telnyx call control id"):
            await carrier.hang_up(call_id)
        await carrier.aclose()
    assert rest.requests == []


async def test_without_credentials_nothing_is_asked():
    with pytest.raises(NotConfigured, match="TELNYX_API_KEY"):
        await TelnyxCarrier().hang_up(CALL_ID)


@pytest.mark.parametrize(
    ("data", "state"),
    [
        ({"is_alive": True, "start_time": "2025-11-21T08:00:00Z"}, LineState.IN_PROGRESS),
        ({"is_alive": False}, LineState.RINGING),
        ({"is_alive": False, "end_time": "2025-11-21T08:01:00Z", "call_duration": 60}, LineState.COMPLETED),
        ({"is_alive": False, "end_time": "not a time"}, LineState.COMPLETED),
    ],
)
@BOTH
async def test_a_call_is_fetched(build, data, state):
    async with fake_rest(Answer.json(200, {"data": {"call_control_id": CALL_ID, **data}})) as rest:
        carrier = build(rest.url)
        call = await carrier.fetch_call(CALL_ID)
        await carrier.aclose()
    assert (call.id, call.state) == (CALL_ID, state)
