"""The bot's own lines by a voice of their own, beside a speech-to-speech model.

The voice stands in a model's way, and would speak the model's words once more. So the model's sound goes around it:
`OwnVoice` stands before the voice, `Behind` after it. One waits with a line until the model's response is over, the
other with a response until the line was spoken; so that the two are never mixed.

The model must know what was said for it. It is told with the first line, which is also what sets its session up: such
services send instructions and tools with the first context, and answer that. The answer is thrown away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pipecat.frames.frames import (
    ControlFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from conversation.parts import FILLS
from conversation.voice.lines import Tell, told
from serializers.frames import MarkFrame

FIRST = (
    "The caller hears this from you now, spoken by another voice: {words} Wait for what the caller says to it. Answer "
    "this message with nothing but: Ready."
)
"""What the model is told with the first line. Its answer is not heard."""

SAID = "The caller has just heard this from you, spoken by another voice: {words} Do not say it again."
"""What the model is told of every further line."""

_OF_THE_MODEL = (
    LLMFullResponseStartFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    TTSStartedFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    TTSStoppedFrame,
)


@dataclass
class LineSaid(ControlFrame):
    """Comes behind a line out of the voice, when all of it was spoken."""


class Behind(FrameProcessor):
    """Stands behind the voice, and lets the model's sound on when no line is being said."""

    def __init__(self) -> None:
        """Begin with nothing to wait for."""
        super().__init__(enable_direct_mode=True)
        self._lines: deque[LineSaid] = deque()
        self._held: deque[Frame] = deque()
        self._letting_on = False

    def comes(self, line: LineSaid) -> None:
        """A line was given to the voice."""
        self._lines.append(line)

    async def take(self, frame: Frame) -> None:
        """Take something of the model's, past the voice."""
        self._held.append(frame)
        await self._let_on()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Let on what was held when the line before it was said."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            if isinstance(frame, LineSaid):
                self._lines = deque(line for line in self._lines if line is not frame)
                await self._let_on()
                return
            if isinstance(frame, InterruptionFrame):
                self._held.clear()
                self._lines = deque(line for line in self._lines if not line.interruptible)
        await self.push_frame(frame, direction)

    async def _let_on(self) -> None:
        if self._letting_on:
            return  # one after the other: the voice's frames and the model's come from different tasks
        self._letting_on = True
        try:
            while self._held and not self._lines:
                await self.push_frame(self._held.popleft())
        finally:
            self._letting_on = False


class OwnVoice(FrameProcessor):
    """Stands before the voice, gives it the bot's own lines, and lets the model's sound by."""

    def __init__(
        self,
        tell: Tell,
        begin: Callable[[str], Awaitable[None]] | None,
    ):
        """Initialize the processor; `behind` belongs behind the voice.

        Args:
            tell: Reaches the model.
            begin: Sets the model's session up, with a message for it whose answer is not heard; None where that is done
                without a message.
        """
        super().__init__(enable_direct_mode=True)
        self.behind = Behind()
        self._tell = tell
        self._begin = begin
        self._waiting: deque[TTSSpeakFrame | MarkFrame] = deque()
        self._responding = self._has_begun = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Give lines to the voice, and take the model's sound around it."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
        elif isinstance(frame, TTSSpeakFrame) or (isinstance(frame, MarkFrame) and self._waiting):
            self._waiting.append(frame)
            await self._go_on()
        elif isinstance(frame, _OF_THE_MODEL):
            await self._around(frame)
        elif isinstance(frame, LLMMessagesAppendFrame) and SAID in frame.metadata:
            return  # the context has the line itself, as it was heard
        else:
            if isinstance(frame, InterruptionFrame):
                self._waiting = deque(one for one in self._waiting if not one.interruptible)
                self._responding = False
            await self.push_frame(frame, direction)

    async def _around(self, frame: Frame) -> None:
        ends = isinstance(frame, LLMFullResponseEndFrame)
        self._responding = not ends and (self._responding or isinstance(frame, LLMFullResponseStartFrame))
        if isinstance(frame, TTSAudioRawFrame):
            # What was only to fill the silence that the model ends now is not needed any more.
            self._waiting = deque(one for one in self._waiting if FILLS not in one.metadata)
        await self.behind.take(frame)
        if ends:
            await self._go_on()

    async def _go_on(self) -> None:
        while self._waiting and not self._responding:
            frame = self._waiting.popleft()
            await self.push_frame(frame)
            if isinstance(frame, TTSSpeakFrame):
                line = LineSaid()
                line.interruptible = frame.interruptible
                self.behind.comes(line)
                await self.push_frame(line)
                await self._inform(frame)

    async def _inform(self, frame: TTSSpeakFrame) -> None:
        if self._begin is not None and not self._has_begun:
            self._has_begun = True
            await self._begin(FIRST.format(words=frame.text))
        elif frame.append_to_context:
            message = told(SAID.format(words=frame.text), run=False)
            message.metadata[SAID] = True
            await self._tell(message)
