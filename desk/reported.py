"""What carriers report about calls, the same for every carrier: late, twice, out of order, or never."""

from __future__ import annotations

from loguru import logger

from calls.call import Call
from calls.events.lifecycle import AnswererDetected, ErrorHappened
from calls.left_messages import Message, MessageBook
from calls.message_box import note_message
from calls.recordings import was_reported
from carriers.carrier import MachineResult, RecordingUpdate, StatusUpdate
from desk.left_colleagues import free_colleague
from desk.service import Service


async def call_of(
    service: Service,
    carrier: str,
    carrier_call_id: str | None,
    our_id: str | None = None,
    *,
    trusted: bool = True,
) -> Call | None:
    """The call that a carrier's request is about.

    Args:
        service: The service.
        carrier: The carrier's name.
        carrier_call_id: The carrier's id of the call; None when the request does not say it.
        our_id: Our id of the call, from the address.
        trusted: Whether the request may be about any call; else only about that of its address.

    Returns:
        None when the call is not known (any more), or the two ids are those of different calls.
    """
    call = await service.store.named(carrier, carrier_call_id, our_id)
    if call is not None and not trusted and call.id != our_id:
        logger.warning("A request of {} is not believed: its address is for another call", carrier)
        return None
    return call


async def take_status(
    service: Service, carrier: str, update: StatusUpdate, our_id: str | None, *, trusted: bool
) -> None:
    """Take in where a call stands."""
    call = await call_of(service, carrier, update.call_id, our_id, trusted=trusted)
    if call is not None and call.apply(update):
        logger.info("Call {} is {}", call.id, call.state)
        free_colleague(service, call)


async def take_machine_result(
    service: Service, carrier: str, result: MachineResult, our_id: str | None, *, trusted: bool
) -> None:
    """Take in who, or what, has answered a call of ours."""
    call = await call_of(service, carrier, result.call_id, our_id, trusted=trusted)
    if call is not None:
        call.record_once(AnswererDetected(result.answered_by))


async def take_recording(
    service: Service, carrier: str, update: RecordingUpdate, our_id: str | None, *, trusted: bool
) -> None:
    """Take in what became of a recording, also of a call that is over."""
    call = await call_of(service, carrier, update.call_id, our_id, trusted=trusted)
    if call is not None:
        was_reported(call, update)
        await take_recorded(service, call)


async def take_recorded(service: Service, call: Call) -> None:
    """Take in that what a caller has said to the carrier may be a message; also on a call that is over."""
    if (message := note_message(call, service.store.now())) is not None:
        await keep(service, call, message)


async def keep(service: Service, call: Call, message: Message) -> None:
    """Write a message into the file of messages. It is an event of its call already: the owner is told in any case."""
    logger.info("Call {}: a message was left", call.id)
    try:
        await MessageBook(service.settings.data_dir).keep(message)
    except OSError as error:
        logger.error("Call {}: its message cannot be written into the file: {}", call.id, error.strerror)
        call.record(ErrorHappened(message=f"message not kept: {error.strerror}"))
