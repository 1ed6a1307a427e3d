"""What may be placed is counted over all processes, in the moment of placing."""

import asyncio

import pytest

from calls.database.call_database import CallDatabase, DatabaseUnavailable
from calls.policy import DialPolicy, DialRefused, TooManyCalls
from calls.states import CallState, EndedBy
from calls.store import CallStore
from tests.calls_on_disk import rows, store_on, url_of
from tests.dial_limits import check_again, place

NUMBERS = [f"+1202555{number:04}" for number in range(100, 200)]


@pytest.fixture(params=["file", "server"])
def address(request, tmp_path):
    return url_of(tmp_path / "calls.db") if request.param == "file" else request.getfixturevalue("url")


@pytest.fixture
async def stores(address):
    stores = [CallStore(CallDatabase(address)) for _ in range(2)]
    for store in stores:
        await store.start()
    yield stores
    for store in stores:
        await store.aclose()


async def test_two_that_ask_at_the_same_moment_place_no_more_than_allowed(stores):
    policy = DialPolicy(at_once=5)
    asked = (place(policy, number, stores[n % 2]) for n, number in enumerate(NUMBERS[:24]))
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(result, TooManyCalls) for result in results) == 19
    assert sum(len(store.list()) for store in stores) == 5


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        ({"per_number_per_day": 3}, DialRefused),
        ({"per_hour": 3}, TooManyCalls),
        ({"at_once": 3}, TooManyCalls),
    ],
)
async def test_each_limit_counts_the_calls_of_the_other(stores, limits, refused):
    policy = DialPolicy(**limits)
    for n in range(3):
        await place(policy, NUMBERS[0], stores[n % 2])
    for store in stores:
        with pytest.raises(refused):
            await place(policy, NUMBERS[0], store)


async def test_an_end_that_another_process_has_written_frees_a_place(stores):
    policy = DialPolicy(at_once=1)
    call = await place(policy, NUMBERS[0], stores[0])
    with pytest.raises(TooManyCalls):
        await place(policy, NUMBERS[1], stores[1])
    theirs = await stores[1].fetch(call.id)
    theirs.move(CallState.COMPLETED, cause="over", ended_by=EndedBy.BOT)
    assert await stores[1].flush()
    assert not call.is_over  # this process has not heard of it
    await check_again(policy, NUMBERS[1], stores[0])
    await place(policy, NUMBERS[1], stores[0])


async def test_what_is_refused_is_nowhere(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        await place(DialPolicy(at_once=1), NUMBERS[0], store)
        with pytest.raises(TooManyCalls):
            await place(DialPolicy(at_once=1), NUMBERS[1], store)
        assert len(store.list()) == 1
    assert rows(tmp_path / "a.db", "select count(*) from calls") == [(1,)]


async def test_a_call_that_was_counted_goes_on_as_every_other(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        call = await place(DialPolicy(), NUMBERS[0], store)
        store.bind(call, "CA1")
        call.move(CallState.COMPLETED, cause="over")
    async with store_on(tmp_path / "a.db") as store:
        again = await store.fetch("CA1")
        assert (again.id, again.is_over, len(again.events)) == (call.id, True, len(call.events))


async def test_without_an_answer_this_process_counts_its_own(tmp_path, monkeypatch):
    async def silent(*_, **__):
        raise DatabaseUnavailable("away")

    async with store_on(tmp_path / "a.db") as store:
        monkeypatch.setattr(CallDatabase, "save_if", silent)
        policy = DialPolicy(at_once=1)
        await place(policy, NUMBERS[0], store)
        with pytest.raises(TooManyCalls):
            await place(policy, NUMBERS[1], store)
        monkeypatch.undo()
        with pytest.raises(TooManyCalls):
            await place(policy, NUMBERS[1], store)
        assert await store.flush()
    assert sorted(rows(tmp_path / "a.db", "select state from calls")) == [("failed",), ("queued",)]


async def test_a_database_that_takes_too_long_writes_no_call_that_counts(tmp_path, monkeypatch):
    async def late(self, *arguments, save_if=CallDatabase.save_if):
        saved = await save_if(self, *arguments)
        await asyncio.sleep(1)
        return saved

    monkeypatch.setattr("calls.store.ASK_SECS", 0.3)
    async with store_on(tmp_path / "a.db") as store:
        await store.start()
        monkeypatch.setattr(CallDatabase, "save_if", late)
        call = await place(DialPolicy(at_once=1), NUMBERS[0], store)
        monkeypatch.undo()
        call.move(CallState.COMPLETED, cause="over")
        assert await store.flush()
    assert rows(tmp_path / "a.db", "select id, state from calls") == [(call.id, "completed")]
