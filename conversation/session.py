"""One bot session on a call: what it may say, and how it lets go.

The call lives at the carrier; a session comes and goes with a media socket. It is handed to the tools, so what a
tool promises ("I will hang up") is kept here, outside of any frame that a barge-in could drop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from weakref import WeakValueDictionary

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContextMessage

from calls.call import Call
from calls.control import CallControl
from calls.events.event import CallEvent, without_words
from calls.events.lifecycle import GoodbyePromised, GoodbyeTakenBack
from calls.events.talk import DeadAirNoticed, Detached, Interrupted, InterruptionUndone
from calls.recordings import is_paused
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.transcript import Message
from calls.transfer import Resume
from conversation.agents.agent import Agent
from conversation.parts import Floor, HandingOver, Line, Mind, Mouth, SecondThoughts, Tongue
from conversation.playout import OVERDUE_SECS, Playout
from serializers.frames import MarkFrame

SPEAKING_SECS_PER_CHARACTER = 1 / 12
"""A slow speaker's pace, to bound how long some words can take."""

VOICE_SECS = 10.0
"""How long a voice service may take over a goodbye, on top of speaking it; one without a sound is not waited for."""

LOOK_SECS = 0.1
"""How often the session checks meanwhile whether the voice is lost."""

ATTEMPTS = 2
"""How often a voice that makes no sound is given such words."""


SOCKET_CLOSED = "socket closed"
"""The reason for a session's end when its socket closes without a `stop` before it."""

SETTLE_SECS = 8.0
"""How long after the end of the media stream a transfer may take to learn its outcome."""

SILENT_SECS = 1.0
"""How long it may take until nothing more is said."""

DROP_SECS = 3.0
"""How long the carrier may take to close the socket after it confirmed a hang-up."""


_attached: WeakValueDictionary[str, Session] = WeakValueDictionary()


def attached_to(call: Call) -> Session | None:
    """The bot session of this process that talks on a call now; None when there is none."""
    session = _attached.get(call.id)
    return session if session is not None and not session.is_detached else None


def sessions() -> list[Session]:
    """The bot sessions of this process that talk on calls now."""
    return [session for session in _attached.values() if not session.is_detached]


