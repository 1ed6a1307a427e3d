"""Without credentials nobody can be asked what became of a call whose socket was dropped; it ends all the same."""

import asyncio
import json
from datetime import timedelta

import pytest
import websockets

from calls import reconcile
from tests.talking_bot import talking

NONE = dict.fromkeys(
    (
        *("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY", "TWILIO_API_SECRET"),
        *("TELNYX_API_KEY", "TELNYX_PUBLIC_KEY", "TELNYX_ACCOUNT_SID", "TELNYX_CONNECTION_ID"),
    ),
    "",
)
START = {
    "event": "start",
    "sequenceNumber": "1",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "accountSid": "AC1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "customParameters": {},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}


def test_the_patience_is_less_than_a_minute():
    assert (
        timedelta() < reconcile.UNASKABLE + 2 * timedelta(seconds=reconcile.EVERY_SECS) < timedelta(minutes=1)
    )


@pytest.mark.parametrize("way", ["dropped", "closed"])
async def test_a_dropped_socket_ends_the_call(monkeypatch, tmp_path, way):
    monkeypatch.setattr(reconcile, "UNASKABLE", timedelta(seconds=1))
    monkeypatch.setattr(reconcile, "UNATTACHED", timedelta(seconds=0.5))
    async with talking(monkeypatch, tmp_path, "twilio", lambda _: ["Yes."], **NONE) as bot:
        socket = await websockets.connect(f"ws{bot.url.removeprefix('http')}/ws/twilio", proxy=None)
        await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await socket.send(json.dumps(START))
        assert json.loads(await socket.recv())["event"] == "media"
        if way == "dropped":
            socket.transport.abort()
        else:
            await socket.close()
        (call,) = bot.store.list()
        await asyncio.sleep(0.3)
        assert not call.is_over  # the carrier may ask what comes next for the caller
        assert await call.over_within(15)
    assert (call.state, call.ended_by, call.end_cause) == ("completed", "error", reconcile.NOBODY_TELLS)
