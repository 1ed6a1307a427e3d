"""Hanging up: once, whoever asks; insistently, while there is hope; never with an exception."""

import asyncio
import time

import pytest

from calls import hang_up
from calls.call import Call
from calls.control import CallControl
from calls.states import CallState, EndedBy
from calls.store import CallStore
from carriers.breaker import FAILURES
from carriers.carrier import (
    CallNotFound,
    CarrierCall,
    CarrierRejected,
    CarrierUnavailable,
    HangUp,
    LineState,
    StatusUpdate,
)
from tests.fake_rest import Answer, call_control, ended, fake_rest, telnyx, twilio


class ScriptedCarrier:
    """Answers `hang_up` as it is told, the last answer again and again."""

    name = "c"

    def __init__(self, *answers: HangUp | Exception | float):
        self.answers = list(answers)
        self.asked: list[str] = []
        self.stands: LineState | Exception = LineState.IN_PROGRESS
        self.fetched = 0
        self.loads_secs = 0.0

    async def load(self) -> None:
        await asyncio.sleep(self.loads_secs)

    async def hang_up(self, call_id: str) -> HangUp:
        self.asked.append(call_id)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return DONE
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def fetch_call(self, call_id: str) -> CarrierCall:
        self.fetched += 1
        if isinstance(self.stands, Exception):
            raise self.stands
        return CarrierCall(call_id, self.stands)


def control(*answers: HangUp | Exception | float, budget_secs: float = 5.0):
    store = CallStore()
    call = store.open(carrier="c", carrier_call_id="CA1")
    call.move(CallState.IN_PROGRESS, cause="answered")
    carrier = ScriptedCarrier(*answers)
    return CallControl(call, carrier, store, budget_secs=budget_secs), call, carrier, store  # type: ignore[arg-type]


def kinds(call: Call) -> list[str]:
    return [event.kind for event in call.events][4:]


DONE, WAS_OVER = HangUp(already_ended=False, state=LineState.COMPLETED), HangUp(already_ended=True)
TAKEN = HangUp(already_ended=False)
NO_ANSWER = CarrierUnavailable("no answer")


async def test_the_call_ends_by_who_hung_up():
    control_, call, carrier, _ = control(DONE)
    assert await control_.hang_up(EndedBy.LIMIT, "too long") is True
    assert (call.state, call.ended_by, call.end_cause) == (CallState.COMPLETED, EndedBy.LIMIT, "too long")
    assert carrier.asked == ["CA1"]
    assert kinds(call) == ["hang_up", "state", "ended"]


async def test_hanging_up_again_asks_nobody():
    control_, call, carrier, _ = control(DONE)
    await control_.hang_up(EndedBy.BOT, "goodbye")
    assert await control_.hang_up(EndedBy.HUMAN, "API") is True
    assert len(carrier.asked) == 1
    assert call.ended_by is EndedBy.BOT


async def test_several_at_once_share_one_attempt_through_different_controls():
    control_, call, carrier, store = control(0.05)
    other = CallControl(call, carrier, store)  # type: ignore[arg-type]
    results = await asyncio.gather(
        control_.hang_up(EndedBy.BOT, "goodbye"),
        other.hang_up(EndedBy.HUMAN, "API"),
        control_.hang_up(EndedBy.BOT, "x"),
    )
    assert results == [True, True, True]
    assert len(carrier.asked) == 1
    assert kinds(call).count("hang_up") == 1


async def test_the_attempt_outlives_the_one_who_asked():
    control_, call, carrier, _ = control(0.1)
    asking = asyncio.create_task(control_.hang_up(EndedBy.BOT, "goodbye"))
    await asyncio.sleep(0.02)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert not call.is_over
    assert await control_.hang_up(EndedBy.HUMAN, "API") is True
    assert call.ended_by is EndedBy.BOT
    assert len(carrier.asked) == 1


async def test_a_carrier_that_does_not_answer_is_asked_again():
    control_, call, carrier, _ = control(NO_ANSWER, NO_ANSWER, DONE)
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is True
    assert len(carrier.asked) == 3
    assert call.ended_by is EndedBy.BOT


async def test_to_load_what_is_asked_with_takes_none_of_the_time():
    control_, _, carrier, _ = control(NO_ANSWER, DONE, budget_secs=0.4)
    carrier.loads_secs = 0.5
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is True
    assert len(carrier.asked) == 2


async def test_a_first_attempt_without_an_answer_may_have_worked():
    control_, call, _, _ = control(NO_ANSWER, WAS_OVER)
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is True
    assert call.ended_by is EndedBy.BOT


async def test_a_call_that_was_over_at_once_was_ended_by_the_caller():
    control_, call, _, _ = control(WAS_OVER)
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is True
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.CALLER)


async def test_a_report_of_the_end_that_is_faster_than_the_answer_is_not_put_down_to_the_caller():
    control_, call, _, _ = control(0.05)
    asking = asyncio.create_task(control_.hang_up(EndedBy.BOT, "goodbye"))
    await asyncio.sleep(0.01)
    call.apply(StatusUpdate("CA1", LineState.COMPLETED))
    assert await asking is True
    assert call.ended_by is EndedBy.BOT
    assert kinds(call).count("ended") == 1


