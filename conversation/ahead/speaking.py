"""Has a hosted voice speak each fixed line once: from then on it is said from where it is kept, at once.

Only what the bot says by itself (`TTSSpeakFrame`) is looked at, and of that only what is the same in every call
(`conversation/ahead/fixed.py`). Such a line is a context of its own in Pipecat, and never one part of a model's answer.

What is kept is what the voice gave, sound and timed words in their order, so that marks and transcripts are those of
the voice itself. A line is kept when it is known to be whole: a request has been answered to its end without an error,
or a voice on a WebSocket has said that it is done (`TTSStoppedFrame`). A line that was cut off by the caller, or by a
lost connection, is not. Voices that never say so are asked each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, fields
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.tts_service import TTSService
from pipecat.utils.context.word_timestamp_tracker import WordTimestamp
from pipecat.utils.types import is_given

from conversation.ahead.line import SpokenLine, TimedWord
from conversation.ahead.store import LineStore

PIECE_SECS = 0.5
"""How much sound is handed on at a time."""

LONGEST_SECS = 60.0
"""Nothing longer is kept: a voice that never ends would fill the memory."""


@dataclass(frozen=True)
class Keeping:
    """What a voice's lines are kept by.

    Parameters:
        store: Where.
        texts: What is the same in every call, before it is made fit for the voice.
        voice: Who speaks, as people call it.
        made_of: What the voice is made of, beside its settings: whatever changes how it sounds.
    """

    store: LineStore
    texts: frozenset[str]
    voice: str
    made_of: tuple[str, ...]

    def key(self, settings: Any, text: str, rate: int) -> str:
        """Name a line.

        Args:
            settings: The voice's settings now; they may change during a call.
            text: What the voice is asked to say.
            rate: The rate of the line, in Hz.
        """
        given = {one.name: getattr(settings, one.name) for one in fields(settings)}
        known = {name: value for name, value in given.items() if is_given(value)}
        named = json.dumps([self.made_of, known, text, rate], sort_keys=True, default=repr)
        return hashlib.sha256(named.encode()).hexdigest()


@dataclass
class _Heard:
    """What a voice has given for a line so far."""

    key: str
    text: str
    rate: int = 0
    audio: bytearray = field(default_factory=bytearray)
    words: list[TimedWord] = field(default_factory=list)
    failed: bool = False

    def take(self, item: Any) -> None:
        """Take something that the voice gave."""
        if isinstance(item, TTSAudioRawFrame):
            self.failed |= item.num_channels != 1 or self.rate not in (0, item.sample_rate)
            self.rate = item.sample_rate
            self.audio += item.audio
            self.failed |= len(self.audio) > LONGEST_SECS * self.rate * 2
        elif isinstance(item, WordTimestamp):
            spaces = item.includes_inter_frame_spaces
            self.words.append(TimedWord(item.word, item.timestamp, len(self.audio), spaces))
        elif isinstance(item, ErrorFrame):
            self.failed = True

    @property
    def is_whole(self) -> bool:
        """Whether it may be kept, now that the voice is done."""
        return bool(self.audio) and not self.failed


class KeepsLines(TTSService):
    """Says what is kept, and keeps what is said; see above.

    Attributes:
        told: Called for each fixed line that it was to say and that is kept now; None to tell nobody.
    """

    keeping: Keeping
    _line_hz = 0
    _is_fixed = False

    def __init__(self, **arguments: Any) -> None:
        """Know nothing yet."""
        super().__init__(**arguments)
        self.told: Callable[[], None] | None = None
        self._by_heart: set[str] = set()
        self._heard: dict[str, _Heard] = {}

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Take the rate of the line."""
        self._line_hz = setup.audio_out_sample_rate
        await super().setup(setup)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note whether what is to be said is the same in every call."""
        if not isinstance(frame, TTSSpeakFrame):
            await super().process_frame(frame, direction)
            return
        self._is_fixed = frame.text in self.keeping.texts
        try:
            await super().process_frame(frame, direction)
        finally:
            self._is_fixed = False

    async def on_turn_context_created(self, context_id: str) -> None:
        """Some voices prepare for words here; a line that is kept needs none of that."""
        if not self._is_fixed:
            await super().on_turn_context_created(context_id)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Say a line that is kept; have the voice say all else."""
        if not self._is_fixed:
            async for frame in super().run_tts(text, context_id):
                yield frame
            return
        store = self.keeping.store
        key = self.keeping.key(self._settings, text, self._line_hz)
        line = store.at_hand(key) or await asyncio.to_thread(store.get, key)
        if line is not None:
            self._tell()
            async for frame in self._say(line, context_id):
                yield frame
            return
        await super().on_turn_context_created(context_id)
        heard = self._heard[context_id] = _Heard(key, text)
        sounded = False
        async for frame in super().run_tts(text, context_id):
            heard.failed |= isinstance(frame, ErrorFrame)
            sounded |= isinstance(frame, TTSAudioRawFrame)
            yield frame
        if sounded:  # a request, which is answered by now
            self._is_done(context_id)

    async def _say(self, line: SpokenLine, context_id: str) -> AsyncGenerator[Frame, None]:
        self._by_heart.add(context_id)
        if not self.audio_context_available(context_id):
            await self.create_audio_context(context_id)
            yield TTSStartedFrame(context_id=context_id)
        words = list(line.words)
        size = round(PIECE_SECS * line.rate) * 2
        for begin in range(0, len(line.audio), size):
            while words and words[0].at <= begin:
                word = words.pop(0)
                await self.add_word_timestamps([(word.text, word.secs)], context_id, word.has_spaces)
            yield TTSAudioRawFrame(line.audio[begin : begin + size], line.rate, 1, context_id=context_id)
        for word in words:
            await self.add_word_timestamps([(word.text, word.secs)], context_id, word.has_spaces)

    async def append_to_audio_context(
        self, context_id: str | None, frame: Frame | WordTimestamp | None
    ) -> None:
        """Listen to what the voice gives."""
        if context_id in self._heard:
            if isinstance(frame, TTSStoppedFrame):
                self._is_done(context_id)
            elif frame is None:  # the end, but nobody knows of what
                del self._heard[context_id]
            else:
                self._heard[context_id].take(frame)
        await super().append_to_audio_context(context_id, frame)

    async def on_turn_context_completed(self) -> None:
        """End a line that was kept; the voice knows nothing of it."""
        context_id = self._turn_context_id
        if context_id not in self._by_heart:
            await super().on_turn_context_completed()
            return
        await self.append_to_audio_context(context_id, TTSStoppedFrame(context_id=context_id))
        await self.remove_audio_context(context_id)
        self._is_yielding_frames_synchronously = False
        self._turn_context_id = None

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        """Tell the voice of it, unless it has not said this."""
        self._heard.pop(context_id, None)
        if context_id in self._by_heart:
            self._by_heart.discard(context_id)
            await self.stop_all_metrics()
        else:
            await super().on_audio_context_interrupted(context_id)

    async def on_audio_context_completed(self, context_id: str) -> None:
        """Tell the voice of it, unless it has not said this."""
        self._heard.pop(context_id, None)
        if context_id in self._by_heart:
            self._by_heart.discard(context_id)
        else:
            await super().on_audio_context_completed(context_id)

    def _is_done(self, context_id: str | None) -> None:
        heard = self._heard.pop(context_id, None) if context_id is not None else None
        if heard is not None and heard.is_whole:
            # Not a task of the pipeline's, which may be over before the disk is.
            keeping = asyncio.get_running_loop().run_in_executor(None, self._keeper(heard))
            keeping.add_done_callback(self._was_kept)

    def _was_kept(self, _keeping: asyncio.Future[None]) -> None:
        self._tell()

    def _tell(self) -> None:
        if self.told is not None:
            self.told()

    def _keeper(self, heard: _Heard) -> Callable[[], None]:
        keeping, rate = self.keeping, self._line_hz

        def keep() -> None:
            line = SpokenLine(bytes(heard.audio), heard.rate, tuple(heard.words))
            try:
                about = {"voice": keeping.voice, "text": heard.text}
                keeping.store.put(heard.key, line.at_rate(rate), about)
            except Exception as error:  # a line that is not kept must not be heard of by a caller
                logger.warning(f"a line of {keeping.voice} is not kept: {type(error).__name__}")

        return keep


def that_keeps_lines(cls: Any, keeping: Keeping) -> Any:
    """A voice's class that says fixed lines from where they are kept.

    Args:
        cls: A hosted voice, whose waiting is bounded.
        keeping: What is kept, and where.

    Returns:
        A subclass of the same name, which logs and metrics show.
    """
    return type(cls.__name__, (KeepsLines, cls), {"keeping": keeping})
