"""While the database is away calls wait on disk, also beyond a kill, and are written when it is back."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from loguru import logger

from calls.database import spool as spooling
from calls.database.call_database import CallDatabase, DatabaseRefused, DatabaseUnavailable
from calls.database.spool import LeftSpool, left_behind
from calls.events.talk import Attached, CallerSaid
from calls.states import CallState
from calls.store import CallStore
from calls.transfer import Resume, ResumeReason
from tests.calls_on_disk import rows, url_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "spool" / "x"


@pytest.fixture
def log():
    lines: list[str] = []
    handler = logger.add(
        lambda message: lines.append(str(message)), level="DEBUG", format="{level} {message}"
    )
    yield lines
    logger.remove(handler)


@pytest.fixture
def away(monkeypatch):
    """Has the database refuse everything, until it is called."""

    async def refuses(self):
        raise DatabaseUnavailable("the database is away")

    monkeypatch.setattr(CallDatabase, "_opened", refuses)
    return monkeypatch.undo


@asynccontextmanager
async def spooled(file, folder, *, busy_secs=0.1):
    store = CallStore(CallDatabase(url_of(file), busy_secs=busy_secs))
    store.spool_to(folder)
    try:
        yield store
    finally:
        await store.aclose(1)


def killed(store):
    """What a kill leaves of a store: its files, unlocked, and nothing more."""
    store._writer._spooling._spool.close()
    store._writer._spooling._unsaved = list
    store._writer._take = list
    store._writer._any_unsaved = bool
    store._writer._left.release()


def a_call(store, name="CA1"):
    call = store.open(carrier="c", carrier_call_id=name, from_number="+12025550143")
    call.record(CallerSaid(text="my secret"))
    return call


def files(folder):
    return sorted(folder.glob("*.jsonl"))


def spooled_lines(folder):
    return [json.loads(line) for path in files(folder) for line in path.read_text().splitlines()[1:]]


async def until(condition, secs=5):
    async with asyncio.timeout(secs):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_a_killed_process_has_spooled_is_replayed_by_the_next(tmp_path, folder, away, log):
    async with spooled(tmp_path / "a.db", folder) as store:
        call = a_call(store)
        await until(lambda: len(spooled_lines(folder)) == 1)
        for n in range(3):
            call.record(CallerSaid(text=f"my secret {n}"))
        call.move(CallState.COMPLETED, cause="over")
        await until(lambda: sum(len(line["events"]) for line in spooled_lines(folder)) == len(call.events))
        assert [line["from"] for line in spooled_lines(folder)] == [
            0,
            len(spooled_lines(folder)[0]["events"]),
        ]
        killed(store)
        away()
        async with spooled(tmp_path / "a.db", folder) as other:
            again = await other.fetch("CA1")
            assert again.events == call.events
            assert [event.at for event in again.events] == [event.at for event in call.events]
            assert (again.is_over, again.ended_at, again.from_number) == (
                True,
                call.ended_at,
                call.from_number,
            )
            assert not files(folder)
    assert rows(tmp_path / "a.db", "select count(*) from call_events") == [(len(call.events),)]
    assert not [line for line in log if "secret" in line or "+1202" in line]


async def test_a_call_goes_on_after_a_kill_while_the_database_is_still_away(tmp_path, folder, monkeypatch):
    async def refuses(self):
        raise DatabaseUnavailable("the database is away")

    async with spooled(tmp_path / "a.db", folder) as store:
        call = a_call(store)
        assert await store.flush()
        monkeypatch.setattr(CallDatabase, "_opened", refuses)
        call.record(Attached(stream_id="MZ1"))
        call.record(CallerSaid(text="during"))
        call.expect_return(Resume(ResumeReason.TRANSFER, "desk"))
        await until(lambda: spooled_lines(folder))
        killed(store)
        async with spooled(tmp_path / "a.db", folder) as second:
            mine = await second.restore("c", "CA1")
            assert mine.id == call.id
            assert mine.events == call.events
            assert mine.take_return() == Resume(ResumeReason.TRANSFER, "desk")
            mine.record(CallerSaid(text="after the kill"))
            newcomer = a_call(second, "CA2")
            await until(lambda: len(files(folder)) == 2 and len(spooled_lines(folder)) >= 3)
            killed(second)
            async with spooled(tmp_path / "a.db", folder) as third:
                assert (await third.restore("c", "CA1")).events == mine.events
                assert (await third.restore("c", "CA2")).events == newcomer.events
                monkeypatch.undo()
                assert await third.flush(20)
                assert not files(folder)
    async with spooled(tmp_path / "a.db", folder) as last:
        written = await last.fetch("CA1")
        assert written.events == mine.events
        assert written.resume is None
        assert await last.fetch("CA2") is not None


async def test_nothing_is_spooled_that_the_database_takes(tmp_path, folder):
    async with spooled(tmp_path / "a.db", folder) as store:
        for n in range(4):
            a_call(store, f"CA{n}")
            await asyncio.sleep(0.3)
        assert await store.flush()
        assert not files(folder)


async def test_a_lock_that_holds_the_writer_up_does_not_hold_the_spool_up(tmp_path, folder):
    async with spooled(tmp_path / "a.db", folder, busy_secs=4) as store:
        await store.start()
        lock = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        lock.execute("begin immediate")
        a_call(store)
        await until(lambda: spooled_lines(folder), 2)
        (file,) = files(folder)
        assert os.stat(file).st_mode & 0o777 == 0o600
        assert os.stat(folder).st_mode & 0o777 == os.stat(folder.parent).st_mode & 0o777 == 0o700
        lock.execute("rollback")
        lock.close()
        assert await store.flush(10)
        await until(lambda: not files(folder))


async def test_a_process_that_ends_leaves_what_waits_to_the_next(tmp_path, folder, away, log):
    store = CallStore(CallDatabase(url_of(tmp_path / "a.db")))
    store.spool_to(folder)
    call = a_call(store)
    assert not await store.aclose(0.1)
    assert len(files(folder)) == 1
    assert any("for the next start" in line for line in log)
    away()
    async with spooled(tmp_path / "a.db", folder) as other:
        assert (await other.fetch("CA1")).events == call.events


async def test_the_file_of_a_living_process_is_left_alone(tmp_path, folder, away):
    async with spooled(tmp_path / "a.db", folder) as store:
        a_call(store)
        await until(lambda: spooled_lines(folder))
        assert left_behind(folder) == []
        async with spooled(tmp_path / "a.db", folder) as other:
            assert await other.restore("c", "CA1") is None
        away()


async def test_what_others_have_decided_since_stays(tmp_path, folder, monkeypatch):
    async def refuses(self):
        raise DatabaseUnavailable("the database is away")

    async with spooled(tmp_path / "a.db", folder) as store:
        call = a_call(store)
        assert await store.flush()
        monkeypatch.setattr(CallDatabase, "_opened", refuses)
        call.expect_return(Resume(ResumeReason.TRANSFER, "desk"))
        call.record(CallerSaid(text="during"))
        await until(lambda: spooled_lines(folder))
        killed(store)
        monkeypatch.undo()
        other = CallStore(CallDatabase(url_of(tmp_path / "a.db")))
        theirs = await other.fetch("CA1")
        theirs.record(CallerSaid(text="elsewhere"))
        theirs.move(CallState.COMPLETED, cause="over")
        assert await other.aclose()
        async with spooled(tmp_path / "a.db", folder) as last:
            written = await last.fetch("CA1")
            said = [event.text for event in written.events if isinstance(event, CallerSaid)]
            assert said == ["my secret", "elsewhere", "during"]
            assert written.is_over
            assert written.resume is None


async def test_what_was_written_before_the_file_was_deleted_is_not_written_twice(tmp_path, folder, away):
    async with spooled(tmp_path / "a.db", folder) as store:
        call = a_call(store)
        await until(lambda: spooled_lines(folder))
        copy = files(folder)[0].read_text()
        away()
        assert await store.flush(10)
        await until(lambda: not files(folder))
        (folder / "copy.jsonl").write_text(copy)
        async with spooled(tmp_path / "a.db", folder) as other:
            assert (await other.fetch("CA1")).events == call.events
            await until(lambda: not files(folder))
        assert rows(tmp_path / "a.db", "select count(*) from call_events") == [(len(call.events),)]


@pytest.mark.parametrize("cut", [1, 20, 200])
async def test_a_line_that_was_cut_off_is_left_out(tmp_path, folder, away, cut):
    async with spooled(tmp_path / "a.db", folder) as store:
        a_call(store)
        await until(lambda: spooled_lines(folder))
        a_call(store, "CA2")
        await until(lambda: len(spooled_lines(folder)) == 2)
        (file,) = files(folder)
        killed(store)
        file.write_bytes(file.read_bytes()[:-cut])
        away()
        async with spooled(tmp_path / "a.db", folder) as other:
            assert await other.fetch("CA1") is not None
            assert (await other.fetch("CA2") is None) == (cut > 1)  # the first is the end of its line


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path, folder, log):
    folder.mkdir(parents=True)
    (folder / "newer.jsonl").write_text('{"spool": 99}\n{"what": "ever"}\n')
    (folder / "empty.jsonl").write_text("")
    async with spooled(tmp_path / "a.db", folder) as store:
        await store.start()
        await until(lambda: files(folder) == [folder / "newer.jsonl"])
    assert any("newer version" in line for line in log)


async def test_what_the_database_does_not_take_is_put_aside(tmp_path, folder, away, monkeypatch):
    async def takes_nothing(self, record):
        raise DatabaseRefused("it does not take these values")

    async with spooled(tmp_path / "a.db", folder) as store:
        a_call(store)
        await until(lambda: spooled_lines(folder))
        killed(store)
        away()
    monkeypatch.setattr(CallDatabase, "replay", takes_nothing)
    async with spooled(tmp_path / "a.db", folder) as store:
        await store.start()
        await until(lambda: list(folder.glob("*.refused")))


async def test_a_file_grows_only_so_far(tmp_path, folder, away, monkeypatch, log):
    monkeypatch.setattr(spooling, "MAX_BYTES", 3000)
    async with spooled(tmp_path / "a.db", folder) as store:
        calls = [a_call(store, f"CA{n}") for n in range(30)]
        await until(lambda: any("in memory alone now" in line for line in log))
        size = files(folder)[0].stat().st_size
        a_call(store, "more")
        await asyncio.sleep(0.6)
        assert files(folder)[0].stat().st_size == size
        away()
        assert await store.flush(20)
        await until(lambda: not files(folder))
    assert rows(tmp_path / "a.db", "select count(*) from calls") == [(len(calls) + 1,)]


async def test_a_folder_that_cannot_be_written_is_told_once(tmp_path, folder, away, log):
    folder.parent.parent.mkdir()
    folder.parent.write_text("in the way")
    async with spooled(tmp_path / "a.db", folder) as store:
        a_call(store)
        await asyncio.sleep(1.5)
        away()
        assert await store.flush(10)
    assert len([line for line in log if "mend the folder" in line]) == 1


KILLED = """
import asyncio, sys
from pathlib import Path
from calls.database.call_database import CallDatabase
from calls.events.talk import CallerSaid
from calls.store import CallStore

