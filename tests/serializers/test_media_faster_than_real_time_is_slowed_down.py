"""A stream that sends faster than real time makes no other caller wait; one that was late catches up."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time

import pytest
import websockets
from pipecat.frames.frames import Frame, InputAudioRawFrame, MetricsFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.runner.types import WebSocketRunnerArguments
from pipecat.workers.runner import WorkerRunner

from serializers import serializer_for
from serializers.handshake import read_stream_start
from serializers.pace import AHEAD_SECS, BURST_SECS, LATE_SECS, Pace
from serializers.transport import PhoneTransport
from tests.web_service import running

START = json.dumps(
    {
        "event": "start",
        "streamSid": "MZ1",
        "start": {"callSid": "CA1", "streamSid": "MZ1", "accountSid": "AC1"},
    }
)


def media(count: int = 1) -> str:
    payload = base64.b64encode(b"\xff" * 160 * count).decode()
    return json.dumps(
        {"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": payload}}
    )


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def take(pace: Pace, clock: Clock, frames: int, every_secs: float) -> float:
    """Take in frames of 20 ms as they come and as the pace allows; returns when the last one was taken in."""
    due = clock.now
    for _ in range(frames):
        clock.now = max(clock.now, due)
        clock.now += pace.delay()
        pace.message()
        pace.audio(0.02)
        due += every_secs
    return clock.now


def test_a_caller_is_never_held_back():
    clock = Clock()
    pace = Pace(clock)
    for _ in range(50 * 3600):  # an hour, by a carrier's clock that is a little fast
        pace.message()
        pace.audio(0.02)
        assert pace.delay() == 0
        clock.now += 0.02 * (1 - 100e-6)
    assert pace.held_back == 0


@pytest.mark.parametrize("stall_secs", [0.5, 2, 10, 30])
def test_what_a_stall_held_up_comes_through_at_several_times_the_pace(stall_secs):
    clock = Clock()
    pace = Pace(clock)
    take(pace, clock, 500, 0.02)
    clock.now += stall_secs
    resumed = clock.now
    caught_up = take(pace, clock, int(stall_secs * 50), 0.0) - resumed
    assert caught_up <= stall_secs / 4
    if stall_secs <= 2:
        assert caught_up == 0
    # And the caller's words after it are as fresh as ever.
    take(pace, clock, 50, 0.02)
    assert pace.delay() == 0


def test_a_flood_is_ahead_by_two_seconds_at_most():
    clock = Clock()
    pace = Pace(clock)
    began = clock.now
    for _ in range(6000):
        clock.now += pace.delay()
        pace.message()
        pace.audio(0.02)
    assert 6000 * 0.02 - (clock.now - began) <= AHEAD_SECS + 0.03
    assert pace.held_back > 5000


def test_silence_earns_no_more_than_a_stall_does():
    clock = Clock()
    pace = Pace(clock)
    clock.now += 3600
    began = clock.now
    for _ in range(50 * 100):
        clock.now += pace.delay()
        pace.message()
        pace.audio(0.02)
    assert 100 - (clock.now - began) <= LATE_SECS + AHEAD_SECS + 0.03


def test_messages_without_audio_have_a_pace_of_their_own():
    clock = Clock()
    pace = Pace(clock)
    began = clock.now
    for _ in range(4000):
        clock.now += pace.delay()
        pace.message()
    assert clock.now - began == pytest.approx(10 - BURST_SECS, abs=0.1)


class Listener(FrameProcessor):
    """Where a pipeline's frames end."""

    def __init__(self) -> None:
        super().__init__()
        self.secs = 0.0
        self.frames = 0

    async def process_frame(self, frame: Frame, direction) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.secs += frame.num_frames / frame.sample_rate
        if not isinstance(frame, MetricsFrame):
            self.frames += 1
        await self.push_frame(frame, direction)


