"""The phone's transport lets an ear hear each message at once; the pipeline gets the sound in pieces, and in order."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn
import websockets
from fastapi import FastAPI, WebSocket
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    SystemFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    VADParamsUpdateFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from serializers import read_stream_start, serializer_for
from serializers.codecs import codec_for
from serializers.transport import PhoneTransport
from tests.web_service import start_of

MESSAGE = 160
"""Samples of one message, at 8 kHz."""


@dataclass
class SaidFrame(SystemFrame):
    """What an ear says, after how many messages."""

    heard: int


class CountingEar:
    """Says something after each of these messages."""

    def __init__(self, after: tuple[int, ...] = ()):
        self.after = after
        self.heard = 0
        self.muted: list[bool] = []
        self.params: VADParams | None = None
        self.rate = 0
        self.closed = 0

    def begin(self, sample_rate: int, tell: Callable[[Frame], None]) -> None:
        self.rate, self._tell = sample_rate, tell

    def hear(self, audio: bytes) -> None:
        self.heard += len(audio) // 2 // (MESSAGE * self.rate // 8000)
        if self.heard in self.after:
            self._tell(SaidFrame(self.heard))

    def mute(self, muted: bool) -> None:
        self.muted.append(muted)

    def set_params(self, params: VADParams) -> None:
        self.params = params

    def close(self) -> None:
        self.closed += 1


class Collector(FrameProcessor):
    """What comes into the pipeline."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame | SaidFrame | InputDTMFFrame):
            self.frames.append(frame)
        await self.push_frame(frame, direction)

    @property
    def order(self) -> list[int | str]:
        """The pieces, in messages, and what came between them."""
        return [
            frame.num_frames * 8000 // frame.sample_rate / MESSAGE
            if isinstance(frame, InputAudioRawFrame)
            else type(frame).__name__
            for frame in self.frames
        ]


class Line:
    """A call to a bot with this ear."""

    def __init__(self, socket: websockets.ClientConnection, worker: PipelineWorker, collector: Collector):
        self.worker, self.collector = worker, collector
        self._socket = socket
        self._sent = 0

    async def says(self, messages: int) -> None:
        """Speak for so many messages, each of another sound."""
        for _ in range(messages):
            self._sent += 1
            payload = base64.b64encode(bytes([self._sent]) * MESSAGE).decode()
            media = {"track": "inbound", "chunk": str(self._sent), "payload": payload}
            await self._socket.send(json.dumps({"event": "media", "streamSid": "MZ1", "media": media}))
        await asyncio.sleep(0.1)

    async def presses(self, digit: str) -> None:
        await self._socket.send(
            json.dumps(
                {"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": digit, "track": "inbound_track"}}
            )
        )


@asynccontextmanager
async def call(
    ear: CountingEar | None, *, rate: int = 8000, at_once: Callable[[], bool] = lambda: False
) -> AsyncIterator[Line]:
    app, collector = FastAPI(), Collector()
    workers: asyncio.Queue[PipelineWorker] = asyncio.Queue()

    @app.websocket("/ws")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        transport = PhoneTransport(websocket, serializer_for(await read_stream_start(websocket)))
        assert transport.heard_hz == 8000
        if ear is not None:
            transport.listen(ear, at_once=at_once)
        worker = PipelineWorker(
            Pipeline([transport.input(), collector, transport.output()]),
            params=PipelineParams(audio_in_sample_rate=rate, audio_out_sample_rate=8000),
        )

        @transport.event_handler("on_client_connected")
        async def connected(*_: object) -> None:
            workers.put_nowait(worker)

        @transport.event_handler("on_client_disconnected")
        async def gone(*_: object) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws") as socket:
            await socket.send(start_of("twilio", "CA1"))
            yield Line(socket, await asyncio.wait_for(workers.get(), 5), collector)
    finally:
        server.should_exit = True
        await serving


async def test_sound_goes_on_in_pieces_of_a_tenth_of_a_second_and_nothing_of_it_is_lost():
    ear = CountingEar()
    async with call(ear) as line:
        await line.says(12)
        assert ear.heard == 12
        assert ear.rate == 8000
        assert line.collector.order == [5, 5]
        await line.says(3)
        assert line.collector.order == [5, 5, 5]
    spoken = b"".join(bytes([number]) * MESSAGE for number in range(1, 16))
    assert b"".join(frame.audio for frame in line.collector.frames) == codec_for("PCMU").decode(spoken)
    assert ear.closed


async def test_a_recogniser_that_wants_another_rate_gets_as_much_sound():
    ear = CountingEar()
    async with call(ear, rate=16000) as line:
        await line.says(20)
        assert ear.rate == 16000
        assert sum(line.collector.order) == pytest.approx(20, abs=5)
        assert {frame.sample_rate for frame in line.collector.frames} == {16000}
        assert min(line.collector.order) >= 5


async def test_what_the_ear_says_comes_behind_the_sound_that_it_has_heard():
    async with call(CountingEar(after=(2, 5, 8, 10))) as line:
        for _ in range(12):
            await line.says(1)
        assert line.collector.order == [2, "SaidFrame", 3, "SaidFrame", 3, "SaidFrame", 2, "SaidFrame"]
        await line.says(3)
        assert line.collector.order[8:] == [5]


async def test_sound_goes_on_at_once_where_somebody_times_it():
    hurry = [True]
    async with call(CountingEar(), at_once=lambda: hurry[0]) as line:
        await line.says(3)
        assert line.collector.order == [1, 1, 1]
        hurry[0] = False
        await line.says(5)
        assert line.collector.order == [1, 1, 1, 5]


async def test_without_an_ear_sound_goes_on_at_once():
    async with call(None) as line:
        await line.says(3)
        assert line.collector.order == [1, 1, 1]


async def test_a_key_does_not_wait_for_the_sound():
    async with call(CountingEar()) as line:
        await line.says(3)
        await line.presses("5")
        await line.says(2)
        assert line.collector.order == ["InputDTMFFrame", 5]


async def test_the_ear_follows_whether_the_caller_is_muted_and_what_counts_as_speech():
    ear = CountingEar()
    async with call(ear) as line:
        await line.collector.push_frame(UserMuteStartedFrame(), FrameDirection.UPSTREAM)
        await line.says(1)
        await line.collector.push_frame(UserMuteStoppedFrame(), FrameDirection.UPSTREAM)
        await line.worker.queue_frame(VADParamsUpdateFrame(VADParams(stop_secs=0.7)))
        await line.says(1)
        assert ear.muted == [True, False]
        assert ear.params is not None
        assert ear.params.stop_secs == 0.7
