"""Who has answered a call that the bot has placed: what is heard, what the carrier says, and which of it counts.

There are several witnesses. A stronger one overrules a weaker one, and of two equal ones the later
overrules the earlier (`Evidence`):

1. **Silence**: after `wait_for_hello_secs` without a word the bot greets a person.
2. **Listening**: Pipecat's `VoicemailDetector`, asked with what was said until the first longer pause.
3. **The carrier's** detection of answering machines (events `answered_by`), which errs.
4. **Plain signs**: words that only a recording says ("after the tone"), a beep, the tone of a fax; or, from what was
   taken for a machine, a "Hello?", as a machine would not wait for an answer.

So a wrong verdict is put right until the person has answered the greeting, which settles it, or the message has been
left after plain signs of a machine. A beep during the message (a pause in the greeting was taken for its end) has it
said once more from the start, so that the recording has all of it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage, standard_message_text

from calls.events.lifecycle import AnswererDetected
from calls.events.talk import BeepHeard, OpeningDecided
from conversation.outbound.greetings import is_a_person, is_hello, sounds_recorded
from conversation.outbound.processors import Evidence, Phase, Verdict
from conversation.session import Session
from conversation.turns.keypad import KEYPAD_PREFIX

GREETINGS = 3
"""How often a person who says "Hello?" over the greeting is greeted."""

MESSAGES = 3
"""How often a message is begun."""


class Witnesses(ABC):
    """Finds out who has answered; a subclass decides what follows from it."""

    def __init__(self, session: Session):
        """Start when the call is answered and nothing has been said yet.

        Args:
            session: The session.
        """
        self.phase = Phase.LISTENING
        self.verdict: Verdict | None = None
        self._session = session
        self._manners = session.agent.dial_out
        self._evidence: Evidence | None = None
        self._greeting_over = asyncio.Event()
        self._again = False
        self._messages = 0
        self._message_was_heard = False
        self._words: list[str] = []
        self._doubt: Verdict | None = None
        self._was_doubted = False
        self._speaking = False
        self._spoke = False
        self._turn_began_in = self._voice_began_in = Phase.LISTENING
        self._answers_greeting = False
        self._greet_after_turn = False
        self._greetings = 0
        self._greeting: asyncio.Task[bool] | None = None
        self._seen_events = 0

    @property
    def has_the_word(self) -> bool:
        """Whether this, and not the conversation, decides about what is said now."""
        return self.phase in (Phase.LISTENING, Phase.SCREENED, Phase.WAITING, Phase.LEAVING)

    @property
    def is_deaf(self) -> bool:
        """Whether nothing that the other side says may cut a message short."""
        sure = self._evidence is Evidence.PLAIN and self._greeting_over.is_set()
        return self.phase is Phase.LEAVING and sure

    def heard(self, frame: Frame) -> None:
        """Take what the other side does: begins or ends to speak, or says something."""
        if isinstance(frame, UserStartedSpeakingFrame):
            self._speaking = self._spoke = True
            self._turn_began_in = self._voice_began_in = self.phase
            self._answers_greeting = self._was_greeted
            self._stop_quiet()
            if self.phase is Phase.LEAVING:
                self._again = True
                self._greeting_over.clear()
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            self._voice_began_in = self.phase  # over a message a turn begins with words, after them
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._speaking = False
            if self._greet_after_turn:
                self._greet()
            if self.phase in (Phase.WAITING, Phase.LEAVING):
                self._start_quiet()
        elif isinstance(frame, TranscriptionFrame) and frame.text.strip():
            self._spoke = True
            if frame.text.startswith(KEYPAD_PREFIX):
                return
            self._words.append(frame.text)
            if sounds_recorded(frame.text):
                self._witness(Verdict.MACHINE, Evidence.PLAIN, "its words")
            elif self.phase in (Phase.WAITING, Phase.LEAVING):
                self._speaks_to_us(frame.text)

    def _speaks_to_us(self, text: str) -> None:
        if self._voice_began_in not in (Phase.WAITING, Phase.LEAVING):
            return  # it was being said when the verdict fell: a machine's greeting may begin with "Hello"
        if is_hello(text):
            self._witness(Verdict.HUMAN, Evidence.PLAIN, "says hello to a silent line")
        elif is_a_person(text, surely=self.phase is Phase.WAITING):
            self._witness(Verdict.HUMAN, Evidence.CARRIER, "speaks as a person does")

    def takes(self, context: LLMContext) -> bool:
        """Whether the model may answer what was said."""
        if self.phase is Phase.OVER:
            return not self._session.ending
        if self.phase is not Phase.GREETED:
            return False
        text = last_words(context)
        if text.startswith(KEYPAD_PREFIX):
            self._settle()
            return True
        if self._answers_greeting:
            settled = is_a_person(text)
            if settled:
                self._settle()
            return settled or self._doubt is None
        if self._turn_began_in is Phase.LISTENING:
            return False  # it is what the greeting answers
        if self._messages and self._greeting is not None and not self._was_greeted:
            # They have spoken into a message, and the greeting is what follows, which their turn may have cut.
            if self._greeting.done() and self._greetings < GREETINGS:
                self._greet()
            return False
        if is_hello(text) and self._greetings < GREETINGS:
            self._greet()
            return False
        if self._doubt is not None:
            if not is_a_person(text):
                return False
            self._doubt = None
        return True

    @property
    def _was_greeted(self) -> bool:
        if self._message_was_heard:
            return True
        greeting = self._greeting
        return greeting is not None and greeting.done() and not greeting.cancelled() and greeting.result()

    async def _beeped(self) -> None:
        if self.phase is Phase.OVER:
            return
        self._session.record(BeepHeard())
        if self.phase is Phase.LEAVING:
            self._witness(Verdict.MACHINE, Evidence.PLAIN, "a beep")
            if self._messages == MESSAGES:
                return  # a machine that goes on beeping gets the last one to its end
            self._again = True
            self._greeting_over.set()
            self._cut_message()
            return
        self._witness(Verdict.MACHINE, Evidence.PLAIN, "a beep")
        self._greeting_over.set()

    async def _is_a_fax(self) -> None:
        self._witness(Verdict.FAX, Evidence.PLAIN, "its tone")

    async def _sounds_like_a_person(self, _listener: Any) -> None:
        self._witness(Verdict.HUMAN, Evidence.LISTENING, "what was said")

    async def _sounds_like_a_machine(self, _listener: Any) -> None:
        # Pipecat says so when the greeting has been over for a while.
        self._witness(Verdict.MACHINE, Evidence.LISTENING, "what was said")
        if self.phase is Phase.WAITING and not self._speaking:
            self._greeting_over.set()

    def _look(self) -> None:
        """Take what the carrier has found out."""
        events = self._session.call.arrived
        new, self._seen_events = events[self._seen_events :], len(events)
        for event in new:
            who = event.who if isinstance(event, AnswererDetected) else None
            if who == "human":
                self._witness(Verdict.HUMAN, Evidence.CARRIER, "the carrier")
            elif who == "unknown":
                self._witness(Verdict.HUMAN, Evidence.SILENCE, "the carrier does not know")
            elif who in ("machine", "greeting_ended"):
                self._carrier_finds(Verdict.MACHINE)
                if who == "greeting_ended" and self.phase is Phase.WAITING:
                    self._greeting_over.set()
            elif who == "fax":
                self._carrier_finds(Verdict.FAX)

    def _carrier_finds(self, verdict: Verdict) -> None:
        """Take the carrier's word that it is no person, unless we have heard one."""
        answering = self._speaking and self._answers_greeting
        silent = self.phase in (Phase.LISTENING, Phase.WAITING) and not self._was_doubted
        if self.phase is Phase.GREETED and (self._evidence is Evidence.LISTENING or answering):
            self._doubt_it(verdict)
        elif silent and self._evidence is not Evidence.PLAIN and self._said_hello and not self._speaking:
            self._greet_in_doubt(verdict)
        else:
            self._witness(verdict, Evidence.CARRIER, "the carrier")

    @property
    def _said_hello(self) -> bool:
        return bool(self._words) and is_hello(" ".join(self._words))

    @property
    def _leaves_message(self) -> bool:
        return self._manners.on_voicemail == "leave_message"

    def _witness(self, verdict: Verdict, evidence: Evidence, why: str) -> None:
        if self.phase is Phase.OVER or self._session.ending or (self.is_deaf and verdict is not Verdict.FAX):
            return
        if self._evidence is not None and evidence < self._evidence:
            return
        self._evidence = evidence
        if verdict is self.verdict:
            if evidence is Evidence.PLAIN and not self._leaves_message:
                self._greeting_over.set()  # nothing needs to be waited for any more
            return
        self._take(verdict, why)
        if verdict is Verdict.HUMAN:
            self._talk_to_a_person()
        elif verdict is Verdict.MACHINE and (self._leaves_message or evidence is Evidence.CARRIER):
            self._wait_for_the_end_of_its_greeting()
        else:
            self._give_up(verdict)

    def _take(self, verdict: Verdict, why: str) -> None:
        self.verdict = verdict
        self._session.record(OpeningDecided(who=verdict.value, why=why))
        logger.info(f"call {self._session.call.id}: answered by a {verdict.value} ({why})")

    def _settle(self) -> None:
        """Note that they have answered the bot: all that comes now belongs to the conversation."""
        if self.verdict is not Verdict.HUMAN:
            self._take(Verdict.HUMAN, "answers")
        self.phase = Phase.OVER

    # What follows

    @abstractmethod
    def _talk_to_a_person(self) -> None: ...

    @abstractmethod
    def _wait_for_the_end_of_its_greeting(self) -> None: ...

    @abstractmethod
    def _give_up(self, verdict: Verdict) -> None: ...

    @abstractmethod
    def _greet(self) -> None: ...

    @abstractmethod
    def _greet_in_doubt(self, doubt: Verdict) -> None: ...

    @abstractmethod
    def _doubt_it(self, doubt: Verdict) -> None: ...

    @abstractmethod
    def _start_quiet(self) -> None: ...

    @abstractmethod
    def _stop_quiet(self) -> None: ...

    @abstractmethod
    def _cut_message(self) -> None: ...


def last_words(context: LLMContext) -> str:
    """What the other side has said last; empty when somebody else has."""
    message = context.get_messages()[-1] if context.get_messages() else None
    if message is None or isinstance(message, LLMSpecificMessage) or message.get("role") != "user":
        return ""
    return standard_message_text(message).strip()
