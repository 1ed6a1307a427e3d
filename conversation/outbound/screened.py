"""A call of ours that is screened: somebody's telephone asks who calls and why before it rings, or wants a key.

It is told as soon as it has asked, or the key is pressed. Then the bot waits: it says no greeting to a telephone, and
leaves no message there. What comes next decides: somebody says hello and is greeted as a person is; a voicemail box
begins, and gets the message if the agent leaves one; the telephone asks again and is told again. After a silence that
is too long for a telephone that rings, the bot greets whoever may be there.

What such telephones say is in `conversation.language.screening`. A person who asks "Who is this?" is no such telephone:
they are greeted, and told who calls if the greeting does not say it.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext

from calls.errors import NotDone
from calls.events.talk import BeepHeard, OpeningDecided, Resumed
from calls.transfer import ResumeReason
from conversation.agents.purpose import who_calls
from conversation.language.answers import names_self
from conversation.language.screening import Screening, asks_who, has_us_wait, screening
from conversation.outbound.greetings import RECORDING, is_hello, judge
from conversation.outbound.processors import Evidence, Phase, Verdict
from conversation.outbound.witnesses import GREETINGS, Witnesses, last_words
from conversation.session import Session
from conversation.turns.keypad import KEYPAD_PREFIX

PAUSE_SECS = 0.8
"""A pause this long ends what such a telephone says; it has several sentences."""

HELLO_SECS = 0.3
"""The same behind a hello, which is a person's."""

TONE_SECS = 5.0
"""How long a tone may take that was announced."""

ANSWERS = 3
"""How often it is told who calls."""

RINGING_SECS = 25.0
"""After this long without a word somebody may be there who waits for one: telephones ring no longer."""

SCREENING_SECS = 120.0
"""How long all of it may take."""

LOOK_SECS = 0.1
"""How often the bot looks whether it has been quiet for so long."""


