"""A call that we make is dialled once, whatever the carrier answers, and everybody learns what became of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from calls.control import CallControl
from calls.dialler import Dialler
from calls.errors import CarrierFailed
from calls.events.lifecycle import Dialling, ErrorHappened
from calls.policy import NOBODY_KNOWS, DialPolicy, DialRefused
from calls.states import CallState, EndedBy
from calls.store import CallStore
from carriers.carrier import (
    CarrierRejected,
    CarrierUnauthorized,
    CarrierUnavailable,
    DialledCall,
    DialOrder,
    DialUncertain,
    Direction,
    LineState,
    MachineDetection,
    StatusUpdate,
)
from tests.calls_on_disk import store_on
from tests.fake_carrier import Webhooks, a_carrier, at_carrier

HERE, THEM = "+12025550100", "+12025550143"
UNCERTAIN = DialUncertain("no answer")
NOTHING_DONE = CarrierUnavailable("429", nothing_done=True)


def request(**changes):
    return DialOrder(**{"to": THEM, "from_number": HERE, **changes})


def dialler(store, **options):
    quick = {"retry_pauses_secs": (0.01, 0.01), "look_pauses_secs": (0.01, 0.02), "look_longer_secs": -4.6}
    return Dialler(
        store, DialPolicy(), **{**quick, **options}
    )  # with a ring time-out of 5 s: looks for 0.4 s


async def until(condition, secs=3.0):
    async with asyncio.timeout(secs):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_call_is_dialled_with_everything_that_the_carrier_needs():
    store, carrier = CallStore(), a_carrier()
    carrier.mode = "m"
    asked = request(
        to="(202) 555-0143",
        ring_timeout_secs=40,
        time_limit_secs=600,
        machine_detection=MachineDetection.DETECT,
    )
    call = await dialler(store).place(asked, carrier, Webhooks(), agent="sales", parameters={"name": "Ann"})
    assert store.find("c", "CA1") is call
    assert (call.state, call.direction, call.mode) == (CallState.QUEUED, Direction.OUTBOUND, "m")
    assert (call.to_number, call.from_number, call.agent) == (THEM, HERE, "sales")
    assert call.parameters == {"name": "Ann"}
    (order,) = carrier.dialled
    assert (order.to, order.from_number, order.command_id) == (THEM, HERE, call.id)
    assert order.stream.parameters == {"call_id": call.id}
    assert order.status_url == f"https://bot.example.com/status?call={call.id}"
    assert (order.ring_timeout_secs, order.time_limit_secs) == (40, 600)
    assert (order.machine_detection, order.amd_url) == (
        MachineDetection.DETECT,
        f"https://bot.example.com/amd?call={call.id}",
    )
    assert call.last(Dialling).data == {"ring_timeout_secs": 40}


async def test_without_webhooks_no_machine_is_listened_for():
    way_back = Webhooks()
    way_back.amd = False
    carrier = a_carrier()
    await dialler(CallStore()).place(request(machine_detection=MachineDetection.DETECT), carrier, way_back)
    assert carrier.dialled[0].machine_detection is None


@pytest.mark.parametrize("to", ["+442079460123", "911", "junk", "sip:desk@example.com"])
async def test_what_policy_forbids_is_neither_dialled_nor_remembered(to):
    store, carrier = CallStore(), a_carrier()
    with pytest.raises(DialRefused):
        await dialler(store).place(request(to=to), carrier, Webhooks())
    assert carrier.dialled == store.list() == []


@pytest.mark.parametrize(
    "changes",
    [{"from_number": "Acme"}, {"ring_timeout_secs": 4}, {"ring_timeout_secs": 121}],
)
def test_what_no_carrier_would_do_is_refused_at_once(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        request(**changes)


async def test_the_daily_limit_holds_for_calls_that_are_placed():
    store, carrier = CallStore(), a_carrier(dials=[DialledCall(f"CA{n}") for n in range(9)])
    for _ in range(5):
        await dialler(store).place(request(), carrier, Webhooks())
    with pytest.raises(DialRefused, match="5 times"):
        await dialler(store).place(request(), carrier, Webhooks())
    assert len(carrier.dialled) == 5


@pytest.mark.parametrize(
    "error", [CarrierRejected("21215: not allowed", status=400), CarrierUnauthorized("401")]
)
async def test_a_carrier_that_says_no_is_heard_by_whoever_asked(error):
    store, carrier = CallStore(), a_carrier(dials=[error])
    with pytest.raises(CarrierFailed, match=str(error)):
        await dialler(store).place(request(), carrier, Webhooks())
    (call,) = store.list()
    assert (call.state, call.ended_by, call.end_cause) == (CallState.FAILED, EndedBy.ERROR, str(error))
    assert len(carrier.dialled) == 1


async def test_a_carrier_that_certainly_did_nothing_is_asked_again():
    store, carrier = CallStore(), a_carrier(dials=[NOTHING_DONE, NOTHING_DONE, DialledCall("CA1")])
    call = await dialler(store).place(request(), carrier, Webhooks())
    assert call.carrier_call_id == "CA1"
    assert len({order.command_id for order in carrier.dialled}) == 1


async def test_a_carrier_is_not_asked_for_ever():
    store, carrier = CallStore(), a_carrier(dials=[NOTHING_DONE])
    with pytest.raises(CarrierFailed):
        await dialler(store).place(request(), carrier, Webhooks())
    assert len(carrier.dialled) == 3
    assert store.list()[0].state is CallState.FAILED


@pytest.mark.parametrize("error", [UNCERTAIN, CarrierUnavailable("500"), RuntimeError("a bug")])
async def test_an_uncertain_dial_is_looked_for_and_never_repeated(error):
    store = CallStore()
    unavailable = CarrierUnavailable("503")
    carrier = a_carrier(dials=[error], recent=[[], unavailable, [at_carrier("CA7", LineState.IN_PROGRESS)]])
    placing = dialler(store)
    call = await placing.place(request(), carrier, Webhooks())
    assert (call.carrier_call_id, call.state) == ("", CallState.QUEUED)
    assert call.last(ErrorHappened).data["message"].startswith("whether it was dialled is not known yet")
    await until(lambda: call.carrier_call_id)
    assert (call.carrier_call_id, call.state) == ("CA7", CallState.IN_PROGRESS)
    to, from_number, since = carrier.looks[0]
    assert (to, from_number) == (THEM, HERE)
    assert call.created_at <= since <= datetime.now(UTC)
    assert (len(carrier.dialled), len(carrier.looks)) == (1, 3)
    await until(lambda: not placing._tasks)


async def test_a_call_that_nobody_knows_of_has_failed_in_the_end():
    store, carrier = CallStore(), a_carrier(dials=[UNCERTAIN])
    call = await dialler(store).place(request(ring_timeout_secs=5), carrier, Webhooks())
    await until(lambda: call.is_over)
    assert (call.state, call.end_cause, call.ended_by) == (CallState.FAILED, NOBODY_KNOWS, EndedBy.ERROR)
    assert len(carrier.dialled) == 1
    assert len(carrier.looks) > 3


async def test_an_uncertain_call_that_reports_itself_is_not_looked_for_any_more():
    store, carrier = CallStore(), a_carrier(dials=[UNCERTAIN])
    placing = dialler(store)
    call = await placing.place(request(ring_timeout_secs=5), carrier, Webhooks())
    opened = store.open(carrier="c", carrier_call_id="CA8", direction="outbound", call_id=call.id)
    assert opened is call
    call.apply(StatusUpdate("CA8", LineState.RINGING))
    await until(lambda: not placing._tasks)
    assert (call.state, carrier.looks) == (CallState.RINGING, [])


async def test_a_status_callback_may_be_faster_than_the_answer_to_the_dial():
    store, carrier = CallStore(), a_carrier(delay_secs=0.05)
    placing = asyncio.create_task(dialler(store).place(request(), carrier, Webhooks()))
    await until(lambda: carrier.dialled)
    store.bind(store.list()[0], "CA1")
    store.list()[0].apply(StatusUpdate("CA1", LineState.RINGING))
    call = await placing
    assert (call.carrier_call_id, call.state) == ("CA1", CallState.RINGING)


async def test_a_call_without_a_name_is_named_by_its_webhook_or_found():
    store, carrier = CallStore(), a_carrier(dials=[DialledCall(None)], recent=[[at_carrier("CA3")]])
    call = await dialler(store).place(request(), carrier, Webhooks())
    await until(lambda: call.carrier_call_id == "CA3")
    assert call.state is CallState.RINGING


async def test_two_uncertain_calls_to_one_number_are_two_calls():
    store = CallStore()
    both = [at_carrier("newer"), at_carrier("older")]
    carrier = a_carrier(dials=[UNCERTAIN], recent=[both])
    calls = [await dialler(store).place(request(), carrier, Webhooks()) for _ in range(2)]
    await until(lambda: all(call.carrier_call_id for call in calls))
    assert {call.carrier_call_id for call in calls} == {"older", "newer"}
    assert len(carrier.dialled) == 2


async def test_somebody_elses_call_to_the_same_number_is_not_taken_for_ours(tmp_path):
    async with store_on(tmp_path / "a.db") as other:
        other.bind(other.dial_out(carrier="c", from_number=HERE, to_number=THEM), "theirs")
    async with store_on(tmp_path / "a.db") as store:
        earlier = at_carrier(
            "earlier", LineState.COMPLETED, ended_at=datetime.now(UTC) - timedelta(seconds=5)
        )
        carrier = a_carrier(dials=[UNCERTAIN], recent=[[at_carrier("theirs"), earlier]])
        call = await dialler(store).place(request(ring_timeout_secs=5), carrier, Webhooks())
        await until(lambda: call.is_over)
        assert (call.carrier_call_id, call.end_cause) == ("", NOBODY_KNOWS)


async def test_a_call_that_ended_in_the_second_in_which_it_was_dialled_is_found():
    store, at = CallStore(), datetime.now(UTC).replace(microsecond=0)
    carrier = a_carrier(dials=[UNCERTAIN], recent=[[at_carrier("CA1", LineState.BUSY, ended_at=at)]])
    call = await dialler(store).place(request(), carrier, Webhooks())
    await until(lambda: call.is_over)
    assert (call.carrier_call_id, call.state) == ("CA1", CallState.BUSY)


@pytest.mark.parametrize("dial", [UNCERTAIN, DialledCall("CA1")])
async def test_a_call_that_was_hung_up_before_it_had_a_name_is_ended_when_it_gets_one(dial):
    store, carrier = CallStore(), a_carrier(dials=[dial], recent=[[at_carrier("CA1")]], delay_secs=0.05)
    placing = asyncio.create_task(dialler(store).place(request(), carrier, Webhooks()))
    await until(lambda: carrier.dialled)
    call = store.list()[0]
    assert not await CallControl(call, carrier, store).hang_up(EndedBy.HUMAN, "API")
    await placing
    await until(lambda: call.is_over)
    assert carrier.hung_up == ["CA1"]
    assert (call.ended_by, call.end_cause) == (EndedBy.HUMAN, "API")


async def test_a_request_that_goes_away_does_not_leave_a_call_behind_without_a_name():
    store, carrier = CallStore(), a_carrier(delay_secs=0.05)
    placing = asyncio.create_task(dialler(store).place(request(), carrier, Webhooks()))
    await until(lambda: carrier.dialled)
    placing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placing
    await until(lambda: store.find("c", "CA1"))


async def test_a_dialler_that_is_closed_looks_for_nothing_more():
    store, carrier = CallStore(), a_carrier(dials=[UNCERTAIN])
    placing = dialler(store, look_longer_secs=60)
    call = await placing.place(request(), carrier, Webhooks())
    await placing.aclose()
    looks = len(carrier.looks)
    await asyncio.sleep(0.05)
    assert (len(carrier.looks), call.is_over) == (looks, False)
