"""Recognisers that stand in for one another: the next one gets the sound that the failed one has not understood.

The sound of what the caller is saying is kept, with a moment before it, until its words have come. A recogniser that
reports an error is left at once. One that only brings no words may have heard none: a second one is asked for the same
sound beside it, and takes over if it understands something; after a mere noise everything stays as it was.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from conversation.failover.health import Health
from conversation.failover.spare import Spare
from conversation.failover.switching import FailedOver, Recent, Switch

BEFORE_SECS = 1.0
"""How much sound before the first of speech is kept with it: a detector needs a moment to be sure."""

OVERLAP_SECS = 0.6
"""How much sound of words that have come is kept: a recogniser's words are so much behind the sound."""

LONGEST_SECS = 30.0
"""How much sound is kept at most."""

SPEECH_SECS = 0.7
"""Speech that brings no words and is shorter is taken for a cough; as the guard against dead air has it."""

WORDS_SECS = (0.8, 2.0)
"""How long after speech its words may take, at least and at most; in between a recogniser's own figure counts."""

MARGIN_SECS = 0.3
"""How much longer than its own figure a recogniser may take."""

SECOND_SECS = 3.0
"""How long a second recogniser may take for the same sound."""

PAUSE_SECS = 15.0
"""After a noise, of which no recogniser could make anything, so long none is asked beside another."""

OWN = 8192
"""How many frames that a recogniser was given again are known, to keep them from the rest of the pipeline."""

SEAM_WORDS = 4
"""So many words at the beginning may be those that have come before."""

_PLAIN = re.compile(r"[^\w]+")


