"""What the caller heard, as the conversation that a model is shown.

Pipecat keeps the words whose audio was *sent*. A carrier holds audio back, some voices report words long before their
sound, and a barge-in throws away what was not played. So after an interruption the bot's last words in the context are
rewritten from what the marks say: each chunk whose mark came back, and of the one chunk that was playing the words that
had begun by the clock. A model that is cut off in a question needs to know that it was asked. Nothing heard leaves no
message; calls of tools and their results are never touched, and a turn that was not interrupted stays as it is.

The rewriting is done where Pipecat writes the context, and the caller's next turn waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from loguru import logger
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage, LLMSpecificMessage
from pipecat.processors.aggregators.llm_response_universal import (
    LLMAssistantAggregator,
    LLMUserAggregator,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection

from conversation.call_context import CallContext
from conversation.heard.ahead import AskedAhead
from conversation.local.speech import HEARD_UNTIL
from conversation.playout import Chunk, Playout
from conversation.turns.twice import SaidTwice

CHUNK = "chunk"
"""The key of a frame's `metadata` that says which chunk its words belong to."""

JUST_BEGUN_WORDS = 2
"""An answer of which no more words were heard is withdrawn when the caller goes on speaking."""

REACH_SECS = 1.0
"""How long an interruption may take through the pipeline before the caller's turn goes on without it."""


def tag(frame: TTSTextFrame, chunk: Chunk) -> None:
    """Note on a frame which chunk its words belong to."""
    frame.metadata[CHUNK] = chunk


class InterruptionsUnderWay:
    """The interruptions that have set out and have not reached the end of the pipeline."""

    def __init__(self) -> None:
        """Start with none."""
        self._ids: set[int] = set()
        self._none = asyncio.Event()
        self._none.set()

    def set_out(self, frame: InterruptionFrame) -> None:
        """An interruption passes the beginning of the pipeline."""
        self._ids.add(frame.id)
        self._none.clear()

    def arrived(self, frame: InterruptionFrame) -> None:
        """An interruption has done its work."""
        self._ids.discard(frame.id)
        if not self._ids:
            self._none.set()

    async def over(self) -> None:
        """Wait until all have arrived; a second at most."""
        try:
            async with asyncio.timeout(REACH_SECS):
                await self._none.wait()
        except TimeoutError:
            logger.warning(f"an interruption was not through the pipeline after {REACH_SECS:g} s")
            self._ids.clear()
            self._none.set()


