"""Reading a socket up to its `start` message, and no further."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from loguru import logger
from pipecat.evals.serializer import EvalConnectionFlags, eval_connect_message, parse_eval_connect
from starlette.websockets import WebSocket, WebSocketState

from serializers import HandshakeError, NotACarrierStream, read_stream_start

CONNECTED = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
TWILIO_START = json.dumps(
    {
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
)
MEDIA = json.dumps({"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": "////"}})


class Peer:
    """The other end of an accepted Starlette socket: gives the messages, then `end`, and counts what was read."""

    def __init__(self, *messages, end=None):
        self.waiting = [
            {"type": "websocket.receive", "bytes" if isinstance(message, bytes) else "text": message}
            for message in messages
        ]
        self.end = end
        self.sent = []

    async def receive(self):
        if self.waiting:
            return self.waiting.pop(0)
        if self.end is None:
            await asyncio.Event().wait()
        return self.end

    async def send(self, message):
        self.sent.append(message)

    async def socket(self, query=b""):
        self.waiting.insert(0, {"type": "websocket.connect"})
        scope = {"type": "websocket", "headers": [], "path": "/ws", "query_string": query}
        websocket = WebSocket(scope, self.receive, self.send)
        await websocket.accept()
        self.sent.clear()
        return websocket


CLOSED = {"type": "websocket.disconnect", "code": 1006}


async def test_the_callers_first_audio_is_left_in_the_socket():
    peer = Peer(CONNECTED, TWILIO_START, MEDIA, MEDIA)
    start = await read_stream_start(await peer.socket())
    assert (start.carrier, start.stream_id, start.call_id) == ("twilio", "MZ1", "CA1")
    assert [event["text"] for event in peer.waiting] == [MEDIA, MEDIA]


async def test_start_without_connected_is_enough():
    assert (await read_stream_start(await Peer(TWILIO_START).socket())).call_id == "CA1"


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\xff",
        b"",
        "",
        "{",
        "[]",
        "null",
        "7",
        '"start"',
        "{}",
        '{"event":"media"}',
        "[" * 50_000,
        "9" * 5000,
    ],
)
async def test_junk_before_start_is_skipped(junk):
    start = await read_stream_start(await Peer(junk, CONNECTED, junk, TWILIO_START).socket())
    assert start.call_id == "CA1"


async def test_at_most_sixteen_messages_are_skipped():
    assert await read_stream_start(await Peer(*["junk"] * 16, TWILIO_START).socket())
    peer = Peer(*["junk"] * 17, TWILIO_START)
    with pytest.raises(
        HandshakeError, match=r"17 messages and no start: connect a Twilio or Telnyx media stream"
    ):
        await read_stream_start(await peer.socket())
    assert len(peer.waiting) == 1


@pytest.mark.parametrize("messages", [(), (CONNECTED,)], ids=["silent", "connected alone"])
async def test_a_carrier_that_never_sends_start_is_given_up(messages):
    began = time.monotonic()
    with pytest.raises(HandshakeError, match=r"sent no start message within 0\.1 s: check"):
        await read_stream_start(await Peer(*messages).socket(), timeout_secs=0.1)
    assert time.monotonic() - began < 5


async def test_the_limit_holds_for_all_messages_together():
    class Slow(Peer):
        async def receive(self):
            await asyncio.sleep(0.03)
            return await super().receive()

    with pytest.raises(HandshakeError, match="no start message within"):
        await read_stream_start(await Slow(*[CONNECTED] * 15).socket(), timeout_secs=0.2)


@pytest.mark.parametrize("messages", [(), (CONNECTED,)], ids=["at once", "after connected"])
async def test_a_socket_that_closes_early(messages):
    websocket = await Peer(*messages, end=CLOSED).socket()
    with pytest.raises(
        HandshakeError, match=r"closed before its start message \(code 1006\): the caller has hung up"
    ):
        await read_stream_start(websocket)
    # and again, now that Starlette knows that it is closed
    with pytest.raises(HandshakeError, match="closed before its start message"):
        await read_stream_start(websocket)


async def test_nothing_is_sent_or_closed_by_the_handshake():
    peers = [
        Peer(CONNECTED, TWILIO_START),
        Peer(CONNECTED),
        Peer('{"event":"start"}'),
        Peer('{"label":"rtvi-ai"}'),
    ]
    for peer in peers:
        websocket = await peer.socket()
        try:
            await read_stream_start(websocket, timeout_secs=0.05)
        except HandshakeError:
            pass
        assert peer.sent == []
        assert websocket.application_state is WebSocketState.CONNECTED


async def test_cancelling_the_handshake_is_not_mistaken_for_a_time_out():
    task = asyncio.create_task(read_stream_start(await Peer().socket()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_eval_harness_is_recognised_by_its_first_message_alone():
    first = eval_connect_message(EvalConnectionFlags())
    peer = Peer(first, '{"label":"rtvi-ai","type":"client-ready","id":"1"}')
    with pytest.raises(NotACarrierStream) as caught:
        await read_stream_start(await peer.socket())
    assert caught.value.first_message == json.loads(first)
    assert parse_eval_connect(caught.value.first_message) is not None
    assert len(peer.waiting) == 1
    assert "RTVI" in str(caught.value)


async def test_rtvi_after_connected_is_only_junk():
    rtvi = '{"label":"rtvi-ai","type":"client-ready"}'
    assert await read_stream_start(await Peer(CONNECTED, rtvi, TWILIO_START).socket())


@pytest.mark.parametrize(
    "message",
    [
        {"event": "start"},
        {"event": "start", "start": None},
        {"event": "start", "start": "x"},
        {"event": "start", "start": {"streamId": "1", "callId": "2"}},
        {"event": "start", "start": {"stream_sid": "1", "call_sid": "2", "account_sid": "3"}},
    ],
)
async def test_the_start_of_another_carrier_is_refused_at_once(message):
    with pytest.raises(HandshakeError, match="neither Twilio's nor Telnyx's"):
        await read_stream_start(await Peer(json.dumps(message)).socket())


async def test_the_query_is_taken_from_the_socket_unless_given():
    peer = Peer(TWILIO_START)
    assert (
        await read_stream_start(await peer.socket(b"serviceHost=receptionist.acme"))
    ).agent == "receptionist"
    peer = Peer(TWILIO_START)
    websocket = await peer.socket(b"serviceHost=receptionist.acme")
    assert (await read_stream_start(websocket, query={})).agent is None


async def test_nothing_that_was_passed_is_logged():
    lines = []
    sink = logger.add(lambda line: lines.append(str(line)), level="TRACE")
    message = json.loads(TWILIO_START)
    message["start"]["customParameters"] = {"from_number": "+15550100", "secret": "s3cret", "n": 15550100}
    try:
        await read_stream_start(await Peer(CONNECTED, "15550100", json.dumps(message)).socket(b"body=s3cret"))
    finally:
        logger.remove(sink)
    assert "5550100" not in "".join(lines)
    assert "s3cret" not in "".join(lines)
