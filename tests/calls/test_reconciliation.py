"""A call ends here too when nobody reports that it has ended."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from calls.events.lifecycle import HangUpFailed, HangUpStarted
from calls.events.reading import read_event
from calls.events.talk import Attached, CallerSaid, Detached, DtmfReceived
from calls.policy import NOBODY_KNOWS
from calls.reconcile import NOBODY_TELLS, Reconciler
from calls.states import CallState, EndedBy
from calls.store import CallStore
from carriers.carrier import CarrierUnauthorized, CarrierUnavailable, LineState
from tests.calls_on_disk import store_on
from tests.fake_carrier import a_carrier, at_carrier

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class Place:
    """A store, a carrier and somebody who asks, on a clock that the test moves."""

    def __init__(self, carrier=None, store=None, **options):
        self.clock = Clock()
        self.store = store or CallStore(clock=self.clock)
        self.carrier = carrier or a_carrier()
        self.reconciler = Reconciler(self.store, lambda call: self.carrier, **options)

    async def after(self, secs: float) -> int:
        self.clock.now += timedelta(seconds=secs)
        return await self.reconciler.sweep(self.clock.now)

    def inbound(self, state=CallState.IN_PROGRESS, name="CA1"):
        call = self.store.open(carrier="c", carrier_call_id=name)
        if state is not CallState.RINGING:
            call.move(CallState.IN_PROGRESS, cause="answered")
        if state in (CallState.TRANSFERRING, CallState.TRANSFERRED):
            call.move(CallState.TRANSFERRING, cause="transfer")
        if state is CallState.TRANSFERRED:
            call.move(CallState.TRANSFERRED, cause="connected")
        return call

    def outbound(self, name="CA1", **dialling):
        call = self.store.dial_out(carrier="c", from_number="+12025550100", to_number="+12025550143")
        call.record(read_event(call.clock(), "dialling", dialling))
        if name:
            self.store.bind(call, name)
        return call


@pytest.mark.parametrize(
    ("state", "patience"),
    [
        (CallState.RINGING, 90),
        (CallState.IN_PROGRESS, 5),
        (CallState.TRANSFERRING, 300),
        (CallState.TRANSFERRED, 60),
    ],
)
async def test_a_call_is_asked_about_once_it_was_silent_for_too_long(state, patience):
    place = Place(a_carrier(calls={"CA1": LineState.COMPLETED}))
    call = place.inbound(state)
    assert await place.after(patience - 1) == 0
    assert await place.after(1) == 1
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.CALLER)
    assert await place.after(1000) == 0
    assert place.carrier.fetched == ["CA1"]


async def test_a_call_that_a_bot_talks_on_is_left_alone_for_five_minutes():
    place = Place(a_carrier(calls={"CA1": LineState.IN_PROGRESS}))
    call = place.inbound()
    call.record(Attached(stream_id="MZ1"))
    assert await place.after(299) == 0
    assert await place.after(1) == 1
    call.record(Detached(reason="stop"))
    assert await place.after(4) == 0
    assert await place.after(1) == 1
    assert call.state is CallState.IN_PROGRESS


async def test_every_event_is_a_sign_of_life():
    place = Place()
    call = place.inbound()
    for _ in range(5):
        assert await place.after(4) == 0
        call.record(DtmfReceived(digits="1"))


@pytest.mark.parametrize(
    ("state", "end"),
    [
        (LineState.BUSY, CallState.BUSY),
        (LineState.NO_ANSWER, CallState.NO_ANSWER),
        (LineState.FAILED, CallState.FAILED),
        (LineState.CANCELED, CallState.CANCELED),
        (LineState.COMPLETED, CallState.COMPLETED),
    ],
)
async def test_a_call_of_ours_gets_every_end(state, end):
    place = Place(a_carrier(calls={"CA1": state}))
    call = place.outbound(ring_timeout_secs=40)
    assert await place.after(69) == 0
    assert await place.after(1) == 1
    assert call.state is end


async def test_a_call_that_lives_is_asked_about_again_later():
    place = Place(a_carrier(calls={"CA1": LineState.IN_PROGRESS}))
    call = place.inbound(CallState.TRANSFERRED)
    assert [await place.after(20) for _ in range(6)] == [0, 0, 1, 0, 0, 1]
    assert call.state is CallState.TRANSFERRED
    place.carrier.calls["CA1"] = LineState.COMPLETED
    await place.after(60)
    assert call.is_over


@pytest.mark.parametrize(("ended_by", "cause"), [(EndedBy.BOT, "goodbye"), (EndedBy.LIMIT, "too long")])
async def test_who_ended_the_call_stays_who_it_was(ended_by, cause):
    place = Place(a_carrier(calls={"CA1": LineState.COMPLETED}))
    call = place.inbound()
    call.will_end(ended_by, cause)
    await place.after(30)
    assert (call.ended_by, call.end_cause) == (ended_by, cause)


async def test_a_call_that_should_have_ended_is_ended():
    place = Place(a_carrier(calls={"CA1": LineState.IN_PROGRESS}))
    call = place.inbound()
    call.will_end(EndedBy.BOT, "goodbye")
    await place.after(30)
    assert place.carrier.hung_up == ["CA1"]
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)


@pytest.mark.parametrize(
    ("answered", "end", "ended_by"),
    [(True, CallState.COMPLETED, EndedBy.CALLER), (False, CallState.FAILED, EndedBy.ERROR)],
)
async def test_a_call_that_its_carrier_does_not_know_any_more_is_over(answered, end, ended_by):
    place = Place()
    call = place.inbound(CallState.IN_PROGRESS if answered else CallState.RINGING)
    await place.after(90)
    assert (call.state, call.ended_by) == (end, ended_by)
    assert call.end_cause == "its carrier does not know the call any more"


async def test_a_bot_that_hears_somebody_knows_better_than_a_carrier_that_knows_nobody():
    place = Place()
    call = place.inbound()
    call.record(Attached(stream_id="MZ1"))
    assert await place.after(300) == 1
    assert not call.is_over


@pytest.mark.parametrize(
    "error", [CarrierUnavailable("503"), CarrierUnauthorized("401"), TimeoutError(), RuntimeError("a bug")]
)
async def test_a_carrier_that_does_not_answer_is_asked_later(error):
    place = Place(a_carrier(calls={"CA1": error, "CA2": LineState.COMPLETED}))
    call, other = place.inbound(), place.inbound(name="CA2")
    assert await place.after(30) == 2
    assert (call.state, other.state) == (CallState.IN_PROGRESS, CallState.COMPLETED)
    place.carrier.calls["CA1"] = LineState.COMPLETED
    assert await place.after(4) == 0
    assert await place.after(1) == 1
    assert call.is_over


async def test_a_call_without_a_name_is_looked_for():
    place = Place(a_carrier(recent=[[at_carrier("CA5", LineState.BUSY)]]))
    call = place.outbound(name="", ring_timeout_secs=30)
    await place.after(60)
    assert (call.carrier_call_id, call.state) == ("CA5", CallState.BUSY)
    assert place.carrier.looks == [("+12025550143", "+12025550100", START)]


async def test_a_call_that_a_late_list_does_not_have_yet_has_not_failed():
    place = Place(a_carrier(recent=[[], [at_carrier("CA5", LineState.NO_ANSWER)]]))
    call = place.outbound(name="", ring_timeout_secs=30)
    await place.after(60)
    assert not call.is_over
    await place.after(15)
    assert (call.carrier_call_id, call.state) == ("CA5", CallState.NO_ANSWER)


async def test_a_call_that_was_perhaps_never_made_has_failed():
    place = Place(a_carrier(recent=[CarrierUnavailable("503"), []]))
    call = place.outbound(name="", ring_timeout_secs=30)
    await place.after(60)
    assert not call.is_over
    await place.after(60)
    assert not call.is_over  # one list without it may be an old one
    assert await place.after(14) == 0
    assert await place.after(1) == 1
    assert (call.state, call.end_cause) == (CallState.FAILED, NOBODY_KNOWS)
    assert place.carrier.dialled == []


async def test_a_talk_of_which_nobody_can_be_asked_is_over_within_a_minute_of_its_stream():
    place = Place()
    place.carrier = None
    call = place.inbound()
    call.record(Attached(stream_id="MZ1"))
    assert await place.after(60) == 0
    call.record(Detached(reason="socket closed"))
    await place.after(20)
    assert not call.is_over
    await place.after(10)
    assert (call.state, call.ended_by, call.end_cause) == (CallState.COMPLETED, EndedBy.ERROR, NOBODY_TELLS)


async def test_a_call_that_was_never_answered_and_of_which_nobody_can_be_asked_has_failed():
    place = Place()
    place.carrier = None
    call = place.inbound(CallState.RINGING)
    await place.after(60)
    assert not call.is_over
    await place.after(30)
    assert (call.state, call.end_cause) == (CallState.FAILED, NOBODY_TELLS)


async def test_a_hang_up_that_failed_is_tried_again_by_whoever_looks_after_calls():
    place = Place(a_carrier(calls={"CA1": LineState.IN_PROGRESS}, tells_at_once=False))
    call = place.inbound()
    call.will_end(EndedBy.BOT, "goodbye")
    call.record(HangUpStarted(ended_by="bot", cause="goodbye"))
    call.record(HangUpFailed(reason="500"))
    await place.after(5)
    assert place.carrier.hung_up == ["CA1"]
    assert not call.is_over  # the carrier has taken it, no more
    assert await call.over_within(5)
    assert (call.state, call.ended_by) == (CallState.COMPLETED, EndedBy.BOT)


async def test_the_last_words_of_a_carriers_document_are_not_cut_off():
    place = Place(a_carrier(calls={"CA1": LineState.IN_PROGRESS}))
    call = place.inbound()
    call.will_end(EndedBy.ERROR, "the media stream ended before the call did")
    await place.after(19)
    assert place.carrier.hung_up == []
    await place.after(1)
    assert place.carrier.hung_up == ["CA1"]


async def test_a_carrier_is_not_asked_about_everything_at_once():
    place = Place(
        a_carrier(calls={f"CA{n}": LineState.COMPLETED for n in range(20)}, delay_secs=0.01), at_once=3
    )
    calls = [place.inbound(name=f"CA{n}") for n in range(20)]
    assert await place.after(30) == 20
    assert all(call.is_over for call in calls)
    assert place.carrier.most_at_once == 3


async def test_a_call_that_a_dead_process_left_behind_comes_to_its_end(tmp_path):
    clock = Clock()
    async with store_on(tmp_path / "a.db", clock=clock) as store:
        left = Place(store=store).inbound()
    async with store_on(tmp_path / "a.db", clock=clock) as store:
        place = Place(a_carrier(calls={"CA1": LineState.COMPLETED}), store)
        place.clock = clock
        assert await place.after(5) == 0
        assert await place.after(70) == 1
    async with store_on(tmp_path / "a.db") as store:
        read = await store.fetch(left.id)
        assert (read.state, read.ended_by) == (CallState.COMPLETED, EndedBy.CALLER)


async def test_an_end_that_two_processes_hear_of_is_written_once(tmp_path):
    clock = Clock()
    async with (
        store_on(tmp_path / "a.db", clock=clock) as store,
        store_on(tmp_path / "a.db", clock=clock) as other,
    ):
        call = Place(store=store).inbound()
        await store.flush()
        place = Place(a_carrier(calls={"CA1": LineState.COMPLETED}), other)
        place.clock = clock
        assert await place.after(61) == 1  # not heard of here for a while
        await other.flush()
        call.record(CallerSaid(text="still here"))
        await store.flush()
        call.move(CallState.BUSY, cause="late")
        await store.flush()
    async with store_on(tmp_path / "a.db") as third:
        read = await third.fetch(call.id)
    assert [event.kind for event in read.events].count("ended") == 1
    assert read.state is CallState.COMPLETED


async def test_it_goes_on_until_it_is_cancelled():
    place = Place(a_carrier(calls={"CA1": LineState.COMPLETED}), every_secs=0.01)
    running = asyncio.create_task(place.reconciler.run())
    call = place.inbound()
    place.clock.now += timedelta(seconds=31)
    async with asyncio.timeout(3):
        while not call.is_over:
            await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def hung_up_and_died(place, name="CA1"):
    """A call whose process has begun to hang up, and died before its session and its hang-up were over."""
    call = place.inbound(name=name)
    call.record(Attached(stream_id="MZ1"))
    call.will_end(EndedBy.BOT, "goodbye")
    call.record(HangUpStarted(ended_by="bot", cause="goodbye"))
    return call


async def test_a_hang_up_goes_on_in_the_next_process_although_the_session_never_ended(tmp_path):
    clock = Clock()
    async with store_on(tmp_path / "a.db", clock=clock) as store:
        left = hung_up_and_died(Place(store=store))
    clock.now += timedelta(seconds=25)
    async with store_on(tmp_path / "a.db", clock=clock) as store:
        place = Place(a_carrier(calls={"CA1": LineState.IN_PROGRESS}), store)
        place.clock = clock
        assert await place.after(0) == 1
        assert place.carrier.hung_up == ["CA1"]
        assert await store.get(left.id).over_within(5)
    async with store_on(tmp_path / "a.db") as store:
        read = await store.fetch(left.id)
        assert (read.state, read.ended_by) == (CallState.COMPLETED, EndedBy.BOT)


async def test_a_hang_up_goes_on_until_the_carrier_says_so_however_long_it_is_away():
    place = Place(a_carrier(calls={"CA1": CarrierUnavailable("503")}))
    call = hung_up_and_died(place)
    for _ in range(200):
        await place.after(6)
    assert not call.is_over
    assert len(place.carrier.fetched) == 200
    place.carrier.calls["CA1"] = LineState.IN_PROGRESS
    await place.after(6)
    assert place.carrier.hung_up == ["CA1"]
    assert await call.over_within(5)


async def test_a_carrier_that_asks_to_wait_is_asked_no_sooner():
    busy = CarrierUnavailable.too_many_requests("busy", 20.0)
    place = Place(a_carrier(calls={"CA1": busy}))
    place.inbound()
    assert [await place.after(5) for _ in range(5)] == [1, 0, 0, 0, 0]
    assert await place.after(5) == 1


async def test_a_goodbye_that_is_being_said_is_not_cut_off_by_another_process(tmp_path):
    clock = Clock()
    async with store_on(tmp_path / "a.db", clock=clock) as store:
        place = Place(a_carrier(calls={"CA1": LineState.IN_PROGRESS}), store)
        place.clock = clock
        call = place.inbound()
        call.record(Attached(stream_id="MZ1"))
        call.will_end(EndedBy.BOT, "goodbye")
        for _ in range(10):
            await place.after(6)
        assert place.carrier.hung_up == []
