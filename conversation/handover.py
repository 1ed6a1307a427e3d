"""A transfer of a caller to a person: the announcement is heard to its end, and the transfer followed to its outcome.

Cold: the carrier dials the colleague and the bot is out. Warm: the bot stays with the caller while it calls the
colleague on a leg of their own, where another session of the bot (`conversation/briefing.py`) says what the call is
about. Either way the caller is never left alone on the line: unless the two get to talk, the caller is with the bot,
which knows why.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from loguru import logger

from calls.call import Call
from calls.colleague import asked_for
from calls.errors import CallIsOver, CarrierFailed, NotDone, UnderWay
from calls.events.lifecycle import (
    Accepted,
    AnswererDetected,
    CallerGone,
    Connected,
    ConnectFailed,
    Declined,
    TransferEnded,
    TransferStarted,
)
from calls.events.talk import Attached, BotHeard, BotSaid, CallerSaid, DtmfReceived, Interrupted
from calls.states import CallState, EndedBy
from calls.transcript import turns
from calls.transfer import Target, TransferOutcome, outcome_of
from calls.transferring import call_colleague, transfer
from conversation.agents.destinations import outcome_line, spoken_name, target_of
from conversation.session import Session

STREAM_ENDS_SECS = 5.0
"""How long the carrier may take to end our media stream after it took a document that replaces it."""

UNCERTAIN_SECS = 2.0
"""The same after a request that got no answer, while the caller hears nothing."""

TOLD_LATE_SECS = 10.0
"""How long after its ringing time-out the carrier may still report how a transfer ended."""

BRIEFING_SECS = 60.0
"""How long a colleague may take to listen and to press a key."""

LOOK_SECS = 0.5
"""How often the bot checks whether a waiting caller sits in silence."""

POLL_SECS = 3.0
"""How often we ask the carrier about the colleague's call: its reports may be lost, or have no server to go to."""

LISTED_LOOKS = 12
"""How often we look a colleague's call up, `LOOK_SECS` apart, when the carrier has not named it: its lists are late."""


@dataclass(frozen=True)
class HandoverResult:
    """How a transfer ended, as far as the session that began it knows.

    Parameters:
        outcome: How it ended; None when the caller's media stream ended first: they hung up, or the carrier follows
            another document. The next session on the call, if there is one, then learns what became of them.
        detail: More about it, for people.
    """

    outcome: TransferOutcome | None
    detail: str = ""

    @property
    def not_reached(self) -> TransferOutcome | None:
        """Why the caller is still with the bot, and must be told so; None when they are not."""
        return None if self.outcome is TransferOutcome.CONNECTED else self.outcome


STREAM_ENDED = HandoverResult(None)
CONNECTED = HandoverResult(TransferOutcome.CONNECTED)


async def go_on_asking(session: Session) -> None:
    """Go on with a transfer that was under way when the session before was lost, while a colleague was being asked.

    What the colleague has decided meanwhile counts.

    Args:
        session: The next session with the caller.
    """
    call = session.call
    colleague_id, name = asked_for(call), call.transfer_under_way
    if colleague_id is None or name is None or session.ending or session.is_detached:
        return
    colleague = await session.store.fetch(colleague_id)
    if colleague is None:
        return
    try:
        target = target_of(session.agent, name, call)
    except NotDone as error:
        logger.warning(f"call {call.id}: the colleague who is asked has left the agent's file: {error}")
        await session.control.of(colleague).hang_up(EndedBy.ERROR, str(error), state=CallState.CANCELED)
        call.transfer_ended(name, TransferOutcome.FAILED, str(error))
        return
    session.handover = handover = Handover(session, target, by_tool=False, colleague=colleague)
    handover.start()


