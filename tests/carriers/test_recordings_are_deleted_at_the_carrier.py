"""Each carrier deletes a recording by its id, and says when there is none any more."""

import pytest

from carriers.carrier import CallNotFound, CarrierRejected, CarrierUnavailable
from tests.fake_rest import Answer, call_control, fake_rest, telnyx, twilio

CARRIERS = pytest.mark.parametrize(
    ("build", "path"),
    [
        # Twilio docs, voice/api/recording
        (twilio, "/2010-04-01/Accounts/{account}/Recordings/RE1.json"),
        # telnyx SDK, resources/texml/accounts/recordings/json.py
        (telnyx, "/texml/Accounts/{account}/Recordings/RE1.json"),
        # telnyx SDK, resources/recordings/recordings.py
        (call_control, "/recordings/RE1"),
    ],
)


async def delete(rest, build, recording_id: str = "RE1") -> None:
    carrier = build(rest.url)
    try:
        await carrier.delete_recording(recording_id)
    finally:
        await carrier.aclose()


@CARRIERS
async def test_it_is_one_request_and_its_answer_may_be_empty(build, path):
    async with fake_rest(Answer(204, "")) as rest:
        await delete(rest, build)
    (request,) = rest.requests
    before, account, after = path.partition("{account}")
    assert request.method == "DELETE"
    assert request.path.endswith(after) if account else request.path.endswith(path)
    assert before in request.path


@CARRIERS
async def test_one_that_is_gone_is_told_from_one_that_is_left(build, path):
    async with fake_rest(Answer.json(404, {"code": 20404, "errors": [{"code": "10005"}]})) as rest:
        with pytest.raises(CallNotFound):
            await delete(rest, build)
    async with fake_rest(Answer.json(500, {})) as rest:
        with pytest.raises(CarrierUnavailable):
            await delete(rest, build)
    assert len(rest.requests) == 1


@CARRIERS
async def test_an_id_that_is_none_is_not_sent(build, path):
    async with fake_rest(Answer()) as rest:
        with pytest.raises(CarrierRejected):
            await delete(rest, build, "../Calls/CA1")
    assert rest.requests == []
