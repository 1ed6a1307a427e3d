"""The first seconds of a call that the bot has placed: what it says to a person, and what to a machine.

A person is greeted, after their "Hello?" or, when they say nothing, after a moment. A machine is not talked over: the
bot waits for its beep, leaves the whole message and hangs up, or hangs up at once, as the agent's file says.

A telephone that asks who calls before it rings is told, see `conversation.outbound.screened`.

Which of them has answered follows from several witnesses, all of which err: see `conversation.outbound.witnesses`.

The bot hangs up on no one because of the carrier's detection alone. If what was heard sounds like a person, the bot
talks to them, and takes them for a machine only when they do not answer. Otherwise it listens first (for a beep, or
silence), and a person could still answer its message. Where the carrier does not know, it is a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from pipecat.classifiers.base_classifier import BaseClassifier
from pipecat.classifiers.llm.classifier import LLMClassifier
from pipecat.frames.frames import (
    TTSSpeakFrame,
)
from pipecat.services.llm_service import LLMService

from calls.events.talk import VoicemailLeft
from calls.states import CallState, EndedBy
from conversation.agents.purpose import CALLED_BACK, who_calls
from conversation.first_words import first_words, greeting_words
from conversation.outbound.beep import FAX_SECS, BeepListener
from conversation.outbound.greetings import GreetingClassifier, is_a_person
from conversation.outbound.processors import (
    Evidence,
    GreetingListener,
    ModelGate,
    MuteWhileLeaving,
    Phase,
    Verdict,
)
from conversation.outbound.screened import Screened, was_screened
from conversation.outbound.witnesses import MESSAGES
from conversation.playout import OVERDUE_SECS
from conversation.session import SPEAKING_SECS_PER_CHARACTER, VOICE_SECS, Session
from serializers.frames import MarkFrame

QUIET_SECS = 2.0
"""A machine that is silent for this long is taken to be recording, beep or not."""

MODEL_SECS = 3.0
"""How long a language model may think about who has answered: a person may be waiting."""

LISTEN_SECS = 15.0
"""How long the other side may be heard without being understood before the bot greets it."""

BREATH_SECS = 0.3
"""The pause before the message: the carrier may report a beep before we have heard all of it."""

GREETING_SECS = 60.0
"""How long a machine's greeting may last; after that the bot gives up leaving a message."""

WINDOW_SECS = 45.0
"""How long after the answer a person can still turn out to be a machine, if they have not answered the greeting."""

ANSWER_SECS = 3.0
"""How long the other side may take to answer a greeting or a message when the carrier says that it is a machine."""

LOOK_SECS = 0.1
"""How often the bot checks whether they answer."""

HUSH_SECS = 1.0
"""How long the carrier may take to throw away what it has not played."""


