"""How transfers of calls end that are run by documents, and what their callers hear next.

The carrier asks what comes after the transfer (`after_transfer`). Where commands run the call, `desk.leg_events` hears
how it ended.
"""

from __future__ import annotations

from loguru import logger

from calls.call import Call
from calls.events.lifecycle import TransferEnded
from calls.states import CallState, EndedBy
from calls.transfer import COLLEAGUE_HUNG_UP, TransferOutcome, outcome_of
from carriers.carrier import (
    DialResult,
    DocumentCarrier,
    Form,
    LineState,
    ReferResult,
    StatusUpdate,
    WebhookError,
)
from desk.answering import apology, connection
from desk.reported import call_of
from desk.service import Service
from desk.turned_away import regrets, was_turned_away


def parse_transfer_result(carrier: DocumentCarrier, form: Form) -> DialResult | ReferResult:
    """Read the carrier's request to a transfer's `action_url`, for a dial or a REFER.

    Raises:
        WebhookError: It names no call, or no result.
    """
    try:
        return carrier.parse_dial_result(form)
    except WebhookError as error:
        try:
            return carrier.parse_refer_result(form)
        except WebhookError:
            raise error from None


async def after_transfer(
    service: Service,
    carrier: DocumentCarrier,
    result: DialResult | ReferResult,
    line: StatusUpdate,
    our_id: str | None,
    *,
    trusted: bool,
) -> str:
    """Write down how a transfer ended, and tell the carrier what comes next for the caller.

    The request may come twice, as its first answer may have got lost: the second answer is the same.

    Args:
        service: The service.
        carrier: The call's carrier.
        result: How the attempt to reach the destination ended.
        line: Where the caller's own call stands.
        our_id: Our id of the call, from the address.
        trusted: Whether the request may be about any call; else only about that of its address.

    Returns:
        The document: the bot again, unless the two have talked or the caller has hung up.
    """
    call = await call_of(service, carrier.name, result.call_id, our_id, trusted=trusted)
    outcome = outcome_of(result.status)
    connected = outcome is TransferOutcome.CONNECTED
    if call is None:
        logger.warning("A transfer's end is reported for a call that is not known here")
        return carrier.end_document() if connected else apology(service, carrier, None)
    if not connected:
        call.apply(line)
        if call.is_over or _is_over(line):
            return carrier.end_document()
    if call.transfer_ended(_destination(call), outcome, _detail(result), bot_tells=False):
        logger.info("Call {}: transfer ended: {}", call.id, outcome)
    if not connected:
        if was_turned_away(call):
            return regrets(service, carrier, call)
        return await connection(service, carrier, call)
    if not _is_over(line):
        call.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)
    call.apply(line)
    return carrier.end_document()


async def transfer_answered(
    service: Service, carrier: DocumentCarrier, update: StatusUpdate, our_id: str | None
) -> None:
    """Take in that the destination of a caller's transfer has answered.

    Args:
        service: The service.
        carrier: The call's carrier.
        update: The carrier's report about the leg to the destination.
        our_id: Our id of the caller's call, from the address.
    """
    call = await call_of(service, carrier.name, None, our_id)
    if call is None or call.is_over or update.state is not LineState.IN_PROGRESS:
        return
    if destination := call.transfer_under_way:
        call.transfer_ended(destination, TransferOutcome.CONNECTED, "answered")
        logger.info("Call {}: transfer connected", call.id)


def _destination(call: Call) -> str:
    if (destination := call.transfer_under_way) is not None:
        return destination
    last = call.last(TransferEnded)
    return last.destination if last else ""


def _is_over(line: StatusUpdate) -> bool:
    return line.state is not None and CallState(line.state.value).is_end


def _detail(result: DialResult | ReferResult) -> str:
    said = f"the carrier says {result.status.value}" if result.status else "the carrier's word is unknown"
    sip_code = getattr(result, "sip_code", None)
    return f"{said}, SIP {sip_code}" if sip_code else said
