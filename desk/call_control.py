"""Calls that are run by commands: what to do when the carrier tells of them, the same for every such carrier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from loguru import logger

from calls.call import Call, CallState, EndedBy
from calls.control import COLLEAGUE
from calls.errors import CallIsOver, NotDone
from calls.transfer import Resume, ResumeReason, TransferOutcome
from carriers.carrier import CarrierEvent, CommandCarrier, Direction, Form, LineState, StatusUpdate
from conversation.agents.agent import AgentError
from conversation.attachment import attached_to
from desk.answering import lost_again, open_call
from desk.reported import call_of, record_once, record_recording
from desk.service import Service
from desk.transfers import COLLEAGUE_HUNG_UP, OUTCOMES

NOT_REACHED = {
    LineState.BUSY: TransferOutcome.BUSY,
    LineState.NO_ANSWER: TransferOutcome.NO_ANSWER,
    LineState.CANCELED: TransferOutcome.NO_ANSWER,
    LineState.COMPLETED: TransferOutcome.NO_ANSWER,
}
"""What the end of a leg means that was never connected with the caller's; every other one is a failure."""

DECLINED_CAUSES = frozenset({"call_rejected"})
LIMIT_CAUSES = frozenset({"time_limit"})
TALKED_CAUSES = LIMIT_CAUSES | {"normal_clearing"}
"""Carriers' words for why a leg ended; the last are only of legs that were answered. Source: Telnyx docs,
call.hangup."""

BRIDGE_LATE_SECS = 2.0
"""How long after the answer of a transfer's destination the carrier may take to say that the two are connected."""

HANG_UP_LATE_SECS = 1.0
"""How long after the end of a stream the carrier may take to say that the call is over, too."""

STREAM_CLOSES_SECS = 5.0
"""How long after the carrier's word that a stream is over our end of it may take to notice."""


async def take_event(
    service: Service, carrier: CommandCarrier, event: CarrierEvent, query: Form, our_id: str | None
) -> None:
    """Take in what happened to a leg of a call. Repeated deliveries are sorted out before.

    Args:
        service: The service.
        carrier: Reads the carrier's events.
        event: What happened.
        query: The address's query, as for `answer_call`.
        our_id: Our id of the call, from the address.
    """
    if event.transfer_of is not None:
        # The leg to the destination of a transfer, which tells how that ends.
        call = await call_of(service, carrier.name, event.transfer_of)
        if call is not None:
            _take_destinations_event(service, call, event)
        return
    our_id = our_id or _text(event.client_state.get("call_id"))
    if event.incoming is not None:
        known = await service.store.restore(carrier.name, event.incoming.call_id)
        if known is None:
            await _take_new_call(service, carrier, event, query)
            return
    call = await call_of(service, carrier.name, event.call_id, our_id)
    if call is None:
        return
    if event.answered_by is not None:
        record_once(service, call, "answered_by", who=event.answered_by.value)
    if event.recording is not None:
        record_recording(service, call, event.recording)
    if event.bridged or event.refer is not None:
        _take_transfers_end(service, call, event)
    if event.status is not None:
        if event.hangup_cause and _may_have_been_handed_over(call):
            service.later(_take_end_after_transfer(service, call, event, event.status), f"end of {call.id}")
        else:
            _take_status(service, call, event, event.status)
    if event.stream_failed is not None or event.stream_stopped:
        service.later(_stream_again(service, call, event), f"stream of {call.id}")


async def _take_new_call(service: Service, carrier: CommandCarrier, event: CarrierEvent, query: Form) -> None:
    incoming = event.incoming
    assert incoming is not None
    try:
        call = await open_call(service, carrier, incoming, query)
    except AgentError as error:
        logger.error("A call cannot be answered: {}", error)
        call = service.store.open(
            carrier=carrier.name,
            mode=carrier.mode,
            carrier_call_id=incoming.call_id,
            direction=incoming.direction,
            from_number=incoming.from_number,
            to_number=incoming.to_number,
        )
        service.later(_turn_away(service, call, str(error)), f"turn away {call.id}")
        return
    # Later, as the carrier waits for this request to be answered, and calls again if that takes long.
    service.later(_answer(service, call), f"answer {call.id}")


async def _answer(service: Service, call: Call) -> None:
    try:
        await service.control(call).answer()
    except CallIsOver:
        if not call.is_over:
            call.will_end(EndedBy.CALLER, "the caller has given up")
            call.move(CallState.CANCELED, cause="the caller has given up")
    except NotDone as error:
        logger.error("Call {} could not be answered: {}", call.id, error)
        await _turn_away(service, call, str(error))
    else:
        logger.info("Call {} is connected with agent {}", call.id, call.agent)


