"""The bot's own lines, said by a speech-to-speech model: each is a response of its own, and what follows waits for it.

Such a service takes no text to be spoken. It is told to say a sentence word for word, and answers with sound like any
other response. A mark behind the sentence must not overtake that sound, so it is kept until then.
"""

from __future__ import annotations

import asyncio
import re
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
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContextMessage
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType

from conversation.heard.chunks import SENTENCE_END
from serializers.frames import MarkFrame

WORD_FOR_WORD = "Say exactly this now, word for word, in the caller's hearing, and nothing else: {words}"
"""What the model is told for each line."""

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


class WholeSentences(FrameProcessor):
    """Gathers a model's words, which come piece by piece, into the sentences that marks and transcripts are made of.

    Words come before their sound, the first ones before the sound has begun at all: they wait until then.
    """

    def __init__(self) -> None:
        """Begin without words."""
        super().__init__(enable_direct_mode=True)
        self._text = ""
        self._sounds = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep words back until their sentence is whole; the same words as a model's text are left out."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
        elif isinstance(frame, TTSTextFrame):
            self._text += frame.text
            if self._sounds and SENTENCE_END.search(self._text.rstrip()):
                await self._give()
        elif isinstance(frame, LLMTextFrame) and not frame.append_to_context:
            return
        elif isinstance(frame, TTSStartedFrame):
            self._sounds = True
            await self.push_frame(frame, direction)
            for sentence in SENTENCES.findall(self._text):
                await self._say(sentence)
            self._text = SENTENCES.sub("", self._text)
        else:
            if isinstance(frame, InterruptionFrame):
                self._text, self._sounds = "", False
            elif isinstance(frame, TTSStoppedFrame):
                await self._give()
                self._sounds = False
            await self.push_frame(frame, direction)

    async def _give(self) -> None:
        text, self._text = self._text, ""
        await self._say(text)

    async def _say(self, text: str) -> None:
        if text.strip():
            await self.push_frame(TTSTextFrame(text.strip(), text_type=TextType.SENTENCE))


SENTENCES = re.compile(r".*?[.!?…。！？]+[\"'”’»)\]]*(?:\s|$)", re.DOTALL)


class ModelsLines(FrameProcessor):
    """Stands in the voice's place, and has the model say the bot's own lines, one after the other.

    Attributes:
        saying: Whether the model has been told to say a line that is not over.
    """

    def __init__(self, tell: Tell, is_shut: Callable[[], bool]):
        """Initialize the processor.

        Args:
            tell: Reaches the model.
            is_shut: Whether the model is not to be heard any more, but for such lines.
        """
        super().__init__(enable_direct_mode=True)
        self._tell = tell
        self._is_shut = is_shut
        self._waiting: deque[TTSSpeakFrame | MarkFrame] = deque()
        self._responding = False
        self._ends = 0  # of responses that will come before the line is over
        self._asking: asyncio.Task[None] | None = None
        self.saying = False

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
        elif isinstance(frame, TTSAudioRawFrame | TTSTextFrame | TTSStartedFrame):
            if self._is_shut() and not self.saying:
                return
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame):
            self._responding = False
            self._ends -= 1
            if self.saying and self._ends <= 0:
                self.saying = False
            await self._go_on()
        elif isinstance(frame, EndFrame | CancelFrame) and self._asking is not None:
            self._asking.cancel()

    def _interrupted(self) -> None:
        """Forget lines that were cut off; those that no barge-in may cut short are said after all."""
        kept = [frame for frame in self._waiting if not frame.interruptible]
        self._waiting = deque(kept)
        if not self._keeps:
            self.saying = self._responding = False

    _keeps = False

    async def _go_on(self) -> None:
        while self._waiting and not self.saying:
            frame = self._waiting.popleft()
            if isinstance(frame, MarkFrame):
                await self.push_frame(frame)
                continue
            self.saying = True
            self._keeps = not frame.interruptible
            self._ends = 2 if self._responding else 1
            # The model is asked beside the pipeline: this processor stands in the way that the question takes.
            self._asking = asyncio.create_task(
                self._tell(told(WORD_FOR_WORD.format(words=frame.text), run=True))
            )
