"""A recogniser hears a call from its first moment, though its connection is not there yet.

Pipecat's recognisers begin to connect when a session is set up, and what a caller says before they are connected is
sent nowhere. Here it waits, in order: the sound, and what the ear says of it (where speech began and ended, by which
some recognisers close a sentence). When the connection is there, or has failed, all of it goes on at once, ahead of
what comes next; recognisers take sound faster than it was spoken. To the rest of the pipeline the caller speaks that
much later, so a turn does not end before its words can be there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    StartFrame,
    SystemFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.stt_service import STTService

HELD_SECS = 10.0
"""How much sound waits at most; what is older is dropped."""

OF_THE_EAR = (InputAudioRawFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame)
"""What waits. Other frames, such as keys, go on at once."""


class HearsFromTheStart(STTService):
    """Holds what is heard while the service connects."""

    _connecting: asyncio.Task[None] | None = None  # these are of `conversation/services/patience.py`
    _is_set_up = False

    def __init__(self, **arguments: Any) -> None:
        """Hold nothing yet."""
        super().__init__(**arguments)
        self._held: deque[tuple[Frame, FrameDirection]] = deque()
        self._held_secs = 0.0
        self._dropped_secs = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Begin. One that connects only here (Speechmatics) does not keep the rest of the pipeline waiting for it."""
        is_set_up, self._is_set_up = self._is_set_up, False
        try:
            await super().start(frame)
        finally:
            self._is_set_up = is_set_up

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Let what is heard wait for the connection."""
        if self._waits and _is_heard(frame) and direction is FrameDirection.DOWNSTREAM:
            self._hold(frame, direction)
            return
        if self._held and _is_heard(frame):
            await self._go_on()
        await super().process_frame(frame, direction)

    @property
    def _waits(self) -> bool:
        return self._connecting is not None and not self._connecting.done()

    def _hold(self, frame: Frame, direction: FrameDirection) -> None:
        self._held.append((frame, direction))
        self._held_secs += _secs(frame)
        while self._held_secs > HELD_SECS:
            oldest = next(held for held in self._held if isinstance(held[0], InputAudioRawFrame))
            self._held.remove(oldest)
            self._held_secs -= _secs(oldest[0])
            self._dropped_secs += _secs(oldest[0])

    async def _go_on(self) -> None:
        if self._dropped_secs:
            logger.warning(
                f"{self.name} took {self._held_secs + self._dropped_secs:.1f} s to connect; it has not heard the first "
                f"{self._dropped_secs:.1f} s of the call"
            )
        self._held_secs = self._dropped_secs = 0.0
        while self._held:
            await super().process_frame(*self._held.popleft())


def _is_heard(frame: Frame) -> bool:
    # What our own ear says besides (`conversation/turns/ear.py`) are system frames of the conversation's
    return isinstance(frame, OF_THE_EAR) or (
        isinstance(frame, SystemFrame) and type(frame).__module__ == "conversation.turns.ear"
    )


def _secs(frame: Frame) -> float:
    return frame.num_frames / frame.sample_rate if isinstance(frame, InputAudioRawFrame) else 0.0


def that_hears_from_the_start(cls: Any) -> Any:
    """A recogniser's class that loses nothing while it connects; one without a connection as it is.

    Args:
        cls: A hosted recogniser, whose connecting is bounded.
    """
    if not hasattr(cls, "_connect"):
        return cls
    return type(cls.__name__, (HearsFromTheStart, cls), {})
