"""Whose turn it is: the end of a turn, silent callers, promises that are not interrupted, the longest duration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.frames.frames import (
    Frame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.empty_user_turn import EmptyUserTurnConfig
from pipecat.turns.types import ProcessFrameResult, UserTurnSpeculation
from pipecat.turns.user_mute import BaseUserMuteStrategy
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy
from pipecat.turns.user_stop import BaseUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from calls.events.talk import SilencePrompted
from calls.states import EndedBy
from conversation.session import Session
from conversation.turns.detectors import shared_turn_analyzer
from conversation.turns.hinted import HintedUserTurnStopStrategy
from conversation.turns.holding import Voice
from conversation.turns.interrupting import InterruptingUserTurnStartStrategy
from conversation.turns.keypad import KEYPAD_PREFIX
from conversation.turns.pausing import (
    LIKELY_SECS,
    Known,
    WholeSentenceUserTurnStopStrategy,
    WordlessUserTurnStopStrategy,
    english,
    secs_when_whole,
)
from conversation.turns.words import ENGLISH, TurnWords, turn_words

INCOMPLETE_TURN_SECS = 1.5
"""A pause this long ends a turn that sounded unfinished. Pipecat's 3 s are dead air on a phone line."""


LONGEST_TURN_SECS = 30.0
"""After so long any words end a turn: somebody else may speak on behind the caller, or a television."""


def turn_strategies(
    session: Session | None = None,
    *,
    bot_begins: bool = False,
    understands: Callable[[str], bool] | None = None,
    voice: Voice | None = None,
) -> UserTurnStrategies:
    """Speech starts a turn, while the bot speaks only some; keys, whole words, Smart Turn or silence end it.

    Args:
        session: The session: what it has said that was not heard yet, and whether it can be interrupted.
        bot_begins: Whether the bot has the first word.
        understands: Whether the model can do something with the words, for a model that answers this at once.
        voice: The bot's voice, where it can be paused.
    """
    analyzer = shared_turn_analyzer(params=SmartTurnParams(stop_secs=INCOMPLETE_TURN_SECS))
    follows: dict[str, Any] = {}
    waits: dict[str, Any] = {}

    def known() -> TurnWords:
        return turn_words(session.agent.language if session is not None else ENGLISH)

    if session is not None:
        follows = {
            "muted": lambda: session.deaf,
            "unheard": lambda: unheard_words(session),
            "unheard_secs": lambda: session.playout.unheard_secs,
            "said": lambda: session.playout.said_lately,
        }
        waits = {
            "was_asked": lambda: known().asks_for_dictation(session.playout.said_lately),
            "in_own_words": lambda: known().asks_for_words(session.playout.said_lately),
        }
    return UserTurnStrategies(
        start=[
            InterruptingUserTurnStartStrategy(
                bot_begins=bot_begins, understands=understands, voice=voice, words=known, **follows
            ),
            TranscriptionUserTurnStartStrategy(),
        ],
        stop=[
            KeypadUserTurnStopStrategy(),
            WholeWordsUserTurnStopStrategy(known, **waits),
            HintedUserTurnStopStrategy(words=known, **waits),
            WholeSentenceUserTurnStopStrategy(turn_analyzer=analyzer, words=known, **waits),
            WordlessUserTurnStopStrategy(),
        ],
    )


def unheard_words(session: Session) -> str | None:
    """The bot's words on their way to the caller, so far as they are known; None when the caller has heard all."""
    playout = session.playout
    return " ".join(chunk.text for chunk in playout.pending if chunk.text) if playout.has_unheard else None


GO_ON = (
    "You were cut off there by a noise, or by a word that asks for nothing. Go on: say what the caller has not "
    "yet heard of your answer, without a word about the interruption."
)
"""What a model is told when a noise, and no word, has interrupted its answer."""

NOISES_IN_A_ROW = 3
"""How often in a row the bot gives an answer again; then the line is too loud, and it waits for the caller."""


def after_a_noise() -> EmptyUserTurnConfig:
    """Have an answer that a noise cut off go on."""
    return EmptyUserTurnConfig(interrupted_prompt=GO_ON, max_consecutive_recoveries=NOISES_IN_A_ROW)


class KeypadUserTurnStopStrategy(BaseUserTurnStopStrategy):
    """A complete row of keys is a complete turn: there is no recogniser whose last word would be waited for."""

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """End the turn with the keys."""
        if isinstance(frame, TranscriptionFrame) and frame.text.startswith(KEYPAD_PREFIX):
            await self.trigger_user_turn_stopped()
            return ProcessFrameResult.STOP
        return ProcessFrameResult.CONTINUE


