"""Pauses: one within a sentence is not the end of a turn, and a turn in which nothing is said ends soon."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from pipecat.frames.frames import (
    Frame,
    InterimTranscriptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_stop import BaseUserTurnStopStrategy, TurnAnalyzerUserTurnStopStrategy

from conversation.language.utterance import breaks_off
from conversation.turns.ear import CallerGoesOnFrame, CallerPausesFrame
from conversation.turns.smart_turn import SharedSmartTurn

UNFINISHED_SECS = 1.5
"""A pause this long ends a turn whose words break off in the middle of a sentence."""

COURTESY_SECS = 0.6
"""A pause this long ends a turn of mere courtesy, behind which the matter often follows: "Thank you, ... goodbye."."""

COURTESIES = re.compile(
    r"(?:(?:thank you(?: very much)?|thanks|okay|ok|sure|good (?:morning|afternoon|evening))(?: |$))+"
)
"""Turns of mere courtesy (English)."""

WORDS_LATE_SECS = 1.0
"""How much later than nearly all transcripts one may come. After that it is sure that there were no words."""

WORDLESS_SECS = 2.1
"""By then it is sure in any case, unless the recogniser is known to be slower: the bot must speak within 3 s."""


def bare(text: str) -> str:
    """Words alone, in small letters."""
    return " ".join(re.sub(r"[^a-z ]", "", text.lower().replace("-", " ")).split())


def secs_to_wait(said: str) -> float:
    """How long a pause ends a turn of these words that sounds complete, in seconds; 0 for one that is over at once."""
    if breaks_off(said):
        return UNFINISHED_SECS
    return COURTESY_SECS if COURTESIES.fullmatch(bare(said)) else 0.0


class WholeSentenceUserTurnStopStrategy(TurnAnalyzerUserTurnStopStrategy):
    """Ends a turn that sounds complete, but waits a while for the rest of a sentence that breaks off.

    A model that listens to the melody takes "I would like to" for complete when the voice falls before a pause.
    """

    def __init__(self, **kwargs: Any):
        """Initialize the strategy.

        Args:
            **kwargs: For `TurnAnalyzerUserTurnStopStrategy`.
        """
        super().__init__(**kwargs)
        self._said: list[str] = []
        self._silent_since = 0.0
        self._waiting: asyncio.Task[None] | None = None

    async def handle_user_turn_started(self) -> None:
        """Begin with no words."""
        self._said.clear()
        await self._wait_no_longer()
        await super().handle_user_turn_started()

    async def handle_user_turn_stopped(self) -> None:
        """Wait for nothing more."""
        await self._wait_no_longer()
        await super().handle_user_turn_stopped()

    async def cleanup(self) -> None:
        """Stop waiting."""
        await self._wait_no_longer()
        await super().cleanup()

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Gather the words before Pipecat's strategy decides on them."""
        if isinstance(frame, TranscriptionFrame):
            self._said.append(frame.text)
        elif isinstance(frame, CallerPausesFrame | CallerGoesOnFrame):
            self._think_ahead(frame)
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            await self._wait_no_longer()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._silent_since = frame.timestamp - frame.stop_secs
        return await super().process_frame(frame)

    def _think_ahead(self, frame: CallerPausesFrame | CallerGoesOnFrame) -> None:
        if not isinstance(self._turn_analyzer, SharedSmartTurn):
            return
        if isinstance(frame, CallerGoesOnFrame):
            self._turn_analyzer.think_no_more()
        elif self._vad_user_speaking:
            self._turn_analyzer.think_ahead(frame.rest_secs)

    async def trigger_user_turn_stopped(self, *, enable_user_speaking_frames: bool | None = None) -> None:
        """End the turn, now or when nothing has followed a sentence that breaks off, or a courtesy."""
        await self._wait_no_longer()
        rest = self._silent_since + secs_to_wait(" ".join(self._said)) - time.time()
        if rest > 0:
            self._waiting = self.create_task(self._end_after(rest), f"{self}::_end_after")
        else:
            await super().trigger_user_turn_stopped(enable_user_speaking_frames=enable_user_speaking_frames)

    async def _end_after(self, secs: float) -> None:
        await asyncio.sleep(secs)
        self._waiting = None
        await super().trigger_user_turn_stopped()

    async def _wait_no_longer(self) -> None:
        task, self._waiting = self._waiting, None
        if task is not None:
            await self.cancel_task(task)


class WordlessUserTurnStopStrategy(BaseUserTurnStopStrategy):
    """Ends a turn that a noise began, once it is sure that no words come.

    Pipecat's own limit, 5 s after the last sound, is for recognisers that have failed.
    """

    def __init__(self) -> None:
        """Initialize the strategy."""
        super().__init__()
        self._stt_secs = 1.0
        self._words = False
        self._waiting: asyncio.Task[None] | None = None

    async def handle_user_turn_started(self) -> None:
        """Begin with no words."""
        self._words = False

    async def handle_user_turn_stopped(self) -> None:
        """Wait for nothing more."""
        await self._wait_no_longer()

    async def cleanup(self) -> None:
        """Stop waiting."""
        await super().cleanup()
        await self._wait_no_longer()

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Wait for words from the end of speech on."""
        if isinstance(frame, STTMetadataFrame):
            self._stt_secs = frame.ttfs_p99_latency
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            await self._wait_no_longer()
        elif isinstance(frame, TranscriptionFrame | InterimTranscriptionFrame):
            if frame.text.strip():
                self._words = True
                await self._wait_no_longer()
        elif isinstance(frame, VADUserStoppedSpeakingFrame) and not self._words:
            await self._wait_no_longer()
            wait = max(self._stt_secs, min(self._stt_secs + WORDS_LATE_SECS, WORDLESS_SECS))
            due = frame.timestamp - frame.stop_secs + wait
            self._waiting = self.create_task(self._end_after(due - time.time()), f"{self}::_end_after")
        return ProcessFrameResult.CONTINUE

    async def _end_after(self, secs: float) -> None:
        await asyncio.sleep(max(0.0, secs))
        self._waiting = None
        await self.trigger_user_turn_stopped()

    async def _wait_no_longer(self) -> None:
        task, self._waiting = self._waiting, None
        if task is not None:
            await self.cancel_task(task)
