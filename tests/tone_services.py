"""A voice and ears of tones (docs/stories.md), and what such services do wrong on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.time import time_now_iso8601

from tests import tone_speech

ERRORS = {
    "fails": ErrorCategory.SERVER,
    "breaks": ErrorCategory.SERVER,
    "refuses": ErrorCategory.AUTHENTICATION,
}
BREAKING_OFF = ("breaks", "stalls")


@dataclass
class Failing:
    """What a service does wrong.

    Attributes:
        how: One of the ways in docs/stories.md; None for one that is all right.
        first: From which sentence, stretch of speech or question on.
        times: How often; None for ever.
        after: How many words it says, or hears, before it breaks off.
        timed: Whether a voice tells the times of its words.
        unless: The language in which it works.
    """

    how: str | None = None
    first: int = 1
    times: int | None = None
    after: float = 0
    timed: bool = False
    unless: str | None = None
    asked: int = 0

    def now(self, language: object = None) -> str | None:
        """How it misbehaves this time; None when it works.

        Args:
            language: The language that the service was set to.
        """
        self.asked += 1
        if self.unless is not None and str(language or "").startswith(self.unless):
            return None
        last = self.first + self.times if self.times is not None else self.asked + 1
        return self.how if self.first <= self.asked < last else None


class ToneVoice(TTSService):
    """Speaks tones."""

    def __init__(self, failing: Failing, language: str | None = None) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            push_text_frames=not failing.timed,
            sample_rate=8000,
            settings=TTSSettings(model=None, voice=None, language=language),
        )
        self._failing = failing
        self._times_of = ("", 0)

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        if "VOICELESS" in text:
            yield ErrorFrame("the voice's provider says no", category=ErrorCategory.AUTHENTICATION)
            return
        how = self._failing.now(self._settings.language)
        sound = tone_speech.spoken(text)
        if how in BREAKING_OFF:
            sound = sound[: round(self._failing.after * tone_speech.WORD_SECS * 8000) * 2]
        if how is None or how in BREAKING_OFF:
            if self._failing.timed:
                await self.add_word_timestamps(self._times(text, context_id), context_id)
            yield TTSAudioRawFrame(sound, 8000, 1, context_id=context_id)
        if how in ERRORS:
            yield ErrorFrame("the voice's provider is broken", category=ERRORS[how])
        elif how in ("silent", "stalls"):
            await asyncio.Event().wait()

    def _times(self, text: str, context_id: str) -> list[tuple[str, float]]:
        """When each word begins, counted from the first sound of what belongs together."""
        known, before = self._times_of
        before = before if known == context_id else 0
        words = text.split()
        self._times_of = (context_id, before + len(words))
        return [(word, (before + place) * tone_speech.WORD_SECS) for place, word in enumerate(words)]


class ToneEars(SegmentedSTTService):
    """Understands tones."""

    def __init__(self, vocabulary: set[str], failing: Failing, language: str | None = None) -> None:
        super().__init__(settings=STTSettings(model=None, language=language), ttfs_p99_latency=0.4)
        self._vocabulary = vocabulary
        self._failing = failing
        self._is_broken = False
        self._breaking: asyncio.Task[None] | None = None

    @property
    def wants_wav_segments(self) -> bool:
        return False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Report what is wrong with a connection when it is, and not when a stretch of speech is over."""
        await super().process_frame(frame, direction)
        how = self._failing.how
        if how == "refuses" and isinstance(frame, StartFrame):
            await self.push_error("the ears' provider says no", category=ERRORS[how])
        elif how == "breaks" and isinstance(frame, VADUserStartedSpeakingFrame):
            self._is_broken = self._failing.now(self._settings.language) is not None
            if self._is_broken:
                self._breaking = self.create_task(self._break(), "break")

    async def _break(self) -> None:
        await asyncio.sleep(self._failing.after * tone_speech.WORD_SECS)
        await self.push_error("the ears' provider is broken", category=ErrorCategory.SERVER)

    async def cleanup(self) -> None:
        if self._breaking is not None:
            await self.cancel_task(self._breaking)
        await super().cleanup()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        breaks = self._failing.how == "breaks"
        how = "silent" if self._is_broken else None if breaks else self._failing.now(self._settings.language)
        if how is not None:
            broken = ErrorFrame("the ears' provider is broken", category=ErrorCategory.SERVER)
            yield broken if how == "fails" else None
            return
        text = tone_speech.understood(audio, self.sample_rate, self._vocabulary)
        yield TranscriptionFrame(text, "", time_now_iso8601()) if text else None


class ToneActivity(VADAnalyzer):
    """Takes everything loud for speech."""

    def __init__(self) -> None:
        super().__init__(params=VADParams(start_secs=0.06, min_volume=0.0))

    def num_frames_required(self) -> int:
        return self.sample_rate * 60 // 1000  # longer than the silence in a word

    def voice_confidence(self, buffer: bytes) -> float:
        samples = np.frombuffer(buffer, dtype=np.int16).astype(float)
        return 1.0 if np.sqrt(np.mean(samples**2)) > 500 else 0.0