class Ears(Switch):
    """The recognisers of a list, as one."""

    def __init__(
        self, spares: Sequence[Spare], failed_over: FailedOver, health: Health | None = None
    ) -> None:
        """Initialize the switch.

        Args:
            spares: The recognisers' places.
            failed_over: Told when one goes on for another.
            health: What is known of services that have failed.
        """
        super().__init__("stt", spares, failed_over, health)
        self._kept: deque[Frame] = deque()
        self._kept_secs = 0.0
        self._speech: VADUserStartedSpeakingFrame | None = None
        self._is_speaking = False
        self._has_words = False
        self._spoken_secs = 0.0
        self._last_words: list[str] = []
        self._seam: list[str] = []
        self._own = Recent(OWN)
        self._understood_at = float("-inf")
        self._words_secs = WORDS_SECS[0]
        self._second: Spare | None = None
        self._second_done = asyncio.Event()
        self._noise_at = float("-inf")
        self._doubt: asyncio.Task[None] | None = None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # What the caller says

    def noted(self, frame: Frame) -> None:
        """Keep the sound of what the caller is saying."""
        if isinstance(frame, InputAudioRawFrame):
            self._keep(frame)
            if self._is_speaking:
                # However quickly the line delivers it
                self._spoken_secs += frame.num_frames / frame.sample_rate
            self._drop_old(LONGEST_SECS if self._speech is not None else BEFORE_SECS)
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            self._stop_doubting()
            if self._speech is None:
                self._speech, self._has_words = frame, False
            self._is_speaking = True
            self._keep(frame)
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._keep(frame)
            self._is_speaking = False
            if self._has_words:
                self._over()
            elif self._spoken_secs >= SPEECH_SECS and self.next_fit() is not None:
                self._stop_doubting()
                self._doubt = self.create_task(self._doubt_later(), f"{self}::doubt")

    def _keep(self, frame: Frame) -> None:
        self._kept.append(frame)
        if isinstance(frame, InputAudioRawFrame):
            self._kept_secs += frame.num_frames / frame.sample_rate
        second = self._second
        if second is not None:
            copy = self._copy(frame)
            self._beginning.add(task := self.create_task(second.give(copy), f"{self}::second"))
            task.add_done_callback(self._beginning.discard)

    def _drop_old(self, secs: float) -> None:
        while self._kept_secs > secs:
            frame = self._kept.popleft()
            if isinstance(frame, InputAudioRawFrame):
                self._kept_secs -= frame.num_frames / frame.sample_rate

    def _over(self) -> None:
        """What was said is understood."""
        self._speech = None
        self._has_words, self._spoken_secs = False, 0.0
        self._last_words, self._seam = [], []
        self._drop_old(BEFORE_SECS)

    def _understood(self, text: str) -> None:
        """Words have come, of speech that may go on."""
        self._stop_doubting()
        self._understood_at = self._now()
        self._has_words = True
        self._spoken_secs = 0.0
        self._last_words = [*self._last_words, *_words(text)][-SEAM_WORDS:]
        if self._is_speaking:
            self._drop_old(OVERLAP_SECS)
        else:
            self._over()

    # What recognisers send

    async def _heard_from(self, spare: Spare, frame: Frame, direction: FrameDirection) -> None:
        if frame.id in self._own:
            self._own.discard(frame.id)
            return
        if spare is not self._second:
            await super()._heard_from(spare, frame, direction)
        elif isinstance(frame, ErrorFrame):
            spare.has_failed = True
            self._health.failed(self.kind, spare.service.name)
            self._second_done.set()
        elif isinstance(frame, TranscriptionFrame) and frame.text.strip():
            await self._take_over(spare)
            await super()._heard_from(spare, frame, direction)

    async def _may_pass(self, spare: Spare, frame: Frame, direction: FrameDirection) -> bool:
        if isinstance(frame, TranscriptionFrame):
            return self._takes(spare, frame)
        if isinstance(frame, InterimTranscriptionFrame) and frame.text.strip():
            self._stop_doubting()
        elif isinstance(frame, STTMetadataFrame):
            shortest, longest = WORDS_SECS
            self._words_secs = min(longest, max(shortest, frame.ttfs_p99_latency + MARGIN_SECS))
        return True

    def _takes(self, spare: Spare, frame: TranscriptionFrame) -> bool:
        if not frame.text.strip():
            return True
        self.has_worked(spare)
        if self._seam:
            frame.text = _without(frame.text, self._seam)
            self._seam = []
        if frame.text.strip():
            self._understood(frame.text)
        self._second_done.set()
        return bool(frame.text.strip())

    # A recogniser that brings no words

    async def _doubt_later(self) -> None:
        await asyncio.sleep(self._words_secs)
        await self.ask_another()

    def _stop_doubting(self) -> None:
        if self._second is not None:
            self._second_done.set()
        elif self._doubt is not None:
            self._doubt.cancel()
            self._doubt = None

    async def ask_another(self) -> bool:
        """Ask another recogniser for what the caller has said, if one is there; tell whether it has understood it."""
        asked_at = self._now()
        if self._second is None:
            if self._speech is None or self._now() - self._noise_at < PAUSE_SECS:
                return False
            second = await self._woken_next()
            if second is None:
                return False
            self._second = second
            self._second_done.clear()
            await self._give_kept(second)
            self.begin_later(second)
        with suppress(TimeoutError):
            async with asyncio.timeout(SECOND_SECS):
                await self._second_done.wait()
        second, self._second = self._second, None
        if second is not None and second is not self.active:
            second.sleep()
            if self._understood_at < asked_at and not (self._is_speaking or second.has_failed):
                self._noise_at = self._now()
        return self._understood_at >= asked_at

    async def _take_over(self, second: Spare) -> None:
        failed, self._second = self.active, None
        self._health.failed(self.kind, failed.service.name)
        failed.has_failed = True
        self._failed_over(failed.service, second.service, None, "silent")
        failed.sleep()
        await self.strategy.make_active(second)
        self._second_done.set()

    # A recogniser that fails

    async def _hand_over(self, failed: Spare, following: Spare) -> None:
        if following is self._second:
            self._second = None
        else:
            await self._give_kept(following)
        await super()._hand_over(failed, following)
        if self._speech is not None and not self._is_speaking:
            self._stop_doubting()
            self._doubt = self.create_task(self._doubt_later(), f"{self}::doubt")

    async def _give_kept(self, spare: Spare) -> None:
        """Give a recogniser what was not understood yet."""
        self._seam = list(self._last_words)
        if self._speech is None:
            return
        if self._speech not in self._kept:
            await spare.give(self._copy(self._speech))
        for frame in list(self._kept):
            await spare.give(self._copy(frame))

    def _copy(self, frame: Frame) -> Frame:
        """The same once more: the rest of the pipeline has had it."""
        copy = replace(frame)
        copy.metadata = dict(frame.metadata)
        self._own.add(copy.id)
        return copy

    async def cleanup(self) -> None:
        """Stop waiting for words."""
        doubt, self._doubt = self._doubt, None
        if doubt is not None:
            await self.cancel_task(doubt)
        await super().cleanup()


def _words(text: str) -> list[str]:
    return [plain for word in text.split() if (plain := _PLAIN.sub("", word.lower()))]


def _without(text: str, before: Sequence[str]) -> str:
    """The text without the words at its beginning that are the last ones of those before."""
    parts = text.split()
    for count in range(min(len(before), len(parts)), 0, -1):
        if _words(" ".join(parts[:count])) == list(before[-count:]):
            return " ".join(parts[count:])
    return text