async def main():
    store = CallStore(CallDatabase("sqlite+aiosqlite:///" + sys.argv[1], busy_secs=30))
    store.spool_to(Path(sys.argv[2]))
    await store.start()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    call = store.open(carrier="c", carrier_call_id="CA1")
    for n in range(20):
        call.record(CallerSaid(text=str(n)))
        await asyncio.sleep(0.02)
    await asyncio.sleep(1.5)
    print("said", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_kill_9_with_a_locked_file_loses_nothing(tmp_path, folder):
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", KILLED, str(tmp_path / "a.db"), str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "open\n"
        lock = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        lock.execute("begin immediate")
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "said\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    lock.execute("rollback")
    lock.close()
    started = time.monotonic()
    async with spooled(tmp_path / "a.db", folder) as store:
        call = await store.restore("c", "CA1")
        assert [event.text for event in call.events if isinstance(event, CallerSaid)] == list(
            map(str, range(20))
        )
    assert time.monotonic() - started < 5


async def test_a_server_that_is_away_for_a_while(url, folder, monkeypatch):
    store = CallStore(CallDatabase(url.replace("/phonebot", "/not_yet_phonebot")))
    store.spool_to(folder)
    call = a_call(store)
    await until(lambda: spooled_lines(folder), 10)
    assert not await store.aclose(0.1)
    again = CallStore(CallDatabase(url))
    again.spool_to(folder)
    assert (await again.fetch("CA1")).events == call.events
    assert await again.aclose()
    assert not files(folder)


async def test_a_server_that_goes_away_in_the_middle_of_a_call(server, url, folder):
    import asyncpg

    async def let_in(yes):
        name = url.rpartition("/")[2]
        connection = await asyncpg.connect(f"{server}/postgres")
        await connection.execute(f"alter database {name} with allow_connections {yes}")
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
        )
        await connection.close()

    store = CallStore(CallDatabase(url))
    store.spool_to(folder)
    call = a_call(store)
    assert await store.flush()
    await let_in("false")
    call.record(CallerSaid(text="during"))
    await until(lambda: spooled_lines(folder), 10)
    started = time.monotonic()
    assert await store.restore("c", "CA2") is None
    newcomer = a_call(store, "CA2")  # is answered
    assert time.monotonic() - started < 1
    await until(lambda: len(spooled_lines(folder)) == 2, 10)
    killed(store)
    again = CallStore(CallDatabase(url))
    again.spool_to(folder)
    assert (await again.restore("c", "CA1")).events == call.events
    (await again.restore("c", "CA2")).record(CallerSaid(text="after the kill"))
    await let_in("true")
    assert await again.flush(20)
    assert await again.aclose()
    last = CallStore(CallDatabase(url))
    assert (await last.fetch("CA1")).events == call.events
    assert len((await last.fetch("CA2")).events) == len(newcomer.events) + 1
    await last.aclose()
    await store.aclose()
    assert not files(folder)


def test_a_left_file_says_what_it_holds(folder):
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"spool": 1}\nnonsense\n[]\n{"id": 1}\n')
    (left,) = left_behind(folder)
    assert isinstance(left, LeftSpool)
    assert left.records == []
    left.delete()
    assert not files(folder)
