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

from conversation.dead_air.floor import Line
from conversation.parts import FILLS
from serializers.frames import MarkFrame

WORD_FOR_WORD = "Say exactly this now, word for word, in the caller's hearing, and nothing else: {words}"
"""What the model is told for each line."""

LINE = "line"
"""The key of a message's `metadata` that has the line itself, for a service that can speak a text as it stands."""

AGAIN_SECS = 1.0
"""A line that no barge-in may cut short, and that the service has cut off, is asked for again after this long."""

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
    """Stands in the voice's place, and has the model say the bot's own lines, one after the other."""

    def __init__(self, tell: Tell):
        """Initialize the processor.

        Args:
            tell: Reaches the model.
        """
        super().__init__(enable_direct_mode=True)
        self._tell = tell
        self._waiting: deque[TTSSpeakFrame | MarkFrame] = deque()
        self._responding = self._has_begun = False
        self._line: TTSSpeakFrame | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def saying(self) -> bool:
        """Whether the model has been told to say a line that is not over."""
        return self._line is not None

    @property
    def keeps(self) -> bool:
        """Whether the model says a line now that no barge-in may cut short."""
        return self._line is not None and not self._line.interruptible

    @property
    def line(self) -> Line | None:
        """Which line the model says now, if it does."""
        if self._line is None:
            return None
        return Line.FILLS if FILLS in self._line.metadata else Line.WORDS

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
            self._responding = self._has_begun = True
        elif isinstance(frame, InterruptionFrame):
            self._interrupted()
        elif isinstance(frame, TTSAudioRawFrame):
            if not self.saying:
                self._forget_fillers()
            elif self.line is Line.FILLS:
                frame.metadata[FILLS] = True
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame):
            self._responding = False
            if self._has_begun or not self.keeps:  # otherwise it ends what was cut off before the line
                self._line = None
            await self._go_on()
        elif isinstance(frame, EndFrame | CancelFrame) and self._asking is not None:
            self._asking.cancel()

    def _interrupted(self) -> None:
        """Forget lines that were cut off; those that no barge-in may cut short are said after all."""
        self._waiting = deque(frame for frame in self._waiting if not frame.interruptible)
        self._responding = self._has_begun = False
        if not self.keeps:
            self._line = None
        elif self._line is not None:
            self._ask(self._line, after_secs=AGAIN_SECS)

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
            self._line, self._has_begun = frame, False
            self._ask(frame)

    def _ask(self, line: TTSSpeakFrame, *, after_secs: float = 0.0) -> None:
        """Ask the model beside the pipeline: this processor stands in the way that the question takes."""

        async def ask() -> None:
            await asyncio.sleep(after_secs)
            if self._line is line and not self._has_begun:
                asked = told(WORD_FOR_WORD.format(words=line.text), run=True)
                asked.interruptible = line.interruptible
                asked.metadata[LINE] = line
                await self._tell(asked)

        if self._asking is not None and after_secs:
            self._asking.cancel()
        self._asking = asyncio.create_task(ask())
