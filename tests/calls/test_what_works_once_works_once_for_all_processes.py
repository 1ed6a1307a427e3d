"""What works once, such as the token of a media socket, works once over all processes with one database."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from calls.database.call_database import CallDatabase
from calls.database.used_once import FORGET_EVERY
from calls.store import CallStore


class Clock:
    def __init__(self):
        self.now = datetime(2026, 5, 4, 12, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
async def processes(tmp_path):
    """Stores of several processes, which share a file and a clock."""
    clock = Clock()
    url = f"sqlite+aiosqlite:///{tmp_path}/calls.db"
    stores = [CallStore(CallDatabase(url), clock=clock) for _ in range(3)]
    for store in stores:
        await store.start()
    yield stores, clock
    for store in stores:
        await store.aclose()


async def test_of_all_that_use_it_at_the_same_time_one_is_the_first(processes):
    stores, _ = processes
    for number in range(20):
        notes = await asyncio.gather(
            *(store.use_once(f"token {number}", 300, f"process {n}") for n, store in enumerate(stores))
        )
        assert notes.count(None) == 1
        first = f"process {notes.index(None)}"
        assert [note for note in notes if note is not None] == [first, first]


async def test_a_use_is_known_to_a_process_that_starts_later(processes, tmp_path):
    stores, clock = processes
    assert await stores[0].use_once("token", 300, "here") is None
    await stores[0].aclose()
    later = CallStore(CallDatabase(f"sqlite+aiosqlite:///{tmp_path}/calls.db"), clock=clock)
    assert await later.use_once("token", 300, "there") == "here"
    await later.aclose()


async def test_a_note_without_a_word_is_no_first_use(processes):
    stores, _ = processes
    assert await stores[0].use_once("token", 300) is None
    assert await stores[1].use_once("token", 300) == ""


async def test_a_use_is_forgotten_when_its_time_is_over(processes):
    stores, clock = processes
    assert await stores[0].use_once("token", 300, "first") is None
    clock.now += max(FORGET_EVERY, timedelta(seconds=300)) + timedelta(seconds=1)
    assert await stores[1].use_once("token", 300, "second") is None


async def test_calls_are_saved_while_tokens_are_used(processes):
    stores, _ = processes

    async def use(store, n):
        for number in range(10):
            assert await store.use_once(f"token {n} {number}", 300) is None

    calls = [stores[0].open(carrier="twilio", carrier_call_id=f"CA{number}") for number in range(50)]
    await asyncio.gather(*(use(store, n) for n, store in enumerate(stores)), stores[0].flush())
    for call in calls:
        assert await stores[1].restore("twilio", call.carrier_call_id) is not None


async def test_nobody_waits_for_the_calls_that_are_being_saved(processes):
    stores, _ = processes
    assert await stores[0].use_once("opens the file", 300) is None
    released = threading.Event()
    stores[0]._writer._background.call_soon(released.wait)
    try:
        assert await stores[0].use_once("token", 300, "meanwhile") is None
    finally:
        released.set()
    assert await stores[1].use_once("token", 300) == "meanwhile"


async def test_all_loops_of_a_process_share_what_was_used(processes):
    stores, _ = processes
    assert await stores[0].use_once("token", 300, "one loop") is None
    assert await asyncio.to_thread(asyncio.run, stores[0].use_once("token", 300)) == "one loop"


async def test_a_database_that_was_deleted_is_made_anew_by_a_use(processes, tmp_path):
    stores, _ = processes
    assert await stores[0].use_once("token", 300) is None
    for file in tmp_path.glob("calls.db*"):
        file.unlink()
    assert await stores[0].use_once("another token", 300, "in the new file") is None
    assert await stores[1].use_once("another token", 300) == "in the new file"


async def test_a_database_that_was_closed_is_opened_again_by_a_use(processes):
    stores, _ = processes
    assert await stores[0].use_once("token", 300, "before") is None
    await stores[0].aclose()
    assert await stores[0].use_once("token", 300) == "before"
