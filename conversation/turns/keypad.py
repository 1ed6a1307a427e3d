"""Rows of keys that the caller presses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipecat.frames.frames import Frame, InputDTMFFrame
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.frame_processor import FrameDirection

KEYPAD_PREFIX = "DTMF: "
"""What a row of keys begins with when it stands in for the caller's words (Pipecat's `DTMFAggregator`)."""


LONE_KEY_SECS = 0.7
"""A pause this long ends a row of a single key that means something by itself; who keys in a number is faster."""


class Keypad(DTMFAggregator):
    """Pipecat's aggregator, whose pause is counted from the first key on, and is shorter behind a key of the menu.

    Its clock runs on when no key is pressed, and is set back only when the first key's interruption has gone through
    the pipeline. A clock that runs out in that moment would make a row of its own of the first key.

    Source: Pipecat's `DTMFAggregator._handle_dtmf_frame` and `_aggregation_task_handler`.
    """

    def __init__(self, *, timeout: float, is_whole: Callable[[str], bool] = lambda _: False, **kwargs: Any):
        """Initialize it.

        Args:
            timeout: A pause of so many seconds ends a row.
            is_whole: Whether a single key means something by itself now.
            **kwargs: For `DTMFAggregator`.
        """
        super().__init__(timeout=timeout, **kwargs)
        self._usual_secs = timeout
        self._is_whole = is_whole

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Set the clock, and set it back, before a key is taken."""
        if isinstance(frame, InputDTMFFrame):
            alone = not self._aggregation and self._is_whole(frame.button.value)
            self._idle_timeout = min(LONE_KEY_SECS, self._usual_secs) if alone else self._usual_secs
            self._digit_event.set()
        await super().process_frame(frame, direction)
