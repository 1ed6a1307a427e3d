"""`examples/stock_pipecat.py` takes calls of both carriers; only OpenAI is not the real one."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from conversation.local.models import local_models
from conversation.local.recognisers import STT_RATE
from emulator import Audio, PhoneNetwork
from emulator.line.codecs import Pcm
from settings import ROOT
from tests.fake_services import tone

pytest.importorskip("piper", reason="the caller needs a voice: piper-tts is not installed")
pytest.importorskip("moonshine_voice", reason="the service needs ears: moonshine-voice is not installed")

SECS = {"Hello": 1.2, "We": 0.9, "Thank": 1.5}
"""How long the voice beeps for a text that begins like this."""


class FakeOpenAI(ThreadingHTTPServer):
    """Speech to text, chat and text to speech; what it was asked is kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.said: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers by the path."""

    server: FakeOpenAI

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/audio/transcriptions"):
            with wave.open(io.BytesIO(body[body.index(b"RIFF") :])) as file:
                assert file.getframerate() == STT_RATE
                said = local_models().transcribe(file.readframes(file.getnframes()))
            self._send("application/json", json.dumps({"text": said}).encode())
        elif self.path.endswith("/audio/speech"):
            self.server.said.append(json.loads(body)["input"])
            self._send("audio/pcm", tone(SECS[self.server.said[-1].split()[0].rstrip(",")], 24000))
        else:
            self.server.asked.append(json.loads(body)["messages"][-1]["content"])
            function = {
                "index": 0,
                "id": "c",
                "type": "function",
                "function": {"name": "end_call", "arguments": "{}"},
            }
            done = "thank you" in self.server.asked[-1].lower()
            delta = {"tool_calls": [function]} if done else {"content": "We are open all day."}
            self._send("text/event-stream", b"".join(map(event, [delta, {}])) + b"data: [DONE]\n\n")

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def event(delta: dict[str, Any]) -> bytes:
    finish = None if delta else "stop"
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


@contextmanager
def openai() -> Iterator[FakeOpenAI]:
    server = FakeOpenAI()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def start_example(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """As docs/serializers.md has it: `python -m examples.stock_pipecat`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.Popen(
        [sys.executable, "-m", "examples.stock_pipecat", *arguments],
        cwd=ROOT,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def loud_secs(samples: Pcm) -> list[float]:
    """The lengths of what was loud, apart where it was quiet for 0.2 s."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 1000)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > 1600) + 1)
    return [round((part[-1] - part[0]) / 8000, 2) for part in parts if len(part)]


async def spoken(sentence: str) -> Audio:
    audio = await local_models().say(sentence, 8000)
    return Audio(np.frombuffer(audio, dtype=np.int16), sentence)


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_caller_asks_is_answered_and_hears_the_goodbye_to_its_end(carrier, unused_tcp_port):
    script = [await spoken("When are you open on Sunday?"), await spoken("That was everything thank you.")]
    with openai() as service:
        example = start_example(
            *("--port", str(unused_tcp_port)),
            OPENAI_API_KEY="k",
            OPENAI_BASE_URL=f"http://127.0.0.1:{service.server_port}/v1",
        )
        try:
            await listening(unused_tcp_port)
            async with PhoneNetwork(carrier) as network:
                result = await network.call(f"http://127.0.0.1:{unused_tcp_port}/{carrier}/voice", script)
        finally:
            example.terminate()
            log, _ = example.communicate(timeout=20)
    report = result.report
    assert report.answered, log.decode()
    asked = [words.lower() for words in service.asked]
    assert len(asked) == 2, log.decode()
    assert "open" in asked[0]
    assert "thank you" in asked[1]
    assert service.said[0].startswith("Hello")
    assert service.said[-1].startswith("Thank you")
    assert loud_secs(result.heard) == pytest.approx([1.2, 0.9, 1.5], abs=0.03)
    assert (report.ended_by, report.underruns) == ("bot", 0)
    assert (report.marks_sent, report.marks_returned) == (1, 1)
    assert report.errors == []


async def listening(port: int) -> None:
    """Wait until the example answers."""
    async with asyncio.timeout(40):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


def test_without_a_key_it_says_so_in_one_line():
    example = start_example()
    log, _ = example.communicate(timeout=40)
    assert example.returncode == 1
    assert "OPENAI_API_KEY" in log.decode().splitlines()[-1]
    assert b"Traceback" not in log