class HeardUserAggregator(LLMUserAggregator):
    """Writes the caller's turns into the context, and asks the model, when what they interrupted is mended.

    A key or a short word begins and ends a turn within the same moment. Without this the turn would come before the
    words that it cut off, and the model would be asked while the interruption is on its way to where they are written.
    """

    def __init__(
        self,
        context: LLMContext,
        interruptions: InterruptionsUnderWay,
        params: LLMUserAggregatorParams,
        *,
        joins: bool = False,
        over_goodbye: Callable[[Frame], bool] = lambda _: False,
        ahead: AskedAhead | None = None,
    ):
        """Initialize the aggregator.

        Args:
            context: The conversation, shared with the bot's aggregator.
            interruptions: Shared with the end of the pipeline.
            params: As in Pipecat.
            joins: Whether a turn of which nobody heard an answer is one message with what the caller said next.
            over_goodbye: Told what comes while the bot says goodbye; says whether it keeps it.
            ahead: Keeps what the model is asked before a turn is surely over; None where it never is.
        """
        super().__init__(context, params=params)
        self._interruptions = interruptions
        self._joins = joins
        self._over_goodbye = over_goodbye
        self._ahead = ahead
        self._said_twice = SaidTwice()
        self._heard_until: int | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note how far the detector has come in the caller's audio; let no word pass that comes to deaf ears."""
        if isinstance(frame, InputAudioRawFrame):
            self._heard_until = frame.metadata.get(HEARD_UNTIL)
        elif self._over_goodbye(frame):
            return
        elif isinstance(frame, InterimTranscriptionFrame | TranscriptionFrame):
            # Pipecat asks at each frame whether the next one is muted, and audio comes ten times a second.
            await self._maybe_mute_frame(frame)
            if isinstance(frame, TranscriptionFrame) and self._says_nothing_new(frame.text):
                return
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            self._said_twice.speech_began()
        await super().process_frame(frame, direction)
        # Speech first keeps the turn from ending; of errors one may be that of the model that was asked.
        if isinstance(frame, VADUserStartedSpeakingFrame | ErrorFrame):
            await self._withdraw()
        elif isinstance(frame, EagerEndOfTurnCancelFrame) and direction is FrameDirection.UPSTREAM:
            if self._ahead is not None and self._ahead.was_given_up():
                await self.push_context_frame()

    def _says_nothing_new(self, text: str) -> bool:
        """Whether a final transcript is empty, or is one that came before. Keys may well be pressed twice."""
        return not text.strip() or (not is_keyed(text) and self._said_twice.is_repeated(text))

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Note interruptions that set out, hold questions to the model until they have arrived."""
        if isinstance(frame, VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame):
            if self._heard_until is not None:
                frame.metadata[HEARD_UNTIL] = self._heard_until
        if direction is FrameDirection.DOWNSTREAM:
            if self._ahead is not None and isinstance(frame, InterruptionFrame | UserStartedSpeakingFrame):
                self._ahead.begin_anew()
            if isinstance(frame, InterruptionFrame):
                self._interruptions.set_out(frame)
            elif isinstance(frame, LLMContextFrame):
                await self._interruptions.over()
                if frame.speculation:
                    await self._ask_ahead()
                    return
                if self._joins:
                    self.context.transform_messages(joined)
                if self._ahead is not None and self._ahead.is_asked(self.context.messages):
                    return
                await self._withdraw()
            elif isinstance(frame, UserStoppedSpeakingFrame):
                await self._withdraw()
        await super().push_frame(frame, direction)

    async def _ask_ahead(self) -> None:
        """Ask the model with the conversation as it will be, if the turn is over."""
        said = self.aggregation_string()
        if self._ahead is None or not said or not isinstance(self.context, CallContext):
            return
        context = self.context.followed_by({"role": "user", "content": said})
        if self._joins:
            context.transform_messages(joined)
        is_another = self._ahead.is_under_way
        if self._ahead.asks(context.messages):
            if is_another:
                await self.broadcast_frame(EagerEndOfTurnCancelFrame)
            await super().push_frame(LLMContextFrame(context, speculation=True))

    async def _withdraw(self) -> None:
        """Have the model's service throw away what it was asked ahead: the turn goes on, or was another one."""
        if self._ahead is not None and self._ahead.withdraw():
            await self.broadcast_frame(EagerEndOfTurnCancelFrame)

    async def push_aggregation(self) -> str:
        """Write the caller's turn into the context, behind what it interrupted."""
        await self._interruptions.over()
        return await super().push_aggregation()


