"""What a caller gets when a carrier asked us for a document and got none: the fallback address of a number.

A carrier asks it when the voice address, or a later one, cannot be reached, is too slow or answers with an error. So it
does as little as possible for a new call: no bot, no media socket, no network.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from loguru import logger

from calls.call import Call
from calls.events.lifecycle import ErrorHappened, TransferEnded
from calls.events.talk import Attached
from calls.states import EndedBy
from calls.transfer import TransferOutcome
from carriers.carrier import DocumentCarrier, Form, IncomingCall
from desk.answering import APOLOGY, apology_for, bot_again, open_call
from desk.putting_through import put_through
from desk.service import Service

NO_DOCUMENT = "the carrier got no document from us"
"""The error's message."""

LONGEST_PATH = 80


async def fall_back(
    service: Service, carrier: DocumentCarrier, incoming: IncomingCall, query: Form, told: Form
) -> str:
    """Put a caller through to a person, as the agent's `dead_air.fallback` says; else the caller hears an apology.

    A caller who has talked with the bot already is connected with it again, as after a lost stream: it was away.

    Args:
        service: The service.
        carrier: The call's carrier.
        incoming: The call.
        query: The address's query, as for `answer_call`.
        told: The fields of the carrier's request: Twilio names the error and the address.

    Returns:
        The document.
    """
    where = _where(told)
    try:
        await service.store.restore(carrier.name, incoming.call_id)
        call = open_call(service, carrier, incoming, query)
        logger.error("Call {}: {}{}", call.id, NO_DOCUMENT, where)
        if call.is_over or (call.ending is not None and call.ending.by is not EndedBy.ERROR):
            return carrier.end_document()  # it was to end anyway
        call.record(ErrorHappened(message=NO_DOCUMENT + where))
        if _has_talked_to_a_person(call):
            return carrier.end_document()
        if call.has(Attached):
            return await bot_again(service, carrier, call)
        return put_through(service, carrier, call) or apology_for(service, carrier, call, NO_DOCUMENT)
    except Exception as error:
        logger.opt(exception=error).error("{}{}, and there is no other one", NO_DOCUMENT, where)
        return carrier.end_document(APOLOGY)


def _has_talked_to_a_person(call: Call) -> bool:
    last = call.last(TransferEnded)
    return last is not None and last.outcome is TransferOutcome.CONNECTED


def _where(told: Form) -> str:
    """Which address it was, without its query: a part of that may be a secret."""
    code, path = told.get("ErrorCode", ""), urlsplit(told.get("ErrorUrl", "")).path
    if not code.isdigit() or len(code) > 6:
        return ""
    return f" at {path[:LONGEST_PATH]} (error {code})"
