"""The handshake and the serializer behind a real server, with a real WebSocket client as the carrier."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket

import uvicorn
from pipecat.frames.frames import InputAudioRawFrame, InputDTMFFrame
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect

from serializers import HandshakeError, read_stream_start, serializer_for
from serializers.frames import MarkFrame, MarkReturnedFrame, StreamStoppedFrame


@contextlib.asynccontextmanager
async def serving(endpoint):
    """Serve `endpoint` on a free port; yields the base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=[WebSocketRoute("/ws/{carrier}", endpoint)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        # The socket listens already: a client that comes before the server runs waits in its queue.
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, 10)
        listener.close()


class Bot:
    """Reads the handshake, speaks 20 ms and a mark, then keeps all frames until the stream stops."""

    def __init__(self):
        self.start = self.error = None
        self.frames = []
        self.done = asyncio.Event()

    async def serve(self, websocket):
        await websocket.accept()
        try:
            self.start = await read_stream_start(websocket, timeout_secs=0.5)
            serializer = serializer_for(self.start)
            await websocket.send_text(await serializer.serialize(MarkFrame(mark="m1")))
            while not any(isinstance(frame, StreamStoppedFrame) for frame in self.frames):
                event = await websocket.receive()
                frame = await serializer.deserialize(event.get("text") or event.get("bytes") or b"")
                if frame:
                    self.frames.append(frame)
        except HandshakeError as error:
            self.error = error
        finally:
            self.done.set()
            await websocket.close()


AUDIO = base64.b64encode(b"\xff" * 160).decode()


async def test_a_twilio_call_over_a_real_socket():
    bot = Bot()
    async with serving(bot.serve) as url, asyncio.timeout(20), connect(url + "/ws/twilio") as carrier:
        start = {
            "streamSid": "MZ1",
            "callSid": "CA1",
            "customParameters": {"_pipecatCloudServiceHost": "a.org"},
        }
        for message in (
            {"event": "connected", "protocol": "Call", "version": "1.0.0"},
            {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start},
            # Sent in one go: the first audio must wait in the socket for the serializer.
            {"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": AUDIO}},
        ):
            await carrier.send(json.dumps(message))
        mark = json.loads(await carrier.recv())
        assert mark == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "m1"}}
        await carrier.send(json.dumps(mark))
        await carrier.send(b"\xff\xfe")
        await carrier.send(json.dumps({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "5"}}))
        await carrier.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {}}))
        await bot.done.wait()
    assert bot.error is None
    assert (bot.start.carrier, bot.start.agent) == ("twilio", "a")
    assert [type(frame) for frame in bot.frames] == [
        InputAudioRawFrame,
        MarkReturnedFrame,
        InputDTMFFrame,
        StreamStoppedFrame,
    ]


async def test_a_telnyx_call_over_a_real_socket_out_of_order_and_with_a_query():
    bot = Bot()
    body = base64.b64encode(json.dumps({"topic": "???>>>"}).encode()).decode()
    url_query = f"?serviceHost=desk.org&body={body}"  # unescaped, as a careless caller writes it
    async with (
        serving(bot.serve) as url,
        asyncio.timeout(20),
        connect(url + "/ws/telnyx" + url_query) as carrier,
    ):
        start = {
            "call_control_id": "v3:abc",
            "from": "+15550100",
            "to": "+15550199",
            "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1},
        }
        await carrier.send(json.dumps({"event": "connected", "version": "1.0.0"}))
        await carrier.send(json.dumps({"event": "start", "stream_id": "6b4f", "start": start}))
        for chunk in ("2", "1", "3"):
            media = {"track": "inbound", "chunk": chunk, "payload": AUDIO}
            await carrier.send(json.dumps({"event": "media", "stream_id": "6b4f", "media": media}))
        assert json.loads(await carrier.recv()) == {"event": "mark", "mark": {"name": "m1"}}
        await carrier.send(json.dumps({"event": "stop", "stream_id": "6b4f", "stop": {}}))
        await bot.done.wait()
    assert bot.error is None
    assert (bot.start.agent, bot.start.parameters, bot.start.from_number) == (
        "desk",
        {"topic": "???>>>"},
        "+15550100",
    )
    assert [frame.num_frames for frame in bot.frames[:-1]] == [320, 160]


async def test_a_real_socket_that_says_nothing_is_given_up():
    bot = Bot()
    async with serving(bot.serve) as url, asyncio.timeout(20), connect(url + "/ws/twilio"):
        await bot.done.wait()
    assert "sent no start message within 0.5 s" in str(bot.error)


async def test_a_real_socket_that_closes_at_once():
    bot = Bot()
    async with serving(bot.serve) as url, asyncio.timeout(20):
        async with connect(url + "/ws/twilio"):
            pass
        await bot.done.wait()
    assert "closed before its start message" in str(bot.error)
