"""Putting a caller through to a person: announced, heard, done, and followed to its outcome.

Cold: the carrier dials the colleague and the bot is out. Warm: the bot stays with the caller while it calls the
colleague on a leg of their own, where another session of it (`conversation/briefing.py`) says what it is about. Either
way the caller is with somebody at any time, and unless the two get to talk, that is the bot, which knows why.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from loguru import logger

from calls.call import Call, CallState, EndedBy
from calls.errors import CarrierFailed, NotDone, NotPossible
from calls.events.lifecycle import (
    AnswererDetected,
    CallerGone,
    Connected,
    ConnectFailed,
    Declined,
    TransferEnded,
    TransferStarted,
)
from calls.events.talk import Attached, BotHeard, BotSaid, CallerSaid, DtmfReceived, Interrupted
from calls.transfer import Target, TransferOutcome, outcome_of
from conversation.agents.agent import Agent, spoken_name
from conversation.agents.tables import CALLERS_OWN_NUMBER

if TYPE_CHECKING:
    from conversation.attachment import Attachment

STREAM_ENDS_SECS = 5.0
"""How long the carrier may take to end our media stream after it took a document that replaces it."""

UNCERTAIN_SECS = 2.0
"""The same after a request that got no answer, while the caller hears nothing."""

TOLD_LATE_SECS = 10.0
"""How long after its ringing time-out the end of a transfer may be told."""

BRIEFING_SECS = 60.0
"""How long a colleague may take to listen and to press a key."""

LOOK_SECS = 0.5
"""How often it is looked whether a waiting caller sits in silence."""

POLL_SECS = 3.0
"""How often the carrier is asked about the colleague's call: its reports may be lost, or go to nobody."""

LISTED_LOOKS = 12
"""How often a colleague's call is looked for at a carrier that has not named it, `LOOK_SECS` apart: lists are late."""

Outcome = tuple[TransferOutcome, str]
"""How it ended, and more about it for people."""


def target_of(agent: Agent, name: str, call: Call) -> Target:
    """Find a transfer's target by its name.

    Args:
        agent: Whose file names it.
        name: As a model or the API gives it.
        call: The call that is to be put through.

    Raises:
        NotPossible: There is no such name. Nothing but names is accepted: a number that somebody has talked a model
            into would be dialled at the owner's cost.
    """
    found = agent.transfers.get(name)
    if found is None:
        known = ", ".join(agent.transfers) or "none: add [transfers.NAME] to the agent's file"
        raise NotPossible(f"there is no destination {name[:60]!r}; those of {agent.name} are {known}")
    caller_id = found.caller_id
    if caller_id == CALLERS_OWN_NUMBER:
        # With a live call from that number the carriers let it be passed on, not on a leg that is called for itself.
        theirs = call.other_number or ""
        caller_id = theirs if theirs.startswith("+") and not found.warm else None
    return Target(
        name=name,
        address=found.number or found.sip or "",
        warm=found.warm,
        ring_timeout_secs=found.ring_timeout_secs,
        caller_id=caller_id,
        refer=found.refer,
    )


def outcome_line(agent: Agent, outcome: TransferOutcome) -> str:
    """What a caller who is back hears first. A template."""
    lines = agent.lines
    return {
        TransferOutcome.BUSY: lines.transfer_busy,
        TransferOutcome.NO_ANSWER: lines.transfer_no_answer,
        TransferOutcome.DECLINED: lines.transfer_declined_by,
        TransferOutcome.VOICEMAIL: lines.transfer_voicemail,
        TransferOutcome.UNKNOWN: lines.transfer_unknown,
    }.get(outcome, lines.transfer_error)


