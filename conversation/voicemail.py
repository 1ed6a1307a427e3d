"""The first seconds of a call that the bot has placed: a person, a machine, and what is said to which.

A person is greeted, after their "Hello?" or, when they say nothing, after a moment. A machine is not talked over: the
bot waits for its beep, leaves the whole message and hangs up, or hangs up at once, as the agent's file says.

Who it is follows from several witnesses. A stronger one overrules a weaker one, and of two equal ones the later
overrules the earlier (`Evidence`):

1. **Silence**: somebody who says nothing for `wait_for_hello_secs` is greeted as a person.
2. **Listening**: Pipecat's `VoicemailDetector`, asked with what was said until the first longer pause.
3. **The carrier's** detection of answering machines (events `answered_by`), which errs.
4. **Plain signs**: words that only a recording says ("after the tone"), a beep, the tone of a fax; or a "Hello?" from
   somebody who was taken for a machine, which does not wait for an answer.

So a wrong verdict is put right until the person has answered the greeting, which settles it, or the message has been
left after plain signs of a machine. A beep during the message (a pause in the greeting was taken for its end) has it
said once more from the start, so that the recording has all of it.

Nobody is hung up on by the carrier's word alone. Whoever was heard to speak as people do is talked to in any case, and
taken for a machine only when they do not answer; the others are listened to first (a beep, silence), and a message is
said to them as to somebody who may answer it. Where the carrier does not know, it is a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from loguru import logger
from pipecat.classifiers.base_classifier import BaseClassifier
from pipecat.classifiers.llm.classifier import LLMClassifier
from pipecat.frames.frames import (
    Frame,
    TranscriptionFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage, standard_message_text
from pipecat.services.llm_service import LLMService

from calls.call import CallState, EndedBy
from conversation.attachment import MARK_SECS, SPEAKING_SECS_PER_CHARACTER, VOICE_SECS, Attachment
from conversation.beep import FAX_SECS, BeepListener
from conversation.dialled import (
    Evidence,
    GreetingListener,
    ModelGate,
    MuteWhileLeaving,
    Phase,
    Verdict,
)
from conversation.greetings import GreetingClassifier, is_a_person, is_hello, sounds_recorded
from conversation.opening import first_words, greeting_words
from conversation.turns import KEYPAD_PREFIX
from serializers.frames import MarkFrame

QUIET_SECS = 2.0
"""A machine that is silent for so long is taken to record, beep or not."""

MODEL_SECS = 3.0
"""How long a language model may think about who it is; somebody is waiting."""

LISTEN_SECS = 15.0
"""How long something may be heard that nobody can make sense of before it is greeted."""

BREATH_SECS = 0.3
"""Before the message: the carrier may tell of a beep before we have heard all of it."""

GREETING_SECS = 60.0
"""How long a machine's greeting may last; after that there is nothing to leave a message on."""

WINDOW_SECS = 45.0
"""How long after the answer a person can still turn out to be a machine, if they have not answered the greeting."""

GREETINGS = 3
"""How often a person who says "Hello?" over the greeting is greeted."""

MESSAGES = 3
"""How often a message is begun."""

ANSWER_SECS = 3.0
"""How long somebody may think about the greeting, or the message, of whom the carrier says that it is a machine."""

LOOK_SECS = 0.1
"""How often it is looked whether they answer."""

HUSH_SECS = 1.0
"""How long the carrier may take to forget what it was to play."""


