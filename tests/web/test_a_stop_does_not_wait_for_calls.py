"""Who stops the server ends its calls' media streams, at once; and that is what the documents say."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest
import websockets

from server import listen
from settings import ROOT
from tests.web_service import write_agents

STORY = """
story: Somebody is on the line
caller: []
expect: []
"""
GREETING_SECS = 30
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


async def a_server(tmp_path: Path) -> tuple[asyncio.subprocess.Process, int]:
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


async def test_a_stopped_server_is_gone_within_a_second_and_its_media_streams_with_it(tmp_path):
    process, port = await a_server(tmp_path)
    try:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as line:
            await line.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            await line.send(json.dumps({**START, "sequenceNumber": "1"}))
            async with asyncio.timeout(GREETING_SECS):
                while json.loads(await line.recv())["event"] != "media":
                    pass
            stopped = time.monotonic()
            process.send_signal(signal.SIGTERM)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                async with asyncio.timeout(20):
                    while True:
                        await line.recv()
            after_secs = time.monotonic() - stopped
        await asyncio.wait_for(process.wait(), 20)
        gone_secs = time.monotonic() - stopped
    finally:
        if process.returncode is None:
            process.kill()
    assert closed.value.rcvd.code == 1012
    # 0.1 and 0.2 s, measured; a busy machine may take its time.
    assert after_secs < 2
    assert gone_secs < 3


def words_of(name: str) -> str:
    """A document as one line, without the marks of comments."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return " ".join(re.sub(r"^# ?", "", text, flags=re.MULTILINE).split())


def test_the_documents_promise_nothing_else():
    deploy = words_of("docs/deploy.md")
    assert (
        "(SIGTERM, `docker stop`, `systemctl stop`) does not wait for its calls: it is gone within a second, and "
        "their media streams with it." in deploy
    )
    image = words_of("deploy/Dockerfile.server")
    assert "SIGTERM. It ends at once, and so do the media streams of its calls" in image
    every = " ".join(words_of(str(path.relative_to(ROOT))) for path in (ROOT / "docs").glob("*.md"))
    assert not re.search(r"(lets?|until) (its |the |live )?calls end", f"{every} {image}")