class OutboundOpening(Screened):
    """Opens a call that the bot has placed.

    Its three processors stand at three places of the pipeline: `beeps` behind the transport's input, `listener` behind
    speech recognition, `gate` before the model.
    """

    def __init__(self, session: Session, model: BaseClassifier | None = None):
        """Prepare it; `begin` starts.

        Args:
            session: The session.
            model: Judges what words alone do not decide; None without a language model.
        """
        super().__init__(session)
        self.beeps = BeepListener(self._beeped, self._is_a_fax)
        self.listener = GreetingListener(self, GreetingClassifier(model), quiet_secs=QUIET_SECS)
        self.gate = ModelGate(self)
        self.mute = MuteWhileLeaving(self)
        self._machine: asyncio.Task[None] | None = None
        self._quiet: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop_watching = lambda: None
        self.listener.add_event_handler("on_conversation_detected", self._sounds_like_a_person)
        self.listener.add_event_handler("on_voicemail_detected", self._sounds_like_a_machine)

    def words(self) -> list[str]:
        """What may be said, the greeting first: for a voice that can render it ahead."""
        message = self._manners.voicemail_message
        told = who_calls(self._session.agent, self._session.variables)
        return [
            self._first_words(),
            *([self._session.render(message)] if message else []),
            *([told] if told else []),
        ]

    async def begin(self) -> None:
        """Start, when the media stream is there."""
        if was_screened(self._session):
            self._seen_events = len(self._session.call.arrived)
            self.go_on()
            self._stop_watching = self._session.call.watch(self._look)
            self._start(self._close_window())
            return
        self._stop_watching = self._session.call.watch(self._look)
        self._start(self._wait_for_hello())
        self._start(self._close_window())
        self._look()  # the carrier may have been faster

    async def close(self) -> None:
        """Stop, when the session is over."""
        self._stop_watching()
        self._stop_watching = lambda: None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What is done

    def _give_up(self, verdict: Verdict) -> None:
        self.phase = Phase.OVER
        machine, self._machine = self._machine, None
        if machine is not None and machine is not asyncio.current_task():
            machine.cancel()
        self._start(self._hang_up("a fax machine answered" if verdict is Verdict.FAX else "voicemail"))

    async def _wait_for_hello(self) -> None:
        await asyncio.sleep(self._manners.wait_for_hello_secs)
        if self.beeps.hears_tone:
            await asyncio.sleep(FAX_SECS)  # by then it is clear whether the tone is a beep or a fax
        if not self._spoke:
            self._witness(Verdict.HUMAN, Evidence.SILENCE, "silence")
            return
        await asyncio.sleep(LISTEN_SECS)
        self._witness(Verdict.HUMAN, Evidence.SILENCE, "nothing that could be understood")

    async def _close_window(self) -> None:
        await asyncio.sleep(WINDOW_SECS)
        if self.phase is Phase.GREETED and self._doubt is None:
            self._settle()

    def _settle(self) -> None:
        super()._settle()
        self.beeps.listening = False

    def _talk_to_a_person(self) -> None:
        if self._machine is not None:
            self._machine.cancel()
            self._machine = None
        self._stop_quiet()
        self._greeting_over.clear()
        self._doubt = None
        self.phase = Phase.GREETED
        if self._speaking:
            self._greet_after_turn = True
        else:
            self._greet()

    def _greet(self) -> None:
        self._greet_after_turn = False
        self._greetings += 1
        self._greeting = self._start(self._say_greeting())

    async def _say_greeting(self) -> bool:
        await self._hush()  # a message that turns out to be for a person
        words = await greeting_words(self._session, self._greeting_template)
        return await self._say(self._with_who_calls(words))

    def _greet_in_doubt(self, doubt: Verdict) -> None:
        """Greet what may be a machine; if it does not answer, it is one."""
        self._evidence = Evidence.LISTENING
        self._take(Verdict.HUMAN, "may be a person")
        self._talk_to_a_person()
        self._doubt_it(doubt)

    def _doubt_it(self, doubt: Verdict) -> None:
        if not self._was_doubted:
            self._was_doubted = True
            self._doubt = doubt
            self._start(self._unless_they_answer(doubt))

    async def _unless_they_answer(self, doubt: Verdict) -> None:
        if await self._is_answered():
            return
        self._evidence = Evidence.CARRIER
        self._take(doubt, "does not answer")
        if doubt is Verdict.MACHINE and self._leaves_message:
            self._wait_for_the_end_of_its_greeting()
            self._greeting_over.set()
        else:
            self._give_up(doubt)

    async def _is_answered(self) -> bool:
        """Wait for an answer, or for a silence that is too long for one.

        Returns:
            Whether the other side has answered.
        """
        quiet_secs = 0.0
        while quiet_secs < ANSWER_SECS:
            await asyncio.sleep(LOOK_SECS)
            if self._doubt is None or self.phase is not Phase.GREETED:
                return True
            greets = self._greet_after_turn or (self._greeting is not None and not self._greeting.done())
            speaks = self._speaking and self._turn_began_in is Phase.GREETED
            busy = speaks or greets or self._session.playout.pending
            quiet_secs = 0.0 if busy else quiet_secs + LOOK_SECS
        self._doubt = None
        return False

    @property
    def _greeting_template(self) -> str:
        if self._session.variables.get(CALLED_BACK):
            return self._session.agent.lines.calling_back
        return self._manners.greeting or self._session.agent.greeting

    def _first_words(self) -> str:
        return first_words(self._session, self._greeting_template)

    def _stop_what_is_said(self) -> None:
        for task in (self._machine, self._greeting):
            if task is not None:
                task.cancel()
        self._machine = None
        self._greet_after_turn = False
        self._stop_quiet()

    def _wait_for_the_end_of_its_greeting(self) -> None:
        self.phase = Phase.WAITING
        self._greet_after_turn = False
        self._machine = self._start(self._leave_message())
        if not self._speaking:
            self._start_quiet()

    def _start_quiet(self) -> None:
        async def quiet() -> None:
            await asyncio.sleep(QUIET_SECS)
            self._greeting_over.set()

        self._stop_quiet()
        self._quiet = self._start(quiet())

    def _stop_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None

    def _cut_message(self) -> None:
        self._start(self._hush())

    async def _leave_message(self) -> None:
        await self._hush()
        if not await self._its_greeting_ends():
            return
        if self._may_be_a_person():
            self._machine = None  # which is this
            self._greet_in_doubt(Verdict.MACHINE)
            return
        if not self._leaves_message:
            self._give_up(Verdict.MACHINE)
            return
        self.phase = Phase.LEAVING
        words = self._session.render(self._manners.voicemail_message or "")
        heard = False
        for self._messages in range(1, MESSAGES + 1):
            self._again = False
            heard = await self._say(words)
            if not self._again or self._session.is_detached:
                break
            if not await self._its_greeting_ends():
                return
        self._session.record(VoicemailLeft(heard=heard))
        if self._evidence is not Evidence.PLAIN and heard and not self._session.is_detached:
            # Only the carrier's detection says that it was a machine.
            self._message_was_heard = True
            self._doubt = Verdict.MACHINE
            self.phase = Phase.GREETED
            if await self._is_answered():
                return
        self.phase = Phase.OVER
        await self._hang_up("left a message" if heard else "voicemail, which did not take the message")

    async def _its_greeting_ends(self) -> bool:
        try:
            async with asyncio.timeout(GREETING_SECS):
                await self._greeting_over.wait()
                await asyncio.sleep(BREATH_SECS)
        except TimeoutError:
            self.phase = Phase.OVER
            await self._hang_up("voicemail, whose greeting did not end")
            return False
        return True

    def _may_be_a_person(self) -> bool:
        """Whether the bot should first talk to what only the carrier takes for a machine."""
        if self._evidence is not Evidence.CARRIER or self._was_doubted:
            return False
        # A person would hear the message too, and can answer it; without a message they would hear nothing.
        return self._said_hello or (not self._leaves_message and is_a_person(" ".join(self._words)))

    async def _hang_up(self, cause: str) -> None:
        await self._hush()
        self._session.finish("", ended_by=EndedBy.BOT, cause=cause, state=CallState.VOICEMAIL)

    async def _hush(self) -> None:
        """Stop speaking, and wait until it is quiet: a goodbye would let the words be said to their end."""
        playout = self._session.playout
        if not playout.pending:
            return
        # From behind the user's side of the pipeline, which holds interruptions back while the box is muted.
        await self.gate.broadcast_interruption()
        for _ in range(round(HUSH_SECS / 0.02)):
            if not playout.pending:
                return
            await asyncio.sleep(0.02)

    async def _say(self, words: str) -> bool:
        """Say something that the bot may cut short itself; return whether all of it was heard."""
        session = self._session
        if session.worker is None:
            return False
        last = MarkFrame(session.playout.expect())
        await session.worker.queue_frames([TTSSpeakFrame(words), last])
        return await session.playout.heard(
            last.mark,
            send_secs=VOICE_SECS + len(words) * SPEAKING_SECS_PER_CHARACTER,
            return_secs=OVERDUE_SECS,
        )

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=f"opening of {self._session.call.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def outbound_opening(session: Session, llm: LLMService[Any] | None) -> OutboundOpening | None:
    """The opening of a session, if it is the first one of a call that the bot has placed; None for all others.

    Args:
        session: The session.
        llm: The session's language model; None when the local brain is in its place.
    """
    if session.call.direction != "outbound" or not (session.resume is None or was_screened(session)):
        return None
    return OutboundOpening(session, LLMClassifier(llm=llm, timeout=MODEL_SECS) if llm is not None else None)
