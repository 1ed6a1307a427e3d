"""Calls that are run by commands: what to do about the carrier's events, the same for every such carrier.

Each event goes through here once. What it changes of its call is done before the carrier is answered, and what takes
time is handed back, to be done behind the request: the carrier delivers again what is not answered in time.

The carrier reports what happens to a caller's leg and to the one that a transfer has dialled, in any order; the first
report that decides how the transfer ended counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeAlias

from loguru import logger

from calls.call import Call
from calls.colleague import Colleague
from calls.errors import CallIsOver, NotDone
from calls.events.lifecycle import AnswererDetected, ErrorHappened, TransferEnded, TransferStarted
from calls.message_box import has_message_box
from calls.recordings import was_reported
from calls.states import CallState, EndedBy
from calls.transfer import COLLEAGUE_HUNG_UP, TransferNews, TransferOutcome, outcome_of, transfer_news
from carriers.carrier import CarrierEvent, CommandCarrier, Direction, Form, IncomingCall, LegEnd, StatusUpdate
from conversation.agents.errors import AgentError
from conversation.session import attached_to
from desk.answering import open_call
from desk.calling_back import has_called_again
from desk.carrier_words import was_spoken
from desk.elsewhere import have_it_step_aside, may_talk_elsewhere
from desk.left_colleagues import free_colleague
from desk.lost_streams import HANG_UP_LATE_SECS, back_to_the_bot, silence_the_bot, stream_again
from desk.message_box import go_on, take_report
from desk.service import Service
from desk.turned_away import regret_and_hang_up, turn_away, was_turned_away

BRIDGE_LATE_SECS = 2.0
"""How long after the answer of a transfer's destination the carrier may take to say that the two are connected."""

REFER_LATE_SECS = 1.0
"""How long after the end of a caller's leg the carrier may take to say how the REFER went that has ended it."""

Afterwards: TypeAlias = Coroutine[Any, Any, None] | None
"""What is left to do about an event, behind the request."""


async def take_event(
    service: Service, carrier: CommandCarrier, event: CarrierEvent, query: Form, our_id: str | None
) -> None:
    """Take in what happened to a leg of a call, once however often it is delivered.

    Args:
        service: The service.
        carrier: Has told it.
        event: What happened.
        query: The address's query, as for `answer_call`.
        our_id: Our id of the call, from the address.
    """
    if service.events_seen.seen(event.event_id):
        return
    afterwards: Afterwards = None
    try:
        carried = event.client_state.get("call_id")
        our_id = our_id or (carried if isinstance(carried, str) else None)
        if event.incoming is not None:
            our_id = None  # our ids are in the addresses of calls that we have made
        # What happens to the leg that a transfer has dialled is about the caller's call.
        call = await service.store.named(carrier.name, event.transfer_of or event.call_id, our_id)
        if call is not None:
            elsewhere = None
            if transfer_news(event) is not None:
                elsewhere = await may_talk_elsewhere(service, call)
            elif (colleague := Colleague.of(call)) is not None:
                await service.store.fetch(colleague.for_call)  # another process may have the caller's session
            afterwards = _take_in(service, call, event, elsewhere)
        elif event.incoming is not None and event.transfer_of is None:
            afterwards = _take_new_call(service, carrier, event.incoming, query)
    except Exception:
        # The carrier delivers it again, which must not be taken for a repetition.
        service.events_seen.forget(event.event_id)
        raise
    if afterwards is not None:
        service.later(afterwards, f"what follows {event.kind} {event.event_id}")


# A new call


def _take_new_call(
    service: Service, carrier: CommandCarrier, incoming: IncomingCall, query: Form
) -> Afterwards:
    why = service.room.reason
    try:
        call = open_call(service, carrier, incoming, query)
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
        return _give_up(service, call, str(error))
    if why is not None:
        return turn_away(service, call, why)
    service.room.take(call)
    has_called_again(service, call)
    return _answer(service, call)


async def _answer(service: Service, call: Call) -> None:
    try:
        await service.control(call).answer()
    except CallIsOver:
        if not call.is_over:
            call.will_end(EndedBy.CALLER, "the caller has given up")
            call.move(CallState.CANCELED, cause="the caller has given up")
    except NotDone as error:
        logger.error("Call {} could not be answered: {}", call.id, error)
        await _give_up(service, call, str(error))
    else:
        logger.info("Call {} is connected with agent {}", call.id, call.agent)


async def _give_up(service: Service, call: Call, reason: str) -> None:
    """End a call that cannot be served: ringing on, or silence, would be worse."""
    call.record(ErrorHappened(message=reason))
    if not await service.control(call).hang_up(EndedBy.ERROR, reason, state=CallState.FAILED):
        logger.warning("Call {} may ring on until its caller gives up", call.id)


# A call that is known


