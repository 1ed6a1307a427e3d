"""The bot's own lines, said by a speech-to-speech model: each is a response of its own, and what follows waits for it.

Such a service takes no text to be spoken. It is told to say a sentence word for word, and answers with sound like any
other response. A mark behind the sentence must not overtake that sound, so it is kept until then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContextMessage
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from conversation.parts import FILLS
from serializers.frames import MarkFrame

WORD_FOR_WORD = "Say exactly this now, word for word, in the caller's hearing, and nothing else: {words}"
"""What the model is told for each line."""

LINE = "line"
"""The key of a message's `metadata` that has the line itself, for a service that can speak a text as it stands."""

Tell = Callable[[Frame], Coroutine[Any, Any, None]]
"""Hands a frame to the model, past the caller's side of the pipeline."""


def told(text: str, *, run: bool, role: str = "developer") -> LLMMessagesAppendFrame:
    """Words for the model's conversation.

    Args:
        text: The words.
        run: Whether it is to answer them.
        role: Whose words they are.
    """
    message: Mapping[str, str] = {"role": role, "content": text}
    return LLMMessagesAppendFrame([cast(LLMContextMessage, message)], run_llm=run)


class ModelsLines(FrameProcessor):
    """Stands in the voice's place, and has the model say the bot's own lines, one after the other.

    Attributes:
        saying: Whether the model has been told to say a line that is not over.
    """

    def __init__(self, tell: Tell):
        """Initialize the processor.

        Args:
            tell: Reaches the model.
        """
        super().__init__(enable_direct_mode=True)
        self._tell = tell
        self._waiting: deque[TTSSpeakFrame | MarkFrame] = deque()
        self._responding = self._keeps = False
        self._asking: asyncio.Task[None] | None = None
        self.saying = False

    @property
    def keeps(self) -> bool:
        """Whether the model says a line now that no barge-in may cut short."""
        return self.saying and self._keeps

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take the lines, hold what follows them, and let the model's sound by."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
            return
        if isinstance(frame, TTSSpeakFrame) or (
            isinstance(frame, MarkFrame) and (self.saying or self._waiting)
        ):
            self._waiting.append(frame)
            await self._go_on()
            return
        if isinstance(frame, LLMFullResponseStartFrame):
            self._responding = True
        elif isinstance(frame, InterruptionFrame):
            self._interrupted()
        elif isinstance(frame, TTSAudioRawFrame) and not self.saying:
            self._forget_fillers()
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame):
            self.saying = self._responding = False
            await self._go_on()
        elif isinstance(frame, EndFrame | CancelFrame) and self._asking is not None:
            self._asking.cancel()

    def _interrupted(self) -> None:
        """Forget lines that were cut off; those that no barge-in may cut short are said after all."""
        self._waiting = deque(frame for frame in self._waiting if not frame.interruptible)
        if not self.keeps:
            self.saying = self._responding = False

    def _forget_fillers(self) -> None:
        """Forget what was only to fill the silence that the model ends now."""
        self._waiting = deque(frame for frame in self._waiting if FILLS not in frame.metadata)

    async def _go_on(self) -> None:
        # A line that is asked for during a response would have some services break that off.
        while self._waiting and not self.saying:
            if isinstance(self._waiting[0], TTSSpeakFrame) and self._responding:
                return
            frame = self._waiting.popleft()
            if isinstance(frame, MarkFrame):
                await self.push_frame(frame)
                continue
            self.saying, self._keeps = True, not frame.interruptible
            # The model is asked beside the pipeline: this processor stands in the way that the question takes.
            asked = told(WORD_FOR_WORD.format(words=frame.text), run=True)
            asked.interruptible = frame.interruptible
            asked.metadata[LINE] = frame
            self._asking = asyncio.create_task(self._tell(asked))
