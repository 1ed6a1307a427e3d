"""The real server with a voice that takes no time, no ears, and keys for a model: `python -m bench.quick_bot`.

What is measured of call control is the product's and the carrier's part; a model would only add its own time and
its moods. The caller presses a key that stands for what a model would decide. With `--turns` the bot has
the product's own voice activity and end of turn; without it, neither.
"""

from __future__ import annotations

import dataclasses
import sys
import uuid
from collections.abc import AsyncGenerator
from typing import Any

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

import numpy as np
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import (
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

import server
from conversation import pipeline
from conversation.turns.ear import Ear
from conversation.turns.keypad import KEYPAD_PREFIX
from conversation.turns.strategies import KeypadUserTurnStopStrategy

SAMPLE_RATE = 8000
WORD_SECS = 0.06
VOICE_HZ = 440

KEYS: dict[str, tuple[str, dict[str, Any]]] = {
    "1#": ("end_call", {"farewell": "Thank you for calling us today. Goodbye."}),
    "2#": ("transfer_call", {"destination": "sales", "reason": "an order"}),
    "3#": ("transfer_call", {"destination": "billing", "reason": "an invoice"}),
}
"""What the caller's keys stand for: tools and their arguments."""


class QuickVoice(TTSService):
    """Hums 60 ms a word."""

    def __init__(self) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=SAMPLE_RATE,
            settings=TTSSettings(model=None, voice=None, language=None),
        )

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        time = np.arange(int(SAMPLE_RATE * WORD_SECS * len(text.split()))) / SAMPLE_RATE
        hum = (np.sin(2 * np.pi * VOICE_HZ * time) * 6000).astype(np.int16)
        yield TTSAudioRawFrame(hum.tobytes(), SAMPLE_RATE, 1, context_id=context_id)


class NoEars(STTService):
    """Understands nothing."""

    def __init__(self) -> None:
        super().__init__(settings=STTSettings(model=None, language=None), ttfs_p99_latency=0.0)

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        yield None


class NoActivity(VADAnalyzer):
    """Takes nothing for speech."""

    def __init__(self) -> None:
        super().__init__(params=VADParams())

    def num_frames_required(self) -> int:
        return self.sample_rate // 50

    def voice_confidence(self, buffer: bytes) -> float:
        return 0.0


class KeyedBrain(LLMService):
    """Calls the tool of the keys that were pressed last."""

    def __init__(self) -> None:
        nothing: dict[str, Any] = dict.fromkeys(
            field.name for field in dataclasses.fields(LLMSettings) if field.name != "extra"
        )
        super().__init__(settings=LLMSettings(**nothing))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        last = frame.context.get_messages()[-1]
        words = str(last.get("content", "")) if isinstance(last, dict) and last.get("role") == "user" else ""
        await self.push_frame(LLMFullResponseStartFrame())
        if chosen := KEYS.get(words.removeprefix(KEYPAD_PREFIX)):
            name, arguments = chosen
            await self.run_function_calls(
                [FunctionCallFromLLM(name, uuid.uuid4().hex, arguments, frame.context)]
            )
        await self.push_frame(LLMFullResponseEndFrame())


async def _nothing_to_load(*_: Any, **__: Any) -> None:
    return None


def main() -> int:
    services: Any = pipeline.services
    services.build_stt = lambda *_, **__: NoEars()
    services.build_llm = lambda *_, **__: KeyedBrain()
    services.build_tts = lambda *_, **__: QuickVoice()
    if "--turns" in sys.argv[1:]:
        return server.main([])
    house: Any = pipeline
    house.warm_up = _nothing_to_load
    house.open_ear = lambda *_, **__: Ear(NoActivity())
    house.turn_strategies = lambda *_, **__: UserTurnStrategies(
        start=[TranscriptionUserTurnStartStrategy()], stop=[KeypadUserTurnStopStrategy()]
    )
    return server.main([])


if __name__ == "__main__":
    sys.exit(main())
