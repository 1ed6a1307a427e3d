"""The caller's turns, made of their words, for a service that says what it hears, and not when a turn is over."""

from __future__ import annotations

from collections.abc import Callable

from pipecat.frames.frames import (
    Frame,
    LLMServiceMetadataFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor


class TurnsOfWords(FrameProcessor):
    """Puts the beginning and the end of a turn around words that come up the pipeline.

    Source: `LLMService.service_metadata_frame`: a service that has turns recommends strategies that follow them.
    """

    def __init__(self, wanted: Callable[[], bool]) -> None:
        """Initialize the processor.

        Args:
            wanted: Whether somebody needs turns now.
        """
        super().__init__(enable_direct_mode=True)
        self._wanted = wanted
        self._has_turns = True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Add what the service does not say."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMServiceMetadataFrame):
            self._has_turns = frame.user_turn_strategies is not None
        words = isinstance(frame, TranscriptionFrame) and direction is FrameDirection.UPSTREAM
        around = words and not self._has_turns and self._wanted()
        if around:
            await self.push_frame(UserStartedSpeakingFrame(), direction)
        await self.push_frame(frame, direction)
        if around:
            await self.push_frame(UserStoppedSpeakingFrame(), direction)
