"""Voices that stand in for one another: the next one says the rest of the sentence that one has failed to say.

The sentences that were given and not said are kept, in order with all that must not overtake them. Nothing of a
sentence goes on to the caller's side before its first sound, so that a voice that fails before leaves no trace. Of a
sentence that broke off, the words that were heard are known from the words' times, where a voice tells them, else
from the length of the sound at the pace that the voice had so far; the next voice begins with the word after them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from pipecat.frames.frames import (
    AggregatedTextFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    StartFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from conversation.failover.health import Health
from conversation.failover.spare import Spare
from conversation.failover.switching import FailedOver, Switch

SECS_PER_CHARACTER = 1 / 15
"""A usual speaker's pace, until a voice's own is known."""

PACES = (0.03, 0.2)
"""No voice is quicker or slower than this, in seconds a character."""

LOOK_SECS = 0.1
"""How often it is checked whether a voice that has something to say is silent."""

NEARLY = 0.6
"""A sentence of which this share was heard, by its length, may well be over: its silence is no stall."""

NANOSECONDS = 1e9


@dataclass(eq=False)
class Given:
    """Something that the voice was given and that is not out yet.

    Parameters:
        frame: The frame.
        at: When it was given, in seconds.
        announced: Whether the voice is at it.
        segment: The id of the announcement, which its words refer to.
        told: Whether its words have gone on, ahead of its sound or with it.
        silent: Whether they went on with the voice that has failed, and are not told again.
    """

    frame: Frame
    at: float
    announced: bool = False
    segment: int = 0
    told: bool = False
    silent: bool = False

    @property
    def text(self) -> str:
        """The sentence; empty for what is none."""
        frame = self.frame
        if isinstance(frame, AggregatedTextFrame | TTSSpeakFrame) and not isinstance(frame, TTSTextFrame):
            return frame.text.strip()
        return ""

    def of(self, text: str, at: float) -> Given:
        """The same for another voice, with the words that are still to be said."""
        frame = self.frame
        if text != self.text:
            if isinstance(frame, TTSSpeakFrame):
                rest: Frame = TTSSpeakFrame(text, frame.append_to_context, frame.text_type)
            else:
                assert isinstance(frame, AggregatedTextFrame)
                rest = AggregatedTextFrame(text, frame.text_type)
            rest.interruptible, rest.metadata = frame.interruptible, dict(frame.metadata)
            frame = rest
        return Given(frame, at, silent=self.silent or self.told)


def count_heard(times: Sequence[int], secs: float) -> int:
    """How many words were heard: those of which the better half was.

    Args:
        times: When each word begins, in nanoseconds.
        secs: How much of the sound was heard.
    """
    starts = [(time - times[0]) / NANOSECONDS for time in times]
    usual = starts[-1] / (len(starts) - 1) if len(starts) > 1 else 0.0
    lasts = [after - start for start, after in pairwise(starts)] + [usual]
    return sum(start + last / 2 < secs for start, last in zip(starts, lasts, strict=False))


class Voices(Switch):
    """The voices of a list, as one."""

    def __init__(
        self,
        spares: Sequence[Spare],
        failed_over: FailedOver,
        *,
        silent_secs: float,
        health: Health | None = None,
    ) -> None:
        """Initialize the switch.

        Args:
            spares: The voices' places.
            failed_over: Told when one goes on for another.
            silent_secs: How long a voice may be silent that has something to say, and another one behind it.
            health: What is known of services that have failed.
        """
        super().__init__("tts", spares, failed_over, health)
        self._register_event_handler("on_tts_request")
        self._silent_secs = silent_secs
        self._log: list[Given] = []
        self._turn: LLMFullResponseStartFrame | None = None
        self._again: set[int] = set()
        self._given_at = 0.0
        self._watching: asyncio.Task[None] | None = None
        self._pace = SECS_PER_CHARACTER
        self._held: list[Frame] = []
        self._forget()

    def _forget(self) -> None:
        """Begin an utterance."""
        self._context: str | None = None
        self._secs = 0.0
        self._sound_at = 0.0
        self._times: list[int] = []
        self._ahead = False

    def get_audio_contexts(self) -> list[str]:
        """What the voice is at, by its own names."""
        return list(self.active.inner.get_audio_contexts())

    async def remove_audio_context(self, context_id: str) -> None:
        """Have the voice wait no longer for sound."""
        await self.active.inner.remove_audio_context(context_id)

    def prepare(self, service: Any) -> None:
        """Tell of what a voice is asked."""

        async def asked(_voice: Any, context_id: str, text: str) -> None:
            await self._call_event_handler("on_tts_request", context_id, text)

        service.add_event_handler("on_tts_request", asked)

    def noted(self, frame: Frame) -> None:
        """Keep what the voice is given until it is out."""
        if isinstance(frame, InterruptionFrame):
            self._log = [given for given in self._log if not given.frame.interruptible]
            self._held.clear()
            self._turn = None
            self._forget()
        elif not isinstance(frame, SystemFrame | StartFrame | EndFrame | CancelFrame):
            self._given_at = self._now()
            self._log.append(Given(frame, self._given_at))
            if isinstance(frame, LLMFullResponseStartFrame):
                self._turn = frame
            if self._sentences and (self._watching is None or self._watching.done()):
                self._watching = self.create_task(self._watch(), f"{self}::watch")

    @property
    def _sentences(self) -> list[Given]:
        return [given for given in self._log if given.text]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _watch(self) -> None:
        """Move on when a voice that has something to say is silent."""
        while self._sentences:
            await asyncio.sleep(LOOK_SECS)
            if self._is_stalled() and self.next_fit() is not None:
                await self.move_on("stalled")

    def _is_stalled(self) -> bool:
        first = next(iter(self._sentences), None)
        if first is None:
            return False
        if self._secs > 0 and first.told and self._secs >= NEARLY * len(first.text) * self._pace:
            return False
        since = max(first.at, self._sound_at)
        if self._turn is not None and not any(
            isinstance(given.frame, LLMFullResponseEndFrame) for given in self._log
        ):
            since = max(since, self._given_at)  # some wait for the rest of a short sentence's turn
        return self._now() - since >= self._silent_secs

    async def _may_pass(self, spare: Spare, frame: Frame, direction: FrameDirection) -> bool:
        if direction is FrameDirection.UPSTREAM or isinstance(frame, SystemFrame):
            return True
        if isinstance(frame, TTSAudioRawFrame):
            self.has_worked(spare)
            await self._release(spare)
            self._secs += frame.num_frames / frame.sample_rate
            self._sound_at = self._now()
            return True
        if isinstance(frame, TTSStoppedFrame):
            return await self._stopped(spare)
        if isinstance(frame, TTSTextFrame):
            return self._told(frame)
        if isinstance(frame, TTSStartedFrame):
            if frame.context_id != self._context:
                self._forget()
                self._context = frame.context_id
        elif isinstance(frame, AggregatedTextFrame) and frame.will_be_spoken:
            given = self._announced(frame)
            if given is not None and given.silent:
                return False
        elif not self._held:
            return self._out(frame)
        self._held.append(frame)
        return False

    async def _release(self, spare: Spare) -> None:
        """Let go on what waited for sound."""
        held, self._held = self._held, []
        for frame in held:
            if isinstance(frame, TTSTextFrame) and (given := self._given_of(frame)) is not None:
                given.told = True
            if isinstance(frame, TTSStartedFrame | AggregatedTextFrame) or self._out(frame):
                await spare.push_frame(frame)

    def _out(self, frame: Frame) -> bool:
        """Note that something is behind the voice; tell whether it is for the rest of the pipeline."""
        self._log = [given for given in self._log if given.frame is not frame]
        if isinstance(frame, LLMFullResponseEndFrame):
            self._turn = None
        again = frame.id in self._again
        self._again.discard(frame.id)
        return not again

    def _announced(self, frame: AggregatedTextFrame) -> Given | None:
        waiting = [given for given in self._sentences if not given.announced]
        for given in waiting:
            if given.frame is frame or given.text == frame.text.strip():
                given.announced, given.segment = True, frame.id
                # What came before it and was not said has nothing in it to say.
                skipped = waiting[: waiting.index(given)]
                self._log = [one for one in self._log if one not in skipped]
                return given
        return None

    def _told(self, frame: TTSTextFrame) -> bool:
        """Take the words of a sentence, which come behind its sound, with it or ahead of it."""
        given = self._given_of(frame)
        if frame.pts:
            self._times.append(frame.pts)
        elif self._held or self._secs <= 0:
            self._ahead = True
        elif not self._ahead and given is not None:
            self._learn(given.text, self._secs)
            self._secs = 0.0
            self._log.remove(given)
            return not given.silent
        if given is not None and given.silent:
            return False
        if self._held:
            self._held.append(frame)
            return False
        if given is not None:
            given.told = True
        return True

    def _given_of(self, frame: TTSTextFrame) -> Given | None:
        begun = [given for given in self._sentences if given.announced]
        return next((one for one in begun if one.segment == frame.segment_id), begun[0] if begun else None)

    def _learn(self, text: str, secs: float) -> None:
        if text and secs > 0:
            self._pace = (self._pace + min(max(PACES), max(min(PACES), secs / len(text)))) / 2

    async def _stopped(self, spare: Spare) -> bool:
        """Take the end of an utterance; one without a sound is a failure."""
        begun = [given for given in self._sentences if given.announced]
        if begun and self._secs <= 0 and not self._sound_at and self.next_fit() is not None:
            await self.move_on("silent")
            return False
        await self._release(spare)
        self._learn("".join(given.text for given in begun), self._secs)
        self._log = [given for given in self._log if given not in begun]
        self._forget()
        return True

    def _said(self) -> list[tuple[Given, int]]:
        """How many words of each sentence that the voice is at were heard."""
        begun = [given for given in self._sentences if given.announced]
        heard = []
        words_heard = count_heard(self._times, self._secs)
        secs = self._secs
        for given in begun:
            words = len(given.text.split())
            if self._times:
                count = min(words, words_heard)
                words_heard -= count
            else:
                lasts = len(given.text) * self._pace
                count = words if secs >= lasts else int(words * secs / lasts)
                secs = max(0.0, secs - lasts)
            heard.append((given, count))
        return heard

    async def _hand_over(self, failed: Spare, following: Spare) -> None:
        """Give the next voice what is unsaid, and close what the failed one has begun."""
        heard = {given: count for given, count in self._said() if count} if self._secs > 0 else {}
        context, had_sound = self._context, self._sound_at > 0
        log, now, telling = self._log, self._now(), list[Frame]()
        failed.sleep()
        self._held.clear()
        self._log = []
        if self._turn is not None and not any(given.frame is self._turn for given in log):
            begun = LLMFullResponseStartFrame()
            self._again.add(begun.id)  # the rest of the pipeline knows that the reply has begun
            await following.give(begun)
        for given in log:
            words = given.text.split()
            count = heard.get(given, 0)
            if count and not (given.told or given.silent):
                told = TTSTextFrame(" ".join(words[:count]), cast(Any, given.frame).text_type)
                if isinstance(given.frame, TTSSpeakFrame):
                    told.append_to_context = given.frame.append_to_context
                told.context_id, told.interruptible = context, given.frame.interruptible
                telling.append(told)
            if words and count >= len(words):
                continue
            rest = given.of(" ".join(words[count:]) if count else given.text, now)
            self._log.append(rest)
            await following.give(rest.frame)
        self._forget()
        await self.strategy.make_active(following)
        if had_sound:
            telling.append(TTSStoppedFrame(context_id=context))
        for frame in telling:
            await failed.push_frame(frame)
