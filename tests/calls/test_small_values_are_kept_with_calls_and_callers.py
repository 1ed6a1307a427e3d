"""An owner's code keeps small JSON values with a call or a caller, bounded, and over restarts."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager

import pytest

from calls import kept_json
from calls.kept_json import LARGEST_BYTES, LONGEST_KEY, CallerUnknown, KeptJson, NotKept
from calls.store import CallStore
from tests.calls_on_disk import rows, store_on

NUMBER, OURS = "+12025550143", "+12025550100"
STORES = pytest.mark.parametrize("where", ["file", "memory"])


@asynccontextmanager
async def a_store(where, tmp_path):
    if where == "memory":
        yield CallStore()
        return
    async with store_on(tmp_path / "calls.db") as store:
        yield store


def a_call(store, name="CA1", **more):
    known = {"from_number": NUMBER, "to_number": OURS, "agent": "sales"}
    return store.open(carrier="twilio", carrier_call_id=name, **(known | more))


@STORES
async def test_a_value_is_there_until_it_is_changed_or_deleted(tmp_path, where):
    async with a_store(where, tmp_path) as store:
        kept = KeptJson(store, a_call(store))
        for scope in (kept.call, kept.caller):
            assert await scope.get("order") is None
            assert await scope.get("order", 7) == 7
            await scope.set("order", {"items": [1, 2.5, "ü\x00", None, True]})
            assert await scope.get("order") == {"items": [1, 2.5, "ü\x00", None, True]}
            await scope.set("order", None)
            assert await scope.get("order", 7) is None
            await scope.delete("order")
            await scope.delete("order")
            assert await scope.get("order", 7) == 7


@STORES
async def test_a_caller_is_the_number_as_one_agent_knows_it(tmp_path, where):
    async with a_store(where, tmp_path) as store:
        await KeptJson(store, a_call(store)).caller.set("name", "Ann")
        await KeptJson(store, a_call(store)).call.set("step", 3)

        async def name(call_name, **more):
            return await KeptJson(store, a_call(store, call_name, **more)).caller.get("name")

        again = KeptJson(store, a_call(store, "CA2"))
        assert (await again.caller.get("name"), await again.call.get("step")) == ("Ann", None)
        assert await name("CA3", direction="outbound", from_number=OURS, to_number=NUMBER) == "Ann"
        assert await name("CA4", agent="support") is None
        assert await name("CA5", from_number="+12025550144") is None


@STORES
async def test_a_caller_who_withholds_the_number_is_not_mixed_up_with_others(tmp_path, where):
    async with a_store(where, tmp_path) as store:
        unknown = KeptJson(store, a_call(store, from_number=None)).caller
        assert not unknown.is_known
        assert await unknown.get("name", "nobody") == "nobody"
        await unknown.delete("name")
        with pytest.raises(CallerUnknown, match="withheld"):
            await unknown.set("name", "Ann")


@STORES
async def test_there_is_no_room_for_more_than_a_little(tmp_path, where):
    async with a_store(where, tmp_path) as store:
        scope = KeptJson(store, a_call(store)).call
        await scope.set("half", "x" * (LARGEST_BYTES // 2))
        with pytest.raises(ValueError, match="too much to keep"):
            await scope.set("more", "x" * (LARGEST_BYTES // 2))
        assert await scope.get("more") is None
        await scope.set("half", "y" * (LARGEST_BYTES - 10))  # in place of the one before
        await KeptJson(store, a_call(store, "CA2")).call.set("more", "x" * (LARGEST_BYTES // 2))


@STORES
@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object(), b"x"])
async def test_what_is_not_json_is_refused(tmp_path, where, value):
    async with a_store(where, tmp_path) as store:
        with pytest.raises(ValueError, match="not JSON"):
            await KeptJson(store, a_call(store)).call.set("key", value)


@STORES
@pytest.mark.parametrize("key", ["", "x" * (LONGEST_KEY + 1), 7, "a\x00"])
async def test_a_key_is_a_short_text(tmp_path, where, key):
    async with a_store(where, tmp_path) as store:
        scope = KeptJson(store, a_call(store)).call
        for use in (scope.get(key), scope.set(key, 1), scope.delete(key)):
            with pytest.raises(ValueError, match="a key is"):
                await use


async def test_it_survives_the_process_and_the_number_is_not_in_the_table(tmp_path):
    async with store_on(tmp_path / "calls.db") as store:
        call = a_call(store)
        kept = KeptJson(store, call)
        await kept.call.set("step", 3)  # before the call itself was written
        await kept.caller.set("name", "Ann")
    async with store_on(tmp_path / "calls.db") as store:
        kept = KeptJson(store, await store.restore("twilio", "CA1"))
        assert (await kept.call.get("step"), await kept.caller.get("name")) == (3, "Ann")
    found = rows(tmp_path / "calls.db", "select kind, owner, key, value from kept_json")
    assert len(found) == 2
    assert NUMBER[1:] not in str(found)


async def test_what_is_kept_with_a_call_goes_with_it_and_a_caller_stays(tmp_path):
    async with store_on(tmp_path / "calls.db") as store:
        kept = KeptJson(store, a_call(store))
        await kept.call.set("step", 3)
        await kept.caller.set("name", "Ann")
    with sqlite3.connect(tmp_path / "calls.db") as connection:
        connection.execute("pragma foreign_keys = on")
        connection.execute("delete from calls")
    connection.close()
    assert rows(tmp_path / "calls.db", "select kind from kept_json") == [("caller",)]


async def test_a_database_that_is_away_is_an_error_of_its_own(tmp_path):
    (tmp_path / "folder").write_text("in the way")
    async with store_on(tmp_path / "folder" / "calls.db") as store:
        kept = KeptJson(store, a_call(store))
        for use in (kept.call.get("a"), kept.caller.set("a", 1), kept.call.delete("a")):
            with pytest.raises(NotKept):
                await use


async def test_a_database_that_is_slow_is_not_waited_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_json, "KEEP_SECS", 0.2)
    async with store_on(tmp_path / "calls.db") as store:
        kept = KeptJson(store, a_call(store))
        await kept.call.set("a", 1)
        writing = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
        writing.execute("begin immediate")
        clock = asyncio.get_running_loop().time
        began = clock()
        with pytest.raises(NotKept, match="did not answer"):
            await kept.call.set("a", 2)
        assert clock() - began < 2
        writing.execute("rollback")
        writing.close()


async def test_callers_of_long_ago_are_forgotten_in_memory(monkeypatch):
    monkeypatch.setattr(kept_json, "CALLERS_IN_MEMORY", 2)
    store = CallStore()
    scopes = [
        KeptJson(store, a_call(store, f"CA{n}", from_number=f"+1202555014{n}")).caller for n in range(3)
    ]
    for number, scope in enumerate(scopes):
        await scope.set("n", number)
    assert [await scope.get("n") for scope in reversed(scopes[1:])] == [2, 1]
    assert await scopes[0].get("n") is None


async def test_two_processes_find_room_for_one_alone(tmp_path):
    async with store_on(tmp_path / "calls.db") as one, store_on(tmp_path / "calls.db") as two:
        a_call(one)
        await one.flush()
        half = "x" * (LARGEST_BYTES * 2 // 3)
        tried = await asyncio.gather(
            KeptJson(one, a_call(one)).caller.set("a", half),
            KeptJson(two, a_call(two)).caller.set("b", half),
            return_exceptions=True,
        )
    assert sorted(type(result) for result in tried if result) == [ValueError]
