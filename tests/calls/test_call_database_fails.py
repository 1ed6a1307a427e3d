"""A database that fails disturbs no call, and loses nothing when it comes back."""

import asyncio
import sqlite3
import threading
import time

import pytest
from loguru import logger

from calls.database import writer
from calls.database.call_database import CallDatabase
from calls.events.event import OtherEvent
from calls.events.talk import CallerSaid
from calls.states import CallState
from calls.store import CallStore
from tests.calls_on_disk import change, rows, store_on, url_of


@pytest.fixture
def log():
    lines: list[str] = []
    handler = logger.add(
        lambda message: lines.append(str(message)), level="DEBUG", format="{level} {message}"
    )
    yield lines
    logger.remove(handler)


def told(log, level="ERROR"):
    return [line for line in log if line.startswith(level)]


def a_call(store, name="CA1"):
    call = store.open(carrier="c", carrier_call_id=name, from_number="+12025550143")
    call.record(CallerSaid(text="my secret"))
    return call


async def test_what_happened_while_the_tables_were_gone_is_saved_when_they_are_back(tmp_path, log):
    file = tmp_path / "a.db"
    async with store_on(file) as store:
        call = a_call(store)
        assert await store.flush()
        change(file, "alter table call_events rename to elsewhere")
        for n in range(5):
            call.record(CallerSaid(text=f"my secret {n}"))
        a_call(store, "CA2")
        assert not await store.flush(0.5)
        assert await store.restore("c", "CA1") is call
        assert len(told(log)) == 1  # however often it was tried
        change(file, "alter table elsewhere rename to call_events")
        call.move(CallState.COMPLETED, cause="over")
        assert await store.flush()
    async with store_on(file) as other:
        assert (await other.fetch("CA1")).events == call.events
        assert await other.fetch("CA2") is not None
    assert told(log, "INFO") == ["INFO Calls are saved again\n"]
    assert not [line for line in log if "secret" in line or "+1202" in line]


async def test_a_lock_that_another_process_holds_is_waited_for(tmp_path, log):
    file = tmp_path / "a.db"
    async with store_on(file, busy_secs=0.1) as store:
        await store.start()
        lock = sqlite3.connect(file, isolation_level=None)
        lock.execute("begin exclusive")
        started = time.monotonic()
        call = a_call(store)
        assert time.monotonic() - started < 0.1
        assert not await store.flush(0.5)
        lock.execute("rollback")
        lock.close()
        assert await store.flush()
        assert "locked" in told(log)[0]
        assert "find the program that keeps it open" in told(log)[0]
    assert rows(file, "select id from calls") == [(call.id,)]


async def test_no_call_is_forgotten_that_is_not_saved(tmp_path):
    folder = tmp_path / "not-yet"
    folder.touch()  # a file is where the folder should be
    async with store_on(folder / "a.db", limit=2) as store:
        calls = [a_call(store, f"CA{n}") for n in range(6)]
        for call in calls:
            call.move(CallState.COMPLETED, cause="over")
        await asyncio.sleep(0.1)
        newest = a_call(store, "CA6")
        assert len(store.list()) == 7
        folder.unlink()
        assert await store.flush()
        a_call(store, "CA7")
        assert [call.carrier_call_id for call in store.list()] == ["CA7", "CA6"]
        assert newest in store.list()
        assert (await store.fetch("CA3")).events == calls[3].events


async def test_a_call_that_cannot_be_saved_does_not_hold_up_the_others(tmp_path, log, monkeypatch):
    def odd_row(call, row_of=writer.row_of):
        return {**row_of(call), "state": None} if call.carrier_call_id == "odd" else row_of(call)

    monkeypatch.setattr(writer, "row_of", odd_row)
    async with store_on(tmp_path / "a.db", limit=1) as store:
        odd = a_call(store, "odd")
        others = [a_call(store, f"CA{n}") for n in range(3)]
        assert not await store.flush(0.3)
        assert rows(tmp_path / "a.db", "select count(*) from calls") == [(3,)]
        odd.move(CallState.COMPLETED, cause="over")
        a_call(store, "CA3")
        assert odd in store.list()
        assert {"secret" in line for line in log} == {False}
        monkeypatch.undo()
        assert await store.flush()
    async with store_on(tmp_path / "a.db") as other:
        assert (await other.fetch(odd.id)).events == odd.events
        assert (await other.fetch(others[0].id)).events == others[0].events


async def test_what_was_written_without_anybody_hearing_of_it_is_not_written_twice(tmp_path, monkeypatch):
    async def written_but_lost(self, records, save=CallDatabase.save):
        await save(self, records)
        monkeypatch.undo()
        raise OSError("the connection broke after the commit")

    async with store_on(tmp_path / "a.db") as store:
        call = a_call(store)
        assert await store.flush()
        monkeypatch.setattr(CallDatabase, "save", written_but_lost)
        call.record(CallerSaid(text="one"))
        assert await store.flush()
        call.record(CallerSaid(text="two"))
    async with store_on(tmp_path / "a.db") as other:
        assert (await other.fetch(call.id)).events == call.events


async def test_a_database_that_hangs_makes_nobody_wait_longer_than_a_little(tmp_path, log, monkeypatch):
    async def hanging(self):
        await asyncio.sleep(60)

    monkeypatch.setattr(CallDatabase, "open", hanging)
    monkeypatch.setattr(CallDatabase, "_opened", hanging)
    monkeypatch.setattr("calls.store.ASK_SECS", 0.1)
    store = CallStore(CallDatabase(url_of(tmp_path / "a.db")))
    call, other = a_call(store), a_call(store, "CA2")
    started = time.monotonic()
    assert await store.restore("c", "unknown") is None
    assert await store.restore("c", "CA1") is call
    assert await store.latest() == [other, call]
    assert not await store.aclose(0.2)
    assert time.monotonic() - started < 5
    assert not [thread for thread in threading.enumerate() if thread.name == "call store"]
    assert told(log, "WARNING")
    monkeypatch.undo()
    call.record(OtherEvent("more", {}))
    assert await store.aclose()
    count = len(call.events) + len(other.events)
    assert rows(tmp_path / "a.db", "select count(*) from call_events") == [(count,)]


async def test_somebody_who_is_cancelled_while_asking_is_cancelled(tmp_path, monkeypatch):
    async def hanging(self):
        await asyncio.sleep(60)

    monkeypatch.setattr(CallDatabase, "_opened", hanging)
    async with store_on(tmp_path / "a.db") as store:
        asking = asyncio.create_task(store.restore("c", "CA1"))
        await asyncio.sleep(0.1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        asking = asyncio.create_task(store.restore("c", "CA1"))
        await asyncio.sleep(0.1)
        await store.aclose()
        assert await asking is None  # the store was closed, nobody was cancelled