class HeardAssistantAggregator(LLMAssistantAggregator):
    """Writes the bot's words into the context as Pipecat does, and takes back those that an interruption cut off."""

    def __init__(
        self,
        context: LLMContext,
        playout: Playout,
        interruptions: InterruptionsUnderWay,
        user: LLMUserAggregator | None = None,
    ):
        """Initialize the aggregator.

        Args:
            context: The conversation, shared with the user's aggregator.
            playout: What the caller has heard.
            interruptions: Told when the context is mended.
            user: The user's aggregator, for a model that hears by itself: its reply is what ends the caller's turn.
        """
        super().__init__(context, _paired_user_aggregator=user)
        self._playout = playout
        self._interruptions = interruptions
        self._open: list[Chunk] = []
        self._written: list[tuple[LLMContextMessage, list[Chunk]]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Follow what is spoken; mend the context after an interruption."""
        if isinstance(frame, InterruptionFrame):
            await self._keep_what_was_heard()
            await super().process_frame(frame, direction)
            self._open = []
            self._mend()
            self._interruptions.arrived(frame)
            return
        if isinstance(frame, TTSAudioRawFrame):
            self._playout.audio_sent(frame.num_frames / frame.sample_rate)
        elif isinstance(frame, TTSTextFrame) and frame.append_to_context:
            chunk = frame.metadata.get(CHUNK)
            if chunk is not None and chunk not in self._open:
                self._open.append(chunk)
        await super().process_frame(frame, direction)

    async def push_aggregation(self) -> str:
        """Write what was gathered into the context, and remember which chunks it is made of."""
        chunks, self._open = self._open, []
        before = len(self.context.messages)
        try:
            return await super().push_aggregation()
        finally:
            self._written = [
                (message, made_of) for message, made_of in self._written if not _is_heard(made_of)
            ]
            for message in self.context.messages[before:]:
                if chunks and _is_spoken(message):
                    self._written.append((message, chunks))
                    break

    async def _keep_what_was_heard(self) -> None:
        """Make of the words that are not in the context yet those that the caller heard."""
        known = {chunk for _, chunks in self._written for chunk in chunks}
        # The chunk that was playing has not come this far when its voice reports a sentence behind its audio.
        self._open += [
            chunk
            for chunk in self._playout.collect_taken_back()
            if chunk.text and chunk.in_context and chunk not in known and chunk not in self._open
        ]
        if self._open:
            await self.reset()
            if heard := _heard(self._open):
                await super().process_frame(TextFrame(heard), FrameDirection.DOWNSTREAM)

    def _mend(self) -> None:
        """Make of the messages in the context what the caller heard of them."""
        unheard = []
        for message, chunks in self._written:
            if any(not (chunk.all_heard or chunk.lost) for chunk in chunks):
                heard = _heard(chunks)
                if heard:
                    message["content"] = heard  # type: ignore[index]
                    if isinstance(self.context, CallContext):
                        self.context.was_cut(message)
                else:
                    unheard.append(message)
        self._written.clear()
        if unheard:
            self.context.transform_messages(
                lambda messages: [
                    message for message in messages if not any(message is gone for gone in unheard)
                ]
            )


def is_keyed(text: str) -> bool:
    """Whether a turn is of keys, as Pipecat writes them."""
    return text.startswith("DTMF: ")


def joined(messages: list[LLMContextMessage]) -> list[LLMContextMessage]:
    """Make one message of the caller's last two turns when nothing of the bot's is between them.

    The bot took a pause for the end of the first one, and its answer was not heard. Keys stay by themselves.
    """
    said = [_spoken_by_caller(message) for message in messages[-2:]]
    if len(said) < 2 or not all(said):
        return messages
    one: LLMContextMessage = {"role": "user", "content": " ".join(text or "" for text in said)}
    return [*messages[:-2], one]


def _spoken_by_caller(message: LLMContextMessage) -> str | None:
    if isinstance(message, LLMSpecificMessage) or message.get("role") != "user":
        return None
    content = message.get("content")
    return content if isinstance(content, str) and not is_keyed(content) else None


def _is_heard(chunks: Sequence[Chunk]) -> bool:
    return all(chunk.all_heard for chunk in chunks)


def _heard(chunks: Sequence[Chunk]) -> str:
    """The words that were heard; of an answer that had only just begun, none: it is withdrawn."""
    heard = " ".join(filter(None, (chunk.text if chunk.lost else chunk.heard for chunk in chunks)))
    has_just_begun = len(heard.split()) <= JUST_BEGUN_WORDS and not any(
        chunk.all_heard or chunk.lost for chunk in chunks
    )
    return "" if has_just_begun else heard


def _is_spoken(message: LLMContextMessage) -> bool:
    if isinstance(message, LLMSpecificMessage):
        return False
    return message.get("role") == "assistant" and bool(message.get("content"))
