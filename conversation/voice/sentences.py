"""A speech-to-speech model's words, made into sentences; what an interruption has cut off is not heard any more."""

from __future__ import annotations

import re
from collections.abc import Callable

from pipecat.frames.frames import (
    Frame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType

from conversation.heard.chunks import SENTENCE_END

SPEECH = (TTSStartedFrame, TTSAudioRawFrame, TTSTextFrame, TTSStoppedFrame, LLMTextFrame)

SENTENCES = re.compile(r".*?[.!?…。！？]+[\"'”’»)\]]*(?:\s|$)", re.DOTALL)


class WholeSentences(FrameProcessor):
    """Gathers a model's words, which come piece by piece, into the sentences that marks and transcripts are made of.

    Words come before their sound, the first ones before the sound has begun at all: they wait until then.

    A response that was cut off may still send sound: a server that hears the caller stops by itself, but of keys it
    knows nothing. So after an interruption all is dropped until the next response begins.

    What must not be heard is dropped here, too, where the guard against dead air does not hear of it yet.
    """

    def __init__(self, is_silent: Callable[[], bool], keeps: Callable[[], bool] = lambda: False) -> None:
        """Begin without words.

        Args:
            is_silent: Whether the model is not to be heard now.
            keeps: Whether the model says something now that no interruption cuts short.
        """
        super().__init__(enable_direct_mode=True)
        self._is_silent = is_silent
        self._keeps = keeps
        self._text = ""
        self._sounds = False
        self._cut_off = False
        self._leaves_out = False
        self._begun: TTSStartedFrame | None = None

    def leave_out_next(self) -> None:
        """Let nothing of the next response be heard, unless the caller speaks before it."""
        self._leaves_out = True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep words back until their sentence is whole; the same words as a model's text are left out."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
        elif isinstance(frame, InterruptionFrame):
            self._leaves_out = False
            if not self._keeps():
                self._text, self._sounds, self._cut_off, self._begun = "", False, True, None
            await self.push_frame(frame, direction)
        elif self._leaves_out and isinstance(
            frame, (*SPEECH, LLMFullResponseStartFrame, LLMFullResponseEndFrame)
        ):
            self._leaves_out = not isinstance(frame, LLMFullResponseEndFrame)
        elif self._cut_off and self._is_of_before(frame):
            return
        elif isinstance(frame, SPEECH) and self._is_silent():
            self._text, self._sounds = "", False
        elif isinstance(frame, LLMFullResponseStartFrame | FunctionCallsStartedFrame):
            await self._goes_on(frame)
        elif isinstance(frame, TTSTextFrame):
            self._text += frame.text
            if self._sounds and SENTENCE_END.search(self._text.rstrip()):
                await self._give()
        elif isinstance(frame, LLMTextFrame) and not frame.append_to_context:
            return
        elif isinstance(frame, TTSStartedFrame):
            await self._begin(frame)
        else:
            if isinstance(frame, TTSStoppedFrame):
                await self._give()
                self._sounds = False
            elif isinstance(frame, UserStoppedSpeakingFrame):
                self._leaves_out = False
            await self.push_frame(frame, direction)

    def _is_of_before(self, frame: Frame) -> bool:
        """Whether a frame belongs to the response that was cut off."""
        if isinstance(frame, TTSStartedFrame):
            self._begun = frame  # some services begin the sound of a response before the response
        elif isinstance(frame, TTSStoppedFrame):
            self._begun = None
        return isinstance(frame, (*SPEECH, LLMFullResponseEndFrame))

    async def _goes_on(self, frame: Frame) -> None:
        self._cut_off = False
        begun, self._begun = self._begun, None
        await self.push_frame(frame)
        if begun is not None:
            await self._begin(begun)

    async def _begin(self, frame: TTSStartedFrame) -> None:
        self._sounds = True
        await self.push_frame(frame)
        for sentence in SENTENCES.findall(self._text):
            await self._say(sentence)
        self._text = SENTENCES.sub("", self._text)

    async def _give(self) -> None:
        text, self._text = self._text, ""
        await self._say(text)

    async def _say(self, text: str) -> None:
        if text.strip():
            await self.push_frame(TTSTextFrame(text.strip(), text_type=TextType.SENTENCE))
