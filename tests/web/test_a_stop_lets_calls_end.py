"""Who stops the server lets its calls end, up to a deadline; a second signal ends them at once."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import websockets

from calls.database.call_database import CallDatabase
from calls.store import CallStore
from conversation.lines.fixed import english
from desk.draining import STOP_SECS, Drain
from server import listen
from settings import ROOT, load_settings
from tests.web_service import write_agents

STORY = """
story: Somebody is on the line
caller: []
expect: []
"""
GREETING_SECS = 30
SILENCE = {"event": "media", "media": {"track": "inbound", "payload": "/" * 213 + "w=="}}
START = {
    "event": "start",
    "streamSid": "MZ" + "1" * 32,
    "start": {
        "streamSid": "MZ" + "1" * 32,
        "accountSid": "AC" + "1" * 32,
        "callSid": "CA" + "1" * 32,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
}


async def a_server(tmp_path: Path, **more: str) -> tuple[asyncio.subprocess.Process, int]:
    """The real server, with a bot whose voice is quick, once it is ready for calls."""
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    write_agents(tmp_path / "agents")
    (tmp_path / "agents" / "broken.toml").unlink()
    (tmp_path / "story.yaml").write_text(STORY)
    surroundings = {
        "STORY": str(tmp_path / "story.yaml"),
        "AGENTS_DIR": str(tmp_path / "agents"),
        "DATA_DIR": str(tmp_path / "data"),
        "PORT": str(port),
        "NGROK_API_URL": "http://127.0.0.1:9",
        **more,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.story_bot"),
        cwd=ROOT,
        env={**os.environ, **surroundings},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as http:
        while process.returncode is None:
            try:
                if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    assert process.returncode is None, "the server has not started"
    return process, port


@asynccontextmanager
async def a_call(port: int):
    """Somebody on the line, once the bot speaks."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as line:
        await line.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await line.send(json.dumps({**START, "sequenceNumber": "1"}))
        async with asyncio.timeout(GREETING_SECS):
            while json.loads(await line.recv())["event"] != "media":
                pass
        yield line


async def until_closed(line: websockets.ClientConnection) -> websockets.ConnectionClosed:
    """Listen as a carrier does, which returns each mark, until the server closes the socket."""
    async with asyncio.timeout(30):
        try:
            while True:
                message = json.loads(await line.recv())
                if message["event"] == "mark":
                    await line.send(json.dumps(message))
        except websockets.ConnectionClosed as closed:
            return closed