class Screened(Witnesses):
    """Tells who calls; a subclass does the rest."""

    def __init__(self, session: Session):
        """Start when the call is answered and nothing has been said yet.

        Args:
            session: The session.
        """
        super().__init__(session)
        self._turn: list[str] = []
        self._judging: asyncio.Task[Any] | None = None
        self._tone = asyncio.Event()
        self._answers = 0
        self._owes_answer = False
        self._answering = False
        self._last_sound = 0.0
        self._others_asked = False

    @property
    def who_calls(self) -> str:
        """Who calls and why; the greeting where the agent's file does not say it."""
        return who_calls(self._session.agent, self._session.variables) or self._first_words()

    def heard(self, frame: Frame) -> None:
        """Take what the other side does, and notice that it is a telephone which screens."""
        self._last_sound = asyncio.get_running_loop().time()
        if isinstance(frame, UserStartedSpeakingFrame):
            self._stop_judging()
            if self.phase is not Phase.SCREENED:
                self._turn.clear()
        spoken = isinstance(frame, TranscriptionFrame) and bool(frame.text.strip())
        if isinstance(frame, TranscriptionFrame) and spoken and not frame.text.startswith(KEYPAD_PREFIX):
            self._turn.append(frame.text)
            if self.phase is Phase.SCREENED:
                if not self._speaking:
                    self._judge_soon()
                return
            if self.phase is not Phase.OVER and not self.is_deaf:
                found = screening(" ".join(self._turn), self._session.agent.language)
                if found is not None and found.kind != "waits":
                    self._is_screened("wants a key" if found.key else "asks who calls")
                    return
        super().heard(frame)
        if self.phase is Phase.SCREENED and isinstance(frame, UserStoppedSpeakingFrame):
            self._judge_soon()

    def takes(self, context: LLMContext) -> bool:
        """Whether the model may answer what was said; who calls is said without it."""
        text = last_words(context)
        told = who_calls(self._session.agent, self._session.variables)
        language = self._session.agent.language
        if self._others_asked:
            # An assistant has asked; whoever comes to the telephone then has heard nothing of it.
            self._others_asked = asks_who(text, language)
            if (
                (is_hello(text) or names_self(text))
                and self._greetings < GREETINGS
                and not self._session.ending
            ):
                self._greet()
                return False
        asked = self.phase is Phase.GREETED and self._turn_began_in is Phase.GREETED
        if not (asked and told and asks_who(text, language)):
            return super().takes(context)
        if self._was_greeted or self._greetings >= GREETINGS:
            self._settle()
            self._others_asked = True
            self._start(self._say(told))
        else:
            self._greet()
        return False

    def go_on(self) -> None:
        """Go on on another stream, after a key that the telephone wanted: the call was screened before."""
        self._session.record(Resumed(ResumeReason.DIGITS))
        self._answers = 1
        self.verdict, self.phase = Verdict.SCREEN, Phase.SCREENED
        self._wait_for_somebody()

    def _with_who_calls(self, greeting: str) -> str:
        """The greeting for somebody who has asked who calls, if they have."""
        said = " ".join(self._turn or self._words)
        agent, variables = self._session.agent, self._session.variables
        told = who_calls(agent, variables)
        named = str(variables.get("business") or "") or agent.render(agent.dial_out.purpose or "", variables)
        if not told or told in greeting or named in greeting or not asks_who(said, agent.language):
            return greeting
        return f"{told} {greeting}"

    # What is heard of it

    def _is_screened(self, why: str) -> None:
        self._stop_what_is_said()
        self._doubt = self._evidence = None
        self._greeting_over.clear()
        self.phase = Phase.SCREENED
        self._owes_answer = True
        self._take(Verdict.SCREEN, why)
        self._wait_for_somebody()
        if not self._speaking:
            self._judge_soon()

    def _witness(self, verdict: Verdict, evidence: Evidence, why: str) -> None:
        if self.phase is not Phase.SCREENED or verdict is Verdict.FAX:
            super()._witness(verdict, evidence, why)

    def _carrier_finds(self, verdict: Verdict) -> None:
        if self.phase is not Phase.SCREENED or verdict is Verdict.FAX:
            super()._carrier_finds(verdict)

    async def _beeped(self) -> None:
        if self.phase is not Phase.SCREENED:
            await super()._beeped()
            return
        self._session.record(BeepHeard())
        self._tone.set()
        if self._answers and not (self._owes_answer or self._answering):
            self._comes(Verdict.MACHINE, Evidence.PLAIN, "a beep")
            self._greeting_over.set()

    def _judge_soon(self) -> None:
        self._stop_judging()
        self._judging = self._start(self._judge())

    def _stop_judging(self) -> None:
        if self._judging is not None:
            self._judging.cancel()
            self._judging = None

    async def _judge(self) -> None:
        text, language = " ".join(self._turn), self._session.agent.language
        await asyncio.sleep(HELLO_SECS if is_hello(text) else PAUSE_SECS)
        self._judging = None  # from here on no word stops it
        if self.phase is not Phase.SCREENED or self._answering or not text:
            return
        self._turn.clear()
        found = screening(text, language)
        if found is not None and found.kind == "waits":
            return
        if found is None and judge(text).choice == RECORDING:
            self._comes(Verdict.MACHINE, Evidence.PLAIN, "its words")
        elif found is None and has_us_wait(text, language):
            return
        elif (found is not None or asks_who(text, language)) and self._answers < ANSWERS:
            await self._answer(found or Screening("asks"))
        else:
            self._comes(Verdict.HUMAN, Evidence.LISTENING, "comes to the telephone")

    async def _answer(self, wanted: Screening) -> None:
        self._answering = True
        try:
            await self._hush()
            if wanted.after_tone:
                try:
                    async with asyncio.timeout(TONE_SECS):
                        await self._tone.wait()
                except TimeoutError:
                    pass  # it was not heard
            self._owes_answer = False
            self._answers += 1
            if not (wanted.key and await self._press(wanted.key)):
                await self._say(self.who_calls)
        finally:
            self._answering = False
            self._tone.clear()
            self._last_sound = asyncio.get_running_loop().time()

    async def _press(self, key: str) -> bool:
        try:
            await self._session.control.send_digits(key)
        except NotDone as error:
            logger.warning(
                "call {}: the key that a telephone wants cannot be pressed: {}", self._session.call.id, error
            )
            return False
        return True

    def _comes(self, verdict: Verdict, evidence: Evidence, why: str) -> None:
        """Somebody, or something else, is on the line now."""
        self.phase = self._turn_began_in = self._voice_began_in = Phase.LISTENING
        self._answers_greeting = False
        self._witness(verdict, evidence, why)

    def _wait_for_somebody(self) -> None:
        self._last_sound = asyncio.get_running_loop().time()
        self._start(self._until_somebody_comes())

    async def _until_somebody_comes(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while self.phase is Phase.SCREENED:
            await asyncio.sleep(LOOK_SECS)
            busy = self._speaking or self._answering or self._session.playout.pending
            if busy:
                self._last_sound = clock()
            if clock() - began > SCREENING_SECS:
                self.phase = Phase.OVER
                await self._hang_up("the call was screened, and nobody came")
            elif clock() - self._last_sound > RINGING_SECS:
                self._comes(Verdict.HUMAN, Evidence.SILENCE, "silence after it was told who calls")

    # What a subclass does

    @abstractmethod
    def _stop_what_is_said(self) -> None: ...

    @abstractmethod
    def _first_words(self) -> str: ...

    @abstractmethod
    async def _hush(self) -> None: ...

    @abstractmethod
    async def _say(self, words: str) -> bool: ...

    @abstractmethod
    async def _hang_up(self, cause: str) -> None: ...

    @abstractmethod
    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]: ...


def was_screened(session: Session) -> bool:
    """Whether a session goes on with a call whose telephone has wanted a key."""
    decided, resume = session.call.last(OpeningDecided), session.resume
    screens = decided is not None and decided.who == Verdict.SCREEN.value
    return screens and resume is not None and resume.reason is ResumeReason.DIGITS
