"""Rows of keys that the caller presses."""

from __future__ import annotations

from pipecat.frames.frames import Frame, InputDTMFFrame
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.frame_processor import FrameDirection

KEYPAD_PREFIX = "DTMF: "
"""What a row of keys begins with when it stands in for the caller's words (Pipecat's `DTMFAggregator`)."""


class Keypad(DTMFAggregator):
    """Pipecat's aggregator, whose pause is counted from the first key on.

    Its clock runs on when no key is pressed, and is set back only when the first key's interruption has gone through
    the pipeline. A clock that runs out in that moment would make a row of its own of the first key.

    Source: Pipecat's `DTMFAggregator._handle_dtmf_frame` and `_aggregation_task_handler`.
    """

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Set the clock back before a key is taken."""
        if isinstance(frame, InputDTMFFrame):
            self._digit_event.set()
        await super().process_frame(frame, direction)
