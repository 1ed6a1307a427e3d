"""The processor between voice and transport: marks behind what is said, and the call's history from what comes by."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from calls.events.lifecycle import ErrorHappened
from calls.events.talk import BotHeard, BotSaid, DtmfReceived, Interrupted
from conversation.dead_air.guard import DeadAir
from conversation.heard.chunks import SpokenChunks, words_of
from conversation.heard.context import InterruptionsUnderWay, tag
from conversation.parts import FILLS
from conversation.playout import Chunk
from conversation.session import Session
from serializers.frames import MarkFrame, MarkReturnedFrame, StreamErrorFrame, StreamStoppedFrame


def record_heard(session: Session, chunks: Iterable[Chunk]) -> None:
    """Write what the caller is now known to have heard into the call's history."""
    for chunk in chunks:
        if chunk.text:
            session.record(BotHeard(text=chunk.text, confirmed=not chunk.lost))


AUDIBLE = 64
"""The least loud sample that can be heard on a telephone: -54 dB of full scale."""


def is_audible(audio: bytes) -> bool:
    """Whether 16-bit PCM is more than silence, by every eighth sample."""
    samples = np.frombuffer(audio, dtype=np.int16)[::8]
    return bool(samples.size) and (int(np.max(samples)) > AUDIBLE or int(np.min(samples)) < -AUDIBLE)


