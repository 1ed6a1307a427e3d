"""The calls that a process remembers."""

import asyncio

from calls.call import CallState, EndedBy
from calls.store import CallStore, default_store


def opened(store: CallStore, number: int, **other: object):
    return store.open(carrier="c", carrier_call_id=f"CA{number}", **other)


def test_a_call_is_opened_once_and_learns_what_it_did_not_know():
    store = CallStore()
    call = opened(store, 1, from_number="+1", parameters={"a": 1})
    again = opened(store, 1, from_number="+9", to_number="+2", agent="sales", parameters={"a": 2, "b": 3})
    assert again is call
    assert (call.from_number, call.to_number, call.agent) == ("+1", "+2", "sales")
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
        async for event in store.subscribe(call):
            to.append(event.kind)

    listeners = [asyncio.create_task(listen(to)) for to in heard]
    await asyncio.sleep(0.01)
    assert heard == [["state", "ringing"]] * 2
    store.record(call, "dtmf", digits="1")
    call.will_end(EndedBy.BOT, "goodbye")
    call.move(CallState.COMPLETED, cause="goodbye")
    await asyncio.wait_for(asyncio.gather(*listeners), 1)
    assert heard == [["state", "ringing", "dtmf", "state", "ended"]] * 2


async def test_a_subscriber_of_an_ended_call_gets_everything_and_stops():
    store = CallStore()
    call = opened(store, 1)
    call.move(CallState.COMPLETED, cause="over")
    store.record(call, "detached", reason="stop")
    assert [event.kind async for event in store.subscribe(call)] == [event.kind for event in call.events]


async def test_a_subscriber_that_goes_away_is_forgotten():
    store = CallStore()
    call = opened(store, 1)
    subscription = store.subscribe(call)
    await anext(subscription)
    await subscription.aclose()
    assert call._watchers == []


def test_the_process_has_one_store():
    assert default_store() is default_store()
