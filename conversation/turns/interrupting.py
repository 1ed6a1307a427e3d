"""What stops the bot while it speaks: words that ask for something, or speech that goes on. Not a "mhm".

People say "yeah, okay" to show that they listen, and cough. So while the bot is heard, speech alone does not begin the
caller's turn. What does:

* words that are more than a back-channel, from an interim transcript on, as soon as the recogniser has them;
* speech of `LONG_SPEECH_SECS` without a pause: a listener's "mhm" is shorter;
* any speech in the first `EARLY_SECS` of an answer: the caller had not finished, the bot was too quick.

A "yes" that comes while a question is still being asked is no back-channel: it is kept, and taken for the answer once
the question was heard. After that, while the bot adds a sentence ("You can also press 1"), it stops the bot. While it
is silent, or thinks, everything begins a turn at once, as Pipecat has it.

The words are English. In other languages any word stops the bot.
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

LONG_SPEECH_SECS = 1.2
"""Speech of this length stops the bot whatever it says. "Yeah, okay" takes up to 1.1 s, with the pause that ends it."""

EARLY_SECS = 0.6
"""Speech this soon after the bot's first sound is the rest of the caller's own sentence."""

ANSWER_SECS = 1.2
"""How long before the end of a question its answer may come; earlier, the caller cannot know what is asked."""

_BACKCHANNEL = re.compile(
    r"(?:(?:m+|m+ ?h+m+|h+m+|u+h? ?hu+h|u+h+|huh|u+m+|e+r+m?|a+h+|o+h+|aha|yeah|yea|yep|yes|yup|ya|right|okay|ok|k|"
    r"sure|alright|all right|i see|got it|good|great|fine|perfect|cool|nice|wow|really|exactly|absolutely|of course|"
    r"i know|i understand|understood|makes sense|that makes sense|true|correct|interesting|lovely|wonderful|"
    r"fair enough|go on|thats (?:right|true|good|great|fine|correct))(?: |$))+"
)
_ASKS = re.compile(
    r"(?:whats?|wheres?|whens?|whos?|which|why|hows?|can|could|do|does|did|is|are|will|would|should|may|stop|wait|hold|"
    r"hang|hey|hello|hi|excuse|sorry|pardon|no|nope|not|never|but|actually|please|thanks?|bye|goodbye|operator|agent|"
    r"enough|listen|repeat|again|cancel|forget|quiet|shut|dtmf)\b"
)
"""First words of callers who want to speak, whatever comes after them."""


def without_backchannels(text: str) -> str:
    """The words without those that only show that the caller listens ("yeah", "okay"), as `plain` writes them."""
    words = " ".join(re.findall(r"[^\W_]+", text.lower().replace("'", "").replace("’", "")))
    match = _BACKCHANNEL.match(words)
    return words[match.end() :] if match else words


class InterruptingUserTurnStartStrategy(BaseUserTurnStartStrategy):
    """Begins the caller's turn; while the bot speaks, only when the caller wants the word."""

    def __init__(
        self,
        *,
        bot_begins: bool = False,
        muted: Callable[[], bool] = lambda: False,
        unheard: Callable[[], str | None] = lambda: "",
        understands: Callable[[str], bool] | None = None,
    ):
        """Initialize the strategy.

        Args:
            bot_begins: Whether the bot has the first word, so that a cough does not take its greeting away.
            muted: Whether the caller cannot interrupt now.
            unheard: The bot's words that the caller has not heard yet, so far as they are known; None when the caller
                has heard everything.
            understands: Whether the bot could do something with words. Of those that it could not, a few do not stop
                it: it would only say that it did not understand. Blocks for a few ms, so it runs in a thread. When not
                given, all words count.
        """
        super().__init__()
        self._muted = muted
        self._unheard = unheard
        self._understands = understands
        self._bot_speaks = bot_begins
        self._bot_spoke = False
        self._bot_began = -EARLY_SECS
        self._turn = False
        self._after_turn = False
        self._mere_sound = False
        self._long_speech: asyncio.Task[None] | None = None
        self._asked = False
        self._answer: tuple[float, TranscriptionFrame] | None = None

    async def handle_user_turn_started(self) -> None:
        """The caller has the word."""
        self._turn = True
        self._answer = None
        await self._forget_speech()

    async def handle_user_turn_stopped(self) -> None:
        """The bot may answer."""
        self._turn = self._mere_sound = False
        self._after_turn = True

    async def cleanup(self) -> None:
        """Stop waiting."""
        await super().cleanup()
        await self._forget_speech()

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Decide whether a frame begins the caller's turn."""
        if isinstance(frame, BotStartedSpeakingFrame):
            self._bot_speaks = self._bot_spoke = True
            self._bot_began = time.monotonic() if self._after_turn else -EARLY_SECS
            self._after_turn = self._asked = False
        elif isinstance(frame, BotSpeakingFrame):
            if self._question_was_heard() and not self._turn:
                await self._take_answer()
        elif isinstance(frame, BotStoppedSpeakingFrame):
            await self._bot_has_stopped()
        elif self._turn:
            return await self._in_turn(frame)
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            return await self._speech(frame)
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            await self._forget_speech()
        elif isinstance(frame, InterimTranscriptionFrame | TranscriptionFrame) and self._is_heard():
            return await self._words(frame)
        return ProcessFrameResult.CONTINUE

    def _is_heard(self) -> bool:
        return self._bot_speaks and (not self._bot_spoke or self._unheard() is not None)

    async def _bot_has_stopped(self) -> None:
        self._bot_speaks = False
        speaking = self._long_speech is not None
        await self._forget_speech()
        if speaking and not self._turn and not self._muted():
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

    async def _speech(self, frame: Frame) -> ProcessFrameResult:
        if self._is_heard() and time.monotonic() - self._bot_began >= EARLY_SECS:
            await self._forget_speech()
            self._long_speech = self.create_task(self._speaks_on(), f"{self}::_speaks_on")
            return ProcessFrameResult.CONTINUE
        await self.trigger_user_turn_started()
        return ProcessFrameResult.STOP

    async def _speaks_on(self) -> None:
        await asyncio.sleep(LONG_SPEECH_SECS)
        self._long_speech = None  # its work is done: a turn that begins does not cancel it
        if not self._muted():
            self._mere_sound = True
            await self.trigger_user_turn_started()

    async def _words(self, frame: InterimTranscriptionFrame | TranscriptionFrame) -> ProcessFrameResult:
        if self._muted() or not frame.text.strip():
            return ProcessFrameResult.CONTINUE
        if self._question_was_heard() or await self._asks(frame.text):
            await self.trigger_user_turn_started()
        elif isinstance(frame, TranscriptionFrame):
            if self._asked:
                self._answer = time.monotonic(), frame
            await self.trigger_reset_aggregation()
            await self.push_frame(UserBackchannelFrame(frame.text, frame.user_id, frame.timestamp))
        return ProcessFrameResult.STOP

    async def _in_turn(self, frame: Frame) -> ProcessFrameResult:
        """Take the words of speech that began a turn by its length only; a back-channel is none."""
        if isinstance(frame, TranscriptionFrame) and self._mere_sound and frame.text.strip():
            if without_backchannels(frame.text):
                self._mere_sound = False
            else:
                await self.trigger_reset_aggregation()
        return ProcessFrameResult.CONTINUE

    async def _asks(self, text: str) -> bool:
        words = without_backchannels(text)
        if not words or self._understands is None or _ASKS.match(words):
            return bool(words)
        return await asyncio.to_thread(self._understands, text)

    async def _forget_speech(self) -> None:
        task, self._long_speech = self._long_speech, None
        if task is not None:
            await self.cancel_task(task)
