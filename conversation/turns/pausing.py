"""Pauses: one within a sentence is not the end of a turn, and a turn in which nothing is said ends soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pipecat.frames.frames import (
    Frame,
    InterimTranscriptionFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult, UserTurnSpeculation
from pipecat.turns.user_stop import BaseUserTurnStopStrategy, TurnAnalyzerUserTurnStopStrategy

from conversation.turns.ear import CallerGoesOnFrame, CallerPausesFrame
from conversation.turns.smart_turn import SharedSmartTurn
from conversation.turns.words import ENGLISH, TurnWords, turn_words

UNFINISHED_SECS = 1.5
"""A pause this long ends a turn whose words break off in the middle of a sentence."""

COURTESY_SECS = 0.6
"""A pause this long ends a turn of mere courtesy, behind which the matter often follows: "Thank you, ... goodbye."."""

GREETING_SECS = 1.2
"""The same for a mere "good morning": who calls a business wants something of it."""

WHOLE_SECS = 0.9
"""A pause this long ends a turn of a whole sentence, though its melody goes on."""

QUESTION_SECS = 0.7
"""The same for a whole question."""

TELLING_SECS = 0.8
"""A pause this long ends a turn that has told something and asked nothing, however complete it sounds."""

OWN_WORDS_SECS = 0.9
"""The same for whatever answers a question for a name or a message, whose callers think while they speak."""

DICTATING_SECS = 2.0
"""A pause this long ends a turn in which a number, a name or an address was begun, or only announced."""

MAY_BE_WHOLE_SECS = 1.2
"""A pause this long ends one whose number is long enough for some places."""

LIKELY_SECS = 1.0
"""Of a pause that ends a turn and is no longer than this it is likely that it does: the model is asked meanwhile."""

WORDS_LATE_SECS = 1.0
"""How much later than nearly all transcripts one may come. After that it is sure that there were no words."""

WORDLESS_SECS = 2.1
"""By then it is sure in any case, unless the recogniser is known to be slower: the bot must speak within 3 s."""


Known = Callable[[], TurnWords]
"""The words of the language that is spoken now."""


def english() -> TurnWords:
    """The words of English."""
    return turn_words(ENGLISH)


def secs_to_wait(
    said: str, words: TurnWords | None = None, *, was_asked: bool = False, in_own_words: bool = False
) -> float:
    """How long a pause ends a turn of these words that sounds complete, in seconds; 0 for one that is over at once.

    Args:
        said: What was said in the turn.
        words: Those of the language; English when not given.
        was_asked: Whether the bot has just asked for a number, a name or an address.
        in_own_words: Whether it has asked for a name, or for something in the caller's own words.
    """
    words = words or english()
    if words.is_dictating(said, was_asked=was_asked):
        return DICTATING_SECS
    if said.rstrip().endswith(",") and (words.is_short_answer(said) or words.says_goodbye(said)):
        return COURTESY_SECS  # a lone "No." or "Bye." is often written so
    if words.ends_in_a_comma(said):
        return WHOLE_SECS
    if words.breaks_off(said):
        return UNFINISHED_SECS
    if words.may_be_whole(said, was_asked=was_asked):
        return MAY_BE_WHOLE_SECS
    if words.is_courtesy(said):
        return GREETING_SECS if words.is_greeting(said) else COURTESY_SECS
    if words.may_begin_more(said):
        return COURTESY_SECS
    if words.is_short_answer(said) or words.says_goodbye(said):
        return 0.0
    if in_own_words and not said.rstrip().endswith("?"):
        return OWN_WORDS_SECS
    return TELLING_SECS if words.only_tells(said) else 0.0


def secs_when_whole(
    said: str, words: TurnWords, *, was_asked: bool = False, in_own_words: bool = False
) -> float | None:
    """How long a pause ends a turn whose words are whole, whatever its melody; None when they may not be.

    Args:
        said: What was said in the turn.
        words: Those of the language.
        was_asked: Whether the bot has just asked for a number, a name or an address.
        in_own_words: Whether it has asked for a name, or for something in the caller's own words.
    """
    wait = secs_to_wait(said, words, was_asked=was_asked, in_own_words=in_own_words)
    if words.is_short_answer(said) or words.says_goodbye(said):
        return wait
    if wait >= UNFINISHED_SECS or not words.is_sentence(said):
        return None
    return max(wait, QUESTION_SECS if said.rstrip().endswith("?") else WHOLE_SECS)


class WordsDecideToo(BaseUserTurnStopStrategy):
    """Has a strategy that ends turns by their sound wait a while where the words say that more must come."""

    def __init__(
        self,
        *,
        words: Known = english,
        was_asked: Callable[[], bool] = lambda: False,
        in_own_words: Callable[[], bool] = lambda: False,
        **kwargs: Any,
    ):
        """Initialize the strategy.

        Args:
            words: The words of the language that is spoken now.
            was_asked: Whether the bot has just asked for a number, a name or an address.
            in_own_words: Whether it has asked for a name, or for something in the caller's own words.
            **kwargs: For the strategy that listens to the sound.
        """
        super().__init__(**kwargs)
        self._words = words
        self._was_asked = was_asked
        self._in_own_words = in_own_words
        self._said: list[str] = []
        self._silent_since = 0.0
        self._waiting: asyncio.Task[None] | None = None

    async def handle_user_turn_started(self) -> None:
        """Begin with no words."""
        self._said.clear()
        await self._wait_no_longer()
        await super().handle_user_turn_started()

    async def handle_user_turn_stopped(self) -> None:
        """Wait for nothing more."""
        await self._wait_no_longer()
        await super().handle_user_turn_stopped()

    async def cleanup(self) -> None:
        """Stop waiting."""
        await self._wait_no_longer()
        await super().cleanup()

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Gather the words before the other strategy decides on them."""
        if isinstance(frame, TranscriptionFrame):
            self._said.append(frame.text)
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            await self._wait_no_longer()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._silent_since = frame.timestamp - frame.stop_secs
        return await super().process_frame(frame) or ProcessFrameResult.CONTINUE

    async def trigger_user_turn_stopped(self, *, enable_user_speaking_frames: bool | None = None) -> None:
        """End the turn, now or when nothing has followed a sentence that breaks off, or a courtesy."""
        await self._wait_no_longer()
        said = " ".join(self._said)
        wait = 0.0
        if said:
            asked, freely = self._was_asked(), self._in_own_words()
            wait = secs_to_wait(said, self._words(), was_asked=asked, in_own_words=freely)
        rest = self._silent_since + wait - time.time()
        if rest > 0:
            self._waiting = self.create_task(self._end_after(rest), f"{self}::_end_after")
            if wait <= LIKELY_SECS:
                await self.trigger_user_turn_inference_triggered(speculation=UserTurnSpeculation(said))
        else:
            await super().trigger_user_turn_stopped(enable_user_speaking_frames=enable_user_speaking_frames)

    async def _end_after(self, secs: float) -> None:
        await asyncio.sleep(secs)
        self._waiting = None
        await super().trigger_user_turn_stopped()

    async def _wait_no_longer(self) -> None:
        task, self._waiting = self._waiting, None
        if task is not None:
            await self.cancel_task(task)


