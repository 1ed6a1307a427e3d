"""The circuit breaker: when it opens, what gets through, when it closes; and `Retry-After`."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from carriers.breaker import FAILURES, PAUSES_SECS, TRY_SECS, WINDOW_SECS, Breaker, breaker_of
from carriers.errors import CarrierError, CarrierRejected, CarrierUnavailable
from carriers.retry_after import retry_after_secs
from tests.fake_rest import Answer, call_control, ended, fake_rest, telnyx, twilio

NO_ANSWER = CarrierUnavailable("no answer")
BUSY = CarrierUnavailable.too_many_requests("busy", 3.0)
REFUSED = CarrierRejected("no", status=400)
CARRIERS = [twilio, telnyx, call_control]


class Line:
    """A breaker on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sent = 0
        self.breaker = Breaker("Carrier", clock=lambda: self.now)

    def ask(self, answer: CarrierError | None = None) -> CarrierError | None:
        try:
            with self.breaker.request():
                self.sent += 1
                if answer is not None:
                    raise answer
        except CarrierError as error:
            return error
        return None

    def fail(self, times: int = FAILURES) -> None:
        for _ in range(times):
            self.ask(NO_ANSWER)


def test_after_failures_in_a_row_requests_fail_at_once_and_say_when_to_come_again():
    line = Line()
    for _ in range(FAILURES):
        assert not line.breaker.is_open
        line.now += 2
        line.ask(NO_ANSWER)
    assert line.breaker.is_open
    error = line.ask()
    assert line.sent == FAILURES
    assert isinstance(error, CarrierUnavailable)
    assert error.nothing_done
    assert 0 < error.retry_after_secs <= PAUSES_SECS[0]
    assert "Carrier's REST interface has not answered for 8 s" in str(error)
    assert "next try in" in str(error)


@pytest.mark.parametrize("answer", [None, REFUSED, BUSY])
def test_any_answer_in_between_begins_the_count_anew(answer):
    line = Line()
    line.fail(FAILURES - 1)
    line.ask(answer)
    line.fail(FAILURES - 1)
    assert not line.breaker.is_open
    line.fail(1)
    assert line.breaker.is_open


def test_failures_that_are_far_apart_do_not_open_it():
    line = Line()
    for _ in range(3 * FAILURES):
        line.now += WINDOW_SECS / (FAILURES - 1) + 1
        line.ask(NO_ANSWER)
    assert not line.breaker.is_open


def test_one_try_at_a_time_and_an_answer_closes_it():
    line = Line()
    line.fail()
    line.now += PAUSES_SECS[0]
    with line.breaker.request():  # the try
        error = line.ask()
        assert isinstance(error, CarrierUnavailable)
        assert error.retry_after_secs == TRY_SECS
        assert line.sent == FAILURES
    assert not line.breaker.is_open
    assert line.ask() is None


def test_tries_that_fail_come_at_growing_intervals():
    line = Line()
    line.fail()
    tried_at = []
    for _ in range(1000):
        line.now += 0.1
        sent = line.sent
        line.ask(NO_ANSWER)
        if line.sent > sent:
            tried_at.append(line.now)
    pauses = [later - earlier for earlier, later in pairwise(tried_at)]
    expected = [*PAUSES_SECS[1:], PAUSES_SECS[-1]]
    for pause, most in zip(pauses, expected, strict=False):
        assert 0.75 * most <= pause <= most + 0.11
    assert len(pauses) >= len(expected)


def test_after_an_answer_the_pauses_are_short_again():
    line = Line()
    line.fail()
    for _ in range(5):
        line.now += PAUSES_SECS[-1]
        line.ask(NO_ANSWER)
    line.now += PAUSES_SECS[-1]
    line.ask(REFUSED)
    line.fail()
    assert line.ask().retry_after_secs <= PAUSES_SECS[0]


async def test_a_try_that_is_given_up_lets_the_next_one_try():
    line = Line()
    line.fail()
    line.now += PAUSES_SECS[0]

    async def hangs() -> None:
        with line.breaker.request():
            await asyncio.sleep(60)

    trying = asyncio.create_task(hangs())
    await asyncio.sleep(0)
    assert isinstance(line.ask(), CarrierUnavailable)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    assert line.breaker.is_open
    assert line.ask() is None
    assert not line.breaker.is_open


def test_what_was_sent_before_it_opened_does_not_put_off_the_next_try():
    line = Line()
    with pytest.raises(CarrierUnavailable), line.breaker.request():
        line.fail()
        line.now += PAUSES_SECS[0]
        raise NO_ANSWER
    assert line.ask() is None


def test_an_account_has_one_breaker_and_another_account_its_own():
    assert breaker_of("Twilio", "AC1") is breaker_of("Twilio", "AC1")
    assert breaker_of("Twilio", "AC1") is not breaker_of("Twilio", "AC2")
    assert breaker_of("Twilio", "1") is not breaker_of("Telnyx", "1")


@pytest.mark.parametrize("build", CARRIERS)
async def test_a_carrier_that_fails_is_asked_no_more_until_the_next_try(build):
    async with fake_rest(
        Answer(500), Answer(500), Answer(500), Answer(500), Answer(500), ended(build)
    ) as rest:
        carrier = build(rest.url)
        for _ in range(FAILURES):
            with pytest.raises(CarrierUnavailable, match="500"):
                await carrier.hang_up("v3:abc" if build is not twilio else "CA1")
        for _ in range(10):
            with pytest.raises(CarrierUnavailable, match="nothing was sent; next try in"):
                await carrier.hang_up("v3:abc" if build is not twilio else "CA1")
        assert len(rest.requests) == FAILURES
        await asyncio.sleep(PAUSES_SECS[0])
        assert (await carrier.hang_up("v3:abc" if build is not twilio else "CA1")).already_ended
        await carrier.aclose()


async def test_both_modes_of_an_account_share_its_breaker():
    async with fake_rest(Answer(503)) as rest:
        one, other = telnyx(rest.url), call_control(rest.url)
        for _ in range(FAILURES):
            with pytest.raises(CarrierUnavailable):
                await one.hang_up("v3:abc")
        with pytest.raises(CarrierUnavailable, match="nothing was sent"):
            await other.hang_up("v3:abc")
        assert len(rest.requests) == FAILURES
        await one.aclose()
        await other.aclose()


@pytest.mark.parametrize("build", CARRIERS)
@pytest.mark.parametrize("status", [429, 503])
async def test_what_a_carrier_says_of_asking_again_is_known(build, status):
    async with fake_rest(
        Answer(status, headers=(("Retry-After", "7"),)), Answer(status), Answer(200, "{}")
    ) as rest:
        carrier = build(rest.url)
        call_id = "CA1" if build is twilio else "v3:abc"
        with pytest.raises(CarrierUnavailable) as waits:
            await carrier.hang_up(call_id)
        assert waits.value.retry_after_secs == 7
        assert waits.value.nothing_done is (status == 429)
        assert ("asks to wait 7 s" in str(waits.value)) is (status == 429)
        with pytest.raises(CarrierUnavailable) as says_nothing:
            await carrier.hang_up(call_id)
        assert says_nothing.value.retry_after_secs is None
        await carrier.aclose()


NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "secs"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 27 Nov 2026 12:00:30 GMT", 30.0),
        (format_datetime(NOW - timedelta(minutes=1), usegmt=True), 0.0),
        ("9" * 400, 999999999.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Fri, 99 Nov 2026 12:00:30 GMT", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, secs):
    assert retry_after_secs(value, NOW) == secs