async def _turn_away(service: Service, call: Call, reason: str) -> None:
    """End a call that cannot be served: ringing on, or silence, would be worse."""
    service.store.record(call, "error", message=reason)
    if not await service.control(call).hang_up(EndedBy.ERROR, reason, state=CallState.FAILED):
        logger.warning("Call {} may ring on until its caller gives up", call.id)


def _take_status(service: Service, call: Call, event: CarrierEvent, update: StatusUpdate) -> None:
    if update.state is not None and CallState(update.state.value).is_end and not call.is_over:
        _note_who_ended(service, call, event)
    if call.apply(update):
        logger.info("Call {} is {}", call.id, call.state)


def _may_have_been_handed_over(call: Call) -> bool:
    """Whether a transfer is under way that ends our leg when it works: after a REFER two talk without the carrier."""
    started = call.last("transfer_started", "transfer_ended")
    refer = started is not None and bool(started.data.get("refer"))
    return refer and not call.is_over and call.ending is None


async def _take_end_after_transfer(
    service: Service, call: Call, event: CarrierEvent, update: StatusUpdate
) -> None:
    """Take in the end of a leg once the news of its transfer, which may have been overtaken, had time to come."""
    await _soon(call, lambda: not _may_have_been_handed_over(call))
    _take_status(service, call, event, update)


def _note_who_ended(service: Service, call: Call, event: CarrierEvent) -> None:
    """Note who has hung up, where the carrier tells more than that it is over."""
    if call.parameters.get("role") == COLLEAGUE and event.hangup_source == "callee":
        caller = service.store.get(str(call.parameters.get("for_call") or ""))
        if caller is not None and caller.state is CallState.TRANSFERRED:
            caller.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)
    # Seen from the leg: the caller is who dialled it.
    person = "caller" if call.direction is Direction.INBOUND else "callee"
    if event.hangup_cause in LIMIT_CAUSES:
        call.will_end(EndedBy.LIMIT, "the carrier's time limit")
    elif (
        call.state in (CallState.TRANSFERRED, CallState.TRANSFERRING)
        and event.hangup_source in ("caller", "callee")
        and event.hangup_source != person
    ):
        # When a colleague hangs up, the carrier hangs up the caller.
        call.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)


def _take_transfers_end(service: Service, call: Call, event: CarrierEvent) -> None:
    """Take in that the caller was connected with somebody, or how a REFER ended."""
    destination = call.transfer_under_way
    if destination is None or call.is_over:
        if event.bridged:
            _take_late_connection(service, call, event)
        return
    outcome, detail = TransferOutcome.CONNECTED, event.kind
    if event.refer is not None:
        outcome = OUTCOMES.get(event.refer.status, TransferOutcome.FAILED)
        detail = f"SIP {event.refer.sip_code}" if event.refer.sip_code else event.kind
        if outcome is TransferOutcome.CONNECTED:
            # The caller's side talks with the destination by itself now: this leg is left over.
            call.will_end(EndedBy.HUMAN, f"handed over to {destination}")
    _transfer_ended(service, call, destination, outcome, detail)


def _take_destinations_event(service: Service, call: Call, event: CarrierEvent) -> None:
    """Take in what happened to the leg that a transfer has made."""
    if event.bridged:
        _take_transfers_end(service, call, event)
        return
    state = event.status.state if event.status else None
    if state is None or call.is_over:
        return
    destination = call.transfer_under_way
    if state is LineState.IN_PROGRESS and destination is not None:
        _step_aside(call)
        service.later(_connected_at_last(service, call, event), f"transfer of {call.id}")
    if not CallState(state.value).is_end:
        return
    if destination is not None and event.hangup_cause in TALKED_CAUSES:
        # That they were connected is told too, perhaps later.
        service.later(_over_after_an_answer(service, call, event.hangup_cause), f"transfer of {call.id}")
    elif destination is not None:
        declined = event.hangup_cause in DECLINED_CAUSES
        outcome = TransferOutcome.DECLINED if declined else NOT_REACHED.get(state, TransferOutcome.FAILED)
        _transfer_ended(service, call, destination, outcome, event.hangup_cause)
    if call.state is CallState.TRANSFERRED and event.hangup_source == "callee":
        call.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)


async def _connected_at_last(service: Service, call: Call, event: CarrierEvent) -> None:
    """Take somebody who has answered for connected, when the carrier's word for it was lost."""
    started = call.last("transfer_started")
    await asyncio.sleep(BRIDGE_LATE_SECS)
    destination = call.transfer_under_way
    if destination is not None and not call.is_over and call.last("transfer_started") is started:
        _transfer_ended(service, call, destination, TransferOutcome.CONNECTED, event.kind)