async def listen(arguments: WebSocketRunnerArguments, listener: Listener) -> None:
    start = await read_stream_start(arguments.websocket)
    transport = PhoneTransport(arguments.websocket, serializer_for(start), on_mark_sent=lambda _: None)
    worker = PipelineWorker(
        Pipeline([transport.input(), listener, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=8000),
    )

    @transport.event_handler("on_client_disconnected")
    async def gone(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


class Beat:
    """The longest time in which the event loop worked and did nothing else; what other programs take is not counted."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            self.longest = max(self.longest, time.thread_time() - before)


FLOODS = {
    "media": media(),
    "keys": json.dumps({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "1"}}),
    "marks": json.dumps({"event": "mark", "streamSid": "MZ1", "mark": {"name": "x"}}),
    "garbage": "{}",
    "much garbage": "[" + "[]," * 21_000 + "[]]",
    "too much garbage": "x" * 500_000,
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_holds_nobody_up(tmp_path, flood):
    """The flood comes from a process of its own, as from a network: its sending costs this one nothing."""
    listener = Listener()

    async def run_bot(arguments: WebSocketRunnerArguments) -> None:
        await listen(arguments, listener)

    async with running(tmp_path, run_bot=run_bot) as service:
        flooding = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FLOODER, service.ws_url + "/ws", START),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert flooding.stdin is not None
        flooding.stdin.write(FLOODS[flood].encode())
        flooding.stdin.write_eof()
        beat = Beat()
        try:
            await asyncio.sleep(1.0)
            watching = asyncio.create_task(beat.watch())
            began = time.monotonic()
            for _ in range(10):
                assert (await service.http.get("/healthz")).status_code == 200
                await asyncio.sleep(0.2)
            assert time.monotonic() - began < 4
            watching.cancel()
        finally:
            flooding.kill()
            await flooding.wait()
        assert beat.longest < 0.06
        assert listener.secs <= 3.5 + AHEAD_SECS + 1
        assert listener.frames <= 5 * 450 + 400


FLOODER = """
import asyncio, sys, websockets
async def main(url, start, message):
    async with websockets.connect(url, max_size=None) as socket:
        await socket.send(start)
        for _ in range(60000):
            await socket.send(message)
asyncio.run(main(*sys.argv[1:], sys.stdin.read()))
"""


async def test_a_burst_of_two_seconds_passes_at_once(tmp_path):
    listener = Listener()

    async def run_bot(arguments: WebSocketRunnerArguments) -> None:
        await listen(arguments, listener)

    async with running(tmp_path, run_bot=run_bot) as service:
        async with websockets.connect(service.ws_url + "/ws") as socket:
            await socket.send(START)
            for _ in range(90):
                await socket.send(media())
            for _ in range(100):
                await asyncio.sleep(0.01)
                if listener.secs >= 1.7:
                    break
        assert listener.secs >= 1.7


async def test_forty_thousand_pings_in_a_row_hold_nobody_up(tmp_path):
    async with running(tmp_path) as service, websockets.connect(service.ws_url + "/ws") as socket:
        beat = Beat()
        watching = asyncio.create_task(beat.watch())
        socket.transport.write(b"\x89\x80\x00\x00\x00\x00" * 40_000)
        await asyncio.sleep(1.5)
        watching.cancel()
        assert beat.longest < 0.06
        await socket.close()


def test_keys_come_no_faster_than_a_keypad_has_them():
    clock = Clock()
    pace = Pace(clock)
    began = clock.now
    for _ in range(300):
        clock.now += pace.delay()
        pace.message()
        pace.key()
    assert clock.now - began > 9
    clock.now += 60
    for _ in range(12):  # a number that a machine dials at once
        assert pace.delay() == 0
        pace.message()
        pace.key()


async def test_a_socket_takes_in_no_more_than_its_session_reads(tmp_path):
    async def reads(arguments: WebSocketRunnerArguments) -> None:
        async for _ in arguments.websocket.iter_text():
            pass

    message = b'{"event":"media","a":"' + b"9" * 4000 + b'"}'
    frame = b"\x81\xfe" + len(message).to_bytes(2, "big") + bytes(4) + message
    async with running(tmp_path, run_bot=reads) as service:
        socket = await websockets.connect(service.ws_url + "/ws/twilio", ping_interval=None)
        await socket.send(START)
        await asyncio.sleep(0.3)
        sent = 0
        try:
            async with asyncio.timeout(4):
                while True:
                    socket.transport.write(frame * 16)
                    while socket.transport.get_write_buffer_size():
                        await asyncio.sleep(0.001)
                    sent += len(frame) * 16
        except TimeoutError:
            pass
        socket.transport.abort()
        # 2 MB by the pace, and what the two ends of a connection within one machine buffer.
        assert sent < 16 << 20
