"""What is promised of calls in a database holds of a PostgreSQL, too: a real one, with the documented driver."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from calls.database.call_database import CallDatabase, DatabaseUnavailable, DatabaseUnusable
from calls.database.engine import VERSION_TABLE, readable
from calls.database.saved import plain
from calls.database.schema import METADATA
from calls.events.event import OtherEvent
from calls.states import CallState
from calls.store import CallStore
from tests.calls.test_call_database_keeps_calls import an_eventful_call, everything


@asynccontextmanager
async def store_at(url, **options):
    store = CallStore(CallDatabase(url), **options)
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def connected(url):
    engine = create_async_engine(readable(url))
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


async def test_a_restored_call_is_the_one_that_was_saved(url):
    odd = {"nan": float("nan"), "half": "a\ud800\x00", "ü": [1, None, 2.5, True], "long": 10**30}
    async with store_at(url) as store, store_at(url) as other:
        call = an_eventful_call(store)
        call.record(OtherEvent("odd", {"result": odd}))
        assert await store.flush()
        restored = await other.restore("c", "CA1")
        assert restored.events[-1].data == {"result": plain(odd)}
        call.events[-1] = call.arrived[-1] = restored.events[-1]
        assert everything(restored) == everything(call)
        assert restored.created_at.tzinfo is UTC
        assert [one.id for one in await other.latest(5)] == [call.id]


async def test_processes_that_start_together_do_not_get_into_each_others_way(url):
    stores = [CallStore(CallDatabase(url)) for _ in range(5)]
    await asyncio.gather(*(store.start() for store in stores))
    await asyncio.gather(*(store.aclose() for store in stores))


async def test_the_migrations_make_what_the_tables_say(url):
    async with store_at(url) as store:
        await store.start()

    def differences(connection):
        options = {"compare_type": True, "version_table": VERSION_TABLE}
        return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)

    async with connected(url) as connection:
        assert await connection.run_sync(differences) == []


async def test_two_processes_may_write_about_one_call(url):
    async with store_at(url) as store, store_at(url) as other:
        call = an_eventful_call(store)
        assert await store.flush()
        theirs = await other.restore("c", "CA1")
        before = len(call.events)
        for n in range(20):
            call.record(OtherEvent("ours", {"n": n}))
            theirs.record(OtherEvent("theirs", {"n": n}))
        assert all(await asyncio.gather(store.flush(), other.flush()))
        theirs.move(CallState.COMPLETED, cause="over")
        assert await other.flush()
        call.record(OtherEvent("ours", {"n": 20}))  # it has not heard of the end
        assert await store.flush()
    async with store_at(url) as third:
        read = await third.fetch(call.id)
    assert [event.data["n"] for event in read.events if event.kind == "ours"] == list(range(21))
    assert [event.data["n"] for event in read.events if event.kind == "theirs"] == list(range(20))
    assert len(read.events) == before + 21 + 20 + 2
    assert read.state is CallState.COMPLETED


async def test_two_processes_that_hear_of_one_call_at_the_same_time_keep_both_records(url):
    async with store_at(url) as store, store_at(url) as other:
        await asyncio.gather(store.start(), other.start())
        calls = [an_eventful_call(one) for one in (store, other)]
        assert all(await asyncio.gather(store.flush(), other.flush()))
    async with store_at(url) as third:
        names = {(await third.fetch(call.id)).carrier_call_id for call in calls}
    assert names == {"CA1", ""}


async def test_of_all_that_use_something_at_the_same_time_one_is_the_first(url):
    stores = [CallStore(CallDatabase(url)) for _ in range(3)]
    await asyncio.gather(*(store.start() for store in stores))
    for number in range(20):
        notes = await asyncio.gather(
            *(store.use_once(f"token {number}", 300, f"process {n}") for n, store in enumerate(stores))
        )
        assert notes.count(None) == 1
        assert {note for note in notes if note} == {f"process {notes.index(None)}"}
    await asyncio.gather(*(store.aclose() for store in stores))


async def test_a_use_is_forgotten_when_its_time_is_over(url):
    database, now = CallDatabase(url), datetime(2026, 5, 4, tzinfo=UTC)
    assert await database.use_once("token", "first", now, now + timedelta(minutes=5)) is None
    later = now + timedelta(minutes=20)
    assert await database.use_once("token", "second", later, later + timedelta(minutes=5)) is None
    await database.aclose()


async def test_connections_that_the_server_closed_are_made_anew(server, url):
    import asyncpg

    async with store_at(url) as store:
        call = an_eventful_call(store)
        assert await store.use_once("token", 300, "before") is None
        assert await store.flush()
        connection = await asyncpg.connect(f"{server}/postgres")
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
            url.rpartition("/")[2],
        )
        await connection.close()
        assert await store.use_once("token", 300) == "before"  # at the first try
        call.record(OtherEvent("more", {}))
        assert await store.flush()


async def test_addresses_are_understood_as_hosting_platforms_hand_them_out(url):
    for address in (url.replace("postgresql:", "postgres:"), f"{url}?sslmode=disable&channel_binding=prefer"):
        async with store_at(address) as store:
            await store.start()


async def refusal(url):
    async with store_at(url) as store:
        with pytest.raises((DatabaseUnavailable, DatabaseUnusable)) as caught:
            await store.start()
    return str(caught.value)


async def test_what_is_wrong_with_an_address_is_told_with_its_fix(server, url):
    assert "is not there: create it" in await refusal(f"{server}/no_such_database")
    stranger = url.replace(url.partition("//")[2].partition("@")[0], "no_such_user:hunter2")
    message = await refusal(stranger)
    assert "does not let us in: check user and password" in message
    assert "hunter2" not in message
    assert "does not know a parameter" in await refusal(f"{url}?nonsense=1")


async def test_a_database_of_another_program_is_refused_and_kept(url):
    async with connected(url) as connection:
        await connection.execute(sa.text("create table calls (whose text)"))
    assert "belongs to another program" in await refusal(url)
    async with connected(url) as connection:
        assert await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()) == ["calls"]


async def test_a_database_that_is_newer_than_the_program_is_refused(url):
    async with store_at(url) as store:
        await store.start()
    async with connected(url) as connection:
        await connection.execute(sa.text(f"update {VERSION_TABLE} set version_num = '9999'"))
    assert "is of a newer version (9999)" in await refusal(url)
