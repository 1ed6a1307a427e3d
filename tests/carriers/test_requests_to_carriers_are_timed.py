"""Who watches is told of each request to a carrier: what was asked for, what came of it, and nothing of whom."""

from __future__ import annotations

import asyncio

import pytest

from carriers import watched
from carriers.errors import CarrierError, CarrierRejected, CarrierUnavailable
from carriers.watched import Asked, watch_requests
from tests.fake_rest import Answer, ended, fake_rest, telnyx, twilio

CARRIERS = {"twilio": twilio, "telnyx": telnyx}


@pytest.fixture
def told():
    asked: list[Asked] = []
    stop = watch_requests(asked.append)
    yield asked
    stop()


@pytest.mark.parametrize("name", CARRIERS)
async def test_a_request_is_named_after_what_was_wanted(told, name):
    async with fake_rest(ended(CARRIERS[name])) as rest:
        carrier = CARRIERS[name](rest.url)
        await carrier.hang_up("CA0123456789abcdef0123456789abcdef")
        await carrier.aclose()
    assert {(one.carrier, one.what, one.status) for one in told} == {(name, "hang_up", "rejected")}
    assert all(0 < one.secs < 5 for one in told)


@pytest.mark.parametrize("name", CARRIERS)
async def test_a_failure_is_told_by_its_kind(told, name):
    async with fake_rest(Answer(500)) as rest:
        carrier = CARRIERS[name](rest.url)
        with pytest.raises(CarrierError):
            await carrier.hang_up("CA0123456789abcdef0123456789abcdef")
        await carrier.aclose()
    assert {(one.what, one.status) for one in told} == {("hang_up", "unavailable")}


def test_kinds_of_errors_are_short_names(told):
    for error in (CarrierRejected("no", status=400), CarrierUnavailable("no answer")):
        with pytest.raises(CarrierError), watched.watched("twilio", "dial"):
            raise error
    with pytest.raises(asyncio.CancelledError), watched.watched("twilio", "dial"):
        raise asyncio.CancelledError
    assert [one.status for one in told] == ["rejected", "unavailable", "cancelled"]


def test_a_watcher_that_fails_harms_nobody(told):
    def fails(_: Asked) -> None:
        raise ZeroDivisionError

    stop = watch_requests(fails)
    with watched.watched("twilio", "dial"):
        pass
    stop()
    assert [one.status for one in told] == ["ok"]


def test_what_is_asked_from_nowhere_has_a_name():
    assert watched.what_is_asked() == "other"
