"""The outbox and the kept values hold their promises in a PostgreSQL, with several processes at it."""

import asyncio
from datetime import timedelta

import pytest

from calls.kept_json import LARGEST_BYTES, KeptJson
from calls.outbox import sender as sender_module
from calls.outbox.parcels import LEASE_SECS
from tests.calls.test_calls_are_kept_in_postgres import store_at
from tests.calls.test_the_outbox_tells_the_owner import Clock, Everything, a_call, hang_up, talk, telling
from tests.receiver import receiving


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(sender_module, "LOOK_SECS", 0.05)
    monkeypatch.setattr(sender_module, "IDLE_LOOK_SECS", 0.2)


async def test_three_processes_tell_each_notice_once_and_in_order(url):
    count = 30
    async with receiving() as receiver, store_at(url) as one, store_at(url) as two, store_at(url) as three:
        owner = Everything(receiver.url)
        await one.start()
        async with telling(one, owner), telling(two, owner), telling(three, owner):
            for number in range(count):
                call = a_call((one, two, three)[number % 3], f"CA{number}")
                talk(call)
                hang_up(call)
            async with asyncio.timeout(60):
                while len(receiver.taken) < 3 * count:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
    assert len(receiver.got) == len(set(receiver.ids)) == 3 * count
    seen: dict[str, list[str]] = {}
    for notice in receiver.taken:
        seen.setdefault(notice["data"]["call"]["id"], []).append(notice["type"])
    assert set(map(tuple, seen.values())) == {("call.started", "message.taken", "call.ended")}


async def test_a_parcel_is_leased_to_one_alone_until_its_lease_ends(url):
    clock = Clock()
    async with store_at(url, clock=clock) as one, store_at(url, clock=clock) as two:
        for store in (one, two):
            store.announce(Everything("http://127.0.0.1:9/").wants)
        for number in range(20):
            hang_up(a_call(one, f"CA{number}"))
        assert await one.flush()
        await two.start()
        taken = await asyncio.gather(
            *(store.outbox.lease(store.now(), 5) for store in (one, two, one, two, one, two))
        )
        ids = [parcel.id for parcels in taken for parcel in parcels]
        assert len(ids) == len(set(ids)) == 20  # the ends of the calls stay behind their beginnings
        clock.ahead += timedelta(seconds=LEASE_SECS + 1)
        assert len(await two.outbox.lease(two.now(), 100)) == 20


async def test_what_was_given_up_is_listed_and_sent_again(url):
    async with receiving(410) as receiver, store_at(url) as store:
        async with telling(store, Everything(receiver.url)):
            call = a_call(store)
            async with asyncio.timeout(15):
                while not await store.outbox.undelivered():
                    await asyncio.sleep(0.05)
            assert await store.outbox.again(store.now()) == 1
            hang_up(call)
            await receiver.has("call.started", "call.ended")
            async with asyncio.timeout(15):  # what was received is taken out a moment later
                while not await store.outbox.is_empty():
                    await asyncio.sleep(0.05)


async def test_kept_values_are_bounded_though_two_set_at_once(url):
    async with store_at(url) as one, store_at(url) as two:
        much = "x" * (LARGEST_BYTES * 2 // 3)
        scopes = [KeptJson(store, a_call(store)).caller for store in (one, two)]
        await scopes[0].set("name", {"first": "Ann\x00"})
        assert await scopes[1].get("name") == {"first": "Ann\x00"}
        tried = await asyncio.gather(
            scopes[0].set("a", much), scopes[1].set("b", much), return_exceptions=True
        )
        assert sorted(type(result) for result in tried if result) == [ValueError]
        await KeptJson(one, a_call(one, "CA2")).call.set("step", 3)  # before the call was written
        await scopes[0].delete("name")
        assert await scopes[1].get("name") is None