class WholeSentenceUserTurnStopStrategy(WordsDecideToo, TurnAnalyzerUserTurnStopStrategy):
    """Ends a turn that sounds complete, but waits a while for the rest of a sentence that breaks off.

    A model that listens to the melody takes "I would like to" for complete when the voice falls before a pause, and
    each part of a telephone number.
    """

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Have the model think ahead in a pause."""
        if isinstance(frame, CallerPausesFrame | CallerGoesOnFrame):
            self._think_ahead(frame)
        return await super().process_frame(frame)

    def _think_ahead(self, frame: CallerPausesFrame | CallerGoesOnFrame) -> None:
        if not isinstance(self._turn_analyzer, SharedSmartTurn):
            return
        if isinstance(frame, CallerGoesOnFrame):
            self._turn_analyzer.think_no_more()
        elif self._vad_user_speaking:
            self._turn_analyzer.think_ahead(frame.rest_secs)


class WordlessUserTurnStopStrategy(BaseUserTurnStopStrategy):
    """Ends a turn that a noise began, once it is sure that no words come.

    Pipecat's own limit, 5 s after the last sound, is for recognisers that have failed.
    """

    def __init__(self) -> None:
        """Initialize the strategy."""
        super().__init__()
        self._stt_secs = 1.0
        self._words = False
        self._waiting: asyncio.Task[None] | None = None

    async def handle_user_turn_started(self) -> None:
        """Begin with no words."""
        self._words = False

    async def handle_user_turn_stopped(self) -> None:
        """Wait for nothing more."""
        await self._wait_no_longer()

    async def cleanup(self) -> None:
        """Stop waiting."""
        await super().cleanup()
        await self._wait_no_longer()

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Wait for words from the end of speech on."""
        if isinstance(frame, STTMetadataFrame):
            self._stt_secs = frame.ttfs_p99_latency
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            await self._wait_no_longer()
        elif isinstance(frame, TranscriptionFrame | InterimTranscriptionFrame):
            if frame.text.strip():
                self._words = True
                await self._wait_no_longer()
        elif isinstance(frame, VADUserStoppedSpeakingFrame) and not self._words:
            await self._wait_no_longer()
            wait = max(self._stt_secs, min(self._stt_secs + WORDS_LATE_SECS, WORDLESS_SECS))
            due = frame.timestamp - frame.stop_secs + wait
            self._waiting = self.create_task(self._end_after(due - time.time()), f"{self}::_end_after")
        return ProcessFrameResult.CONTINUE

    async def _end_after(self, secs: float) -> None:
        await asyncio.sleep(max(0.0, secs))
        self._waiting = None
        await self.trigger_user_turn_stopped()

    async def _wait_no_longer(self) -> None:
        task, self._waiting = self._waiting, None
        if task is not None:
            await self.cancel_task(task)
