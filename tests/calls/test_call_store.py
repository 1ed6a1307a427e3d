"""The calls that a process remembers."""

import asyncio
from datetime import UTC, datetime

import pytest

from calls.events.talk import Detached, DtmfReceived
from calls.states import CallState, EndedBy
from calls.store import AlreadyNamed, CallStore, default_store
from tests.web_service import make_settings


def opened(store: CallStore, number: int, **other: object):
    return store.open(carrier="c", carrier_call_id=f"CA{number}", **other)


def test_a_call_is_opened_once_and_learns_what_it_did_not_know():
    store = CallStore()
    call = opened(store, 1, from_number="+12025550101", parameters={"a": 1})
    again = opened(
        store,
        1,
        from_number="+12025550109",
        to_number="+12025550102",
        agent="sales",
        parameters={"a": 2, "b": 3},
    )
    assert again is call
    assert (call.from_number, call.to_number, call.agent) == ("+12025550101", "+12025550102", "sales")
    assert call.parameters == {"a": 1, "b": 3}


def test_a_call_is_found_by_either_id():
    store = CallStore()
    call = opened(store, 1)
    assert store.get(call.id) is store.get("CA1") is store.find("c", "CA1") is call
    assert store.get("CA2") is store.find("other", "CA1") is None


def test_calls_are_listed_newest_first():
    store = CallStore()
    calls = [opened(store, n) for n in range(5)]
    assert store.list(3) == [calls[4], calls[3], calls[2]]


def test_old_calls_are_forgotten_but_never_a_live_one():
    store = CallStore(limit=2)
    live, ended, other = (opened(store, n) for n in range(3))
    assert len(store.list()) == 3  # all live
    ended.move(CallState.COMPLETED, cause="over")
    latest = opened(store, 3)
    assert store.list() == [latest, other, live]
    assert store.get("CA1") is None


async def test_subscribers_get_past_events_then_new_ones_until_the_end():
    store = CallStore()
    call = opened(store, 1)
    heard: list[list[str]] = [[], []]

    async def listen(to: list[str]) -> None:
        async for event in call.subscribe():
            to.append(event.kind)

    listeners = [asyncio.create_task(listen(to)) for to in heard]
    await asyncio.sleep(0.01)
    assert heard == [["state", "ringing"]] * 2
    call.record(DtmfReceived(digits="1"))
    call.will_end(EndedBy.BOT, "goodbye")
    call.move(CallState.COMPLETED, cause="goodbye")
    await asyncio.wait_for(asyncio.gather(*listeners), 1)
    assert heard == [["state", "ringing", "dtmf", "state", "ended"]] * 2


async def test_a_subscriber_of_an_ended_call_gets_everything_and_stops():
    store = CallStore()
    call = opened(store, 1)
    call.move(CallState.COMPLETED, cause="over")
    call.record(Detached(reason="stop"))
    assert [event.kind async for event in call.subscribe()] == [event.kind for event in call.events]


async def test_a_subscriber_that_goes_away_is_forgotten():
    store = CallStore()
    call = opened(store, 1)
    before = list(call._watchers)
    subscription = call.subscribe()
    await anext(subscription)
    assert call._watchers != before
    await subscription.aclose()
    assert call._watchers == before


def test_the_process_has_one_store(tmp_path):
    assert default_store() is default_store(None)
    url = make_settings(data_dir=tmp_path).calls_database
    assert default_store(url) is default_store(url) is not default_store()
    assert not list(tmp_path.iterdir())  # nothing is opened before there is a call


def test_a_call_that_we_make_has_no_name_until_its_carrier_gives_one():
    store = CallStore()
    calls = [store.dial_out(carrier="c", from_number="+1", to_number="+2", mode="m") for _ in range(2)]
    assert [call.state for call in calls] == [CallState.QUEUED] * 2
    assert store.get("") is store.find("c", "") is None
    store.bind(calls[0], "CA1")
    store.bind(calls[0], "CA1")  # again
    assert store.find("c", "CA1") is store.get("CA1") is store.get(calls[0].id) is calls[0]
    assert (calls[0].mode, calls[1].carrier_call_id) == ("m", "")


def test_a_call_has_one_name_and_a_name_one_call():
    store = CallStore()
    call, other = (store.dial_out(carrier="c", from_number="+1", to_number="+2") for _ in range(2))
    store.bind(call, "CA1")
    for wrong, name, words in [(call, "CA2", "has its carrier's id already"), (other, "CA1", "two calls")]:
        with pytest.raises(AlreadyNamed, match=words):
            store.bind(wrong, name)
    assert (call.carrier_call_id, other.carrier_call_id) == ("CA1", "")
    assert store.find("c", "CA1") is call
    assert store.find("c", "CA2") is None


def test_whoever_knows_our_id_names_the_call():
    store = CallStore()
    call = store.dial_out(carrier="c", from_number="+1", to_number="+2")
    assert opened(store, 1, call_id=call.id, agent="sales", mode="m") is call
    assert (call.carrier_call_id, call.agent, call.mode) == ("CA1", "sales", "m")
    assert opened(store, 1) is opened(store, 1, call_id=call.id) is opened(store, 1, call_id="call_0") is call


def test_another_call_that_says_our_id_is_another_call():
    store = CallStore()
    call = store.dial_out(carrier="c", from_number="+1", to_number="+2")
    store.bind(call, "CA1")
    assert opened(store, 2, call_id=call.id) is not call
    assert store.open(carrier="d", carrier_call_id="CA1", call_id=call.id) is not call
    assert call.carrier_call_id == "CA1"


def test_a_call_that_was_forgotten_can_still_be_named():
    store = CallStore(limit=1)
    call = store.dial_out(carrier="c", from_number="+1", to_number="+2")
    call.move(CallState.FAILED, cause="nobody knows")
    opened(store, 2)
    store.bind(call, "CA1")
    assert call.carrier_call_id == "CA1"
    assert store.get("CA1") is None


async def test_a_store_without_a_database_has_only_what_it_remembers():
    store = CallStore(limit=1)
    await store.start()
    call = opened(store, 1)
    assert await store.restore("c", "CA1") is await store.fetch("CA1") is call
    assert await store.restore("c", "CA2") is await store.fetch("CA2") is None
    assert await store.latest() == [call]
    assert await store.take_up(datetime.now(UTC)) == []
    assert await store.flush()
    assert await store.aclose()