class Handover:
    """One attempt to put a caller through. It goes on whatever the caller says, until its outcome is known."""

    def __init__(self, attachment: Attachment, target: Target, reason: str, *, by_tool: bool = True):
        """Prepare it; `start` begins.

        Args:
            attachment: The session with the caller.
            target: To whom.
            reason: What the caller wants, for a colleague who is asked first.
            by_tool: Whether the model's tool waits for the outcome, and tells it to the model and the caller.
        """
        self.target = target
        self.deaf = True
        """Whether the caller is not listened to: while the announcement is spoken, and from the moment of acting on."""
        self._attachment = attachment
        self._reason = reason
        self._by_tool = by_tool
        self._colleague: Call | None = None
        self._task: asyncio.Task[Outcome | None] | None = None

    @property
    def running(self) -> bool:
        """Whether its outcome is not known yet."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"hand over {self._attachment.call.id}")

    async def outcome(self) -> Outcome | None:
        """Wait for the end; None when the caller is not with the bot any more."""
        assert self._task is not None
        return await asyncio.shield(self._task)

    def what_is_told(self, outcome: TransferOutcome) -> str:
        """The sentence with which a caller is told that the destination was not reached."""
        return self._fill_in(outcome_line(self._attachment.agent, outcome))

    async def give_up(self) -> None:
        """Stop: the call is ending. A phone that still rings for it stops ringing."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._drop_colleague("the caller's call has ended")

    async def _run(self) -> Outcome | None:
        attachment, target = self._attachment, self.target
        refer = target.refer and attachment.control.is_sip
        attachment.record(TransferStarted(target.name, warm=target.warm, refer=refer))
        found = attachment.agent.transfers[target.name]
        words = found.announcement or attachment.agent.lines.transfer_announce
        await attachment.say_to_the_end(self._fill_in(words))
        if attachment.is_detached:
            return None
        ended = await (self._warm() if target.warm else self._cold())
        if ended is None:
            return None
        outcome, detail = ended
        # What the caller says to a colleague is not for us.
        self.deaf = outcome is TransferOutcome.CONNECTED
        attachment.control.transfer_ended(target.name, outcome, detail)
        logger.info(f"call {attachment.call.id}: transfer to {target.name}: {outcome}")
        if outcome is TransferOutcome.CONNECTED:
            attachment.step_aside()
            await attachment.let_go()
            return None
        attachment.step_back()
        if not self._by_tool:
            await attachment.say(self.what_is_told(outcome), remember=False)
            await attachment.note(
                f"A person of the business had the caller put through to {target.name}. The outcome is "
                f"{outcome.value} ({detail or 'no reason is known'}); the caller was told, and is with you again."
            )
        return ended

    # Cold

    async def _cold(self) -> Outcome | None:
        told = self._attachment.call.news(TransferEnded)
        try:
            return await self._dial_cold(told)
        finally:
            told.cancel()  # the call would hold on to who waits for its news

    async def _dial_cold(self, told: asyncio.Future[TransferEnded]) -> Outcome | None:
        attachment, control = self._attachment, self._attachment.control
        try:
            await control.transfer(self.target)
        except CarrierFailed as error:
            # No answer does not mean that nothing was done: then our stream ends, or somebody tells of it.
            if error.uncertain and control.keeps_stream_while_transferring:
                if (outcome := await self._told(told, UNCERTAIN_SECS)) is None or told.done():
                    return outcome
            elif error.uncertain and await attachment.gone(UNCERTAIN_SECS):
                return None
            control.not_transferred()
            return TransferOutcome.FAILED, str(error)
        except NotDone as error:
            return TransferOutcome.FAILED, str(error)
        if control.keeps_stream_while_transferring:
            return await self._told(told, self.target.ring_timeout_secs + TOLD_LATE_SECS)
        if await attachment.gone(STREAM_ENDS_SECS):
            return None  # the next attachment, if there is one, knows the outcome
        control.not_transferred()
        return TransferOutcome.FAILED, "the carrier left the media stream as it was"

    # Warm

    async def _warm(self) -> Outcome | None:
        attachment = self._attachment
        try:
            self._colleague = await attachment.control.call_colleague(self.target, self._about())
        except NotDone as error:
            return TransferOutcome.FAILED, str(error)
        self.deaf = False
        try:
            async with asyncio.timeout(self.target.ring_timeout_secs + TOLD_LATE_SECS + BRIEFING_SECS):
                ended = await self._follow(self._colleague)
        except TimeoutError:
            await self._drop_colleague("nobody took the call in time")
            return TransferOutcome.NO_ANSWER, "nobody took the call in time"
        if ended is not None and ended[0] is TransferOutcome.CONNECTED:
            self._colleague = None  # who talks with the caller now
        return ended

    async def _follow(self, colleague: Call) -> Outcome | None:
        attachment, call = self._attachment, self._attachment.call
        changed = asyncio.Event()
        stop = colleague.watch(changed.set)
        detached = asyncio.create_task(attachment.wait_detached())
        try:
            asked = time.monotonic()
            while True:
                changed.clear()
                if colleague.has(Connected):
                    if not attachment.control.keeps_stream_while_transferring:
                        await attachment.gone(STREAM_ENDS_SECS)
                    return TransferOutcome.CONNECTED, ""
                if failure := colleague.last(ConnectFailed):
                    return TransferOutcome.FAILED, failure.reason
                if colleague.is_over:
                    return _outcome_of(colleague)
                if detached.done():
                    if await self._goes_on_without_us(call):
                        return TransferOutcome.CONNECTED, ""
                    await self._drop_colleague("the caller has hung up")
                    return None
                change = asyncio.create_task(changed.wait())
                try:
                    await asyncio.wait(
                        {change, detached}, timeout=LOOK_SECS, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    change.cancel()
                if time.monotonic() - asked >= POLL_SECS and not colleague.is_over:
                    asked = time.monotonic()
                    await attachment.control.of(colleague).refresh()
                if self._is_silent() and not attachment.ending:
                    await attachment.say(self._fill_in(attachment.agent.lines.still_trying), remember=False)
        finally:
            detached.cancel()
            stop()

    def _is_silent(self) -> bool:
        """Whether the caller has waited in silence for as long as the agent lets callers be silent.

        Pipecat counts no silence while a tool is at work, and the transfer is one.
        """
        call = self._attachment.call
        last = call.last(CallerSaid, DtmfReceived, BotSaid, BotHeard, Interrupted)
        since = last.at if last is not None else call.created_at
        return (call.clock() - since).total_seconds() >= self._attachment.agent.limits.silence_secs

    async def _goes_on_without_us(self, call: Call) -> bool:
        """Whether our stream ended because a colleague has taken the caller, in another process perhaps."""
        if call.state in (CallState.TRANSFERRING, CallState.TRANSFERRED):
            return True
        colleague, control = self._colleague, self._attachment.control
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
            return  # the session with the colleague says so, and hangs up
        control = self._attachment.control.of(colleague)
        if not colleague.carrier_call_id:
            await control.refresh()
        if not await control.hang_up(EndedBy.CALLER, cause, state=CallState.CANCELED):
            logger.warning(f"call {colleague.id}: a colleague's phone may go on ringing")

    async def _told(self, told: asyncio.Future[TransferEnded], timeout_secs: float) -> Outcome | None:
        """Wait until a webhook has written down how it ended; None when the caller is not with us any more."""
        attachment = self._attachment
        detached = asyncio.create_task(attachment.wait_detached())
        either: set[asyncio.Future[Any]] = {told, detached}
        try:
            await asyncio.wait(either, timeout=timeout_secs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            detached.cancel()
        if told.done():
            return told.result().outcome, told.result().reason
        if attachment.is_detached:
            return None
        return TransferOutcome.NO_ANSWER, "nobody told how it ended"

    def _about(self) -> str:
        """What the colleague is told: who calls, what they want, and how far it got with the bot."""
        attachment = self._attachment
        said = [turn.caller_said for turn in attachment.call.turns if turn.caller_said]
        summary = f"The caller said: {' '.join(said)[-ABOUT_CHARS:]}" if said and not self._reason else ""
        variables = {
            "caller": attachment.variables.get("caller_name") or attachment.call.other_number or "a caller",
            "reason": self._reason or "something that the bot could not settle",
            "summary": summary,
            "destination": spoken_name(attachment.agent, self.target.name, attachment.variables),
        }
        return attachment.render(attachment.agent.lines.briefing, **variables)

    def _fill_in(self, template: str) -> str:
        attachment = self._attachment
        destination = spoken_name(attachment.agent, self.target.name, attachment.variables)
        return attachment.render(template, destination=destination)


SURELY_MACHINES = frozenset({"greeting_ended", "fax"})
"""Of these, what no person is taken for: the carrier has heard a beep, or a fax."""

MACHINES = frozenset({"machine"}) | SURELY_MACHINES
"""What a carrier's detection calls what is no person; it does not know with a person who says nothing."""

ABOUT_CHARS = 200
"""So much of the caller's own words a colleague listens to."""


def _outcome_of(colleague: Call) -> Outcome:
    """What the end of a colleague's call that was not connected means."""
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