async def asked(port: int, path: str, **form: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as http:
        return await (http.post(path, data=form) if form else http.get(path))


@asynccontextmanager
async def stopped_at_the_end(process: asyncio.subprocess.Process):
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_call_goes_on_after_the_signal_and_the_process_ends_with_it(tmp_path):
    process, port = await a_server(tmp_path)
    async with stopped_at_the_end(process):
        async with a_call(port) as line:
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            ready = await asked(port, "/readyz")
            assert (ready.status_code, ready.json()["reason"]) == (503, "draining")
            assert (await asked(port, "/healthz")).status_code == 200
            new = {"CallSid": "CA" + "2" * 32, "From": "+14155550100", "To": "+14155550101"}
            assert "all our lines are busy" in (await asked(port, "/twilio/voice", **new)).text
            for _ in range(100):  # two more seconds of a call
                await line.send(json.dumps({**SILENCE, "streamSid": START["streamSid"]}))
                await asyncio.sleep(0.02)
            assert process.returncode is None
            await line.send(json.dumps({"event": "stop", "streamSid": START["streamSid"], "stop": {}}))
        ended = time.monotonic()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert time.monotonic() - ended < 6


async def test_calls_are_taken_until_balancers_have_noticed(tmp_path):
    process, port = await a_server(tmp_path, DRAIN_SECS="20", DRAIN_NOTICE_SECS="3")
    new = {"From": "+14155550100", "To": "+14155550101"}
    async with stopped_at_the_end(process):
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        ready = await asked(port, "/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "draining")
        assert "<Stream" in (await asked(port, "/twilio/voice", CallSid="CA" + "2" * 32, **new)).text
        await asyncio.sleep(3)
        assert (await asked(port, "/readyz")).json()["reason"] == "draining"
        refused = await asked(port, "/twilio/voice", CallSid="CA" + "3" * 32, **new)
        assert "all our lines are busy" in refused.text
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


def service_with(room) -> Any:
    return SimpleNamespace(room=room, store=SimpleNamespace(shared=None))


async def test_a_notice_is_waited_for_also_without_calls_and_can_be_taken_back():
    room = SimpleNamespace(draining=False, taken=0, awaited=0)
    drain = Drain(service_with(room), drain_secs=10, notice_secs=0.3)
    drain.begin()
    assert drain.announced and not room.draining
    drain.undo()
    await asyncio.sleep(0.4)
    assert not drain.announced and not room.draining
    began = time.monotonic()
    await drain.finish()
    assert time.monotonic() - began >= 0.3
    assert drain.announced and room.draining


async def test_a_notice_is_no_longer_than_calls_may_go_on():
    room = SimpleNamespace(draining=False, taken=0, awaited=0)
    drain = Drain(service_with(room), drain_secs=0, notice_secs=60)
    async with asyncio.timeout(2):
        await drain.finish()
    assert room.draining


class Neighbours:
    """What a process knows of the others on its database."""

    def __init__(self, room_elsewhere: int, *, on_this_machine: bool):
        self.alone, self.beats = False, {"other": 7}
        self.has_neighbour = on_this_machine
        self._room = room_elsewhere

    def room_elsewhere(self, since: object) -> int:
        return self._room


@pytest.mark.parametrize(
    ("room_elsewhere", "on_this_machine", "all_stop", "leaves"),
    [
        (3, True, False, True),
        (0, True, False, False),
        (3, False, False, False),
        (3, True, True, False),
    ],
    ids=["others stay", "no room there", "on other machines", "all stop"],
)
async def test_new_calls_come_to_those_who_stay_on_the_port(
    room_elsewhere, on_this_machine, all_stop, leaves
):
    room = SimpleNamespace(draining=False, taken=0, awaited=0)
    service = service_with(room)
    service.store.shared = Neighbours(room_elsewhere, on_this_machine=on_this_machine)
    service.settings, service.public_url, service.free = SimpleNamespace(shared_secret="s"), "http://x", 0
    drain = Drain(service, drain_secs=10)
    drain.give_up_port = drain.leave
    if all_stop:
        drain.note_all_stop()
    await drain.finish()
    assert (drain.leaving, room.draining) == (leaves, not leaves)


@pytest.mark.parametrize("drain_secs", ["0", "1"])
async def test_at_the_deadline_the_caller_hears_a_goodbye(tmp_path, drain_secs):
    database = f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"
    process, port = await a_server(tmp_path, DRAIN_SECS=drain_secs, DATABASE_URL=database)
    async with stopped_at_the_end(process):
        async with a_call(port) as line:
            process.send_signal(signal.SIGTERM)
            closed = await until_closed(line)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert closed.rcvd is not None and closed.rcvd.code != 1012  # not cut off
    store = CallStore(CallDatabase(database))
    call = await store.fetch("CA" + "1" * 32)
    await store.aclose()
    heard = [event.data["text"] for event in call.events if event.kind == "bot_heard"]
    assert heard[-1] == english("lines", "stopping")
    assert call.ending.by == "limit"


@asynccontextmanager
async def a_listener(port: int):
    """Somebody who follows the events of the only call, which is a request that goes on."""
    headers = {"Authorization": "Bearer secret"}
    async with httpx.AsyncClient(
        trust_env=False, base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30
    ) as http:
        [call] = (await http.get("/calls")).json()["calls"]
        async with http.stream("GET", f"/calls/{call['id']}/events") as answer:
            async for _ in answer.aiter_lines():
                break
            yield


async def test_a_second_signal_ends_calls_at_once(tmp_path):
    process, port = await a_server(tmp_path, API_KEY="secret")
    async with stopped_at_the_end(process):
        async with a_call(port) as line, a_listener(port):
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            stopped = time.monotonic()
            closed = await until_closed(line)
            after_secs = time.monotonic() - stopped
        await asyncio.wait_for(process.wait(), 20)
        gone_secs = time.monotonic() - stopped
    assert closed.rcvd is not None and closed.rcvd.code == 1012
    # 0.1 and 0.4 s, measured on a busy machine
    assert after_secs < 1
    assert gone_secs < 2


async def test_it_can_be_drained_without_stopping_and_taken_back(tmp_path):
    process, port = await a_server(tmp_path, API_KEY="secret")
    async with stopped_at_the_end(process):
        for number, status in ((signal.SIGUSR1, 503), (signal.SIGUSR2, 200)):
            process.send_signal(number)
            async with asyncio.timeout(10):
                while (await asked(port, "/readyz")).status_code != status:
                    await asyncio.sleep(0.05)
        for arguments, said in (
            ([], "no new calls are taken, 0 calls"),
            (["--undo"], "new calls are taken, 0 calls"),
        ):
            command = await asyncio.create_subprocess_exec(
                *(sys.executable, "phonebot.py", "drain", *arguments),
                cwd=ROOT,
                env={**os.environ, "PORT": str(port), "API_KEY": "secret"},
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await asyncio.wait_for(command.communicate(), 60)
            assert (command.returncode, out.decode().strip()) == (0, f"{said} running")
        process.send_signal(signal.SIGINT)
        stopped = time.monotonic()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert time.monotonic() - stopped < 4


def words_of(name: str) -> str:
    """A document as one line, without the marks of comments."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return " ".join(re.sub(r"^# ?", "", text, flags=re.MULTILINE).split())


def test_the_documents_say_how_long_a_stop_may_take():
    drain_secs = load_settings().drain_secs
    assert f"DRAIN_SECS={drain_secs:g}" in (ROOT / ".env.example").read_text(encoding="utf-8")
    reliability = words_of("docs/reliability.md")
    for how in (r"docker stop -t (\d+)", r"TimeoutStopSec=(\d+)", r"terminationGracePeriodSeconds: (\d+)"):
        wait = re.search(how, reliability)
        assert wait is not None and int(wait[1]) >= drain_secs + STOP_SECS
    assert "lets its calls end, for at most DRAIN_SECS" in words_of("deploy/Dockerfile.server")
    every = " ".join(words_of(str(path.relative_to(ROOT))) for path in (ROOT / "docs").glob("*.md"))
    assert "does not wait for its calls" not in every