def _take_in(service: Service, call: Call, event: CarrierEvent, elsewhere: str | None) -> Afterwards:
    """Take in what an event says: news of a transfer, or something else of the call's own leg.

    Args:
        service: The service.
        call: The call.
        event: What happened.
        elsewhere: Which other process talks on the call.
    """
    if (news := transfer_news(event)) is not None:
        return None if call.is_over else _take_transfer_news(service, call, news, elsewhere)
    if event.transfer_of is not None:
        return None  # the destination's leg is no call of ours
    if event.answered_by is not None:
        call.record_once(AnswererDetected(event.answered_by))
    if event.recording is not None and was_reported(call, event.recording) and has_message_box(call):
        return take_report(service, call)
    if event.status is not None:
        if event.hangup_cause and _is_being_referred(call):
            return _take_end_after_refer(service, call, event, event.status)
        _take_status(service, call, event, event.status)
    if event.spoken:
        was_spoken(call)
        if has_message_box(call):
            return go_on(service, call)
    if event.stream_failed is not None or event.stream_stopped:
        return stream_again(service, call, event)
    return None


def _take_status(service: Service, call: Call, event: CarrierEvent, update: StatusUpdate) -> None:
    if update.state is not None and CallState(update.state.value).is_end and not call.is_over:
        _note_who_ended(service, call, event)
    if call.apply(update):
        logger.info("Call {} is {}", call.id, call.state)
        free_colleague(service, call)


async def _take_end_after_refer(
    service: Service, call: Call, event: CarrierEvent, update: StatusUpdate
) -> None:
    """Take in the end of a leg once the news of its REFER, which may have been overtaken, had time to come."""
    await call.comes_true(lambda: not _is_being_referred(call), REFER_LATE_SECS)
    _take_status(service, call, event, update)


def _is_being_referred(call: Call) -> bool:
    """Whether a REFER is under way, which ends our leg when it works: the two talk without the carrier then."""
    started = call.last(TransferStarted, TransferEnded)
    refer = isinstance(started, TransferStarted) and started.refer
    return refer and not call.is_over and call.ending is None


def _note_who_ended(service: Service, call: Call, event: CarrierEvent) -> None:
    """Note who has hung up, where the carrier says more than that the call is over."""
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


# A transfer


def _take_transfer_news(
    service: Service, call: Call, news: TransferNews, elsewhere: str | None
) -> Afterwards:
    """Take in what an event says of a transfer of a call that goes on, in whatever order its events come."""
    afterwards: Afterwards = None
    if news.outcome is None and call.transfer_under_way is not None:
        afterwards = _unless_told(service, call, news, elsewhere)
        if not news.leg_is_over:
            if (session := attached_to(call)) is not None:
                session.step_aside()
            elif elsewhere is not None:
                step_aside = have_it_step_aside(service, elsewhere, call)
                service.later(step_aside, f"silence on call {call.id}")
    elif news.outcome is not None:
        given_up = call.last(TransferStarted, TransferEnded)
        connected = news.outcome is TransferOutcome.CONNECTED and not news.leg_is_left_over
        if connected and isinstance(given_up, TransferEnded) and given_up.outcome is not news.outcome:
            # The bot believes that the transfer has failed, but the two are connected: it goes on.
            call.record(TransferStarted(given_up.destination, warm=False))
            afterwards = silence_the_bot(service, call)
        afterwards = _ended(service, call, news, elsewhere) or afterwards
    if news.colleague_hung_up and call.state is CallState.TRANSFERRED:
        call.will_end(EndedBy.HUMAN, COLLEAGUE_HUNG_UP)
    return afterwards


async def _unless_told(service: Service, call: Call, news: TransferNews, elsewhere: str | None) -> None:
    """Conclude how a transfer ended whose destination has answered, when the carrier's event about it was lost.

    A destination that has answered counts as connected. When an answered leg is over, the caller's leg ends with it if
    the two have talked; a caller who is still on the line was never connected.
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
    if call.last(TransferStarted) is started:
        afterwards = _ended(service, call, replace(news, outcome=outcome), elsewhere)
        if afterwards is not None:
            await afterwards


def _ended(service: Service, call: Call, news: TransferNews, elsewhere: str | None) -> Afterwards:
    """Write down how a transfer that is under way ended, and connect a caller who is alone with the bot again.

    A session in another process learns of the end by the call, as one in this process does.
    """
    destination, outcome, session = call.transfer_under_way, news.outcome, attached_to(call)
    if destination is None or outcome is None:
        return None
    if news.leg_is_left_over:
        call.will_end(EndedBy.HUMAN, f"handed over to {destination}")
    with_the_bot = session is not None or elsewhere is not None
    call.transfer_ended(destination, outcome, news.detail, bot_tells=with_the_bot)
    logger.info("Call {}: transfer ended: {}", call.id, outcome)
    if session is None:
        if elsewhere is not None:
            return None
        # Unless the two are connected, the caller is alone: the stream was lost while the phone rang.
        if outcome is TransferOutcome.CONNECTED:
            return None
        alone = regret_and_hang_up if was_turned_away(call) else back_to_the_bot
        return alone(service, call)
    if outcome is TransferOutcome.CONNECTED:
        session.step_aside()  # at once: to end its stream takes longer
    return None
