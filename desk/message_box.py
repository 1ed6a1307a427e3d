"""Callers for whom there is no room, and who may leave a message instead: the carrier records it, and thanks them.

A document has the carrier do all of it. A call that is run by commands goes on step by step: each event brings the next
step, in whichever process it comes to, and the process that took the last step takes the next one when no event comes.
So a process that dies leaves nobody on the line.
"""

from __future__ import annotations

from loguru import logger

from calls.call import Call
from calls.errors import NotDone
from calls.events.lifecycle import CarrierSpeaks
from calls.message_box import (
    LEAST_SECS,
    LONGEST_SECS,
    SILENCE_SECS,
    has_message_box,
    note_message,
    record_message,
)
from calls.recordings import ORDER, STOPPED, Recording, change_recording, recordings, was_reported
from calls.states import CallState, EndedBy
from carriers.carrier import DocumentCarrier, MessageDocument, RecordedMessage
from desk.carrier_words import SAID_SECS, heard_out, tell, was_told, words
from desk.reported import call_of, keep, take_recorded
from desk.service import Service

NO_ROOM = "no room for another call"
"""Why a call ends for which there was no room, for its record."""

LEAVE, TAKEN, GOODBYE, BUSY = "leave_message", "message_taken", "goodbye", "all_busy"
"""Lines of the agent."""

END_LATE_SECS = 10.0
"""How long after its longest time a recording may take to be reported."""

SAVED_LATE_SECS = 5.0
"""The same once we have stopped it: the caller hears nothing meanwhile."""


# Calls that are run by documents


def box_document(service: Service, carrier: DocumentCarrier, call: Call) -> str:
    """The document that has the carrier take a message; the same when the carrier asks again."""
    _open(service, call)
    if call.state is CallState.RINGING:
        call.move(CallState.IN_PROGRESS, cause="answered without the bot")
    say, language = words(service.settings, call, LEAVE)
    nothing_said, _ = words(service.settings, call, GOODBYE)
    return carrier.message_document(
        MessageDocument(
            say=say,
            language=language,
            nothing_said=nothing_said,
            action_url=service.way_back.message_url(call),
            status_url=service.way_back.recording_url(call),
            longest_secs=LONGEST_SECS,
            silence_secs=SILENCE_SECS,
        )
    )


async def after_message(
    service: Service, carrier: DocumentCarrier, told: RecordedMessage, our_id: str | None, *, trusted: bool
) -> str:
    """Take in what the caller has left, and tell the carrier to thank them and to hang up.

    The length that is told now may be with the silence that ended the recording, or without it, where the carrier has
    trimmed it. One that is just as long as that silence, and that no caller has ended, may have nothing in it: whether
    it is a message says the report of the file (`take_recorded`).

    Args:
        service: The service.
        carrier: The call's carrier.
        told: What the carrier asks.
        our_id: Our id of the call, from the address.
        trusted: Whether the request may be about any call; else only about that of its address.

    Returns:
        The document.
    """
    call = await call_of(service, carrier.name, told.recording.call_id, our_id, trusted=trusted)
    if call is None or not has_message_box(call):
        return carrier.end_document()
    recording = told.recording
    if recording.url is not None or recording.recording_id is not None:
        was_reported(call, recording)
    length = recording.duration_secs
    has_words = length is None or length > SILENCE_SECS or LEAST_SECS <= length < SILENCE_SECS
    certain = told.ended_by_caller or has_words
    if (message := note_message(call, service.store.now(), certain=certain)) is not None:
        await keep(service, call, message)
    return carrier.end_document(*words(service.settings, call, *([TAKEN, GOODBYE] if certain else [GOODBYE])))


def _open(service: Service, call: Call) -> None:
    call.will_end(EndedBy.LIMIT, NO_ROOM)
    service.room.see_out(call)


# Calls that are run by commands


async def take_message(service: Service, call: Call) -> None:
    """Ask the caller of a call that was answered without the bot for a message."""
    _open(service, call)
    await _say(service, call, LEAVE)


async def take_report(service: Service, call: Call) -> None:
    """Take in what became of the recording, and go on."""
    await take_recorded(service, call)
    await go_on(service, call)


async def go_on(service: Service, call: Call) -> None:
    """Do what comes next on a call with a message box, if the last step is done and nobody has begun the next one."""
    said, recording = call.last(CarrierSpeaks), _recording(call)
    if call.is_over or not has_message_box(call) or said is None:
        return
    if said.line != LEAVE:
        if was_told(call, said.line):
            await _hang_up(service, call)
    elif recording is None:
        if was_told(call, LEAVE):
            await _record(service, call)
    elif recording.order >= ORDER[STOPPED]:
        await _say(service, call, TAKEN, GOODBYE)


async def _say(service: Service, call: Call, *lines: str) -> None:
    """Say something, and go on behind it as if it was said, when nobody reports that."""
    try:
        await tell(service, call, *lines)
    except NotDone as error:
        logger.warning("Call {}: the caller does not hear what comes next: {}", call.id, error)
        await _hang_up(service, call)
        return
    if await call.comes_true(lambda: call.is_over or was_told(call, lines[0]), SAID_SECS):
        return
    if lines[0] == LEAVE:
        await _record(service, call)
    else:
        await _hang_up(service, call)


async def _record(service: Service, call: Call) -> None:
    """Record the caller, and end that when no report says that it has ended."""
    control = service.control(call)
    try:
        await record_message(control)
    except NotDone as error:
        if not call.is_over:
            logger.warning("Call {}: no message can be recorded: {}", call.id, error)
            await _say(service, call, BUSY)
        return

    def is_done() -> bool:
        recording = _recording(call)
        return call.is_over or (recording is not None and recording.order >= ORDER[STOPPED])

    if await call.comes_true(is_done, LONGEST_SECS + END_LATE_SECS):
        return
    try:
        await change_recording(control, "stop")
    except NotDone as error:
        logger.debug("Call {}: {}", call.id, error)  # it has ended, and its report was lost
    await call.comes_true(lambda: call.is_over or _has_gone_on(call), SAVED_LATE_SECS)
    if not call.is_over and not _has_gone_on(call):
        await _say(service, call, TAKEN, GOODBYE)


def _has_gone_on(call: Call) -> bool:
    said = call.last(CarrierSpeaks)
    return said is not None and said.line != LEAVE


async def _hang_up(service: Service, call: Call) -> None:
    if await heard_out(service, call):
        await service.control(call).hang_up(EndedBy.LIMIT, NO_ROOM)


def _recording(call: Call) -> Recording | None:
    return next(reversed(recordings(call)), None)