def put_through(
    session: Session, name: str, reason: str = "", *, by_tool: bool = True, by: str | None = None
) -> Handover:
    """Begin to put a caller through.

    Args:
        session: The session with the caller.
        name: A destination of the agent's file.
        reason: What the caller wants, in words that a colleague may hear.
        by_tool: Whether the model has asked for the transfer, and gets the outcome as its tool's result. If an operator
            has, the model is told of it.
        by: Which of the operator's people has.

    Raises:
        NotDone: There is no such destination, or this is not the moment.
    """
    if session.ending or session.is_detached or session.call.is_over:
        raise CallIsOver("the call is ending: nobody is left to be put through")
    running = session.handover is not None and session.handover.running
    if session.call.state is CallState.TRANSFERRING or running:
        raise UnderWay("the caller is being put through already: wait for the outcome")
    target = target_of(session.agent, name, session.call)
    handover = Handover(session, target, reason, by_tool=by_tool, by=by)
    session.handover = handover
    handover.start()
    return handover


class Handover:
    """One attempt to put a caller through. It goes on whatever the caller says, until its outcome is known."""

    def __init__(
        self,
        session: Session,
        target: Target,
        reason: str = "",
        *,
        by_tool: bool = True,
        colleague: Call | None = None,
        by: str | None = None,
    ):
        """Prepare it; `start` begins.

        Args:
            session: The session with the caller.
            target: To whom.
            reason: What the caller wants, for a colleague who is asked first.
            by_tool: Whether the model's tool waits for the outcome, and tells it to the model and the caller.
            colleague: The call of a colleague who is asked already, for a session before this one.
            by: See `put_through`.
        """
        self.target = target
        self.deaf = True
        """Whether the bot ignores the caller: during the announcement, and once the transfer itself is under way."""
        self._session = session
        self._reason = reason
        self._by_tool = by_tool
        self._colleague = colleague
        self._by = by
        self._task: asyncio.Task[HandoverResult] | None = None

    @property
    def running(self) -> bool:
        """Whether its outcome is not known yet."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"hand over {self._session.call.id}")

    async def outcome(self) -> HandoverResult:
        """Wait for the end."""
        assert self._task is not None
        return await asyncio.shield(self._task)

    def what_is_told(self, outcome: TransferOutcome) -> str:
        """The sentence that tells the caller that the destination was not reached."""
        return self._fill_in(outcome_line(self._session.agent, outcome))

    async def give_up(self) -> None:
        """Stop, because the call is ending. A colleague's phone that still rings stops ringing."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._drop_colleague("the caller's call has ended")

    async def _run(self) -> HandoverResult:
        session, target = self._session, self.target
        if self._colleague is not None:
            result = await self._ask(self._colleague)
        else:
            refer = target.refer and session.control.is_sip
            session.record(TransferStarted(target.name, warm=target.warm, refer=refer, by=self._by))
            found = session.agent.transfers[target.name]
            words = found.announcement or session.agent.lines.transfer_announce
            await session.say_to_the_end(self._fill_in(words))
            if session.is_detached:
                return STREAM_ENDED
            result = await (self._warm() if target.warm else self._cold())
        outcome, detail = result.outcome, result.detail
        if outcome is None:
            return result
        # What the caller says to a colleague is not for the bot.
        self.deaf = outcome is TransferOutcome.CONNECTED
        session.call.transfer_ended(target.name, outcome, detail)
        logger.info(f"call {session.call.id}: transfer to {target.name}: {outcome}")
        if outcome is TransferOutcome.CONNECTED:
            session.step_aside()
            await session.let_go()
            return result
        session.step_back()
        if not self._by_tool:
            await session.say(self.what_is_told(outcome), remember=False)
            await session.note(
                f"A person of the business had the caller put through to {target.name}. The outcome is "
                f"{outcome.value} ({detail or 'no reason is known'}); the caller was told, and is with you again."
            )
        return result

    # Cold

    async def _cold(self) -> HandoverResult:
        told = self._session.call.news(TransferEnded)
        try:
            return await self._dial_cold(told)
        finally:
            told.cancel()  # else the call would hold on to this future

    async def _dial_cold(self, told: asyncio.Future[TransferEnded]) -> HandoverResult:
        session, control = self._session, self._session.control
        try:
            await transfer(control, self.target)
        except CarrierFailed as error:
            # No answer does not mean that nothing was done: then our stream ends, or the carrier reports the outcome.
            if error.uncertain and control.keeps_stream_while_transferring:
                result = await self._told(told, UNCERTAIN_SECS)
                if result.outcome is None or told.done():
                    return result
            elif error.uncertain and await session.gone(UNCERTAIN_SECS):
                return STREAM_ENDED
            session.call.not_transferred()
            return HandoverResult(TransferOutcome.FAILED, str(error))
        except NotDone as error:
            return HandoverResult(TransferOutcome.FAILED, str(error))
        if control.keeps_stream_while_transferring:
            return await self._told(told, self.target.ring_timeout_secs + TOLD_LATE_SECS)
        if await session.gone(STREAM_ENDS_SECS):
            return STREAM_ENDED
        session.call.not_transferred()
        return HandoverResult(TransferOutcome.FAILED, "the carrier left the media stream as it was")

    # Warm

    async def _warm(self) -> HandoverResult:
        session = self._session
        try:
            self._colleague = await call_colleague(session.control, self.target, self._about())
        except NotDone as error:
            return HandoverResult(TransferOutcome.FAILED, str(error))
        return await self._ask(self._colleague)

    async def _ask(self, colleague: Call) -> HandoverResult:
        """Wait for what a colleague decides."""
        self.deaf = False
        try:
            async with asyncio.timeout(self.target.ring_timeout_secs + TOLD_LATE_SECS + BRIEFING_SECS):
                result = await self._follow(colleague)
        except TimeoutError:
            await self._drop_colleague("nobody took the call in time")
            return HandoverResult(TransferOutcome.NO_ANSWER, "nobody took the call in time")
        if result.outcome is TransferOutcome.CONNECTED:
            self._colleague = None  # the colleague talks with the caller now
        return result

    async def _follow(self, colleague: Call) -> HandoverResult:
        session, call = self._session, self._session.call
        changed = asyncio.Event()
        stop = colleague.watch(changed.set)
        detached = asyncio.create_task(session.wait_detached())
        try:
            asked = time.monotonic()
            while True:
                changed.clear()
                if colleague.has(Connected):
                    if not session.control.keeps_stream_while_transferring:
                        await session.gone(STREAM_ENDS_SECS)
                    return CONNECTED
                if failure := colleague.last(ConnectFailed):
                    return HandoverResult(TransferOutcome.FAILED, failure.reason)
                if colleague.is_over:
                    return HandoverResult(*_outcome_of(colleague))
                if colleague.has(Accepted):
                    session.step_aside()  # the session with the colleague may be in another process
                if detached.done():
                    if await self._goes_on_without_us(call):
                        return CONNECTED
                    await self._drop_colleague("the caller has hung up")
                    return STREAM_ENDED
                change = asyncio.create_task(changed.wait())
                try:
                    await asyncio.wait(
                        {change, detached}, timeout=LOOK_SECS, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    change.cancel()
                if time.monotonic() - asked >= POLL_SECS and not colleague.is_over:
                    asked = time.monotonic()
                    await session.control.of(colleague).refresh()
                if self._is_silent() and not session.ending:
                    await session.say(self._fill_in(session.agent.lines.still_trying), remember=False)
        finally:
            detached.cancel()
            stop()

    def _is_silent(self) -> bool:
        """Whether the caller has waited in silence for as long as the agent lets callers be silent.

        Pipecat counts no silence while a tool is at work, and the transfer is one.
        """
        call = self._session.call
        last = call.last(CallerSaid, DtmfReceived, BotSaid, BotHeard, Interrupted)
        since = last.at if last is not None else call.created_at
        return (call.clock() - since).total_seconds() >= self._session.agent.limits.silence_secs

    async def _goes_on_without_us(self, call: Call) -> bool:
        """Whether our stream ended because a colleague has taken the caller, in another process perhaps."""
        if call.state in (CallState.TRANSFERRING, CallState.TRANSFERRED):
            return True
        colleague, control = self._colleague, self._session.control
        if call.is_over or colleague is None or colleague.has(Attached):
            return False  # a session with the colleague in this process would have said so
        if not await control.is_alive():
            return False
        for _ in range(LISTED_LOOKS):
            if await control.of(colleague).refresh():
                break
            await asyncio.sleep(LOOK_SECS)
        return colleague.state is CallState.IN_PROGRESS

    async def _drop_colleague(self, cause: str) -> None:
        colleague, self._colleague = self._colleague, None
        if colleague is None or colleague.is_over or colleague.has(Connected):
            return
        colleague.record(CallerGone())
        if colleague.has(Attached):
            return  # the session with the colleague tells them so, and hangs up
        control = self._session.control.of(colleague)
        if not colleague.carrier_call_id:
            await control.refresh()
        if not await control.hang_up(EndedBy.CALLER, cause, state=CallState.CANCELED):
            logger.warning(f"call {colleague.id}: a colleague's phone may go on ringing")

    async def _told(self, told: asyncio.Future[TransferEnded], timeout_secs: float) -> HandoverResult:
        """Wait until a webhook of the carrier has said how the transfer ended."""
        session = self._session
        detached = asyncio.create_task(session.wait_detached())
        either: set[asyncio.Future[Any]] = {told, detached}
        try:
            await asyncio.wait(either, timeout=timeout_secs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            detached.cancel()
        if told.done():
            return HandoverResult(told.result().outcome, told.result().reason)
        if session.is_detached:
            return STREAM_ENDED
        return HandoverResult(TransferOutcome.NO_ANSWER, "nobody told how it ended")

    def _about(self) -> str:
        """What the bot tells the colleague: who calls, what they want, and how far they got with the bot."""
        session = self._session
        said = [turn.caller_said for turn in turns(session.call.events) if turn.caller_said]
        home = (
            session.agent.home
        )  # colleagues are told in the agent's first language, whatever the caller speaks
        lines = home.lines
        summary = ""
        if said and not self._reason:
            summary = session.render(lines.briefing_said, said=" ".join(said)[-ABOUT_CHARS:])
        variables = {
            "caller": session.variables.get("caller_name")
            or session.call.other_number
            or session.render(lines.briefing_caller),
            "reason": self._reason or session.render(lines.briefing_reason),
            "summary": summary,
            "destination": spoken_name(home, self.target.name, session.variables),
        }
        return session.render(lines.briefing, **variables)

    def _fill_in(self, template: str) -> str:
        session = self._session
        destination = spoken_name(session.agent, self.target.name, session.variables)
        return session.render(template, destination=destination)


SURELY_MACHINES = frozenset({"greeting_ended", "fax"})
"""Results of detection that are sure: the carrier has heard a beep, or a fax. It takes no person for these."""

MACHINES = frozenset({"machine"}) | SURELY_MACHINES
"""All results of a carrier's detection that mean a machine; it may take a person who says nothing for one."""

ABOUT_CHARS = 200
"""How much of the caller's own words a colleague gets to hear, in characters."""


def _outcome_of(colleague: Call) -> tuple[TransferOutcome, str]:
    """What it means that a colleague's call has ended without being connected to the caller."""
    answered_by = colleague.last(AnswererDetected)
    outcome = outcome_of(
        colleague.state,
        connects=False,
        declined=colleague.has(Declined),
        machine=colleague.state is CallState.VOICEMAIL
        or (answered_by is not None and answered_by.who in MACHINES),
    )
    if outcome is TransferOutcome.DECLINED:
        return outcome, "the colleague declined"
    if outcome is TransferOutcome.VOICEMAIL:
        return outcome, "a machine answered"
    if colleague.state is CallState.COMPLETED:
        return outcome, "answered, but nobody took the call"
    return outcome, colleague.end_cause or ""
