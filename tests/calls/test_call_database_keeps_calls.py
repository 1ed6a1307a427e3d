"""What is read from the database is what happened, whoever wrote it and however they died."""

import asyncio
import dataclasses
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from calls.call import Call, Ending
from calls.database.saved import plain
from calls.events.event import OtherEvent
from calls.events.talk import CallerSaid, Detached, ToolUsed
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason, TransferOutcome
from settings import ROOT
from tests.calls_on_disk import rows, store_on

NOT_SAVED = {"clock", "_watchers"}


def everything(call: Call) -> dict[str, object]:
    names = {field.name for field in dataclasses.fields(call)} - NOT_SAVED
    return {name: getattr(call, name) for name in names}


def an_eventful_call(store, name="CA1"):
    call = store.open(
        carrier="c",
        carrier_call_id=name,
        direction="inbound",
        from_number="+12025550143",
        to_number="+12025550100",
        agent="sales",
        parameters={"vip": True, "nested": {"list": [1, 2.5, None, "ü"]}},
        mode="m",
    )
    call.move(CallState.IN_PROGRESS, cause="answered")
    call.record(CallerSaid(text="Grüße 👋"))
    call.record(ToolUsed(name="take_message", arguments={"text": "x"}, result=None))
    call.expect_return(Resume(ResumeReason.TRANSFER, "desk", TransferOutcome.BUSY, "486"))
    call.will_end(EndedBy.BOT, "goodbye")
    return call


async def test_a_restored_call_is_the_one_that_was_saved(tmp_path):
    async with store_on(tmp_path / "a.db") as store, store_on(tmp_path / "a.db") as other:
        call = an_eventful_call(store)
        assert await store.flush()
        restored = await other.restore("c", "CA1")
        assert restored is not call
        assert everything(restored) == everything(call)
        assert restored.ending == Ending(EndedBy.BOT, "goodbye")
        assert restored.take_return() == Resume(ResumeReason.TRANSFER, "desk", TransferOutcome.BUSY, "486")
        assert other.find("c", "CA1") is other.get(call.id) is restored
        restored.move(CallState.COMPLETED, cause="over")
        assert restored.ended_by is EndedBy.BOT


