"""Calls that are run by commands: what to do when the carrier tells of them, the same for every such carrier."""

from __future__ import annotations

from loguru import logger

from calls.call import Call
from calls.colleague import Colleague
from calls.errors import CallIsOver, NotDone
from calls.events.lifecycle import AnswererDetected, ErrorHappened
from calls.states import CallState, EndedBy
from calls.transfer import transfer_news
from carriers.carrier import Carrier, CarrierEvent, Direction, Form, IncomingCall, LegEnd, StatusUpdate
from conversation.agents.agent import AgentError
from desk.answering import open_call
from desk.lost_streams import stream_again
from desk.reported import call_of, record_recording
from desk.service import Service
from desk.transfers import COLLEAGUE_HUNG_UP, REFER_LATE_SECS, is_being_referred, take_transfer_news


async def take_event(
    service: Service, carrier: Carrier, event: CarrierEvent, query: Form, our_id: str | None
) -> None:
    """Take in what happened to a leg of a call, once however often it is delivered.

    Args:
        service: The service.
        carrier: Reads the carrier's events.
        event: What happened.
        query: The address's query, as for `answer_call`.
        our_id: Our id of the call, from the address.
    """
    if service.events_seen.seen(event.event_id):
        return
    try:
        call = await _call_of(service, carrier, event, our_id)
        if call is not None:
            _take_in(service, call, event)
        elif event.incoming is not None and event.transfer_of is None:
            await _take_new_call(service, carrier, event.incoming, query)
    except Exception:
        # The carrier delivers it again, which must not be taken for a repetition.
        service.events_seen.forget(event.event_id)
        raise


async def _call_of(
    service: Service, carrier: Carrier, event: CarrierEvent, our_id: str | None
) -> Call | None:
    """The call that an event is about: for the leg to the destination of a transfer, the caller's."""
    if event.transfer_of is not None:
        return await call_of(service, carrier.name, event.transfer_of)
    if event.incoming is not None:
        return await service.store.restore(carrier.name, event.incoming.call_id)
    carried = event.client_state.get("call_id")
    if not our_id and isinstance(carried, str):
        our_id = carried
    return await call_of(service, carrier.name, event.call_id, our_id)


async def _take_new_call(service: Service, carrier: Carrier, incoming: IncomingCall, query: Form) -> None:
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
    call.record(ErrorHappened(message=reason))
    if not await service.control(call).hang_up(EndedBy.ERROR, reason, state=CallState.FAILED):
        logger.warning("Call {} may ring on until its caller gives up", call.id)


def _take_in(service: Service, call: Call, event: CarrierEvent) -> None:
    if (news := transfer_news(event)) is not None:
        take_transfer_news(service, call, news)
    if event.transfer_of is not None:
        return  # the destination's leg is no call of ours
    if event.answered_by is not None:
        call.record_once(AnswererDetected(event.answered_by))
    if event.recording is not None:
        record_recording(call, event.recording)
    if event.status is not None and event.hangup_cause and is_being_referred(call):
        service.later(_take_end_after_refer(service, call, event, event.status), f"end of {call.id}")
    elif event.status is not None:
        _take_status(service, call, event, event.status)
    if event.stream_failed is not None or event.stream_stopped:
        service.later(stream_again(service, call, event), f"stream of {call.id}")


def _take_status(service: Service, call: Call, event: CarrierEvent, update: StatusUpdate) -> None:
    if update.state is not None and CallState(update.state.value).is_end and not call.is_over:
        _note_who_ended(service, call, event)
    if call.apply(update):
        logger.info("Call {} is {}", call.id, call.state)


async def _take_end_after_refer(
    service: Service, call: Call, event: CarrierEvent, update: StatusUpdate
) -> None:
    """Take in the end of a leg once the news of its REFER, which may have been overtaken, had time to come."""
    await call.comes_true(lambda: not is_being_referred(call), REFER_LATE_SECS)
    _take_status(service, call, event, update)


def _note_who_ended(service: Service, call: Call, event: CarrierEvent) -> None:
    """Note who has hung up, where the carrier tells more than that it is over."""
    if (colleague := Colleague.of(call)) is not None and event.hangup_source == "callee":
        caller = service.store.get(colleague.for_call)
        if caller is not None and caller.state is CallState.TRANSFERRED:
            caller.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)
    # Seen from the leg: the caller is who dialled it.
    person = "caller" if call.direction is Direction.INBOUND else "callee"
    if event.end is LegEnd.TIME_LIMIT:
        call.will_end(EndedBy.LIMIT, "the carrier's time limit")
    elif (
        call.state in (CallState.TRANSFERRED, CallState.TRANSFERRING)
        and event.hangup_source in ("caller", "callee")
        and event.hangup_source != person
    ):
        # When a colleague hangs up, the carrier hangs up the caller.
        call.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)
