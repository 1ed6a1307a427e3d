"""How transfers end, as carriers report it, and what their callers hear next.

Where documents run the call, the carrier asks what comes after the transfer (`after_transfer`). Where commands run it,
the carrier tells what happens to the caller's leg and to the one that it has dialled, in any order; the first news that
decides counts.
"""

from __future__ import annotations

import asyncio

from loguru import logger

from calls.call import Call
from calls.events.lifecycle import TransferEnded, TransferStarted
from calls.events.talk import Attached
from calls.states import CallState, EndedBy
from calls.transfer import Resume, ResumeReason, TransferNews, TransferOutcome, outcome_of
from carriers.carrier import (
    DialResult,
    DocumentCarrier,
    Form,
    LineState,
    ReferResult,
    StatusUpdate,
    WebhookError,
)
from conversation.session import attached_to
from desk.answering import apology, connection
from desk.lost_streams import HANG_UP_LATE_SECS, back_to_the_bot, silence_the_bot
from desk.reported import call_of
from desk.service import Service

COLLEAGUE_HUNG_UP = "the colleague has hung up"

BRIDGE_LATE_SECS = 2.0
"""How long after the answer of a transfer's destination the carrier may take to say that the two are connected."""

REFER_LATE_SECS = 1.0
"""How long after the end of a caller's leg the carrier may take to say how the REFER went that has ended it."""

# Where documents run the call


def parse_transfer_result(carrier: DocumentCarrier, form: Form) -> DialResult | ReferResult:
    """Read what a transfer's address is told, whichever kind of transfer it was.

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
        result: How the attempt to reach somebody ended.
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
        return carrier.end_document(None if connected else apology(service, None))
    control = service.control(call)
    destination = _destination(call)
    detail = _detail(result)
    if connected:
        if control.transfer_ended(destination, outcome, detail):
            logger.info("Call {}: transfer connected", call.id)
        call.take_return()
        if not _is_over(line):
            call.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)
        call.apply(line)
        return carrier.end_document()
    call.apply(line)
    if call.is_over or _is_over(line):
        return carrier.end_document()
    if control.transfer_ended(destination, outcome, detail) or _is_expected(call):
        logger.info("Call {}: transfer ended: {}", call.id, outcome)
        call.expect_return(Resume(ResumeReason.TRANSFER, destination, outcome, detail))
    return await connection(service, carrier, call)


async def transfer_answered(
    service: Service, carrier: DocumentCarrier, update: StatusUpdate, our_id: str | None
) -> None:
    """Take in that somebody has answered a caller's transfer.

    Args:
        service: The service.
        carrier: The call's carrier.
        update: About the leg to that somebody.
        our_id: Our id of the caller's call, from the address.
    """
    call = await call_of(service, carrier.name, None, our_id)
    if call is None or call.is_over or update.state is not LineState.IN_PROGRESS:
        return
    if destination := call.transfer_under_way:
        service.control(call).transfer_ended(destination, TransferOutcome.CONNECTED, "answered")
        logger.info("Call {}: transfer connected", call.id)


def _destination(call: Call) -> str:
    if (destination := call.transfer_under_way) is not None:
        return destination
    last = call.last(TransferEnded)
    return last.destination if last else ""


def _is_expected(call: Call) -> bool:
    """Whether no session of the bot has begun since the transfer, so that the next one must be told of it."""
    return not isinstance(call.last(TransferEnded, Attached), Attached)


def _is_over(line: StatusUpdate) -> bool:
    return line.state is not None and CallState(line.state.value).is_end


def _detail(result: DialResult | ReferResult) -> str:
    said = f"the carrier says {result.status.value}" if result.status else "the carrier's word is unknown"
    sip_code = getattr(result, "sip_code", None)
    return f"{said}, SIP {sip_code}" if sip_code else said


# Where commands run the call


def is_being_referred(call: Call) -> bool:
    """Whether a transfer is under way that ends our leg when it works: after a REFER two talk without the carrier."""
    started = call.last(TransferStarted, TransferEnded)
    refer = isinstance(started, TransferStarted) and started.refer
    return refer and not call.is_over and call.ending is None


def take_transfer_news(service: Service, call: Call, news: TransferNews) -> None:
    """Take in what an event tells of a transfer of a call, in whatever order its events come."""
    if call.is_over:
        return
    if news.outcome is TransferOutcome.CONNECTED and not news.leg_is_left_over:
        _begin_anew(service, call)
    destination = call.transfer_under_way
    if destination is not None and news.outcome is None:
        if not news.leg_is_over:
            _step_aside(call)
        service.later(_unless_told(service, call, news), f"transfer of {call.id}")
    elif destination is not None and news.outcome is not None:
        if news.leg_is_left_over:
            call.will_end(EndedBy.HUMAN, f"handed over to {destination}")
        _ended(service, call, destination, news.outcome, news.detail)
    if news.colleague_hung_up and call.state is CallState.TRANSFERRED:
        call.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)


async def _unless_told(service: Service, call: Call, news: TransferNews) -> None:
    """Conclude how a transfer ended whose destination has answered, when the carrier's word for it was lost.

    Somebody who has answered is connected. When an answered leg is over, the caller's ends with it if the two have
    talked; a caller who is still there was never connected.
    """
    started = call.last(TransferStarted)
    if news.leg_is_over:
        if not await call.over_within(HANG_UP_LATE_SECS):
            await service.control(call).refresh()
        outcome = outcome_of(CallState.COMPLETED, connects=call.is_over)
    else:
        await asyncio.sleep(BRIDGE_LATE_SECS)
        outcome = TransferOutcome.CONNECTED
        if call.is_over:
            return
    destination = call.transfer_under_way
    if destination is not None and call.last(TransferStarted) is started:
        _ended(service, call, destination, outcome, news.detail)


def _begin_anew(service: Service, call: Call) -> None:
    """Take a transfer for one that goes on, if the bot believes that nobody took the call: the two are connected."""
    last = call.last(TransferEnded)
    if last is None or call.transfer_under_way is not None or last.outcome is TransferOutcome.CONNECTED:
        return
    call.record(TransferStarted(last.destination, warm=False))
    service.later(silence_the_bot(service, call), f"stream of {call.id}")


def _ended(service: Service, call: Call, destination: str, outcome: TransferOutcome, detail: str) -> None:
    """Write down how a transfer ended, and bring a caller back whom nobody talks with."""
    if not service.control(call).transfer_ended(destination, outcome, detail):
        return
    logger.info("Call {}: transfer ended: {}", call.id, outcome)
    if outcome is TransferOutcome.CONNECTED:
        _step_aside(call)
    elif attached_to(call) is None:
        # The stream was lost while the phone rang: the caller is alone.
        call.expect_return(Resume(ResumeReason.TRANSFER, destination, outcome, detail))
        service.later(back_to_the_bot(service, call), f"stream of {call.id}")


def _step_aside(call: Call) -> None:
    """Let the bot be silent while the caller is with somebody else; ending its stream takes longer."""
    if (session := attached_to(call)) is not None:
        session.step_aside()