async def test_a_call_that_has_ended_is_read_as_it_ended(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        call = an_eventful_call(store)
        call.move(CallState.COMPLETED, cause="over")
        call.record(Detached(reason="stop"))
    async with store_on(tmp_path / "a.db") as other:
        for call_id in (call.id, "CA1"):
            read = await other.fetch(call_id)
            assert everything(read) == everything(call)
            assert [event.kind async for event in other.subscribe(read)][-2:] == ["ended", "detached"]
        assert other.list() == []  # for reading only


async def test_a_live_call_that_is_fetched_is_live(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        call = an_eventful_call(store)
    async with store_on(tmp_path / "a.db") as other:
        found = await other.fetch(call.id)
        assert await other.fetch("CA1") is await other.restore("c", "CA1") is found is other.get("CA1")
        found.move(CallState.COMPLETED, cause="over")
    async with store_on(tmp_path / "a.db") as third:
        assert (await third.fetch(call.id)).state is CallState.COMPLETED


async def test_two_who_restore_a_call_at_the_same_time_get_one(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        an_eventful_call(store)
    async with store_on(tmp_path / "a.db") as other:
        found = await asyncio.gather(*(other.restore("c", "CA1") for _ in range(5)))
        assert len({id(call) for call in found}) == 1


async def test_times_are_utc_and_exact_to_the_microsecond(tmp_path):
    moment = datetime(2026, 3, 1, 23, 59, 59, 999999, timezone(timedelta(hours=-5)))
    async with store_on(tmp_path / "a.db", clock=lambda: moment) as store:
        call = an_eventful_call(store)
    async with store_on(tmp_path / "a.db") as other:
        read = await other.fetch(call.id)
        assert read.created_at == read.events[0].at == moment
        assert read.created_at.tzinfo is UTC
    assert rows(tmp_path / "a.db", "select created_at from calls") == [("2026-03-02 04:59:59.999999",)]


async def test_the_last_calls_come_from_memory_and_database(tmp_path):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    async with store_on(tmp_path / "a.db", clock=lambda: start) as store:
        old = [store.open(carrier="c", carrier_call_id=f"old{n}") for n in range(3)]
    async with store_on(tmp_path / "a.db") as other:
        live = await other.fetch(old[0].id)
        new = other.open(carrier="c", carrier_call_id="new")
        latest = await other.latest(10)
        assert {call.id for call in latest} == {new.id, *(call.id for call in old)}
        assert latest[0] is new
        assert live in latest
        assert [call.id for call in await other.latest(1)] == [new.id]


async def test_what_json_has_not_is_saved_as_text(tmp_path):
    odd = {
        "when": datetime(2026, 1, 1, tzinfo=UTC),
        "set": {1},
        5: (1, 2),
        "nan": float("nan"),
        "half": "a\ud800\x00",
    }
    async with store_on(tmp_path / "a.db") as store:
        call = store.open(carrier="c", carrier_call_id="CA1", from_number="\ud800", parameters=odd)
        call.record(OtherEvent("odd", {"result": odd}))
        assert await store.flush()
    async with store_on(tmp_path / "a.db") as other:
        read = await other.fetch(call.id)
        assert read.events[-1].data == {"result": plain(odd)}
        assert plain(odd) == {
            "when": "2026-01-01 00:00:00+00:00",
            "set": [1],
            "5": [1, 2],
            "nan": "nan",
            "half": "a?",
        }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    parameters=st.dictionaries(st.text(), JSON, max_size=4), data=st.dictionaries(st.text(), JSON, max_size=4)
)
def test_whatever_a_call_is_told_can_be_saved_and_read(tmp_path_factory, parameters, data):
    async def there_and_back():
        file = tmp_path_factory.mktemp("any") / "a.db"
        async with store_on(file) as store:
            call = store.open(carrier="c", carrier_call_id="CA1", parameters=parameters)
            call.record(OtherEvent("odd", {"result": data}))
            assert await store.flush()
        async with store_on(file) as other:
            read = await other.fetch(call.id)
            assert (read.parameters, read.events[-1].data) == (plain(parameters), {"result": plain(data)})

    asyncio.run(there_and_back())


KILLED = """
import asyncio, os, sys
from calls.events.talk import CallerSaid
from tests.calls_on_disk import store_on
from pathlib import Path

async def main():
    async with store_on(Path(sys.argv[1])) as store:
        call = store.open(carrier="c", carrier_call_id="CA1", agent="sales")
        for n in range(250):
            call.record(CallerSaid(f"word {n}"))
        await store.flush()
        call.record(CallerSaid("perhaps not written any more"))
        print(call.id, flush=True)
        os._exit(9)

asyncio.run(main())
"""


async def run_python(program, file):
    command = [sys.executable, "-c", program, str(file)]
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


async def test_what_was_written_survives_the_death_of_the_process(tmp_path):
    killed = await run_python(KILLED, tmp_path / "a.db")

    assert killed.returncode == 9, killed.stderr
    async with store_on(tmp_path / "a.db") as store:
        call = await store.restore("c", "CA1")
        assert (call.id, call.state, call.agent) == (killed.stdout.strip(), CallState.RINGING, "sales")
        texts = [event.data["text"] for event in call.events if event.kind == "caller_said"]
        assert texts[:250] == [f"word {n}" for n in range(250)]


async def test_a_program_that_ends_without_closing_its_store_loses_nothing(tmp_path):
    program = KILLED.replace("        await store.flush()\n", "").replace("os._exit(9)", "raise SystemExit")
    program = program.replace(
        "async with store_on(Path(sys.argv[1])) as store:", "if store := STORE:"
    ).replace(
        "async def main",
        "from calls.store import default_store\nSTORE = default_store('sqlite:///' + sys.argv[1])\nasync def main",
    )
    ended = await run_python(program, tmp_path / "a.db")

    assert ended.returncode == 0, ended.stderr
    async with store_on(tmp_path / "a.db") as store:
        assert len((await store.restore("c", "CA1")).events) == 2 + 251


async def test_calls_that_a_dead_process_left_behind_are_taken_up(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        live = an_eventful_call(store, "CA1")
        an_eventful_call(store, "CA2").move(CallState.COMPLETED, cause="over")
    async with store_on(tmp_path / "a.db") as other:
        assert await other.take_up(live.events[-1].at) == []  # somebody has heard of it
        later = live.events[-1].at + timedelta(seconds=1)
        assert [call.id for call in await other.take_up(later)] == [live.id]
        assert [call.id for call in other.list()] == [live.id]
        assert await other.take_up(later) == []


async def test_two_processes_may_write_about_one_call(tmp_path):
    async with store_on(tmp_path / "a.db") as store, store_on(tmp_path / "a.db") as other:
        call = an_eventful_call(store)
        assert await store.flush()
        theirs = await other.restore("c", "CA1")
        before = len(call.events)
        for n in range(20):
            call.record(OtherEvent("ours", {"n": n}))
            theirs.record(OtherEvent("theirs", {"n": n}))
        theirs.agent = "support"
        theirs.move(CallState.COMPLETED, cause="over")
        assert await other.flush()
        call.record(OtherEvent("ours", {"n": 20}))  # it has not heard of the end
        assert await store.flush()
    async with store_on(tmp_path / "a.db") as third:
        read = await third.fetch(call.id)
    assert [event.data["n"] for event in read.events if event.kind == "ours"] == list(range(21))
    assert [event.data["n"] for event in read.events if event.kind == "theirs"] == list(range(20))
    assert len(read.events) == before + 21 + 20 + 2
    assert (read.state, read.agent, read.ended_by) == (CallState.COMPLETED, "support", EndedBy.BOT)


async def test_two_processes_that_hear_of_one_call_at_the_same_time_keep_both_records(tmp_path):
    async with store_on(tmp_path / "a.db") as store, store_on(tmp_path / "a.db") as other:
        first = an_eventful_call(store)
        assert await store.flush()
        second = an_eventful_call(other)
        assert await other.flush()
        second.record(OtherEvent("more", {}))
        assert await other.flush()
    async with store_on(tmp_path / "a.db") as third:
        assert (await third.restore("c", "CA1")).id == first.id
        read = await third.fetch(second.id)
        assert (read.carrier_call_id, read.events) == ("", second.events)


async def test_many_writers_at_once_lose_nothing(tmp_path):
    async def talk(store, number):
        call = store.open(carrier="c", carrier_call_id=f"CA{number}")
        for n in range(20):
            call.record(CallerSaid(text=str(n)))
            await asyncio.sleep(0.001)
        call.move(CallState.COMPLETED, cause="over")

    async with store_on(tmp_path / "a.db") as store, store_on(tmp_path / "a.db") as other:
        await asyncio.gather(
            *(talk(one, n) for n in range(60) for one in (store, other) if n % 2 == (one is other))
        )
        assert all(await asyncio.gather(store.flush(30), other.flush(30)))
    found = rows(tmp_path / "a.db", "select call_id, count(*), max(seq) from call_events group by call_id")
    assert [(count, last) for _, count, last in found] == [(24, 24)] * 60


async def test_the_store_works_in_one_event_loop_after_another(tmp_path):
    async with store_on(tmp_path / "a.db") as store:

        def in_a_loop_of_its_own(number):
            async def work():
                an_eventful_call(store, f"CA{number}")
                assert await store.fetch("unknown") is None

            asyncio.run(work())

        for number in range(3):
            thread = threading.Thread(target=in_a_loop_of_its_own, args=(number,))
            thread.start()
            thread.join()
        assert await store.flush()
        assert await store.aclose()
        an_eventful_call(store, "CA3")  # opens it again
        assert await store.flush()
    assert rows(tmp_path / "a.db", "select count(*) from calls") == [(4,)]


async def test_a_closed_store_has_no_thread(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        an_eventful_call(store)
        await store.flush()
    await asyncio.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if "call store" in thread.name]


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
async def test_only_the_owner_can_read_the_files(tmp_path):
    file = tmp_path / "a.db"
    file.touch(0o644)
    async with store_on(file) as store:
        an_eventful_call(store)
        await store.flush()
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert found == {"a.db": 0o600, "a.db-shm": 0o600, "a.db-wal": 0o600}


async def test_sqlite_is_set_up_for_several_processes(tmp_path):
    async with store_on(tmp_path / "a.db") as store:
        await store.start()
        assert rows(tmp_path / "a.db", "pragma journal_mode") == [("wal",)]
