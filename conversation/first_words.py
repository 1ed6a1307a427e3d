"""What the bot says first on a session: to a new caller, or to one who comes back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from loguru import logger

from calls.errors import NotDone
from calls.events.event import NOT_RECORDED
from calls.events.lifecycle import ErrorHappened, GoodbyePromised, GoodbyeTakenBack, RecordingChanged
from calls.events.talk import BotHeard, HandedOver, OpeningDecided, Resumed
from calls.recordings import change_recording
from calls.states import CallState, EndedBy
from calls.transcript import Role, heard_messages, to_context
from calls.transfer import Resume, ResumeReason, TransferOutcome
from calls.transfer_result import transfer_result
from conversation.agents.announcing import with_announcements
from conversation.agents.destinations import outcome_line, spoken_name, target_of
from conversation.handover import go_on_asking
from conversation.session import Session

RECORDING_SECS = 0.8
"""How long a greeting waits for the carrier to begin to record."""

ASKING_SECS = 1.0
"""After this long without an outcome the bot says a word to a caller who is back from a transfer."""

MACHINES = ("machine", "fax")
"""Answerers of a call of ours with whom nobody talks on: after a lost stream they are left."""

STILL_ASKING_SECS = 5.0
"""After this long it says another."""


def first_words(session: Session, greeting: str) -> str:
    """What the caller hears first if all goes well: the greeting, and what the agent announces.

    Args:
        session: The session.
        greeting: A template.
    """
    return with_announcements(session.agent, greeting, session.render, recorded=True)


async def greeting_words(session: Session, greeting: str) -> str:
    """What the caller hears first now: the recording is announced only if the carrier has begun to record.

    The greeting waits a moment for that. A recording that begins later is announced then; one that fails, never.

    Args:
        session: The session.
        greeting: A template.
    """
    if _is_announced(session):
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORDING_SECS):
                await session.recording_settled.wait()
        if not session.recorded:
            session.owes_announcement = True
            return with_announcements(session.agent, greeting, session.render, recorded=False)
    return first_words(session, greeting)


async def record_from_the_start(session: Session) -> None:
    """Have the carrier record the call if the agent records; a call that comes back is recorded already."""
    recording = session.agent.recording
    if not recording.enabled:
        return
    try:
        if not session.call.has(RecordingChanged):
            await change_recording(session.control, "start", recording.format)
    except NotDone as error:
        session.record(ErrorHappened(message=f"not recorded: {error}"))
        logger.warning("call {} is not recorded, and nobody is told that it is: {}", session.call.id, error)
        session.recording_settled.set()
        return
    session.recorded = True
    session.recording_settled.set()
    if session.owes_announcement:
        session.owes_announcement = False
        # It may fall between a question and its answer, and is no part of what the model talks about.
        if not await session.say(session.render(recording.announcement), remember=False):
            await _stop_untold(session)


async def _stop_untold(session: Session) -> None:
    """End a recording that the bot can no longer announce: the caller is with a person by now, or is leaving."""
    session.recorded = False
    try:
        await change_recording(session.control, "stop")
    except NotDone as error:
        session.record(ErrorHappened(message=f"recorded, and nobody was told: {error}"))
        logger.warning("call {} is recorded, and nobody was told: {}", session.call.id, error)


def _is_announced(session: Session) -> bool:
    recording = session.agent.recording
    return recording.enabled and bool(recording.announcement)


async def open_conversation(session: Session) -> None:
    """Say the first words.

    Args:
        session: The session; its `resume` says why the caller comes back, if so.
    """
    resume, agent = session.resume, session.agent
    if resume is None:
        await session.say(await greeting_words(session, agent.greeting))
        return
    session.record(Resumed(resume.reason))
    if resume.reason is ResumeReason.LOST:
        if not _end_what_was_to_end(session):
            await session.say(session.render(agent.lines.reconnected))
            await go_on_asking(session)
    elif resume.reason is ResumeReason.HANDED_OVER:
        await _go_on(session)
    elif resume.reason is ResumeReason.TRANSFER:
        await _after_transfer(session, resume)


async def _go_on(session: Session) -> None:
    """Go on where the bot was in another process: silently, if nobody was speaking."""
    left = session.call.last(HandedOver)
    if left is None:
        return
    if left.amid == "caller" or left.unsaid == NOT_RECORDED:
        await session.say(session.render(session.agent.lines.reconnected))
    elif left.unsaid:
        await session.say(left.unsaid)
    elif left.amid:
        await session.think()


def _end_what_was_to_end(session: Session) -> bool:
    """End a call that was about to end when its stream was lost: a goodbye was promised, or a machine has answered.

    A farewell that the caller has not heard to its end is said again.

    Returns:
        Whether the call ends now.
    """
    call = session.call
    promised = call.last(GoodbyePromised, GoodbyeTakenBack)
    if not isinstance(promised, GoodbyePromised):
        opening = call.last(OpeningDecided)
        if opening is None or opening.who not in MACHINES:
            return False
        promised = GoodbyePromised("", EndedBy.BOT, "the media stream was lost", CallState.VOICEMAIL)
    farewell = promised.farewell
    if promised.state is CallState.VOICEMAIL:
        farewell = ""
    else:
        since = call.events[call.events.index(promised) :]
        heard = " ".join(event.text for event in since if isinstance(event, BotHeard))
        if heard and heard.endswith(farewell):
            farewell = ""
        elif not farewell or farewell == NOT_RECORDED:
            farewell = session.render(session.agent.lines.goodbye)
    session.finish(farewell, ended_by=promised.ended_by, cause=promised.cause, state=promised.state)
    return True


async def _after_transfer(session: Session, resume: Resume) -> None:
    agent = session.agent
    if resume.outcome is None:
        resume = await _learn_the_outcome(session, resume)
    outcome = resume.outcome
    assert outcome is not None
    if outcome is TransferOutcome.CONNECTED:
        # The two have talked, and the colleague has hung up.
        goodbye = session.render(agent.lines.goodbye)
        session.finish(goodbye, ended_by=EndedBy.HUMAN, cause="the colleague has hung up")
        return
    destination = spoken_name(agent, resume.destination, session.variables)
    await session.say(session.render(outcome_line(agent, outcome), destination=destination))
    # The context ends with the transfer's result: what is next is the model's turn.
    await session.think()


async def _learn_the_outcome(session: Session, resume: Resume) -> Resume:
    """Find out how a transfer went that the carrier has not reported; the bot talks to the caller meanwhile."""
    session.learning = True
    try:
        target = target_of(session.agent, resume.destination, session.call)
    except NotDone as error:
        outcome, detail = TransferOutcome.FAILED, str(error)
    else:
        asking = asyncio.create_task(transfer_result(session.control, target))
        try:
            await _keep_company(session, asking)
            outcome, detail = await asking
        finally:
            asking.cancel()
    finally:
        session.learning = False
    session.call.transfer_ended(resume.destination, outcome, detail)
    session.resume = replace(resume, outcome=outcome, detail=detail)
    tools = [one for one in heard_messages(session.call.events) if one.role is Role.TOOL]
    await session.remember(to_context(tools[-1:], first=len(session.history) + 1))
    return session.resume


async def _keep_company(session: Session, work: asyncio.Task[object]) -> None:
    dead_air = session.agent.dead_air
    pause, words = ASKING_SECS, dead_air.filler
    while not (await asyncio.wait({work}, timeout=pause))[0] and not session.is_detached:
        if words:
            await session.say(session.render(words), remember=False, own=True)
        pause, words = STILL_ASKING_SECS, dead_air.working
