"""What a service's error means: for the caller, what the guard against dead air does; for the operator, one line."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator, Mapping

from loguru import logger
from pipecat.frames.frames import ErrorFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.utils.errors import ErrorCategory, classify_http_exception, extract_http_status_code

from calls.events.lifecycle import ErrorHappened
from calls.events.talk import ServiceFailedOver
from conversation.dead_air.causes import Cause
from conversation.dead_air.guard import DeadAir
from conversation.dead_air.rescue import Rescue
from conversation.failover.spare import Spare
from conversation.services.patience import CutOff, GaveUp, Stalled
from conversation.services.service import Service
from conversation.session import Session

FIXES = {
    ErrorCategory.AUTHENTICATION: "the key was rejected: check it in .env",
    ErrorCategory.AUTHORIZATION: "the key has no access to this: check the account's rights",
    ErrorCategory.INVALID_REQUEST: "the request was refused: check the model's or voice's name",
    ErrorCategory.QUOTA: "the account's credit is used up: top it up",
    ErrorCategory.RATE_LIMIT: "too many requests: raise the account's limit, or take fewer calls",
    ErrorCategory.CONNECTIVITY: "it could not be reached: check the network and the address",
    ErrorCategory.SERVER: "it reported a fault of its own: see its status page",
}

CAUSES = {
    "llm": Cause.MODEL_FAILED,
    "tts": Cause.VOICE_FAILED,
    "stt": Cause.RECOGNISER_FAILED,
    "voice": Cause.MODEL_FAILED,
}

STALLED = CAUSES | {"llm": Cause.MODEL_STALLED, "tts": Cause.VOICE_SILENT, "voice": Cause.MODEL_STALLED}
"""The same for services that did not answer in time."""


class ServiceTrouble:
    """Answers the errors of a call's services.

    The model is asked again for an answer that failed, and the guard sees to what the caller hears meanwhile. A service
    that cannot work any more (a rejected key) ends the talk: with an apology, and the agent's fallback.
    """

    def __init__(
        self,
        session: Session,
        services: Mapping[FrameProcessor, str],
        hosts: Mapping[str, str],
        dead_air: DeadAir,
        rescue: Rescue,
    ):
        """Initialize the answers of one session.

        Args:
            session: The session.
            services: The services, with their kinds: `stt`, `llm`, `tts`, `voice`.
            hosts: Where each kind is reached, for the operator.
            dead_air: Is told of what has failed.
            rescue: Takes over when a service is lost.
        """
        self._session = session
        self._services = services
        self._hosts = hosts
        self._dead_air = dead_air
        self._rescue = rescue

    async def take(self, frame: ErrorFrame) -> None:
        """Take an error that reached the end of the pipeline."""
        session, processor = self._session, frame.processor
        kind = self._services.get(processor, "") if processor else ""
        category = category_of(frame)
        name = kind.upper() or "pipeline"
        if isinstance(processor, Spare):
            name = f"{name} {processor.service.name}"
        session.record(ErrorHappened(message=f"{name}: {frame.error}", category=category.value))
        host = "" if isinstance(processor, Spare) else self._hosts.get(kind, "")
        logger.error(f"call {session.call.id}: {name} failed, {_explained(host, category, frame)}")
        speaks = kind == "tts" or (kind == "voice" and "tts" not in self._services.values())
        if not kind or category is ErrorCategory.APPLICATION or (session.ending and not speaks):
            return
        lost = processor is not None and not processor.is_usable
        gave_up = isinstance(frame.exception, GaveUp)
        exception = _cause(frame.exception)
        cause = (STALLED if isinstance(exception, TimeoutError) else CAUSES)[kind]
        if kind == "voice" and speaks and (lost or session.ending):
            cause = Cause.VOICE_FAILED  # it says the bot's own lines, too
        self._dead_air.failed(cause, for_good=lost, tried_again=gave_up)
        if lost and cause is Cause.VOICE_FAILED:
            self._dead_air.voice_is_gone()
        if lost:
            await self._rescue.lost(cause, f"{name} failed")

    def failed_over(self, failed: Service, following: Service, frame: ErrorFrame | None, why: str) -> None:
        """Note that a service goes on for another, in the call's record and the operator's log.

        Args:
            failed: The one that has failed.
            following: The one that goes on.
            frame: Its error, if it has reported one.
            why: How it has failed.
        """
        note_failover(self._session, failed, following, frame, why)
        self._dead_air.service_changed(voice=failed.kind == "tts")


def note_failover(
    session: Session, failed: Service, following: Service, frame: ErrorFrame | None, why: str
) -> None:
    """Note that a service goes on for another, in the call's record and the operator's log.

    Args:
        session: Whose call it is.
        failed: The one that has failed.
        following: The one that goes on.
        frame: Its error, if it has reported one.
        why: How it has failed.
    """
    stalled = frame is not None and isinstance(_cause(frame.exception), TimeoutError)
    category = category_of(frame) if frame is not None else None
    session.record(
        ServiceFailedOver(
            job=failed.kind,
            failed=failed.name,
            next=following.name,
            cause="stalled" if stalled else why,
            category=category.value if category is not None else "",
        )
    )
    what = why if frame is None else f"failed, {_explained('', category, frame)}"
    logger.warning(
        f"call {session.call.id}: {failed.kind.upper()} {failed.name} {what}: {following.name} goes on"
    )


def _explained(host: str, category: ErrorCategory | None, frame: ErrorFrame) -> str:
    """Host, cause and fix, without the error's own text: it may hold the caller's words."""
    cause = _reason(frame.exception)
    fix = FIXES.get(category, "for an unknown reason") if category is not None else ""
    return " ".join(filter(None, (host and f"{host}:", cause and f"{cause},", fix)))


def _cause(exception: Exception | None) -> BaseException | None:
    return exception.__cause__ if isinstance(exception, GaveUp) else exception


def category_of(frame: ErrorFrame) -> ErrorCategory:
    """Why a service failed. Libraries wrap the network's error in their own, so the whole chain is read."""
    category = frame.category or ErrorCategory.UNKNOWN
    if category is not ErrorCategory.UNKNOWN or frame.exception is None:
        return category
    for error in _chain(frame.exception):
        found = classify_http_exception(error)
        if found is not ErrorCategory.UNKNOWN:
            return found
        if isinstance(error, OSError) or any(
            name in type(error).__name__ for name in ("Connect", "Timeout", "Network")
        ):
            return ErrorCategory.CONNECTIVITY
    return category


def _reason(exception: BaseException | None) -> str:
    """What happened, in words of ours."""
    if isinstance(exception, GaveUp):
        exception = exception.__cause__
    if exception is None:
        return ""
    if isinstance(exception, Stalled | CutOff):
        return str(exception)
    errors = list(_chain(exception))
    for error in errors:
        if (status := extract_http_status_code(error)) is not None:
            return f"HTTP {status}"
        if isinstance(error, socket.gaierror):
            return "its name is not known"
        if isinstance(error, ssl.SSLError):
            return "no TLS connection"
        if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
            return os.strerror(error.errno).lower()
    if any("Timeout" in type(error).__name__ for error in errors):
        return "no answer in time"
    return type(exception).__name__


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """An exception and those behind it, the innermost last."""
    seen: list[BaseException] = []
    current: BaseException | None = exception
    while current is not None and current not in seen:
        seen.append(current)
        yield current
        if isinstance(current, BaseExceptionGroup) and current.exceptions:
            current = current.exceptions[0]
        else:
            current = current.__cause__ or current.__context__
