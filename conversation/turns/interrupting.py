"""What stops the bot while it speaks: words that ask for something, or speech that goes on. Not a "mhm".

People say "yeah, okay" to show that they listen, and cough. So while the bot is heard, speech alone does not begin the
caller's turn. It pauses the bot, as quickly as an interruption would, and then it is decided:

* words that are more than a back-channel, from an interim transcript on, are the caller's turn, as soon as the
  recogniser has them;
* so is speech of `LONG_SPEECH_SECS` without a pause: a listener's "mhm" is shorter;
* a back-channel, or no words within `NO_WORDS_SECS` of silence, is nothing: the bot goes on from where it was heard;
* of a word or two recognisers are not sure before the end, and of a cough never: the bot is silent, and it is waited
  for what comes of them.

Speech in the first `EARLY_SECS` of an answer is the rest of the caller's sentence: any words of it are a turn. Where
the bot cannot be paused (on no phone line, or while it says what nothing may take back) it talks on meanwhile, and such
speech begins a turn at once.

A "yes" that comes while a question is still being asked is no back-channel. Near the question's end it is the answer;
before, it is kept, and taken for the answer once the question was heard. After that, while the bot adds a sentence
("You can also press 1"), it stops the bot. While it is silent, or thinks, everything begins a turn at once, as Pipecat
has it.

Its own voice, which a telephone's loudspeaker lets back into the line, is neither speech nor words. Nor is what is much
softer than the caller is: people and machines behind them.

The words are those of `data/words.toml`. In a language that has none there any word stops the bot.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import BaseUserTurnStartStrategy

from conversation.local.speech import NoWordsFrame
from conversation.turns.holding import NoVoice, Voice
from conversation.turns.keypad import KEYPAD_PREFIX
from conversation.turns.pausing import Known, english

LONG_SPEECH_SECS = 1.2
"""Speech of this length stops the bot whatever it says. "Yeah, okay" takes up to 1.1 s, with the pause that ends it."""

LONG_LISTENING_SECS = 2.5
"""The same for speech of which only "yeah, okay" is understood so far."""

NO_WORDS_SECS = 0.8
"""A bot that was paused goes on when no words have come so long after the speech ended. Counted from its end: while
somebody speaks nobody else should, and recognisers that hear whole sentences only have no words before that."""

EARLY_SECS = 0.8
"""Speech this soon after the bot's first sound is the rest of the caller's own sentence."""

ANSWER_SECS = 1.2
"""How long before the end of a question its answer may come; earlier, the caller cannot know what is asked."""

ECHO_LOOK_SECS = 0.15
"""While the bot hears itself, it looks this often whether somebody speaks over it."""

SOFT_LOOK_SECS = 0.05
"""While it hears the room only. Words begin softly, and a single loud look is somebody."""

ECHO_LOOKS = 2
"""So many looks in a row must have found somebody else: between its own words there is a silence that is nobody's."""

GONE_LOOKS = 3
"""After so many looks in a row that have found nobody, whoever spoke over the bot does so no more, though there is
speech behind them."""

ECHO_TAIL_SECS = 1.0
"""How long after the bot's last word was sent its voice may still come back: what is on its way, and back."""

AFTERWARDS_SECS = 0.7
"""A "yeah, okay" that begins so soon after the bot's last word is of one who has listened to it."""

LATE_WORDS_SECS = 3.0
"""How long after speech has ended its words may come, from a recogniser that has much to do."""


def without_backchannels(text: str) -> str:
    """The words without those that only show that the caller listens, in English."""
    return english().without_backchannels(text)


