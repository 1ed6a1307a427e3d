"""Messages of callers for whom there was no room, as the carrier records them: whether one was left, and what is kept.

Nothing of it is known by one process alone: what there is to know is in the call's events.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from calls.call import Call
from calls.control import CallControl
from calls.events.lifecycle import RecordingReported, TurnedAway
from calls.events.talk import MessageRecorded
from calls.left_messages import Message
from calls.recordings import COMPLETED, IN_PROGRESS, RECORD_BUDGET_SECS, STOPPED, was_changed, with_fresh_ids

MESSAGE_BOX = "message"
"""What such a caller gets, in `TurnedAway`."""

LONGEST_SECS = 120
"""How long a message may be."""

SILENCE_SECS = 5
"""After so much silence it is over."""

LEAST_SECS = 2
"""What is shorter is no message: somebody has hung up at the tone."""


def has_message_box(call: Call) -> bool:
    """Whether there is a call's caller who may leave a message, as there was no room for the call."""
    away = call.last(TurnedAway)
    return away is not None and away.how == MESSAGE_BOX


def note_message(call: Call, at: datetime, *, certain: bool = True) -> Message | None:
    """Take in that a message was left, once, as soon as a report of the call's recording says so.

    Args:
        call: The call, with its recordings as they were reported.
        at: The time.
        certain: Whether a recording whose file may not be there yet has something in it. Otherwise only the report
            counts that the file is there, whose length is without the silence.

    Returns:
        The message that is to be kept; None when none was left, as far as is known, or it was noted before.
    """
    report = call.last(RecordingReported)
    if not has_message_box(call) or call.has(MessageRecorded) or report is None or not report.url:
        return None
    if report.state != COMPLETED and not (certain and report.state == STOPPED):
        return None
    if report.duration_secs is not None and report.duration_secs < LEAST_SECS:
        return None
    event = MessageRecorded(callback_number=call.from_number or "", recorded=True)
    call.record(event)
    return Message(
        taken_at=at,
        call_id=call.id,
        agent=call.agent or "",
        caller_name="",
        callback_number=event.callback_number,
        text="",
        recording_url=report.url,
        recording_secs=report.duration_secs,
    )


async def record_message(control: CallControl) -> None:
    """Have the carrier record the caller after a tone, on a call that is run by commands.

    Raises:
        NotDone: It is not recorded, as far as we know.
    """
    call, carrier = control.call, control.commanded("record a message")
    # Another process that does the same, as both were told to, sends the same one.
    first_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.id} {MESSAGE_BOX}"))

    async def request(command_id: str) -> None:
        await carrier.record_message(
            call.carrier_call_id,
            longest_secs=LONGEST_SECS,
            silence_secs=SILENCE_SECS,
            state={"call_id": call.id},
            command_id=command_id,
        )

    await control.act(with_fresh_ids(request, first_id), "record a message", RECORD_BUDGET_SECS)
    was_changed(call, IN_PROGRESS, None)