async def test_a_refusal_is_an_event_and_not_tried_again():
    control_, call, carrier, _ = control(CarrierRejected("no", status=400))
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is False
    assert len(carrier.asked) == 1
    assert kinds(call) == ["hang_up", "hang_up_failed"]
    assert not call.is_over
    call.apply(StatusUpdate("CA1", LineState.COMPLETED))  # after the socket was closed instead
    assert call.ended_by is EndedBy.BOT


@pytest.mark.parametrize("answer", [NO_ANSWER, 60.0])
async def test_trying_has_a_limit(answer):
    control_, call, _, _ = control(answer, budget_secs=0.5)
    began = time.monotonic()
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is False
    assert time.monotonic() - began < 2
    assert kinds(call)[-1] == "hang_up_failed"


async def test_without_credentials_it_fails_at_once():
    store = CallStore()
    call = store.open(carrier="c", carrier_call_id="CA1")
    assert await CallControl(call, None, store).hang_up(EndedBy.BOT, "goodbye") is False
    assert "no credentials" in call.events[-1].data["reason"]


# Until the carrier says that it is over


@pytest.fixture
def quick(monkeypatch):
    """No long pauses before a call is asked about again."""
    monkeypatch.setattr(hang_up, "PAUSES_SECS", (0.05,) * 8)
    monkeypatch.setattr(hang_up, "WORD_SECS", 0.02)


async def test_a_request_that_was_taken_does_not_make_a_call_over(quick):
    control_, call, carrier, _ = control(TAKEN)
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is True
    assert call.state is CallState.IN_PROGRESS
    carrier.stands = LineState.COMPLETED
    assert await control_.gone() is True
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)
    assert len(carrier.asked) == 1


async def test_a_leg_that_stays_up_is_hung_up_again_until_the_carrier_says_that_it_is_gone(quick):
    control_, call, carrier, _ = control(TAKEN, TAKEN, NO_ANSWER, WAS_OVER)
    await control_.hang_up(EndedBy.BOT, "goodbye", state=CallState.VOICEMAIL)
    assert await control_.gone() is True
    assert (call.state, call.ended_by) == (CallState.VOICEMAIL, EndedBy.BOT)
    assert len(carrier.asked) == 4
    assert kinds(call).count("hang_up") == 1


async def test_a_hang_up_that_failed_goes_on_in_the_background(quick):
    control_, call, _, _ = control(CarrierRejected("no", status=500), CarrierRejected("no", status=500), DONE)
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is False
    assert not call.is_over
    assert await call.over_within(2)
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)
    assert kinds(call) == ["hang_up", "hang_up_failed", "state", "ended"]


async def test_a_carrier_that_says_nothing_is_asked_a_bounded_number_of_times(quick):
    control_, call, carrier, _ = control(NO_ANSWER, budget_secs=0.05)
    carrier.stands = NO_ANSWER
    assert await control_.hang_up(EndedBy.BOT, "goodbye") is False
    assert await control_.gone() is False
    assert call.state is CallState.IN_PROGRESS
    assert carrier.fetched == len(hang_up.PAUSES_SECS)
    assert kinds(call) == ["hang_up", "hang_up_failed"]


async def test_a_carrier_that_does_not_know_the_call_any_more_says_that_it_is_over(quick):
    control_, call, carrier, _ = control(TAKEN)
    carrier.stands = CallNotFound("no such call", status=404)
    await control_.hang_up(EndedBy.BOT, "goodbye")
    assert await control_.gone() is True
    assert call.ended_by is EndedBy.BOT


async def test_a_report_ends_the_follow_up(quick):
    control_, call, carrier, _ = control(TAKEN)
    await control_.hang_up(EndedBy.BOT, "goodbye")
    assert hang_up.is_followed_up(call)
    call.apply(StatusUpdate("CA1", LineState.COMPLETED))
    await asyncio.sleep(0.1)
    assert not hang_up.is_followed_up(call)
    assert (carrier.fetched, len(carrier.asked)) == (0, 1)


@pytest.mark.parametrize("build", [twilio, telnyx, call_control])
async def test_a_carrier_that_is_away_for_a_while_ends_the_call_when_it_is_back(build, monkeypatch):
    monkeypatch.setattr(hang_up, "PAUSES_SECS", (0.5,) * 20)
    call_id = "CA1" if build is twilio else "v3:1"
    async with fake_rest(*[Answer(500)] * (FAILURES + 1), ended(build)) as rest:
        carrier, store = build(rest.url), CallStore()
        call = store.open(carrier=carrier.name, carrier_call_id=call_id)
        call.move(CallState.IN_PROGRESS, cause="answered")
        hung_up = CallControl(call, carrier, store, budget_secs=2.0)
        assert await hung_up.hang_up(EndedBy.BOT, "goodbye") is False
        async with asyncio.timeout(20):
            while len(rest.requests) < FAILURES:
                await asyncio.sleep(0.02)
        # Nothing more is sent, until it is time for a try; then one, which fails; then the one that is answered.
        tries = len(rest.requests)
        await asyncio.sleep(0.3)
        assert len(rest.requests) == tries
        assert await call.over_within(20)
        assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)
        assert len(rest.requests) <= FAILURES + 3
        await carrier.aclose()
