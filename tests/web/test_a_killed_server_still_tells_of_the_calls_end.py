"""The owner hears of a call's end though the server was killed before it could tell."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

import httpx
import pytest

from settings import ROOT
from tests.receiver import SECRET, free_port, receiving
from tests.web_service import AGENTS

CALL = {"CallSid": "CA1", "From": "+14155550100", "To": "+14155550101"}


@asynccontextmanager
async def a_server(tmp_path, port, webhook_url):
    """A real server, in a process of its own, on the same database each time. It is killed at the end."""
    (tmp_path / "agents").mkdir(exist_ok=True)
    (tmp_path / "agents" / "receptionist.toml").write_text(AGENTS["receptionist"])
    settings = {
        "AGENTS_DIR": str(tmp_path / "agents"),
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}",
        "PORT": str(port),
        "NGROK_API_URL": "http://127.0.0.1:9",
        "WEBHOOK_URL": webhook_url,
        "WEBHOOK_SECRET": SECRET,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "server.py"),
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            async with asyncio.timeout(60):
                while process.returncode is None:
                    try:
                        await http.get("/healthz")
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.1)
            assert process.returncode is None, "the server has not started"
            yield http
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def a_call(http):
    assert (await http.post("/twilio/voice", data={**CALL, "CallStatus": "ringing"})).status_code == 200
    for status in ("in-progress", "completed"):
        answer = await http.post("/twilio/status", data={**CALL, "CallStatus": status})
        assert answer.status_code < 300


@pytest.mark.timeout(240)  # a lease of 30 s, and two servers that begin
@pytest.mark.parametrize("trouble", ["away", "hangs"])
async def test_a_signed_call_ended_comes_from_the_next_server(tmp_path, trouble):
    port = free_port()
    if trouble == "away":
        receiver_port = free_port()
        async with a_server(tmp_path, port, f"http://127.0.0.1:{receiver_port}/") as http:
            await a_call(http)
            await asyncio.sleep(0.2)
        begun = 0
    else:
        async with receiving(60.0) as hanging:
            receiver_port = int(hanging.url.rstrip("/").rpartition(":")[2])
            async with a_server(tmp_path, port, hanging.url) as http:
                await a_call(http)
                async with asyncio.timeout(10):
                    while not hanging.got:
                        await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)
            begun = len(hanging.got)
            assert hanging.taken == []
    async with receiving(port=receiver_port) as receiver, a_server(tmp_path, port, receiver.url):
        # What the dead process had in hand is free again once its lease is over
        await receiver.has("call.started", "call.ended", secs=80)
    assert begun == (trouble == "hangs")
    assert receiver.kinds() == ["call.started", "call.ended"]
    ended = receiver.taken[-1]["data"]
    assert (ended["call"]["carrier_call_id"], ended["state"]) == ("CA1", "completed")
