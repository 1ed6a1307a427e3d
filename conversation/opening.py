"""What the bot says first on an attachment: to a new caller, or to one who comes back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from loguru import logger

from calls.call import EndedBy
from calls.control import RecordingFormat
from calls.errors import NotDone
from calls.events.lifecycle import ErrorHappened, RecordingChanged
from calls.events.talk import Resumed
from calls.transcript import Role, heard_messages, to_context
from calls.transfer import Resume, ResumeReason, TransferOutcome
from calls.transfer_result import transfer_result
from conversation.agents.agent import spoken_name
from conversation.attachment import Attachment
from conversation.handover import outcome_line, target_of

RECORDING_SECS = 0.8
"""How long a greeting waits for the carrier to begin to record."""

ASKING_SECS = 1.0
"""After so long without an outcome a caller who is back from a transfer gets a word."""

STILL_ASKING_SECS = 5.0
"""After so long the next one."""


def first_words(attachment: Attachment, greeting: str) -> str:
    """What somebody hears first where all goes well: the greeting, and that the call is recorded if it shall be.

    Args:
        attachment: The session.
        greeting: A template.
    """
    recording = attachment.agent.recording
    words = [attachment.render(greeting)]
    if _is_announced(attachment):
        words.insert(0 if recording.announce == "before" else 1, attachment.render(recording.announcement))
    return " ".join(words)


async def greeting_words(attachment: Attachment, greeting: str) -> str:
    """What somebody hears first now: that the call is recorded is said only of one that is.

    It is waited for a moment. A recording that begins later is announced when it does, and one that fails never.

    Args:
        attachment: The session.
        greeting: A template.
    """
    if _is_announced(attachment):
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORDING_SECS):
                await attachment.recording_settled.wait()
        if not attachment.recorded:
            attachment.owes_announcement = True
            return attachment.render(greeting)
    return first_words(attachment, greeting)


async def record_from_the_start(attachment: Attachment) -> None:
    """Have the call recorded if the agent's calls are; a call that comes back is recorded already."""
    recording = attachment.agent.recording
    if not recording.enabled:
        return
    try:
        if not attachment.call.has(RecordingChanged):
            await attachment.control.record("start", RecordingFormat(recording.format))
    except NotDone as error:
        attachment.record(ErrorHappened(message=f"not recorded: {error}"))
        logger.warning(
            "call {} is not recorded, and nobody is told that it is: {}", attachment.call.id, error
        )
        attachment.recording_settled.set()
        return
    attachment.recorded = True
    attachment.recording_settled.set()
    if attachment.owes_announcement:
        attachment.owes_announcement = False
        # Between a question and its answer: it is no part of what the model talks about.
        if not await attachment.say(attachment.render(recording.announcement), remember=False):
            await _stop_untold(attachment)


async def _stop_untold(attachment: Attachment) -> None:
    """End a recording that nobody can be told of any more: the caller is with a person by now, or is leaving."""
    attachment.recorded = False
    try:
        await attachment.control.record("stop")
    except NotDone as error:
        attachment.record(ErrorHappened(message=f"recorded, and nobody was told: {error}"))
        logger.warning("call {} is recorded, and nobody was told: {}", attachment.call.id, error)


def _is_announced(attachment: Attachment) -> bool:
    recording = attachment.agent.recording
    return recording.enabled and bool(recording.announcement)


async def open_conversation(attachment: Attachment) -> None:
    """Say the first words.

    Args:
        attachment: The session; its `resume` says why the caller comes back, if so.
    """
    resume, agent = attachment.resume, attachment.agent
    if resume is None:
        await attachment.say(await greeting_words(attachment, agent.greeting))
        return
    attachment.record(Resumed(resume.reason))
    if resume.reason is ResumeReason.LOST:
        await attachment.say(attachment.render(agent.lines.reconnected))
    elif resume.reason is ResumeReason.TRANSFER:
        await _after_transfer(attachment, resume)


async def _after_transfer(attachment: Attachment, resume: Resume) -> None:
    agent = attachment.agent
    if resume.outcome is None:
        resume = await _learn_the_outcome(attachment, resume)
    outcome = resume.outcome
    assert outcome is not None
    if outcome is TransferOutcome.CONNECTED:
        # The two have talked, and the colleague has hung up.
        goodbye = attachment.render(agent.lines.goodbye)
        attachment.finish(goodbye, ended_by=EndedBy.HUMAN, cause="the colleague has hung up")
        return
    destination = spoken_name(agent, resume.destination, attachment.variables)
    await attachment.say(attachment.render(outcome_line(agent, outcome), destination=destination))
    # The context ends with the transfer's result: what is next is the model's turn.
    await attachment.think()


async def _learn_the_outcome(attachment: Attachment, resume: Resume) -> Resume:
    """Find out how a transfer went that nobody has told of; the caller is not left in silence meanwhile."""
    attachment.learning = True
    try:
        target = target_of(attachment.agent, resume.destination, attachment.call)
    except NotDone as error:
        outcome, detail = TransferOutcome.FAILED, str(error)
    else:
        asking = asyncio.create_task(transfer_result(attachment.control, target))
        try:
            await _keep_company(attachment, asking)
            outcome, detail = await asking
        finally:
            asking.cancel()
    finally:
        attachment.learning = False
    attachment.control.transfer_ended(resume.destination, outcome, detail)
    attachment.resume = replace(resume, outcome=outcome, detail=detail)
    tools = [one for one in heard_messages(attachment.call.events) if one.role is Role.TOOL]
    await attachment.remember(to_context(tools[-1:], first=len(attachment.history) + 1))
    return attachment.resume


async def _keep_company(attachment: Attachment, work: asyncio.Task[object]) -> None:
    dead_air = attachment.agent.dead_air
    pause, words = ASKING_SECS, dead_air.filler
    while not (await asyncio.wait({work}, timeout=pause))[0] and not attachment.is_detached:
        if words:
            await attachment.say(attachment.render(words), remember=False, own=True)
        pause, words = STILL_ASKING_SECS, dead_air.working
