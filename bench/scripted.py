"""Services that cost nothing, for any Pipecat bot: the same answers at the same cost, so what is left is the bot.

The recogniser hands out the first words of a sentence when the detector hears the caller, and the complete sentence
when it hears that they have stopped, whatever was said: beginnings and ends of turns are judged by sound alone. The
model answers at once, and the voice hums as long for every sentence.

This file knows nothing of the product, which finds it beside the bench's agent.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    Frame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.time import time_now_iso8601

SAMPLE_RATE = 8000
ANSWER_SECS = 2.4
"""Whole pieces of 40 and of 100 ms."""

HUM_HZ = 440

GREETING = "Good morning, what can I do for you?"
FIRST_WORDS = "I would like"
HEARD = "I would like to know more about your opening hours."
ANSWER = "We are open every day from nine to six."

PROBE = "BENCH_PROBE"
"""Names the folder in which a process answers what only it knows; see `listen`."""


class ScriptedSTT(STTService):
    """Hears the same sentence in everything, as a recogniser that takes audio all the time and is never late."""

    Settings = STTSettings
    hears_hz = 8000

    def __init__(self, **kwargs: Any) -> None:
        """Initialize the recogniser; what is asked of it besides makes no difference."""
        super().__init__(
            settings=STTSettings(model=None, language=None), ttfs_p99_latency=0.35, **_known(kwargs)
        )

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Take audio."""
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Give the words when the caller begins and stops."""
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            await self.push_frame(InterimTranscriptionFrame(FIRST_WORDS, "", time_now_iso8601()))
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            await self.push_frame(TranscriptionFrame(HEARD, "", time_now_iso8601(), finalized=True))


class ScriptedLLM(LLMService):
    """Answers everything with the same sentence."""

    Settings = LLMSettings

    def __init__(self, **kwargs: Any) -> None:
        """Initialize the model."""
        nothing: dict[str, Any] = {one.name: None for one in fields(LLMSettings) if one.name != "extra"}
        super().__init__(settings=LLMSettings(**nothing), **_known(kwargs))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(ANSWER))
        await self.push_frame(LLMFullResponseEndFrame())


class ScriptedTTS(TTSService):
    """Hums for `ANSWER_SECS`, at once and in one piece."""

    Settings = TTSSettings

    def __init__(self, **kwargs: Any) -> None:
        """Initialize the voice."""
        listen()
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=SAMPLE_RATE,
            settings=TTSSettings(model=None, voice=None, language=None),
            **_known(kwargs),
        )

    def can_generate_metrics(self) -> bool:
        """It has none."""
        return False

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Hum."""
        yield TTSAudioRawFrame(_hum(), SAMPLE_RATE, 1, context_id=context_id)


def _known(arguments: dict[str, Any]) -> dict[str, Any]:
    """Of what a bot gives its services, all that is Pipecat's own."""
    return {name: value for name, value in arguments.items() if name not in ("settings", "sample_rate")}


@cache
def _hum() -> bytes:
    at = np.arange(round(SAMPLE_RATE * ANSWER_SECS)) / SAMPLE_RATE
    return (np.cos(2 * np.pi * HUM_HZ * at) * 6000).astype(np.int16).tobytes()


@cache
def listen() -> None:
    """Answer, in a thread that does nothing else, which of this process's threads is which, and what it has used.

    Linux knows a Python thread's number, but before Python 3.14 not its name. Nothing happens unless the environment
    names a folder.
    """
    folder = os.environ.get(PROBE)
    if folder:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(Path(folder) / f"{os.getpid()}.sock"))
        server.listen()
        threading.Thread(target=_answer, args=(server,), name="bench-probe", daemon=True).start()


def _answer(server: socket.socket) -> None:
    while True:
        peer, _ = server.accept()
        with peer:
            names = {thread.native_id: thread.name for thread in threading.enumerate()}
            peer.sendall(json.dumps({"threads": names, "cpu_secs": time.process_time()}).encode())
