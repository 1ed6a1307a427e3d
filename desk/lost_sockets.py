"""Calls whose own document opens a lost media socket again: the carrier asks nothing, so it is told what is next.

The document says what comes after a stream by itself (`StreamDocument.meanwhile`), as nobody else is asked while we
are away. What it cannot know, that a call is to end or that its caller is to be put through, it is told by another
document, which takes its place.
"""

from __future__ import annotations

from loguru import logger

from calls.call import Call
from calls.errors import NotDone
from calls.states import EndedBy
from carriers.carrier import DocumentCarrier, runs_documents
from desk.answering import no_more
from desk.service import Service


async def may_begin_again(service: Service, call: Call) -> bool:
    """Whether a stream that a document begins again is to be served. If not, the carrier is told what comes instead."""
    carrier = service.carrier(call)
    if carrier is None or not runs_documents(carrier):
        return False
    document = no_more(service, carrier, call)
    if document is not None:
        service.later(_replace(service, carrier, call, document), "telling the carrier what is next")
    return document is None


async def say_what_is_next(service: Service, call: Call | None) -> None:
    """Have the carrier apologise at once for a bot that has given up, instead of beginning its stream again."""
    if call is None or call.is_over or call.ending is None or call.ending.by is not EndedBy.ERROR:
        return
    carrier = service.carrier(call)
    if carrier is not None and runs_documents(carrier) and (document := no_more(service, carrier, call)):
        await _replace(service, carrier, call, document)


async def _replace(service: Service, carrier: DocumentCarrier, call: Call, document: str) -> None:
    try:
        await service.control(call).act(
            lambda: carrier.update_document(call.carrier_call_id, document), "say what is next"
        )
    except NotDone as error:
        # Its document goes on meanwhile, and asks us in the end.
        logger.warning("Call {}: {}", call.id, error)