class InterruptingUserTurnStartStrategy(BaseUserTurnStartStrategy):
    """Begins the caller's turn; while the bot speaks, only when the caller wants the word."""

    def __init__(
        self,
        *,
        bot_begins: bool = False,
        muted: Callable[[], bool] = lambda: False,
        unheard: Callable[[], str | None] = lambda: "",
        unheard_secs: Callable[[], float] = lambda: 0.0,
        said: Callable[[], str] = lambda: "",
        understands: Callable[[str], bool] | None = None,
        voice: Voice | None = None,
        words: Known = english,
    ):
        """Initialize the strategy.

        Args:
            bot_begins: Whether the bot has the first word, so that a cough does not take its greeting away.
            muted: Whether the caller cannot interrupt now.
            unheard: The bot's words that the caller has not heard yet, so far as they are known; None when the caller
                has heard everything.
            unheard_secs: How much of the bot's speech the caller has not heard yet, so far as it is made.
            said: What the bot has said last, so far as it is known.
            understands: Whether the bot could do something with words. Of those that it could not, a few do not stop
                it: it would only say that it did not understand. Blocks for a few ms, so it runs in a thread. When not
                given, all words count.
            voice: The bot's voice, which is paused; None for one that cannot be.
            words: The words of the language that is spoken now.
        """
        super().__init__()
        self._muted = muted
        self._unheard = unheard
        self._unheard_secs = unheard_secs
        self._said = said
        self._understands = understands
        self._voice: Voice = voice or NoVoice()
        self._known = words
        self._bot_speaks = bot_begins
        self._bot_spoke = False
        self._bot_began = -EARLY_SECS
        self._bot_ended = -ECHO_TAIL_SECS
        self._turn = False
        self._after_turn = False
        self._mere_sound = False
        self._is_speech = False
        self._speech: asyncio.Task[None] | None = None
        self._silence: asyncio.Task[None] | None = None
        self._only_listens = False
        self._is_own = self._nobodys = self._somebody = False
        self._speech_ended = 0.0
        self._interim = ""
        self._early = False
        self._asked = False
        self._answer: tuple[float, TranscriptionFrame] | None = None

    async def handle_user_turn_started(self) -> None:
        """The caller has the word."""
        self._turn = True
        self._answer = None
        await self._forget_speech()
        await self._forget_silence()

    async def handle_user_turn_stopped(self) -> None:
        """The bot may answer."""
        self._turn = self._mere_sound = False
        self._after_turn = True

    async def cleanup(self) -> None:
        """Stop waiting."""
        await super().cleanup()
        await self._forget_speech()
        await self._forget_silence()

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Decide whether a frame begins the caller's turn."""
        if isinstance(frame, VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame):
            self._is_speech = isinstance(frame, VADUserStartedSpeakingFrame)
        if isinstance(frame, BotStartedSpeakingFrame):
            self._bot_speaks = self._bot_spoke = True
            self._bot_began = time.monotonic() if self._after_turn else -EARLY_SECS
            self._after_turn = self._asked = False
            if self._is_speech and self._speech is None and not self._turn:
                return await self._speech_begins()  # that it had begun was no matter before
        elif isinstance(frame, BotSpeakingFrame):
            if self._question_was_heard() and not self._turn:
                await self._take_answer()
        elif isinstance(frame, BotStoppedSpeakingFrame):
            await self._bot_has_stopped()
        elif self._turn:
            return await self._in_turn(frame)
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            return await self._speech_begins()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            await self._speech_ends(frame)
        elif isinstance(frame, InterimTranscriptionFrame | TranscriptionFrame):
            return await self._words(frame)
        elif isinstance(frame, NoWordsFrame) and self._voice.is_held:
            await self._it_was_nothing()
        return ProcessFrameResult.CONTINUE

    def _is_heard(self) -> bool:
        return self._bot_speaks and (not self._bot_spoke or self._unheard() is not None)

    def _may_echo(self) -> bool:
        """Whether the bot's voice may be coming back now."""
        return self._bot_spoke and (self._bot_speaks or time.monotonic() - self._bot_ended < ECHO_TAIL_SECS)

    async def _bot_has_stopped(self) -> None:
        self._bot_speaks = False
        self._bot_ended = time.monotonic()
        if self._voice.is_held:
            return  # it has still to be heard, or not, as is decided
        speaking = self._speech is not None
        await self._forget_speech()
        if speaking and not (self._turn or self._muted() or self._nobodys):
            self._mere_sound = self._asked_nothing()
            await self.trigger_user_turn_started()
        await self._take_answer()

    async def _take_answer(self) -> None:
        """Take the early answer to a question that was heard by now: it is said anew, to a bot that listens."""
        held, self._answer = self._answer, None
        if (
            held is not None
            and time.monotonic() - held[0] < ANSWER_SECS
            and not (self._turn or self._muted())
        ):
            await self.push_frame(held[1])

    def _question_was_heard(self) -> bool:
        """Follow the question in what the bot says, if there is one."""
        coming = "?" in (self._unheard() or "")
        self._asked = self._asked or coming
        return self._asked and not coming

    def _asked_nothing(self) -> bool:
        """Whether the bot is known to have told something only, so that "okay" answers nothing."""
        last = re.split(r"(?<=[.!?।])\s+", self._said().strip())[-2:]  # a question may have more behind it
        return bool(last[-1]) and not self._asked and not any("?" in sentence for sentence in last)

    # Speech over the bot

    async def _speech_begins(self) -> ProcessFrameResult:
        await self._forget_speech()
        await self._forget_silence()
        self._only_listens = False
        self._interim = ""
        self._early = time.monotonic() - self._bot_began < EARLY_SECS
        self._is_own = self._may_echo() and self._voice.hears_itself()
        self._nobodys = self._is_own or (self._may_echo() and self._voice.hears_nobody())
        self._somebody = not self._nobodys
        if not (self._is_heard() or self._voice.is_held or self._nobodys):
            if self._after_turn and self._voice.hears_nobody():
                return (
                    ProcessFrameResult.CONTINUE
                )  # the caller waits for the answer; words of theirs may still come
            lately = time.monotonic() - self._bot_ended < AFTERWARDS_SECS
            self._mere_sound = lately and not self._after_turn and self._asked_nothing()
            await self.trigger_user_turn_started()
            return ProcessFrameResult.STOP
        if not self._nobodys:
            held = await self._hold()
            if not held and self._early:
                await self.trigger_user_turn_started()
                return ProcessFrameResult.STOP
        self._speech = self.create_task(self._speaks_on(), f"{self}::_speaks_on")
        return ProcessFrameResult.CONTINUE

    async def _hold(self) -> bool:
        """Pause the bot, if it has begun to speak; tell whether it is paused."""
        if self._voice.is_held:
            return True
        return self._bot_spoke and not self._muted() and await self._voice.hold()

    async def _speaks_on(self) -> None:
        while True:
            if self._nobodys:
                await self._somebody_begins()
            if not (self._is_heard() or self._voice.is_held):
                break
            await self._hold()
            if await self._somebody_goes_on():
                self._mere_sound = True
                break
            self._nobodys = True
            await self._voice.go_on()
        self._speech = None  # its work is done: a turn that begins does not cancel it
        if self._muted():
            self._mere_sound = False
            await self._voice.go_on()
        else:
            await self.trigger_user_turn_started()

    async def _somebody_begins(self) -> None:
        """Wait until somebody speaks over the bot's own voice, or over what is behind the caller."""
        looks = 0
        while looks < (ECHO_LOOKS if self._is_own else 1):
            await asyncio.sleep(ECHO_LOOK_SECS if self._is_own else SOFT_LOOK_SECS)
            looks = 0 if self._voice.hears_nobody() else looks + 1
            self._somebody = self._somebody or looks > 0
        self._nobodys = False

    async def _somebody_goes_on(self) -> bool:
        """Wait until somebody has spoken long enough to want the word; False when they are gone before."""
        secs, gone = 0.0, 0
        while secs < (LONG_LISTENING_SECS if self._only_listens else LONG_SPEECH_SECS):
            await asyncio.sleep(ECHO_LOOK_SECS)
            if not self._voice.hears_nobody():
                secs, gone = secs + ECHO_LOOK_SECS, 0
                continue
            gone += 1
            if gone >= GONE_LOOKS and self._voice.is_held:
                return False
        return True

    async def _speech_ends(self, frame: VADUserStoppedSpeakingFrame) -> None:
        await self._forget_speech()
        self._speech_ended = time.monotonic()
        if not self._voice.is_held:
            return
        if self._only_listens:
            await self._voice.go_on()
            return
        await self._forget_silence()
        due = frame.timestamp - frame.stop_secs + NO_WORDS_SECS
        self._silence = self.create_task(self._go_on_after(due - time.time()), f"{self}::_go_on_after")

    async def _go_on_after(self, secs: float) -> None:
        await asyncio.sleep(max(0.0, secs))
        self._silence = None
        await self._voice.go_on()

    async def _it_was_nothing(self) -> None:
        await self._forget_silence()
        if self._speech is None:  # otherwise the caller speaks on, and may still come to something
            await self._voice.go_on()

    # Words over the bot

    async def _words(self, frame: InterimTranscriptionFrame | TranscriptionFrame) -> ProcessFrameResult:
        text = frame.text
        if text.strip() and self._are_nobodys(text):
            if isinstance(frame, TranscriptionFrame):
                await self.trigger_reset_aggregation()
                await self._it_was_nothing()
            return ProcessFrameResult.STOP
        if not (self._is_heard() or self._voice.is_held):
            return ProcessFrameResult.CONTINUE
        if self._muted() or not text.strip():
            return ProcessFrameResult.CONTINUE
        before, self._interim = self._interim, text
        if self._question_was_heard():
            await self._words_begin_turn(frame)
        elif self._is_unsure(frame):
            self._only_listens = not self._known().without_backchannels(text)
        elif await self._asks(text, before) or self._answers_now(frame):
            await self._words_begin_turn(frame)
        elif isinstance(frame, TranscriptionFrame):
            if self._asked:
                self._answer = time.monotonic(), frame
            await self.trigger_reset_aggregation()
            await self.push_frame(UserBackchannelFrame(text, frame.user_id, frame.timestamp))
            await self._it_was_nothing()
        else:
            self._only_listens = not self._known().without_backchannels(text)
        return ProcessFrameResult.STOP

    async def _words_begin_turn(self, frame: InterimTranscriptionFrame | TranscriptionFrame) -> None:
        if isinstance(frame, TranscriptionFrame):
            self._voice.caller_has_spoken()
        await self.trigger_user_turn_started()

    def _are_nobodys(self, text: str) -> bool:
        """Whether words are the bot's own, come back, or of somebody behind the caller. Keys are the caller's."""
        if text.startswith(KEYPAD_PREFIX):
            return False
        now = self._speech is not None or time.monotonic() - self._speech_ended < LATE_WORDS_SECS
        if now and self._nobodys and not self._somebody:
            return True  # however they were misheard, and however late they come
        return self._may_echo() and self._voice.has_said(text, sounded_own=self._nobodys)

    def _is_unsure(self, frame: InterimTranscriptionFrame | TranscriptionFrame) -> bool:
        """Whether an early transcript may still become another, while the bot is silent anyway."""
        is_early = isinstance(frame, InterimTranscriptionFrame) and self._voice.is_held and not self._early
        return is_early and self._known().may_change(frame.text)

    def _answers_now(self, frame: InterimTranscriptionFrame | TranscriptionFrame) -> bool:
        """Whether a "yes" is the answer to a question of which next to nothing is left to be said."""
        nearly = self._voice.is_held and self._asked and self._unheard_secs() < ANSWER_SECS
        return nearly and isinstance(frame, TranscriptionFrame)

    async def _in_turn(self, frame: Frame) -> ProcessFrameResult:
        """Take the words of a turn that speech began which may mean nothing; a back-channel is none of the caller's."""
        if isinstance(frame, VADUserStoppedSpeakingFrame) and not self._mere_sound:
            self._voice.caller_has_spoken()
        if isinstance(frame, TranscriptionFrame) and self._mere_sound and frame.text.strip():
            if self._known().without_backchannels(frame.text):
                self._mere_sound = False
                self._voice.caller_has_spoken()
            else:
                await self.trigger_reset_aggregation()
        return ProcessFrameResult.CONTINUE

    async def _asks(self, text: str, before: str) -> bool:
        known = self._known()
        if not self._early and (known.is_courtesy(text) or known.is_noise(text, before)):
            return False  # "thank you" asks for nothing, and is what recognisers make of a cough
        words = known.without_backchannels(text)
        if not self._early and known.says_nothing(words):
            return False
        if not words or self._early or self._understands is None or known.asks(words):
            return bool(words)
        return await asyncio.to_thread(self._understands, text)

    async def _forget_speech(self) -> None:
        task, self._speech = self._speech, None
        if task is not None:
            await self.cancel_task(task)

    async def _forget_silence(self) -> None:
        task, self._silence = self._silence, None
        if task is not None:
            await self.cancel_task(task)
