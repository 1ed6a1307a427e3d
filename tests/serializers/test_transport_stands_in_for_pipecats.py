"""Our transport in the place of Pipecat's: it sends whole utterances and marks behind them, and does not hang up."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import uvicorn
import websockets
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams
from pipecat.workers.runner import WorkerRunner

from serializers import read_stream_start, serializer_for
from serializers.codecs import codec_for
from serializers.frames import MarkFrame, MarkReturnedFrame
from serializers.transport import PhoneTransport
from tests.web_service import start_of

TONE_MS = 510  # not a whole number of the 40 ms that Pipecat sends at a time


def utterance(rate: int) -> list[Frame]:
    """A tone, as a voice gives it, with a mark behind it."""
    moments = np.arange(rate * TONE_MS // 1000) / rate
    samples = (8000 * np.sin(2 * np.pi * 500 * moments)).astype("<i2").tobytes()
    step = rate // 50 * 2
    pieces = [
        TTSAudioRawFrame(samples[at : at + step], rate, 1, context_id="u")
        for at in range(0, len(samples), step)
    ]
    return [TTSStartedFrame(context_id="u"), *pieces, TTSStoppedFrame(context_id="u"), MarkFrame("heard")]


class Returned(FrameProcessor):
    """The marks that came back."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, MarkReturnedFrame):
            self.marks.append(frame.mark)
        await self.push_frame(frame, direction)


@asynccontextmanager
async def bot(
    frames: Sequence[Frame],
    rate: int,
    params: FastAPIWebsocketParams | None = None,
    transports: list[PhoneTransport] | None = None,
) -> AsyncIterator[tuple[str, Returned]]:
    """A stock bot that says this as soon as somebody calls, at its own rate; the address of its media socket."""
    app, returned = FastAPI(), Returned()

    @app.websocket("/ws")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        transport = PhoneTransport(websocket, serializer_for(await read_stream_start(websocket)), params)
        if transports is not None:
            transports.append(transport)
        worker = PipelineWorker(
            Pipeline([transport.input(), returned, transport.output()]),
            params=PipelineParams(audio_out_sample_rate=rate),
        )

        @transport.event_handler("on_client_connected")
        async def connected(*_: object) -> None:
            await worker.queue_frames(frames)

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
        yield f"ws://127.0.0.1:{port}/ws", returned
    finally:
        server.should_exit = True
        await serving


def heard(messages: Sequence[dict[str, Any]]) -> np.ndarray:
    """The samples of media messages, one after the other."""
    wire = b"".join(base64.b64decode(message["media"]["payload"]) for message in messages)
    return np.frombuffer(codec_for("PCMU").decode(wire), dtype="<i2")


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_all_of_an_utterance_is_sent_before_its_mark(carrier, rate):
    async with bot(utterance(rate), rate) as (url, returned), websockets.connect(url) as socket:
        await socket.send(start_of(carrier, "CA1"))
        sent = []
        async for message in socket:
            sent.append(json.loads(message))
            if sent[-1]["event"] == "mark":
                break
        mark = sent.pop()
        assert mark["mark"] == {"name": "heard"}
        assert {message["event"] for message in sent} == {"media"}
        loud = np.flatnonzero(np.abs(heard(sent)) > 400)
        assert (loud[-1] - loud[0]) / 8 == pytest.approx(TONE_MS, abs=4)

        assert returned.marks == []
        await socket.send(json.dumps(mark))
        async with asyncio.timeout(5):
            while returned.marks != ["heard"]:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("params", "silence_ms"), [(None, 2000), (FastAPIWebsocketParams(audio_out_end_silence_secs=0), 0)]
)
async def test_at_the_end_the_socket_is_closed_and_nothing_else_is_done(params, silence_ms):
    async with (
        bot([*utterance(8000), EndFrame()], 8000, params) as (url, _),
        websockets.connect(url) as socket,
    ):
        await socket.send(start_of("twilio", "CA1"))
        sent = [json.loads(message) async for message in socket]  # until it is closed
    events = [message["event"] for message in sent]
    assert set(events) == {"media", "mark"}
    after = [message for message in sent[events.index("mark") :] if message["event"] == "media"]
    assert len(heard(after)) / 8 == silence_ms


def tone(ms: int) -> TTSAudioRawFrame:
    samples = (8000 * np.sin(np.arange(ms * 8) / 8000 * 2 * np.pi * 500)).astype("<i2")
    return TTSAudioRawFrame(samples.tobytes(), 8000, 1, context_id="u")


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_speech_goes_out_in_tenths_of_a_second_and_a_mark_waits_for_none_of_it(carrier):
    frames = [
        TTSStartedFrame(context_id="u"),
        tone(430),
        MarkFrame("a sentence"),
        tone(210),  # 10 ms are too short for a message of their own
        MarkFrame("almost"),
        tone(60),
        TTSStoppedFrame(context_id="u"),
        MarkFrame("the end"),
    ]
    async with bot(frames, 8000) as (url, _), websockets.connect(url) as socket:
        await socket.send(start_of(carrier, "CA1"))
        secs, before, lengths = 0.0, {}, []
        while len(before) < 3:
            message = json.loads(await asyncio.wait_for(socket.recv(), 5))
            if message["event"] == "mark":
                before[message["mark"]["name"]] = round(secs, 3)
            else:
                samples = heard([message])
                if lengths or np.abs(samples).max() > 400:  # not the silence before
                    lengths.append(len(samples) * 1000 // 8000)
                    secs += len(samples) / 8000
    assert before == {"a sentence": 0.43, "almost": 0.63, "the end": 0.7}
    assert lengths == [100, 100, 100, 100, 30, 100, 100, 70]


async def test_what_is_on_its_way_when_an_interruption_comes_is_not_heard_behind_the_clear():
    """Pipecat has taken it from the queue by then, or still has it; what no interruption may drop is said whole."""
    transports: list[PhoneTransport] = []
    old, promised = (TTSAudioRawFrame(bytes(1600), 8000, 1) for _ in range(2))
    promised.interruptible = False
    marks = [MarkFrame("old"), MarkFrame("promised")]
    marks[1].interruptible = False
    async with (
        bot(utterance(8000), 8000, transports=transports) as (url, _),
        websockets.connect(url) as socket,
    ):
        await socket.send(start_of("twilio", "CA1"))
        while json.loads(await socket.recv())["event"] != "mark":
            pass  # before it speaks it sends silence, which no interruption stops
        output = transports[0].output()
        overtaken = utterance(8000)
        await output.queue_frame(InterruptionFrame())
        for frame in overtaken:
            await output.queue_frame(frame)
        while json.loads(await socket.recv())["event"] != "clear":
            pass
        await asyncio.sleep(0.1)
        new = TTSAudioRawFrame(bytes(1600), 8000, 1)
        written = [await output.write_audio_frame(frame) for frame in (old, promised, new)]
        for mark in [*marks, MarkFrame("new")]:
            await output.write_transport_frame(mark)
        sent: list[dict[str, Any]] = []
        while len(sent) < 4:
            sent.append(json.loads(await socket.recv()))
    assert written == [False, True, True]
    assert [message["event"] for message in sent] == ["media", "media", "mark", "mark"]
    assert [message["mark"]["name"] for message in sent[2:]] == ["promised", "new"]
