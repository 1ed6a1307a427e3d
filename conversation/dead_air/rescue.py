"""What is said and done when the bot owes the caller words and none come, or the caller owes some and says nothing.

The guard (`conversation/dead_air/guard.py`) says when and why; here is what follows, as the agent's `[dead_air]` has
it: a filler, a way on, and at last an apology with a transfer, a message or a goodbye. The model is not needed for any
of it. The voice is; without it the fallback comes at once, and in the end the carrier's own voice apologises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import Enum, auto

from loguru import logger

from calls.errors import NotDone
from calls.events.lifecycle import ErrorHappened, TransferEnded
from calls.events.talk import DeadAirNoticed, MessageTaken
from calls.left_messages import Message, MessageBook
from calls.states import EndedBy
from conversation.agents.tables import GOODBYE, TAKE_MESSAGE
from conversation.dead_air.causes import Cause, Firing, Stage
from conversation.dead_air.guard import DeadAir
from conversation.handover import put_through
from conversation.session import Session
from conversation.turns.strategies import SilentCaller

LOOK_SECS = 0.2
"""How often the bot checks whether the caller sits in silence."""

MESSAGE_PAUSE_SECS = 4.0
"""A pause this long ends a message that a caller leaves."""

MESSAGE_SECS = 90.0
"""How long a message may take in all."""

NO_MESSAGE_SECS = 12.0
"""How long a caller may take to begin one."""


ANSWER_NOW = "The caller has not heard your answer, or not to its end. Say it now."
"""What a model is told that hears by itself, when no answer of it came."""


class FailOver(Enum):
    """What came of the search for another service."""

    NONE_LEFT = auto()
    ASK_IT = auto()
    """Another one is there, and waits for the question."""
    GOES_ON = auto()
    """Another one is at what the failed one was at."""


class Rescue:
    """Sees to it that the caller of one session is not left in silence."""

    def __init__(
        self,
        session: Session,
        dead_air: DeadAir,
        *,
        others_turn: Callable[[], bool],
        write_down: Callable[[], Awaitable[str]] | None = None,
        fail_over: Callable[[Cause], Awaitable[FailOver]] | None = None,
    ):
        """Initialize it; `watch` begins.

        Args:
            session: The session.
            dead_air: Its guard.
            others_turn: Whether another part sees to the caller now, such as the opening of a call that we have placed.
            write_down: Takes the caller's words so far for a turn, where only an answer would end one.
            fail_over: Has another service go on for the one at fault, if one is there.
        """
        self._session = session
        self._dead_air = dead_air
        self._others_turn = others_turn
        self._write_down = write_down
        self._fail_over = fail_over
        self._silence = SilentCaller(session)
        self._asked_for_message = False
        self._task: asyncio.Task[None] | None = None
        self._message: list[str] | None = None
        self._transferring = False

    @property
    def has_the_word(self) -> bool:
        """Whether this, and not the model, talks with the caller now."""
        return self._message is not None or self._transferring

    @property
    def may_not_be_cut(self) -> bool:
        """Whether something goes on that another session could not go on with: a tool, a transfer, a goodbye."""
        session = self._session
        return self._is_off or session.announcing or session.learning or self._dead_air.has_tools_at_work

    @property
    def caller_has_the_word(self) -> bool:
        """Whether the caller speaks, or seems to."""
        return self._dead_air.caller_has_the_word

    @property
    def is_at_work(self) -> bool:
        """Whether the bot owes words that the voice has not given yet."""
        return self._dead_air.is_at_work

    def caller_said(self, text: str) -> None:
        """Take a turn of the caller; one without words may be a noise."""
        if text:
            self._silence.heard(text)
            self._dead_air.caller_said_something(wants_answer=self._message is None)
            if self._message is not None:
                self._message.append(text)
        else:
            self._dead_air.caller_said_nothing()

    async def watch(self) -> None:
        """Look, for as long as the session lasts."""
        while True:
            await asyncio.sleep(LOOK_SECS)
            try:
                await self.look()
            except Exception as error:
                logger.opt(exception=error).error(
                    "call {}: the guard against silence failed: {}",
                    self._session.call.id,
                    type(error).__name__,
                )

    async def look(self) -> None:
        """Say what is due, if the caller sits in silence now."""
        session, dead_air = self._session, self._dead_air
        if session.mouth is not None and not session.deaf:  # `say_to_the_end` watches its own words
            await session.mouth.say_again()
        if self._is_off:
            dead_air.hold()
            return
        firing = dead_air.look()
        if firing is not None:
            if firing.stage is Stage.FILLER or not await self._others_go_on(firing.cause):
                await self._fire(firing)
        elif dead_air.take_retry():
            cause = dead_air.cause()
            if self._fail_over is None or await self._fail_over(cause) is not FailOver.GOES_ON:
                await self._ask_again()
        elif dead_air.waited_for_caller_secs() >= self._silence.secs:
            await self._silence.silent()

    async def _others_go_on(self, cause: Cause) -> bool:
        """Whether another service is at what the caller waits for, in the place of the one at fault."""
        if self._fail_over is None:
            return False
        outcome = await self._fail_over(cause)
        if outcome is FailOver.NONE_LEFT:
            return False
        self._dead_air.begins_anew()
        if outcome is FailOver.ASK_IT:
            await self._ask_again()
        return True

    async def _ask_again(self) -> None:
        if self._session.mind is None:
            await self._session.think()
        else:
            # A model that keeps the conversation itself answers what is new to it.
            await self._session.note(ANSWER_NOW)

    async def lost(self, cause: Cause, because: str) -> None:
        """Give up at once, because a service will not work again in this call.

        Args:
            cause: Which service.
            because: The same in words, for the call's record.
        """
        if not self._is_off:
            self._record(Stage.FALLBACK, cause, 0.0)
            await self.give_up(cause, because)

    async def give_up(self, cause: Cause, because: str = "") -> None:
        """Apologise, and do what the agent's fallback says; a transfer that has failed before is not tried again.

        Args:
            cause: Why.
            because: The same in words, for the call's record if the call ends.
        """
        if self._is_off:
            return
        session, fallback = self._session, self._session.agent.dead_air.fallback
        because = because or f"dead air: {cause.value}"
        self._dead_air.gave_up()
        if (
            fallback not in (GOODBYE, TAKE_MESSAGE)
            and session.control.can_transfer
            and not self._in_vain(fallback)
        ):
            self._transferring = True
            self._task = asyncio.create_task(self._transfer(fallback, because))
        elif self._dead_air.voice_is_lost:
            await session.abandon(cause="voice failed")
        elif fallback == TAKE_MESSAGE and not self._asked_for_message and not cause.is_recogniser:
            self._asked_for_message = True
            self._message = []
            self._task = asyncio.create_task(self._take_message(because))
        else:
            self._say_goodbye(because)

    def _in_vain(self, destination: str) -> bool:
        """Whether the caller was put through there before, and came back: by this session, or one before it."""
        resume = self._session.resume
        return (resume is not None and resume.destination == destination) or any(
            isinstance(event, TransferEnded) and event.destination == destination
            for event in self._session.call.events
        )

    async def close(self) -> None:
        """Stop, when the session is over. What a caller has said of a message is kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._keep_message()

    @property
    def _is_off(self) -> bool:
        session = self._session
        return (
            session.ending
            or session.aside
            or session.is_detached
            or (session.handover is not None and session.handover.running)
            or self.has_the_word
            or self._others_turn()
        )

    async def _fire(self, firing: Firing) -> None:
        lines = self._session.agent.dead_air
        stage, cause = firing.stage, firing.cause
        if stage is Stage.FILLER:
            tools = self._session.tool_fillers.values() if cause is Cause.TOOL_SLOW else ()
            filler = next(iter(tools), lines.filler)
            said = bool(filler) and await self._say(filler, remember=False)
        elif stage is Stage.WAY_ON:
            if cause.is_recogniser:
                said = await self._say(lines.bad_line)
            elif cause is Cause.TOOL_SLOW:
                said = await self._say(lines.working, remember=False)
            else:
                said = await self._say(lines.way_on)
            if not said:
                stage = Stage.FALLBACK  # without a voice this is all that leads on
        self._record(stage, cause, firing.silent_secs)
        if stage is Stage.FALLBACK:
            await self.give_up(cause)

    def _record(self, stage: Stage, cause: Cause, silent_secs: float) -> None:
        name, session = stage.name.lower(), self._session
        session.record(DeadAirNoticed(stage=name, cause=cause.value, silent_secs=round(silent_secs, 1)))
        logger.warning(
            f"call {session.call.id}: nothing was heard for {silent_secs:.1f} s ({cause.value}): {name}"
        )

    async def _say(self, template: str, *, remember: bool = True) -> bool:
        if self._dead_air.voice_is_lost:
            return False
        return await self._session.say(self._session.render(template), remember=remember, own=True)

    def _say_goodbye(self, because: str) -> None:
        session = self._session
        apology = session.render(session.agent.lines.technical_problem)
        session.finish(apology, ended_by=EndedBy.ERROR, cause=because)

    async def _transfer(self, name: str, because: str) -> None:
        session = self._session

        def back(_: object) -> None:
            self._transferring = False  # what comes next is the model's again

        session.call.news(TransferEnded).add_done_callback(back)
        try:
            await self._say(session.agent.dead_air.apology)
            reason = session.agent.home.lines.briefing_failed  # a colleague hears it
            await put_through(session, name, session.render(reason), by_tool=False).outcome()
        except NotDone as error:
            logger.warning(f"call {session.call.id}: no transfer after dead air: {error}")
            self._say_goodbye(because)
        finally:
            self._transferring = False

    async def _take_message(self, because: str) -> None:
        session, dead_air = self._session, self._dead_air
        lines = session.agent.dead_air
        await self._say(f"{lines.apology} {lines.message_prompt}")
        loop = asyncio.get_running_loop()
        until = loop.time() + MESSAGE_SECS
        while loop.time() < until and not session.is_detached and not dead_air.voice_is_lost:
            await asyncio.sleep(LOOK_SECS)
            if self._write_down is not None:
                await self._write_down()
            waited = dead_air.waited_for_caller_secs()
            if waited >= (MESSAGE_PAUSE_SECS if self._message else NO_MESSAGE_SECS):
                break
        if await self._keep_message():
            words = f"{session.agent.lines.message_taken} {session.agent.lines.goodbye}"
            farewell = session.render(words)
            session.finish(farewell, ended_by=EndedBy.ERROR, cause=because)
        else:
            self._say_goodbye(because)

    async def _keep_message(self) -> bool:
        """Store what was said of a message; tell whether there was something, and it could be stored."""
        session = self._session
        said, self._message = self._message, None
        if not said:
            return False
        message = Message(
            taken_at=datetime.now(UTC),
            call_id=session.call.id,
            agent=session.agent.name,
            caller_name="",
            callback_number=str(session.variables.get("caller_number") or ""),
            text=" ".join(said),
        )
        try:
            await MessageBook(session.data_dir).keep(message)
        except OSError as error:
            session.record(ErrorHappened(message=f"message not kept: {error.strerror}"))
            return False
        session.record(
            MessageTaken(caller_name="", callback_number=message.callback_number, message=message.text)
        )
        return True
