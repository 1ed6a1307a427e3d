"""What the caller hears when a service fails: never silence, and never a line that just drops."""

from __future__ import annotations

from loguru import logger
from pipecat.frames.frames import ErrorFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.utils.errors import ErrorCategory

from calls.call import EndedBy
from conversation.attachment import Attachment

MAX_FAILED_ANSWERS = 3
"""So many failures of the model in a row, without an answer between them, are not a passing fault."""

FIXES = {
    ErrorCategory.AUTHENTICATION: "the key was rejected: check it in .env",
    ErrorCategory.AUTHORIZATION: "the key has no access to this: check the account's rights",
    ErrorCategory.INVALID_REQUEST: "the request was refused: check the model's or voice's name",
    ErrorCategory.QUOTA: "the account's credit is used up: top it up",
    ErrorCategory.RATE_LIMIT: "too many requests: raise the account's limit, or take fewer calls",
    ErrorCategory.CONNECTIVITY: "it could not be reached: check the network and the address",
    ErrorCategory.SERVER: "it reported a fault of its own: see its status page",
}


class ServiceTrouble:
    """Answers the errors of a call's services with words.

    A failed answer is asked for again ("could you say it again?"). A service that cannot work any more (a rejected key)
    ends the call with an apology, in its own voice where the voice still works. Where it does not, closing the socket
    lets the carrier's document apologise.
    """

    def __init__(self, attachment: Attachment, services: dict[FrameProcessor, str]):
        """Initialize the answers of one session.

        Args:
            attachment: The session.
            services: The services with what they are called to the operator: `STT`, `LLM`, `TTS`.
        """
        self._attachment = attachment
        self._services = services
        self._failed_answers = 0
        self._plea = attachment.render(attachment.agent.lines.did_not_understand)

    def said(self, text: str) -> None:
        """The bot has said something; if it was an answer, the model works again."""
        if text != self._plea:
            self._failed_answers = 0

    async def take(self, frame: ErrorFrame) -> None:
        """Take an error that reached the end of the pipeline."""
        attachment, processor = self._attachment, frame.processor
        kind = self._services.get(processor, "pipeline") if processor else "pipeline"
        category = frame.category or ErrorCategory.UNKNOWN
        attachment.record("error", message=f"{kind}: {frame.error}", category=category.value)
        logger.error(
            f"call {attachment.call.id}: {kind} failed, {FIXES.get(category, 'for an unknown reason')}"
        )
        if attachment.deaf or kind == "pipeline":
            return
        lost = processor is not None and not processor.is_usable
        if kind == "TTS":
            if lost:
                await attachment.abandon(cause="voice failed")
            return
        if kind == "LLM" and not lost:
            self._failed_answers += 1
            if self._failed_answers < MAX_FAILED_ANSWERS:
                await attachment.say(self._plea)
                return
        if kind == "LLM" or lost:
            apology = attachment.render(attachment.agent.lines.technical_problem)
            attachment.finish(apology, ended_by=EndedBy.ERROR, cause=f"{kind} failed")
