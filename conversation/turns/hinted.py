"""The end of a turn as the recogniser itself hears it: Deepgram Flux, AssemblyAI, Speechmatics and others say so.

In Pipecat such a service proposes, by `ProposedUserStoppedSpeakingFrame`, and the strategies of the turn decide. It has
heard the words with their melody, so it is believed at once; what the words say of a number or a name that is begun
counts here, too.

Source: `pipecat.turns.user_stop.ExternalUserTurnStopStrategy`.
"""

from __future__ import annotations

from typing import Any

from pipecat.frames.frames import (
    Frame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult

from conversation.turns.pausing import WordsDecideToo


class HintedUserTurnStopStrategy(WordsDecideToo):
    """Ends a turn when the recogniser says that it has ended, and its words are there."""

    def __init__(self, **kwargs: Any):
        """Initialize the strategy.

        Args:
            **kwargs: For `WordsDecideToo`.
        """
        super().__init__(**kwargs)
        self._proposed = False

    @property
    def resolves_proposed_turn_stop_frames(self) -> bool:
        """A proposal is decided on here."""
        return True

    async def handle_user_turn_started(self) -> None:
        """Begin with no hint."""
        self._proposed = False
        await super().handle_user_turn_started()

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Take the hint, before its words or behind them."""
        await super().process_frame(frame)
        if isinstance(frame, ProposedUserStoppedSpeakingFrame):
            self._proposed = True
        elif isinstance(frame, ProposedUserStartedSpeakingFrame | VADUserStartedSpeakingFrame):
            self._proposed = False
            await self._wait_no_longer()
        elif not isinstance(frame, TranscriptionFrame):
            return ProcessFrameResult.CONTINUE
        if self._proposed and self._said:
            await self.trigger_user_turn_stopped()
        return ProcessFrameResult.CONTINUE
