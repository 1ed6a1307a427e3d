"""What Twilio's REST API may answer, and what we make of it."""

import time
from base64 import b64decode

import pytest

from carriers.carrier import (
    CallNotFound,
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    LineState,
    NotConfigured,
)
from carriers.twilio.carrier import TwilioCarrier
from tests.fake_rest import Answer, fake_rest

SID = "CA" + "0" * 32
CALL = {
    "sid": SID,
    "status": "completed",
    "from": "+14155550100",
    "to": "+14155550101",
    "start_time": "Fri, 21 Nov 2025 08:00:00 +0000",
    "end_time": "Fri, 21 Nov 2025 08:01:00 +0000",
    "duration": "60",
}


def twilio(url: str, **other: object) -> TwilioCarrier:
    return TwilioCarrier(**{"account_sid": "ACtest", "auth_token": "token", "base_url": url, **other})


async def test_hanging_up_completes_the_call():
    async with fake_rest(Answer.json(200, CALL)) as rest:
        carrier = twilio(rest.url)
        assert (await carrier.hang_up(SID)).already_ended is False
        await carrier.aclose()
    (request,) = rest.requests
    assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/ACtest/Calls/{SID}.json")
    assert request.body == "Status=completed"
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"ACtest:token"


async def test_an_api_key_is_used_in_the_auth_tokens_place():
    async with fake_rest(Answer.json(200, CALL)) as rest:
        carrier = twilio(rest.url, api_key="SKkey", api_secret="secret")
        await carrier.hang_up(SID)
        await carrier.aclose()
    (request,) = rest.requests
    assert request.path.startswith("/2010-04-01/Accounts/ACtest/")
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"SKkey:secret"


async def test_the_environment_does_not_contradict_the_settings(monkeypatch):
    monkeypatch.setenv("TWILIO_REGION", "nowhere")
    async with fake_rest(Answer.json(200, CALL)) as rest:
        carrier = twilio(rest.url)
        await carrier.hang_up(SID)
        await carrier.aclose()
    assert len(rest.requests) == 1


@pytest.mark.parametrize(("status", "code"), [(400, 21220), (404, 20404)])
async def test_a_call_that_had_ended_is_hung_up_successfully(status, code):
    async with fake_rest(Answer.json(status, {"code": code, "message": "…", "status": status})) as rest:
        carrier = twilio(rest.url)
        assert (await carrier.hang_up(SID)).already_ended is True
        await carrier.aclose()


HTML = "<html>Bad gateway</html>"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.json(400, {"code": 20001, "message": "…", "status": 400}), CarrierRejected),
        (Answer.json(401, {"code": 20003, "message": "…", "status": 401}), CarrierUnauthorized),
        (Answer(403, "", "text/plain"), CarrierUnauthorized),
        (Answer(404, HTML, "text/html"), CallNotFound),
        (Answer.json(429, {"code": 20429, "message": "…", "status": 429}), CarrierUnavailable),
        (Answer.json(500, {"code": 20500, "message": "…", "status": 500}), CarrierUnavailable),
        (Answer(502, HTML, "text/html"), CarrierUnavailable),
        (Answer(302, "", "text/plain"), CarrierUnavailable),
        (Answer(200, HTML, "text/html"), CarrierUnavailable),
        (Answer(200, "", "text/plain"), CarrierUnavailable),
        (Answer(200, "[]"), CarrierUnavailable),
        (Answer(hang_up=True), CarrierUnavailable),
        (Answer(delay_secs=30), CarrierUnavailable),
        (Answer.json(400, {"type": "t", "title": "t", "status": 400, "code": 7}), CarrierRejected),
    ],
)
async def test_whatever_is_answered_becomes_one_of_our_errors(answer, error):
    async with fake_rest(answer) as rest:
        carrier = twilio(rest.url, timeout_secs=0.3 if answer.delay_secs else 5)
        began = time.monotonic()
        with pytest.raises(error) as caught:
            await carrier.hang_up(SID)
        assert type(caught.value) is error
        assert "\n" not in str(caught.value)
        assert time.monotonic() - began < 4
        await carrier.aclose()
    assert len(rest.requests) == 1  # a retry is the caller's decision


async def test_nobody_listening_is_unavailable():
    carrier = twilio("http://127.0.0.1:9", timeout_secs=2)
    with pytest.raises(CarrierUnavailable, match="cannot be reached"):
        await carrier.hang_up(SID)
    await carrier.aclose()


@pytest.mark.parametrize("call_id", ["", "../../Accounts", "CA1/Recordings", "CA1.json?x=", "CA 1", "CA\n"])
async def test_an_id_that_would_change_the_path_is_not_sent(call_id):
    async with fake_rest(Answer.json(200, CALL)) as rest:
        carrier = twilio(rest.url)
        with pytest.raises(CarrierRejected, match="call's id is not a Twilio SID"):
            await carrier.hang_up(call_id)
        await carrier.aclose()
    assert rest.requests == []


async def test_without_credentials_nothing_is_asked():
    with pytest.raises(NotConfigured, match="TWILIO_ACCOUNT_SID"):
        await TwilioCarrier().hang_up(SID)


async def test_a_call_is_fetched():
    async with fake_rest(Answer.json(200, CALL)) as rest:
        carrier = twilio(rest.url)
        call = await carrier.fetch_call(SID)
        await carrier.aclose()
    assert (call.state, call.from_number) == (LineState.COMPLETED, "+14155550100")
