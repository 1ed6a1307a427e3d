"""The server under test: it is started anew when it dies, and nothing of it is there when the program has ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chaos import serving
from chaos.database import Postgres, programs
from chaos.processes import of_session
from chaos.serving import Server
from emulator import EmulatorError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks in /proc")

PROGRAM = str(Path(__file__).with_name("server_program.py"))


def server(log: Path, *, children: int = 0, **environment: str) -> Server:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, PROGRAM, str(port), str(children)]
    return Server(command, environment, port, log, has_parent=children > 0)


async def until(holds, secs: float = 10.0) -> None:
    limit = time.monotonic() + secs
    while not holds():
        assert time.monotonic() < limit, "it was not so in time"
        await asyncio.sleep(0.02)


async def test_one_that_is_killed_is_started_again_at_once(tmp_path):
    async with server(tmp_path / "log") as running:
        (first,) = running.workers()
        await asyncio.sleep(1.0)
        os.kill(first, signal.SIGKILL)
        await until(lambda: running.starts == 2 and running.workers() not in ([], [first]), 1.0)
        (second,) = running.workers()
    assert not _is_there(first)
    assert not _is_there(second)


async def test_children_are_the_workers_and_end_even_if_their_parent_forgets_them(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "STOP_SECS", 0.5)
    async with server(tmp_path / "log", children=2) as running:
        await until(lambda: len(running.workers()) == 2)
        session = running.parent
        assert session is not None
        assert session not in running.workers()
    assert of_session(session) == []


async def test_children_of_a_killed_parent_end_too(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "STOP_SECS", 0.5)
    async with server(tmp_path / "log", children=2) as running:
        session = running.parent
        assert session is not None
        os.kill(session, signal.SIGKILL)
        await until(lambda: running.starts == 2)
        assert len(of_session(session)) == 2
    assert of_session(session) == []


async def test_one_that_hangs_and_is_stubborn_ends_too(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "STOP_SECS", 0.5)
    async with server(tmp_path / "log", STUBBORN="1") as running:
        (pid,) = running.workers()
        os.kill(pid, signal.SIGSTOP)
    assert not _is_there(pid)


async def test_nothing_is_left_when_the_calls_break_off(tmp_path):
    with pytest.raises(ZeroDivisionError):
        async with server(tmp_path / "log") as running:
            (pid,) = running.workers()
            raise ZeroDivisionError
    assert not _is_there(pid)


async def test_a_server_that_cannot_start_is_told_with_its_last_words(tmp_path):
    broken = Server(
        [sys.executable, "-c", "print('no key is set'); exit(2)"], {}, 1, tmp_path / "log", has_parent=False
    )
    with pytest.raises(EmulatorError, match="no key is set"):
        async with broken:
            pass


async def test_a_postgres_is_restarted_and_leaves_nothing(tmp_path):
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL is installed (apt-get install postgresql), or no asyncpg (make setup)")
    import asyncpg

    async with Postgres(folder) as database:
        connection = await asyncpg.connect(database.url)
        await connection.execute("create table kept (number int)")
        await connection.execute("insert into kept values (7)")
        await database.stop()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.fetchval("select number from kept")
        await database.start()
        connection = await asyncpg.connect(database.url)
        assert await connection.fetchval("select number from kept") == 7
        await connection.close()
        made = database._made.name
    assert made not in map(str, await asyncio.to_thread(lambda: list(Path(made).parent.iterdir())))
    with pytest.raises(OSError):
        await asyncpg.connect(database.url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_program_that_is_stopped_leaves_no_process_behind(tmp_path, number):
    kept = tmp_path / "kept"
    command = [sys.executable, "-m", "chaos", "--calls", "4", "--database", "sqlite", "--keep", str(kept)]
    marked = {**os.environ, "CHAOS_TEST": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=marked) as program:
        try:
            limit = time.monotonic() + 60
            while not (kept / "part-1" / "data").exists():  # the server makes it at its start
                assert program.poll() is None and time.monotonic() < limit
                time.sleep(0.1)
            assert len(_marked(tmp_path)) >= 2
            program.send_signal(number)
            assert program.wait(timeout=45) == 2
        finally:
            program.kill()
    assert _marked(tmp_path) == []


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _marked(mark: Path) -> list[int]:
    """The processes that the program, and what it started, has started: the environment is handed on."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if f"CHAOS_TEST={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found
