"""What the bot says first on an attachment: to a new caller, or to one who comes back."""

from __future__ import annotations

from calls.call import EndedBy
from calls.transfer import Resume, ResumeReason, TransferOutcome
from conversation.attachment import Attachment
from conversation.handover import outcome_line, spoken_name


async def open_conversation(attachment: Attachment) -> None:
    """Say the first words.

    Args:
        attachment: The session; its `resume` says why the caller comes back, if so.
    """
    resume, agent = attachment.resume, attachment.agent
    if resume is None:
        await attachment.say(attachment.render(agent.greeting))
        return
    attachment.record("resumed", reason=resume.reason.value)
    if resume.reason is ResumeReason.LOST:
        await attachment.say(attachment.render(agent.lines.reconnected))
    elif resume.reason is ResumeReason.TRANSFER:
        await _after_transfer(attachment, resume)


async def _after_transfer(attachment: Attachment, resume: Resume) -> None:
    agent = attachment.agent
    outcome = resume.outcome or TransferOutcome.FAILED
    if outcome is TransferOutcome.CONNECTED:
        # The two have talked, and the colleague has hung up.
        goodbye = attachment.render(agent.lines.goodbye)
        attachment.finish(goodbye, ended_by=EndedBy.HUMAN, cause="the colleague has hung up")
        return
    destination = spoken_name(agent, resume.destination)
    await attachment.say(attachment.render(outcome_line(agent, outcome), destination=destination))
    # The context ends with the transfer's result: what is next is the model's turn.
    await attachment.think()
