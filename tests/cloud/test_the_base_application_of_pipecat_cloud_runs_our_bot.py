"""On Pipecat Cloud's base application our bot says itself what went wrong, and nothing of a caller's words.

`PIPECAT_BASE` may name a folder with the application itself (pipecat-base of daily-co/pipecat-cloud-images): then the
same is asked of it. No package registry has it.
"""

import asyncio
import base64
import json
import os
import sys
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets

import bot as our_bot
from settings import ROOT
from tests.talks.test_keyless_calls import free_port

VARIABLE = "PIPECAT_BASE"

BOT = """
import sys
sys.path.insert(0, {root!r})
import importlib.util
spec = importlib.util.spec_from_file_location("our_bot", {root!r} + "/bot.py")
ours = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ours)

async def bot(arguments):
    body = arguments.body
    if body == {{"fail": "here"}}:
        raise ValueError("a caller's words")
    if hasattr(arguments, "websocket"):
        await arguments.websocket.send_json({{
            "kind": type(arguments).__name__, "session_id": arguments.session_id, "body": body
        }})
    else:
        await ours.bot(arguments)

def readyz():
    return True
"""


@pytest.fixture(params=["as we know it", "itself"])
def application(request, tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    if request.param == "itself":
        given = os.environ.get(VARIABLE)
        if not given:
            pytest.skip(f"{VARIABLE} names no folder with the base application itself")
        for name in ("app", "waiting_server", "pipecatcloud_system", "feature_manager", "pcc_observers"):
            (folder / f"{name}.py").write_bytes(open(f"{given}/{name}.py", "rb").read())
    else:
        (folder / "app.py").write_bytes((ROOT / "tests" / "base_application.py").read_bytes())
    (folder / "bot.py").write_text(BOT.format(root=str(ROOT)))
    return folder


@asynccontextmanager
async def running(folder):
    port, log = free_port(), folder.parent / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "app.py"),
            cwd=folder,
            env={**os.environ, "PORT": str(port), "PIPECAT_LOG_LEVEL": "DEBUG"},
            stdout=output,
            stderr=output,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            async with asyncio.timeout(60):
                while True:
                    assert process.returncode is None, log.read_text()
                    try:
                        ready = await http.get("/readyz")
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.1)
            assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
            yield http, f"ws://127.0.0.1:{port}/ws", log
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def encoded(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


async def told(address, query="", **headers):
    async with websockets.connect(address + query, additional_headers=headers) as socket:
        return json.loads(await asyncio.wait_for(socket.recv(), 10))


async def test_a_bot_is_given_what_was_sent(application):
    async with running(application) as (_, address, log):
        for body in ({"call_id": "x", "n": [1]}, [1, 2], "text", 7):
            assert (await told(address, f"?body={encoded(body)}"))["body"] == body
        for undecodable in ("", "?body=", "?body=abc", "?body=%7B%7D"):
            assert (await told(address, undecodable))["body"] is None
        given = await told(address, **{"x-daily-session-id": "session 1"})
        assert given == {"kind": "WebSocketSessionArguments", "session_id": "session 1", "body": None}
        assert (await told(address))["session_id"] is None
        # An exception is a line of the host's, and the next session is answered
        with pytest.raises((websockets.ConnectionClosed, TimeoutError)):
            await told(address, f"?body={encoded({'fail': 'here'})}")
        assert (await told(address))["body"] is None
        assert "Exception running bot(): a caller's words" in log.read_text()
        # What no decoder takes ends the connection before the bot is asked
        with pytest.raises((websockets.ConnectionClosed, TimeoutError)):
            await told(address, "?body=%C3%A4")


async def test_a_session_that_nobody_can_be_heard_in_is_explained(application):
    room = {"x-daily-room-url": "https://x.daily.co/secret-room", "x-daily-room-token": "secret-token"}
    async with running(application) as (http, _, log):
        for headers, kind in ((room, "DailySessionArguments"), ({}, "PipecatSessionArguments")):
            answer = await http.post("/bot", json={"some": "body"}, headers=headers)
            assert (answer.status_code, answer.json()) == (200, {})
            assert f"nobody can be heard in a session of {kind}" in log.read_text()
    assert "secret-" not in log.read_text()


class Failing:
    """Arguments of a session that breaks at the first touch, with a caller's words in the error."""

    body, session_id, handle_sigint = None, None, False

    @property
    def websocket(self):
        raise ValueError("a caller's words")


async def test_an_error_is_told_by_the_bot_with_its_place_and_without_words():
    from loguru import logger

    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}")
    try:
        await our_bot.bot(Failing())
    finally:
        logger.remove(sink)
    (line,) = [line for line in lines if "the session has failed" in line]
    assert line.startswith("ERROR")
    assert "ValueError in websocket (test_the_base_application" in line
    assert "words" not in line


async def test_a_configuration_that_cannot_be_is_told_with_its_fix(monkeypatch):
    from loguru import logger

    monkeypatch.setenv("PORT", "many")
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}")
    try:
        await our_bot.bot(Failing())
    finally:
        logger.remove(sink)
    assert any("the session cannot be" in line and "PORT" in line for line in lines)