class SpokenMarks(FrameProcessor):
    """Puts a mark behind each spoken sentence and each utterance, and takes the marks that come back.

    Most voices report a sentence's text right behind its audio, so the mark goes there. For those that time their
    words, or report all texts ahead, `SpokenChunks` knows where marks belong.

    Everything that concerns the call passes here on its way, so keys, barge-ins and the carrier's own messages are
    written down here too: an observer would see every frame at every processor for the same few.
    """

    def __init__(
        self,
        session: Session,
        interruptions: InterruptionsUnderWay,
        dead_air: DeadAir | None = None,
    ):
        """Initialize the processor.

        Args:
            session: The session; its `playout` follows the marks.
            interruptions: Told of the interruptions that end here.
            dead_air: Told of what the voice gives, and of keys.
        """
        super().__init__()
        self._session = session
        self._playout = session.playout
        self._interruptions = interruptions
        self._dead_air = dead_air
        self._own_words: set[str] = set()
        self._own_contexts: set[str] = set()
        self._chunks = SpokenChunks()
        self._announced: AggregatedTextFrame | None = None

    def is_own(self, text: str) -> None:
        """Note a sentence that only fills a silence: it is no answer."""
        self._own_words.add(text)

    async def fall_silent(self) -> None:
        """Take back all that was said and not heard yet, at the carrier too, also what no barge-in may cut short."""
        self._take_back()
        await self.push_frame(InterruptionFrame())

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Add marks on the way out, take them on the way back."""
        await super().process_frame(frame, direction)

        if isinstance(frame, MarkReturnedFrame):
            record_heard(self._session, self._playout.returned(frame.mark))
            return
        if isinstance(frame, InterruptionFrame):
            if self._session.deaf:
                # It set out before the caller was muted; the carrier must not throw the last words away for it. Where
                # we stepped aside, all is taken back already.
                self._interruptions.arrived(frame)
                return
            self._take_back()
        elif isinstance(frame, InputDTMFFrame):
            self._session.record(DtmfReceived(digits=frame.button.value))
            if self._dead_air is not None:
                self._dead_air.key_pressed()
        elif isinstance(frame, StreamStoppedFrame):
            self._session.detached("stopped by the carrier")
        elif isinstance(frame, StreamErrorFrame):
            self._session.record(ErrorHappened(message=f"carrier: {frame.title} {frame.code or ''}".strip()))
        elif direction is FrameDirection.DOWNSTREAM and await self._spoken(frame):
            return

        await self.push_frame(frame, direction)

    async def _spoken(self, frame: Frame) -> bool:
        """Take a frame of the voice. True when it was passed on with the marks that belong around it, or dropped."""
        if self._session.aside and isinstance(frame, TTSAudioRawFrame | TTSTextFrame | TTSStoppedFrame):
            if self._dead_air is not None:  # the voice works; this sound is not for the caller
                self._dead_air.voice_gave(own=True)
                self._dead_air.voice_ended()
            if isinstance(frame, TTSStoppedFrame):
                await self.push_frame(frame)
            return True
        if isinstance(frame, TTSAudioRawFrame):
            await self._pass_audio(frame)
        elif isinstance(frame, TTSTextFrame):
            await self._pass_text(frame)
        elif isinstance(frame, TTSStoppedFrame):
            self._announced = None
            await self.push_frame(frame)
            for chunk in self._chunks.end(self._playout.said_secs) or [Chunk()]:
                await self._mark(chunk, like=frame)
            self._own_contexts.discard(frame.context_id or "")
            if self._dead_air is not None:
                self._dead_air.voice_ended()
        else:
            if isinstance(frame, TTSStartedFrame):
                self._chunks.forget_silent(self._playout.said_secs)
            elif isinstance(frame, AggregatedTextFrame) and frame.will_be_spoken:
                if (
                    not frame.pts
                ):  # a voice that times its words announces a sentence with the time of its first
                    self._announced = frame
                if frame.context_id and words_of(frame) in self._own_words:
                    self._own_contexts.add(frame.context_id)
            elif isinstance(frame, LLMFullResponseEndFrame) and self._dead_air is not None:
                self._dead_air.voice_ended()
            return False
        return True

    async def _pass_audio(self, frame: TTSAudioRawFrame) -> None:
        self._begin()
        rest: TTSAudioRawFrame | None = frame
        while rest is not None:
            frame, rest = self._split(rest, self._chunks.next_due())
            if self._session.aside:
                return
            self._playout.spoke(frame.num_frames / frame.sample_rate)
            if self._dead_air is not None and is_audible(frame.audio):
                self._dead_air.voice_gave(
                    own=FILLS in frame.metadata or frame.context_id in self._own_contexts
                )
            await self.push_frame(frame)
            await self._mark_due(like=frame)

    async def _pass_text(self, frame: TTSTextFrame) -> None:
        secs = self._playout.said_secs - self._playout.named_secs
        if frame.pts:
            self._begin()
            tag(frame, self._chunks.add_word(frame))
            await self._mark_due(like=frame)
            await self.push_frame(frame)
        elif secs > 0 and not self._chunks.ahead:
            self._announced = None
            chunk = Chunk(words_of(frame), in_context=frame.append_to_context)
            self._chunks.measure(len(chunk.text), secs)
            tag(frame, chunk)
            await self.push_frame(frame)
            await self._mark(chunk, like=frame)
        else:
            self._begin()
            self._announced = None
            tag(frame, self._chunks.add_ahead(frame, self._playout.said_secs))
            await self.push_frame(frame)
            await self._mark_due(like=frame)

    def _begin(self) -> None:
        self._chunks.begin(self.get_clock().get_time(), self._playout.said_secs)

    def _split(
        self, frame: TTSAudioRawFrame, position: float | None
    ) -> tuple[TTSAudioRawFrame, TTSAudioRawFrame | None]:
        """Cut audio at a position, for the mark that belongs there, if that lies in its middle."""
        if position is None:
            return frame, None
        # The very frame that reaches the position, and never none: a mark must not wait for audio that does not come.
        frames = max(1, math.ceil((position - self._playout.said_secs) * frame.sample_rate))
        if frames >= frame.num_frames:
            return frame, None
        at = frames * frame.num_channels * 2
        parts = []
        for audio in (frame.audio[:at], frame.audio[at:]):
            part = TTSAudioRawFrame(audio, frame.sample_rate, frame.num_channels, frame.context_id)
            part.interruptible = frame.interruptible
            part.transport_destination = frame.transport_destination
            part.metadata = dict(frame.metadata)
            parts.append(part)
        return parts[0], parts[1]

    async def _mark_due(self, *, like: Frame) -> None:
        while chunk := self._chunks.take_due(self._playout.said_secs):
            await self._mark(chunk, like=like)

    async def _mark(self, chunk: Chunk, *, like: Frame) -> None:
        if chunk.text:
            self._session.record(BotSaid(text=chunk.text))
        mark = MarkFrame(self._playout.say(chunk))
        # A mark behind speech that cannot be interrupted must not be dropped by an interruption either.
        mark.interruptible = like.interruptible
        await self.push_frame(mark)

    def _take_back(self) -> None:
        """The carrier's queue is about to be emptied: find out, and write down, what was heard of it."""
        self._say_what_is_not_complete()
        self._own_contexts.clear()
        if self._dead_air is not None:
            self._dead_air.cleared()
        chunks = [chunk for chunk in self._playout.cleared() if chunk.text]
        record_heard(self._session, [chunk for chunk in chunks if chunk.all_heard or chunk.lost])
        cut = [chunk for chunk in chunks if not (chunk.all_heard or chunk.lost)]
        if cut:
            self._session.record(Interrupted(heard=cut[0].heard))

    def _say_what_is_not_complete(self) -> None:
        """Name the chunks that have no mark yet, with the ends that they would have had."""
        said = self._playout.said_secs
        for due in self._chunks.abandon():
            if said > self._playout.named_secs:
                self._session.record(BotSaid(text=due.chunk.text))
            self._playout.say(due.chunk, ends=due.position)
        self._chunks.interrupted()
        announced, self._announced = self._announced, None
        if announced is not None and said > self._playout.named_secs:
            chunk = Chunk(words_of(announced))
            self._session.record(BotSaid(text=chunk.text))
            self._playout.say(
                chunk, ends=max(said, self._playout.named_secs + len(chunk.text) * self._chunks.pace)
            )


class PlayedMarks(FrameProcessor):
    """Stands behind a transport that has no marks (WebRTC, evals) and returns them itself.

    The transport passes a mark on when the audio before it was written, in step with its playing.
    """

    def __init__(self, session: Session):
        """Initialize the processor.

        Args:
            session: The session; its `playout` follows the marks.
        """
        super().__init__()
        self._session = session

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Return each mark that comes by."""
        await super().process_frame(frame, direction)
        if isinstance(frame, MarkFrame):
            self._session.playout.sent(frame.mark)
            record_heard(self._session, self._session.playout.returned(frame.mark))
            return
        await self.push_frame(frame, direction)