class WholeWordsUserTurnStopStrategy(BaseUserTurnStopStrategy):
    """Ends a turn whose words are whole, whatever its melody: "No." at once, a sentence after a pause.

    Of a few set words a model that listens to the melody has too little to go by, and many a sentence ends without its
    voice falling. A mere "Thank you" has to be followed by a longer silence: often it is by "goodbye".
    """

    def __init__(
        self,
        words: Known = english,
        was_asked: Callable[[], bool] = lambda: False,
        in_own_words: Callable[[], bool] = lambda: False,
    ) -> None:
        """Initialize the strategy.

        Args:
            words: The words of the language that is spoken now.
            was_asked: Whether the bot has just asked for a number, a name or an address.
            in_own_words: Whether it has asked for a name, or for something in the caller's own words.
        """
        super().__init__()
        self._known = words
        self._was_asked = was_asked
        self._in_own_words = in_own_words
        self._words: list[str] = []
        self._speaking = False
        self._began = float("inf")
        self._silent_since = 0.0
        self._waiting: asyncio.Task[None] | None = None

    async def handle_user_turn_started(self) -> None:
        """Begin with no words."""
        self._began = time.monotonic()
        self._words.clear()
        await self._wait_no_longer()

    async def handle_user_turn_stopped(self) -> None:
        """Wait for nothing more."""
        await self._wait_no_longer()

    async def cleanup(self) -> None:
        """Stop waiting."""
        await super().cleanup()
        await self._wait_no_longer()

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """End the turn when all that was said in it is whole and the caller is silent."""
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._speaking = True
            await self._wait_no_longer()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._speaking = False
            self._silent_since = frame.timestamp - frame.stop_secs
        elif isinstance(frame, TranscriptionFrame) and frame.finalized:
            self._words.append(frame.text)
            await self._wait_no_longer()
            asked, freely = self._was_asked(), self._in_own_words()
            said = " ".join(self._words)
            wait = secs_when_whole(said, self._known(), was_asked=asked, in_own_words=freely)
            if time.monotonic() - self._began > LONGEST_TURN_SECS:
                await self.trigger_user_turn_stopped()
                return ProcessFrameResult.STOP
            if not self._speaking and wait is not None:
                rest = self._silent_since + wait - time.time()
                if rest > 0:
                    self._waiting = self.create_task(self._end_after(rest), f"{self}::_end_after")
                    if wait <= LIKELY_SECS:
                        await self.trigger_user_turn_inference_triggered(
                            speculation=UserTurnSpeculation(said)
                        )
                    return ProcessFrameResult.CONTINUE
                await self.trigger_user_turn_stopped()
                return ProcessFrameResult.STOP
        return ProcessFrameResult.CONTINUE

    async def _end_after(self, secs: float) -> None:
        await asyncio.sleep(secs)
        self._waiting = None
        await self.trigger_user_turn_stopped()

    async def _wait_no_longer(self) -> None:
        task, self._waiting = self._waiting, None
        if task is not None:
            await self.cancel_task(task)


class MuteWhilePromised(BaseUserMuteStrategy):
    """A barge-in cannot cancel a goodbye or a transfer that was promised."""

    def __init__(self, session: Session):
        """Initialize the strategy.

        Args:
            session: The session whose `deaf` is followed.
        """
        super().__init__()
        self._session = session

    async def process_frame(self, frame: Frame) -> bool:
        """Whether the caller is muted now."""
        return self._session.deaf


PATIENCE_SECS = 45.0
"""How long a caller who has asked for a moment may be silent before the bot speaks."""


REMARK_SECS = 8.0
"""How soon after such a wish something that asks nothing belongs to it: "Hang on. The kettle is boiling."."""


class SilentCaller:
    """Two prompts, then goodbye, for a caller who says nothing.

    A caller who speaks or presses a key starts the count anew. One who has asked for a moment ("hold on") is left in
    peace for it, once, also when they have gone on to say what it is for.
    """

    def __init__(self, session: Session):
        """Initialize the guard.

        Args:
            session: The session that it guards.
        """
        self._session = session
        self._prompts = 0
        self._asked_for_patience = False
        self._asked_at = -REMARK_SECS

    @property
    def secs(self) -> float:
        """How long the caller may say nothing now."""
        usual: float = self._session.agent.limits.silence_secs
        return max(usual, PATIENCE_SECS) if self._asked_for_patience else usual

    def heard(self, text: str = "") -> None:
        """The caller said something."""
        self._prompts = 0
        words, now = turn_words(self._session.agent.language), time.monotonic()
        goes_on = self._asked_for_patience and now - self._asked_at < REMARK_SECS
        if words.holds_on(text):
            self._asked_for_patience, self._asked_at = True, now
        elif not (goes_on and words.may_be_a_remark(text)):
            self._asked_for_patience = False

    async def silent(self) -> None:
        """The caller was silent for `secs`, from the last sound of the bot, word or key on."""
        session = self._session
        self._asked_for_patience = False
        prompts = session.agent.lines.silence_prompts
        if self._prompts < len(prompts):
            line = prompts[self._prompts]
            self._prompts += 1
            session.record(SilencePrompted(n=self._prompts))
            await session.say(session.render(line))
        else:
            farewell = session.render(session.agent.lines.silence_goodbye)
            session.finish(farewell, ended_by=EndedBy.BOT, cause="silence")


async def limit_duration(session: Session) -> None:
    """Let a call last no longer than the agent's limit: a notice before, then goodbye.

    Runs as a task of the session and is cancelled with it.

    Args:
        session: The session to limit.
    """
    limits = session.agent.limits
    # The call's length counts, not its last media stream's; a caller who has just come back still gets the notice.
    await asyncio.sleep(max(0.0, limits.max_duration_secs - session.call.talked_secs - limits.notice_secs))
    if limits.notice_secs and not session.ending:
        await session.say(session.render(session.agent.lines.time_notice))
    await asyncio.sleep(limits.notice_secs)
    if session.handover is not None and session.handover.running and session.deaf:
        await session.handover.outcome()  # the transfer was promised, and is no talk of the bot's
    session.finish(
        session.render(session.agent.lines.time_goodbye), ended_by=EndedBy.LIMIT, cause="max_duration"
    )