async def _over_after_an_answer(service: Service, call: Call, cause: str) -> None:
    """Take in the end of a destination's leg that ended as answered ones do, when nobody has told of a connection.

    The caller's leg ends with it if the two have talked; a caller who is still there was never connected.
    """
    started = call.last("transfer_started")
    if not await _ends_soon(call):
        await service.control(call).refresh()
    destination = call.transfer_under_way
    if destination is not None and call.last("transfer_started") is started:
        outcome = TransferOutcome.CONNECTED if call.is_over else TransferOutcome.NO_ANSWER
        _transfer_ended(service, call, destination, outcome, cause)


def _take_late_connection(service: Service, call: Call, event: CarrierEvent) -> None:
    """Take in that a caller of whom the bot believed that nobody took the call is connected nevertheless."""
    last = call.last("transfer_ended")
    if call.is_over or last is None or last.data.get("outcome") == TransferOutcome.CONNECTED.value:
        return
    destination = str(last.data.get("destination") or "")
    service.store.record(call, "transfer_started", destination=destination, warm=False)
    _transfer_ended(service, call, destination, TransferOutcome.CONNECTED, event.kind)
    service.later(_silence_the_bot(service, call), f"stream of {call.id}")


def _step_aside(call: Call) -> None:
    """Let the bot be silent while the caller is with somebody else; ending its stream takes longer."""
    if (attachment := attached_to(call)) is not None:
        attachment.step_aside()


async def _silence_the_bot(service: Service, call: Call) -> None:
    if not await service.control(call).let_go():
        await service.close_sockets(call)


def _transfer_ended(
    service: Service, call: Call, destination: str, outcome: TransferOutcome, detail: str
) -> None:
    if not service.control(call).transfer_ended(destination, outcome, detail):
        return
    logger.info("Call {}: transfer ended: {}", call.id, outcome)
    if outcome is TransferOutcome.CONNECTED:
        _step_aside(call)
    if outcome is not TransferOutcome.CONNECTED and attached_to(call) is None:
        # The stream was lost while the phone rang: the caller is alone.
        call.expect_return(Resume(ResumeReason.TRANSFER, destination, outcome, detail))
        service.later(_back_to_the_bot(service, call), f"stream of {call.id}")


async def _back_to_the_bot(service: Service, call: Call) -> None:
    control = service.control(call)
    if await control.is_alive():
        await _connect_again(service, call)


async def _has_another_stream(service: Service, call: Call, event: CarrierEvent) -> bool:
    """Whether the call has another stream than the one that the event is about, which closes a moment later."""
    deadline = asyncio.get_running_loop().time() + STREAM_CLOSES_SECS
    while asyncio.get_running_loop().time() < deadline:
        attached = call.last("attached")
        if attached is not None and event.occurred_at is not None and attached.at > event.occurred_at:
            return True
        if not service.sockets.get(call.id):
            return False
        await asyncio.sleep(0.05)
    return True


async def _stream_again(service: Service, call: Call, event: CarrierEvent) -> None:
    """Connect a caller with the bot again whose media stream is gone and who is still there."""
    if await _has_another_stream(service, call, event):
        return
    if event.stream_stopped and await _ends_soon(call):
        return
    if call.state in (CallState.TRANSFERRED, CallState.TRANSFERRING):
        return
    control = service.control(call)
    if not await control.is_alive():
        return
    if event.stream_failed is not None:
        message = f"the media stream could not be connected: {event.stream_failed}"
        service.store.record(call, "error", message=message)
    if call.ending is None and lost_again(service, call):
        await _connect_again(service, call)
        return
    await _give_up(service, call)


async def _ends_soon(call: Call) -> bool:
    """Whether the call is over: its own end is often told after its stream's."""
    return await _soon(call, lambda: call.is_over)


async def _soon(call: Call, condition: Callable[[], bool]) -> bool:
    """Whether something becomes true of a call that its carrier may tell a moment later."""
    changed = asyncio.Event()
    stop = call.watch(changed.set)
    try:
        async with asyncio.timeout(HANG_UP_LATE_SECS):
            while not condition():
                changed.clear()
                await changed.wait()
    except TimeoutError:
        return False
    finally:
        stop()
    return True


async def _connect_again(service: Service, call: Call) -> None:
    """Let a new media stream of the call begin; without one the caller would hear nothing."""
    try:
        await service.control(call).stream_again()
    except NotDone as error:
        logger.error("Call {} could not be connected with the bot again: {}", call.id, error)
        service.store.record(call, "error", message=str(error))
        await _give_up(service, call)


async def _give_up(service: Service, call: Call) -> None:
    ending = call.ending
    by, cause = (ending.by, ending.cause) if ending else (EndedBy.ERROR, "the media stream was lost")
    if not call.is_over:
        await service.control(call).hang_up(by, cause)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