class OutboundOpening:
    """Opens a call that the bot has placed.

    Its three processors stand at three places of the pipeline: `beeps` behind the transport's input, `listener` behind
    speech recognition, `gate` before the model.
    """

    def __init__(self, attachment: Attachment, model: BaseClassifier | None = None):
        """Prepare it; `begin` starts.

        Args:
            attachment: The session.
            model: Judges what words alone do not decide; None without a language model.
        """
        self.beeps = BeepListener(self._beeped, self._is_a_fax)
        self.listener = GreetingListener(self, GreetingClassifier(model), quiet_secs=QUIET_SECS)
        self.gate = ModelGate(self)
        self.mute = MuteWhileLeaving(self)
        self.phase = Phase.LISTENING
        self.verdict: Verdict | None = None
        self._attachment = attachment
        self._manners = attachment.agent.dial_out
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
        self._machine: asyncio.Task[None] | None = None
        self._quiet: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._seen_events = 0
        self._stop_watching = lambda: None
        self.listener.add_event_handler("on_conversation_detected", self._sounds_like_a_person)
        self.listener.add_event_handler("on_voicemail_detected", self._sounds_like_a_machine)

    @property
    def has_the_word(self) -> bool:
        """Whether this, and not the conversation, decides about what is said now."""
        return self.phase in (Phase.LISTENING, Phase.WAITING, Phase.LEAVING)

    @property
    def is_deaf(self) -> bool:
        """Whether nothing that the other side says may cut a message short."""
        sure = self._evidence is Evidence.PLAIN and self._greeting_over.is_set()
        return self.phase is Phase.LEAVING and sure

    def words(self) -> list[str]:
        """What may be said, the greeting first: for a voice that can render it ahead."""
        message = self._manners.voicemail_message
        return [self._first_words(), *([self._attachment.render(message)] if message else [])]

    async def begin(self) -> None:
        """Start, when the media stream is there."""
        self._stop_watching = self._attachment.call.watch(self._look)
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

    # Witnesses

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
            return not self._attachment.ending
        if self.phase is not Phase.GREETED:
            return False
        text = _last_words(context)
        if text.startswith(KEYPAD_PREFIX):
            self._settle()
            return True
        if self._answers_greeting:
            if is_a_person(text):
                self._settle()
            return self.phase is Phase.OVER or self._doubt is None
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
        self._attachment.record("beep")
        if self.phase is Phase.LEAVING:
            self._witness(Verdict.MACHINE, Evidence.PLAIN, "a beep")
            if self._messages == MESSAGES:
                return  # a machine that goes on beeping gets the last one to its end
            self._again = True
            self._greeting_over.set()
            self._start(self._hush())
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
        events = self._attachment.call.events
        new, self._seen_events = events[self._seen_events :], len(events)
        for event in new:
            who = event.data.get("who") if event.kind == "answered_by" else None
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
        """Take the carrier's word that nobody is there, unless we have heard somebody."""
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
        if self.phase is Phase.OVER or self.is_deaf or self._attachment.ending:
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
        self._attachment.record("opening", who=verdict.value, why=why)
        logger.info(f"call {self._attachment.call.id}: answered by a {verdict.value} ({why})")

    def _give_up(self, verdict: Verdict) -> None:
        self.phase = Phase.OVER
        self._start(self._hang_up("a fax machine answered" if verdict is Verdict.FAX else "voicemail"))

    # What is done

    async def _wait_for_hello(self) -> None:
        await asyncio.sleep(self._manners.wait_for_hello_secs)
        if self.beeps.hears_tone:
            await asyncio.sleep(FAX_SECS)  # by then it is known what it is
        if not self._spoke:
            self._witness(Verdict.HUMAN, Evidence.SILENCE, "silence")
            return
        await asyncio.sleep(LISTEN_SECS)
        self._witness(Verdict.HUMAN, Evidence.SILENCE, "nothing that could be understood")

    async def _close_window(self) -> None:
        await asyncio.sleep(WINDOW_SECS)
        if self.phase is Phase.GREETED:
            self._settle()

    def _settle(self) -> None:
        if self.verdict is not Verdict.HUMAN:
            self._take(Verdict.HUMAN, "answers")
        self.phase = Phase.OVER
        self.beeps.listening = False

    def _talk_to_a_person(self) -> None:
        if self._machine is not None:
            self._machine.cancel()
            self._machine = None
        self._stop_quiet()
        self._greeting_over.clear()
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
        return await self._say(await greeting_words(self._attachment, self._greeting_template))

    def _greet_in_doubt(self, doubt: Verdict) -> None:
        """Talk to somebody who may be a machine; when they do not answer, they are one."""
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
        """Wait for an answer, or for a silence that is too long for one; tell which came."""
        quiet_secs = 0.0
        while quiet_secs < ANSWER_SECS:
            await asyncio.sleep(LOOK_SECS)
            if self._doubt is None or self.phase is not Phase.GREETED:
                return True
            greets = self._greet_after_turn or (self._greeting is not None and not self._greeting.done())
            speaks = self._speaking and self._turn_began_in is Phase.GREETED
            busy = speaks or greets or self._attachment.playout.pending
            quiet_secs = 0.0 if busy else quiet_secs + LOOK_SECS
        self._doubt = None
        return False

    @property
    def _greeting_template(self) -> str:
        return self._manners.greeting or self._attachment.agent.greeting

    def _first_words(self) -> str:
        return first_words(self._attachment, self._greeting_template)

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
        words = self._attachment.render(self._manners.voicemail_message or "")
        heard = False
        for self._messages in range(1, MESSAGES + 1):
            self._again = False
            heard = await self._say(words)
            if not self._again or self._attachment.is_detached:
                break
            if not await self._its_greeting_ends():
                return
        self._attachment.record("voicemail_message", heard=heard)
        if self._evidence is not Evidence.PLAIN and heard and not self._attachment.is_detached:
            # Nothing but the carrier's word says that it was a machine.
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
        """Whether somebody whom the carrier takes for a machine is to be talked to first."""
        if self._evidence is not Evidence.CARRIER or self._was_doubted:
            return False
        # A message is said to a person as well, who can answer it; without one there would be no word.
        return self._said_hello or (not self._leaves_message and is_a_person(" ".join(self._words)))

    async def _hang_up(self, cause: str) -> None:
        await self._hush()
        self._attachment.finish("", ended_by=EndedBy.BOT, cause=cause, state=CallState.VOICEMAIL)

    async def _hush(self) -> None:
        """Stop speaking, and wait until that is so: a goodbye would let it be said to its end."""
        playout = self._attachment.playout
        if not playout.pending:
            return
        # From behind the user's side of the pipeline, which holds interruptions back while the box is muted.
        await self.gate.broadcast_interruption()
        for _ in range(round(HUSH_SECS / 0.02)):
            if not playout.pending:
                return
            await asyncio.sleep(0.02)

    async def _say(self, words: str) -> bool:
        """Say something that we may cut short ourselves; tell whether all of it was heard."""
        attachment = self._attachment
        if attachment.worker is None:
            return False
        last = MarkFrame(attachment.playout.expect())
        await attachment.worker.queue_frames([TTSSpeakFrame(words), last])
        return await attachment.playout.heard(
            last.mark,
            send_secs=VOICE_SECS + len(words) * SPEAKING_SECS_PER_CHARACTER,
            return_secs=MARK_SECS,
        )

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=f"opening of {self._attachment.call.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def outbound_opening(attachment: Attachment, llm: LLMService[Any] | None) -> OutboundOpening | None:
    """The opening of a session, if it is the first one of a call that the bot has placed; None for all others.

    Args:
        attachment: The session.
        llm: The session's language model; None when the local brain is in its place.
    """
    if attachment.call.direction != "outbound" or attachment.resume is not None:
        return None
    return OutboundOpening(
        attachment, LLMClassifier(llm=llm, timeout=MODEL_SECS) if llm is not None else None
    )


def _last_words(context: LLMContext) -> str:
    message = context.get_messages()[-1] if context.get_messages() else None
    if message is None or isinstance(message, LLMSpecificMessage) or message.get("role") != "user":
        return ""
    return standard_message_text(message).strip()