class Session:
    """A bot session that is attached to a call.

    Parameters:
        call: The call; its events and state are kept in `store`.
        control: What may be done to the call.
        agent: What the bot is, in the language of the conversation.
        variables: What the agent's templates are rendered with.
        data_dir: Where messages for the business are kept.
        resume: Why the caller comes back to the bot; None on the call's first session.
        history: The conversation on this call's earlier sessions, which this one goes on with.
        playout: What the caller has heard on this session.
        ending: True once a goodbye was promised; from then on the caller cannot interrupt.
        announcing: Whether something is being said that the caller is to hear whole, whatever they say meanwhile.
        learning: Whether the bot is still finding out how the caller's transfer went, before it talks about anything.
        handover: The last attempt to put the caller through.
        succeeded: Which calls of tools did what they are for, by their ids in the model's context.
        tool_fillers: What the caller hears while tools are at work, templates by the ids of the tools' calls.
        recorded: Whether the carrier records the call since its beginning; not known before `recording_settled`.
        hang_up_pause_secs: How long the line stays up after its last words were played, for the ear to hear them.
        owes_announcement: Whether the caller was greeted without being told of a recording that was still to begin.
    """

    def __init__(
        self,
        *,
        call: Call,
        store: CallStore,
        control: CallControl,
        agent: Agent,
        variables: Mapping[str, Any],
        data_dir: Path,
        resume: Resume | None = None,
        history: Sequence[Message] = (),
        hang_up_pause_secs: float = 0.0,
    ):
        """Attach to a call; `worker` must be set before anything is said."""
        self.call = call
        self.store = store
        self.control = control
        self.agent = agent
        self.variables = dict(variables)
        self.data_dir = data_dir
        self.resume = resume
        self.history = tuple(history)
        self.hang_up_pause_secs = hang_up_pause_secs
        self.playout = Playout()
        self.ending = False
        self.announcing = False
        self.learning = False
        self.handover: HandingOver | None = None
        self.succeeded: dict[str, bool] = {}
        self.tool_fillers: dict[str, str] = {}
        self.recorded = self.owes_announcement = False
        self.recording_settled = asyncio.Event()
        self.worker: PipelineWorker | None = None
        self.mouth: Mouth | None = None
        self.floor: Floor | None = None
        self.second_thoughts: SecondThoughts | None = None
        self.line: Line | None = None
        self.mind: Mind | None = None
        self.tongue: Tongue | None = None
        self._finish: asyncio.Task[None] | None = None
        self._detached = asyncio.Event()
        self._has_the_line = asyncio.Event()
        self._has_the_line.set()
        self._silencing: asyncio.Task[None] | None = None
        _attached[call.id] = self

    @property
    def deaf(self) -> bool:
        """Whether the bot ignores the caller, because it has promised something that no barge-in may cancel."""
        handover = self.handover
        if self.ending or self.announcing or self.learning or self.aside:
            return True
        return handover is not None and handover.running and handover.deaf

    @property
    def aside(self) -> bool:
        """Whether other people talk on this call, or are about to: nothing of ours may be heard meanwhile."""
        return not self._has_the_line.is_set()

    def step_aside(self) -> None:
        """Be silent and deaf at once: the carrier is connecting the other side with another person.

        Where the carrier ends the media stream for that, this only comes a moment earlier. Where the stream goes on,
        all that is queued at the carrier would be heard over the two.
        """
        if self.aside:
            return
        self._has_the_line.clear()
        self._silencing = asyncio.create_task(self._fall_silent())

    def step_back(self) -> None:
        """Talk and listen again: the two were not connected after all."""
        self._has_the_line.set()

    async def leave(self) -> None:
        """Be silent and deaf for good, as another session goes on; its media stream is closed next."""
        self.step_aside()
        if self._silencing is not None:
            await asyncio.wait({self._silencing}, timeout=SILENT_SECS)

    async def _fall_silent(self) -> None:
        if self.line is not None:
            await self.line.fall_silent()
        # Stop what the model and the voice are at, too.
        await self._queue(InterruptionFrame())

    @property
    def off_the_record(self) -> bool:
        """Whether the call's recording is paused: then we must not keep what is said in any other place either."""
        return is_paused(self.call)

    @property
    def is_detached(self) -> bool:
        """Whether the media socket is gone."""
        return self._detached.is_set()

    def record(self, event: CallEvent) -> None:
        """Add an event to the call's history; while the recording is paused, without what was said."""
        self.call.record(without_words(event) if self.off_the_record else event)

    def interruption_undone(self) -> None:
        """Note that the bot fell silent for what was no interruption, and has gone on."""
        self.record(InterruptionUndone())

    def render(self, template: str, **more: Any) -> str:
        """Fill in an agent's template for this call, with variables of its own perhaps."""
        return self.agent.render(template, {**self.variables, **more})

    async def say(self, text: str, *, remember: bool = True, own: bool = False) -> bool:
        """Speak a sentence of the agent's own, which a barge-in may cut short. Nothing is said after a farewell.

        Args:
            text: The sentence.
            remember: Whether the model finds it in the conversation, as its own words.
            own: Whether it only fills a silence, so that what was owed to the caller is still owed.

        Returns:
            Whether it was given to the voice.
        """
        if self.ending or self.aside:
            return False
        return await self._speak(TTSSpeakFrame(text, append_to_context=remember), own=own)

    async def latest_reply(self) -> str:
        """What the model says in its latest reply, the sentence that is still to come included."""
        if self.mouth is None:
            return ""
        await self.mouth.reply_is_over()
        return self.mouth.reply

    def listens(self) -> None:
        """Leave the word to the other side, as after a key for its menu: the model need not say anything now."""
        if self.mouth is not None:
            self.mouth.listens()

    async def remember(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Add what happened to the conversation as the model sees it, without letting it answer."""
        await self._tell(LLMMessagesAppendFrame(cast(list[LLMContextMessage], list(messages)), run_llm=False))

    async def think(self) -> None:
        """Let the model answer the conversation as it stands."""
        if not (self.ending or self.aside):
            await self._tell(LLMRunFrame())

    async def say_to_the_end(self, text: str) -> bool:
        """Speak words that a barge-in does not cut short.

        Returns:
            Whether the caller is known to have heard them. If not, enough time has passed.
        """
        before = self.playout.said_in_all_secs
        for _ in range(ATTEMPTS):
            if self.aside:
                return False
            heard, failed = await self._say_to_the_end(text)
            text = failed or text
            if not text or self.playout.said_in_all_secs > before:
                return heard
            if self._voice_is_lost or self.is_detached:
                break
        return False

    @property
    def _voice_is_lost(self) -> bool:
        return self.mouth is not None and self.mouth.voice_is_lost

    async def _say_to_the_end(self, text: str) -> tuple[bool, str]:
        """Speak the words; return whether they were heard, and what the voice has failed to say."""
        last = MarkFrame(self.playout.expect())
        last.interruptible = False
        frames: list[Frame] = [last]
        if text:
            # Such words belong to a tool's call, whose result must be the last thing in the model's context.
            words = TTSSpeakFrame(text, append_to_context=False)
            words.interruptible = False
            frames.insert(0, words)
        await self._speak(*frames)
        unheard = sum(len(chunk.text) for chunk in self.playout.pending) + len(text)
        send_secs = VOICE_SECS + unheard * SPEAKING_SECS_PER_CHARACTER
        heard = asyncio.create_task(
            self.playout.heard(last.mark, send_secs=send_secs, return_secs=OVERDUE_SECS)
        )
        failed = ""
        try:
            while not (heard.done() or self._voice_is_lost or failed):
                await asyncio.wait({heard}, timeout=LOOK_SECS)
                failed = await self.mouth.failed_words() if self.mouth is not None else ""
            return heard.done() and heard.result(), failed
        finally:
            heard.cancel()

    async def change_language(self, tag: str, why: str) -> None:
        """Go on in another of the agent's languages, with the next words that are said."""
        if self.tongue is not None and (frames := await self.tongue.change(tag, why)):
            await self._speak(*frames)

    async def note(self, text: str, *, answer: bool = True) -> bool:
        """Tell the model something that it did not do itself.

        Args:
            text: What it is told.
            answer: Whether it answers at once.

        Returns:
            Whether it was told: nothing is after a farewell, or while other people talk.
        """
        if self.ending or self.aside:
            return False
        message = cast(LLMContextMessage, {"role": "developer", "content": text})
        await self._tell(LLMMessagesAppendFrame([message], run_llm=answer))
        return True

    def finish(
        self,
        farewell: str,
        *,
        ended_by: EndedBy,
        cause: str,
        state: CallState = CallState.COMPLETED,
        unless_more: bool = False,
    ) -> asyncio.Task[None]:
        """Say goodbye, wait until it was heard, hang up. A second call joins the first.

        Args:
            farewell: The last words; empty to let what is being said be the last.
            ended_by: Who ends the call.
            cause: Why, for the call's record.
            state: Which end it is.
            unless_more: Whether the call goes on after it for a caller who asks for more meanwhile.

        Returns:
            The running goodbye; it ends when the line was dropped.
        """
        if self._finish is None:
            self.ending = True
            self.record(GoodbyePromised(farewell, ended_by, cause, state))
            if unless_more and self.second_thoughts is not None:
                self.second_thoughts.listen()
            self._finish = asyncio.create_task(self._say_goodbye(farewell, ended_by, cause, state))
        return self._finish

    async def abandon(self, *, cause: str) -> None:
        """Close the socket without a word, for a bot without a voice; the carrier's document then has the say."""
        self.ending = True
        self.call.will_end(EndedBy.ERROR, cause)
        await self.store.noted()  # the carrier asks what comes next, and may ask another process
        if self.worker is not None:
            await self.worker.cancel(reason=cause)

    async def settle(self) -> None:
        """Wait for what is under way, a goodbye or a transfer; called when the pipeline has ended."""
        if self._finish is not None:
            await asyncio.wait({self._finish}, timeout=DROP_SECS + OVERDUE_SECS)
        if self.handover is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECS):
                    await self.handover.outcome()
            await self.handover.give_up()

    async def let_go(self) -> None:
        """Leave the call to the people who talk on it now: what they say is not for the bot."""
        if not self.control.keeps_stream_while_transferring:
            return  # the carrier's document ends the stream
        if await self.control.let_go() and await self.gone(DROP_SECS):
            return
        logger.warning(f"call {self.call.id}: the carrier goes on with the media stream; closing its socket")
        await self._queue(EndFrame())

    async def gone(self, timeout_secs: float) -> bool:
        """Wait for the media socket to go, and tell whether it is gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_secs):
                await self._detached.wait()
        return self.is_detached

    async def wait_detached(self) -> None:
        """Wait until the media socket is gone."""
        await self._detached.wait()

    def detached(self, reason: str) -> None:
        """Note that the media socket is gone. The first reason counts."""
        if not self._detached.is_set():
            self._detached.set()
            self._has_the_line.set()  # there is no line any more, so nothing need wait for it
            if self.playout.has_unheard:
                self.record(Interrupted(heard=""))
            # Nothing more will be heard, so a goodbye need not wait for it.
            self.playout.ended()
            self.record(Detached(reason=reason))

    async def _say_goodbye(self, farewell: str, ended_by: EndedBy, cause: str, state: CallState) -> None:
        await self._has_the_line.wait()  # do not hang up on people who talk to each other
        if self.is_detached:
            return
        if self.handover is not None:
            await self.handover.give_up()
        before = self.playout.said_in_all_secs
        clock = asyncio.get_running_loop().time
        begun = clock()
        heard = await self.say_to_the_end(farewell)
        if self._detached.is_set():
            return  # the caller hung up first, or the socket was lost, which the carrier's document sees to
        silent = bool(farewell) and self.playout.said_in_all_secs == before
        if not heard and (silent or self._voice_is_lost):
            self.record(
                DeadAirNoticed(stage="fallback", cause="voice_silent", silent_secs=round(clock() - begun, 1))
            )
            await self.abandon(cause="voice failed")
            return
        if heard:
            # Played by the carrier is not yet heard: network and phone are behind.
            if not await self.gone(self.hang_up_pause_secs) and (more := await self._asked_for_more()):
                self.ending, self._finish = False, None
                self.record(GoodbyeTakenBack())
                await self._queue(*more)
                return
        else:
            logger.warning(f"call {self.call.id}: hanging up without knowing that the goodbye was heard")
        if await self.control.hang_up(ended_by=ended_by, cause=cause, state=state):
            if await self.gone(DROP_SECS):
                return
            logger.warning(
                f"call {self.call.id}: the carrier left the socket open after the hang-up; closing it"
            )
        # No carrier, or it did not obey: without our socket its document runs out and the call ends.
        await self._queue(EndFrame())

    async def _asked_for_more(self) -> Sequence[Frame]:
        """The words of a caller who has asked for something else over the goodbye; none where they have hung up."""
        if self.second_thoughts is None or not self.second_thoughts.listening:
            return []
        thoughts = asyncio.create_task(self.second_thoughts.has_some())
        left = asyncio.create_task(self._detached.wait())
        try:
            await asyncio.wait({thoughts, left}, return_when=asyncio.FIRST_COMPLETED)
            return thoughts.result() if thoughts.done() else []
        finally:
            thoughts.cancel()
            left.cancel()

    async def _speak(self, *frames: Frame, own: bool = False) -> bool:
        if self.mouth is not None:
            return await self.mouth.say(*frames, own=own)
        await self._queue(*frames)
        return True

    async def _tell(self, frame: Frame) -> None:
        """Hand something to the model, by the way that it takes."""
        if self.mind is not None:
            await self.mind.tell(frame)
        else:
            await self._queue(frame)

    async def _queue(self, *frames: Frame) -> None:
        if self.worker is not None:
            await self.worker.queue_frames(list(frames))
