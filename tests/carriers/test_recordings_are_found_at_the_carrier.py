"""Each carrier says where the file of a recording is, and who may be given its password."""

import pytest

from carriers.carrier import CallNotFound, CarrierRejected, CarrierUnavailable, NotConfigured
from tests.fake_rest import Answer, call_control, fake_rest, telnyx, twilio

BUCKET = "https://s3.amazonaws.com/telephony-recorder-prod/x.wav?X-Amz-Expires=600"


async def found(carrier, recording_id="RE1"):
    try:
        return await carrier.recording_file(recording_id)
    finally:
        await carrier.aclose()


async def test_twilios_address_is_documented_so_nothing_is_asked():
    async with fake_rest(Answer()) as rest:
        file = await found(twilio(rest.url))
        assert file.url == f"{rest.url}/2010-04-01/Accounts/ACtest/Recordings/RE1.wav"
        assert file.login == ("ACtest", "token") and file.is_api(file.url)
        assert rest.requests == []
    with pytest.raises(NotConfigured):
        await found(twilio(rest.url, auth_token=None))


@pytest.mark.parametrize(
    ("region", "edge", "host"),
    [
        (None, None, "api.twilio.com"),
        ("ie1", None, "api.ie1.twilio.com"),
        ("ie1", "dublin", "api.dublin.ie1.twilio.com"),
    ],
)
async def test_twilio_keeps_recordings_in_their_region(region, edge, host):
    file = await found(twilio(None, region=region, edge=edge))
    assert file.url == f"https://{host}/2010-04-01/Accounts/ACtest/Recordings/RE1.wav"
    assert file.may_lead_to(file.url) and not file.is_api("https://evil.example/")


async def test_texml_says_where_it_is():
    async with fake_rest(Answer.json(200, {"sid": "RE1", "media_url": BUCKET})) as rest:
        file = await found(telnyx(rest.url))
    [request] = rest.requests
    assert request.method == "GET" and request.path.endswith("/Recordings/RE1.json")
    assert (file.url, file.login) == (BUCKET, None)
    assert file.may_lead_to(BUCKET) and not file.is_api(BUCKET)


@pytest.mark.parametrize(
    ("urls", "expected"),
    [({"wav": BUCKET, "mp3": "https://x/"}, BUCKET), ({"mp3": BUCKET}, BUCKET)],
)
async def test_call_control_says_where_it_is_and_wav_is_better(urls, expected):
    async with fake_rest(Answer.json(200, {"data": {"id": "RE1", "download_urls": urls}})) as rest:
        file = await found(call_control(rest.url))
    [request] = rest.requests
    assert request.method == "GET" and request.path.endswith("/recordings/RE1")
    assert (file.url, file.login) == (expected, None)


@pytest.mark.parametrize(
    ("build", "answer"),
    [
        (telnyx, {"sid": "RE1", "media_url": None}),
        (telnyx, {}),
        (call_control, {"data": {"id": "RE1"}}),
        (call_control, {"data": {"download_urls": {}}}),
        (call_control, {}),
    ],
)
async def test_one_without_a_file_is_none(build, answer):
    async with fake_rest(Answer.json(200, answer)) as rest:
        with pytest.raises(CallNotFound):
            await found(build(rest.url))


@pytest.mark.parametrize("build", [telnyx, call_control])
async def test_one_that_is_gone_is_told_from_a_carrier_that_fails(build):
    async with fake_rest(Answer.json(404, {"errors": [{"code": "10005"}]})) as rest:
        with pytest.raises(CallNotFound):
            await found(build(rest.url))
    async with fake_rest(Answer.json(500, {})) as rest:
        with pytest.raises(CarrierUnavailable):
            await found(build(rest.url))


@pytest.mark.parametrize("build", [twilio, telnyx, call_control])
async def test_an_id_that_is_none_is_not_sent(build):
    async with fake_rest(Answer()) as rest:
        with pytest.raises(CarrierRejected):
            await found(build(rest.url), "../Calls/CA1")
    assert rest.requests == []
