"""Who may speak: the processors before the model and before the voice, where the guard against dead air looks and acts.

Once the call is ending, or the guard has taken the word, the model is not asked any more and what it still says is
dropped: a farewell is the last that is said. What the bot says itself enters before the voice, beside the model, so
that a model that does not answer holds nothing up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum, auto

from pipecat.frames.frames import (
    AggregatedTextFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMServiceMetadataFrame,
    LLMTextFrame,
    StartFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from conversation.dead_air.guard import DeadAir
from conversation.parts import FILLS
from conversation.speakable import speakable

START_SECS = 10.0
"""How long the bot's own words wait for a pipeline whose services are still connecting."""

REPLY_SECS = 3.0
"""How long they wait for the rest of a reply. A filler does not wait: it is said because no reply comes."""


class Line(Enum):
    """A line of the bot's own that a model says which speaks by itself."""

    WORDS = auto()
    FILLS = auto()
    """It only fills a silence, and what is owed to the caller is still owed."""


HUSH_SECS = 0.1
"""How long a voice may take to report what it has given up, before it is given the same again."""

ITS_END_SECS = 0.5
"""How long a tool waits for the end of the reply that it was called in, which follows the call at once."""


class BeforeModel(FrameProcessor):
    """Tells the guard of the caller's turns and of requests to the model, and drops requests that come too late."""

    def __init__(
        self,
        dead_air: DeadAir,
        before_voice: BeforeVoice,
        *,
        model_hears: bool = False,
        is_held: Callable[[], bool] = lambda: False,
    ):
        """Initialize the processor.

        Args:
            dead_air: The guard.
            before_voice: The other side of the model, which decides whether it may be asked.
            model_hears: Whether the model takes the caller's sound, and answers a turn without being asked.
            is_held: Whether such an answer is not for the caller now.
        """
        super().__init__(enable_direct_mode=True)
        self._dead_air = dead_air
        self._before_voice = before_voice
        self._model_hears = model_hears
        self._has_turns = True
        self._is_held = is_held

    async def tell(self, frame: Frame) -> None:
        """Hand something to a model that hears by itself: the caller's side of the pipeline must not take it."""
        await self.push_frame(frame)

    async def interrupt(self, frame: Frame) -> None:
        """Stop what such a model says, and hand it something.

        From here the interruption is ahead of that all the way: one that came later would have some services forget
        that they have been asked.
        """
        self._dead_air.interrupted()
        await self.broadcast_interruption()
        await self.push_frame(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Look, and pass on what may go on."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM and not self._passes(frame):
            return
        if isinstance(frame, LLMServiceMetadataFrame):
            self._has_turns = frame.user_turn_strategies is not None
        elif direction is FrameDirection.UPSTREAM and self._model_hears:
            self._hears_of_caller(frame)
        await self.push_frame(frame, direction)

    def _hears_of_caller(self, frame: Frame) -> None:
        """Take what a model says that it has heard of the caller."""
        if isinstance(frame, InterruptionFrame):
            self._dead_air.interrupted()
        elif isinstance(frame, TranscriptionFrame) and not (self._has_turns or self._is_held()):
            if frame.text.strip() and self._dead_air.caller_spoke():
                self._before_voice.may_ask()

    def _passes(self, frame: Frame) -> bool:
        dead_air = self._dead_air
        if isinstance(frame, InputAudioRawFrame):
            dead_air.caller_sounds(frame.num_frames / frame.sample_rate)
            return self._model_hears  # otherwise no processor behind this one wants it
        if isinstance(frame, LLMContextFrame):
            if frame.speculation:
                return True  # it is not the model's turn yet
            # A model that hears knows the caller's words already, and answers the first context that it gets.
            return not self._model_hears and self._before_voice.may_ask()
        if isinstance(frame, UserStartedSpeakingFrame):
            dead_air.caller_began()
        elif isinstance(frame, UserStoppedSpeakingFrame):
            dead_air.caller_stopped()
            if self._model_hears and not self._is_held():
                self._before_voice.may_ask()
        elif isinstance(frame, InterruptionFrame):
            dead_air.interrupted()
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            dead_air.caller_speaks()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            dead_air.caller_pauses()
        return True


class BeforeVoice(FrameProcessor):
    """Tells the guard of the model's replies and tools; the bot's own words enter here.

    Attributes:
        reply: What the model has said in its latest reply.
    """

    def __init__(
        self,
        dead_air: DeadAir,
        is_shut: Callable[[], bool],
        is_own: Callable[[str], None],
        hush: Callable[[], Awaitable[None]],
        line_of_model: Callable[[], Line | None] | None = None,
    ):
        """Initialize the processor.

        Args:
            dead_air: The guard.
            is_shut: Whether the model is not to be heard any more.
            is_own: Told which words only fill a silence.
            hush: Has the voice wait no longer for the sound of what it was given.
            line_of_model: Which line of ours a model says that speaks by itself; None for a model that writes.
        """
        super().__init__(enable_direct_mode=True)
        self._dead_air = dead_air
        self._is_shut = is_shut
        self._is_own = is_own
        self._hush = hush
        self._line_of_model = line_of_model
        self._started = asyncio.Event()
        self._reply_over = asyncio.Event()
        self._reply_over.set()
        self._has_begun = False
        self._open = False
        self._closed = False
        self.reply = ""

    def may_ask(self) -> bool:
        """Whether the model may be asked something; then it is."""
        if self._is_shut():
            return False
        if self._fills:
            return True  # that is no answer
        self._reply_over.clear()
        self._has_begun = False
        self._dead_air.asked()
        return True

    @property
    def _line(self) -> Line | None:
        return self._line_of_model() if self._line_of_model is not None else None

    @property
    def _fills(self) -> bool:
        """Whether the model says a line of ours that only fills a silence."""
        return self._line is Line.FILLS

    @property
    def voice_is_lost(self) -> bool:
        """Whether the voice has failed twice, or has been silent for too long."""
        return self._dead_air.voice_is_lost

    def listens(self) -> None:
        """The model need not say anything now."""
        self._dead_air.may_be_silent()

    async def reply_is_over(self) -> None:
        """Wait, not for long, until the model has said all of its latest reply."""
        await _wait(self._reply_over, ITS_END_SECS)

    async def say(self, *frames: Frame, own: bool = False) -> bool:
        """Give the voice something of the bot's own, after what it was given before.

        Args:
            *frames: Sentences, and marks behind them.
            own: Whether they only fill a silence.

        Returns:
            False when that was not possible: the pipeline has not started yet, and a filler is not kept for later.
        """
        if own and not self._started.is_set():
            return False
        if not own:
            self._dead_air.bots_turn()
            await _wait(self._started, START_SECS)
            # What the model has begun to say comes first; its words may be on their way here when it calls a tool.
            await _wait(self._reply_over, REPLY_SECS if self._has_begun else ITS_END_SECS)
        if self._is_shut():
            self._closed = True
            if self._open:
                self._open = False
                await self.push_frame(LLMFullResponseEndFrame())
        for frame in frames:
            if isinstance(frame, TTSSpeakFrame):
                frame.text = await speakable(frame.text)
                if own:
                    frame.metadata[FILLS] = True
                    self._is_own(frame.text)
                self._dead_air.voice_was_given(frame.text)
                self._dead_air.voice_was_asked()
            await self.push_frame(frame)
        return True

    async def say_again(self) -> None:
        """Give the voice once more what it has failed to say, if it has."""
        if words := await self.failed_words():
            await self.push_frame(TTSSpeakFrame(words))

    async def failed_words(self) -> str:
        """What the voice has failed to say and should be given once more. The bot stops waiting for its sound."""
        if not self._dead_air.has_words_again:
            return ""
        await self._hush()
        await asyncio.sleep(HUSH_SECS)
        return self._dead_air.take_words_again()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Look, and pass on what may go on."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            # The results of tools are answered from here.
            if isinstance(frame, LLMContextFrame) and not self.may_ask():
                return
            if isinstance(frame, ErrorFrame):
                self._dead_air.voice_reports_a_fault()
        elif not self._passes(frame):
            return
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._started.set()

    def _passes(self, frame: Frame) -> bool:
        dead_air = self._dead_air
        too_late = self._closed and self._is_shut()
        if isinstance(frame, LLMFullResponseStartFrame):
            self.reply = ""
            self._open = not too_late
            if self._line_of_model is not None and self._line is None:
                dead_air.answer_began()
            return self._open
        if isinstance(frame, AggregatedTextFrame | LLMTextFrame):
            if too_late:
                return False
            if frame.text.strip():
                self.reply = f"{self.reply} {frame.text}".strip()
                self._has_begun = True
                if self._line_of_model is None:
                    dead_air.reply_has_words(frame.text.strip())
                elif not self._fills:
                    dead_air.answer_is_spoken()
        elif isinstance(frame, LLMFullResponseEndFrame):
            was_open, self._open = self._open, False
            self._reply_over.set()
            if not self._fills:
                dead_air.reply_ended()
            return was_open or not too_late
        elif isinstance(frame, TTSSpeakFrame):
            if self._is_shut():
                return False
            dead_air.bots_turn()
            dead_air.voice_was_given(frame.text)
            dead_air.voice_was_asked()
        elif isinstance(frame, FunctionCallsStartedFrame):
            if self._line_of_model is not None and not self._open:
                self._reply_over.set()  # such a model calls tools in a turn without a word
            dead_air.tools_began(call.tool_call_id for call in frame.function_calls)
        elif isinstance(frame, FunctionCallResultFrame):
            if frame.properties is None or frame.properties.is_final:
                dead_air.tool_ended(frame.tool_call_id)
        elif isinstance(frame, FunctionCallCancelFrame):
            dead_air.tool_ended(frame.tool_call_id)
        elif isinstance(frame, InterruptionFrame):
            self._open = False
            self._reply_over.set()
        return True


async def _wait(event: asyncio.Event, secs: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(secs):
            await event.wait()
