"""`refer`: a SIP phone is asked to call somebody else itself and to leave.

Sources: Telnyx docs, call command refer and its events (call.refer.started, .completed, .failed with
`sip_notify_response`); RFC 3515 (the phone tells by NOTIFY how its new call gets on).

Not documented and chosen here: a leg that is not a SIP phone's is told as call.refer.failed with 405 (RFC 3261,
method not allowed) and stays; a phone that has reached the other hangs up, and the leg is over; one that has not
stays. What the two then say to each other is not the carrier's, and not emulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.call_control_payloads import Cause
from emulator.colleague import ColleagueCall
from emulator.leg import INBOUND, Ending

if TYPE_CHECKING:
    from emulator.call_control_leg import ControlledCall

PHONE_RINGS_SECS = 30.0
_CODES: Mapping[str, tuple[int, Ending]] = {
    "answers": (200, "completed"),
    "voicemail": (200, "completed"),
    "busy": (486, "busy"),
    "declines": (603, "declined"),
    "no_answer": (480, "no_answer"),
    "unreachable": (503, "failed"),
}


async def follow_refer(call: ControlledCall, address: str) -> None:
    """Let the phone of this leg call somebody else."""
    incoming = call.leg.direction == INBOUND
    phone = call.leg.from_number if incoming else call.leg.to_number
    record = ColleagueCall(address, "", phone)
    call.colleagues.append(record)
    if not phone.lower().startswith(("sip:", "sips:")):
        call.fail("refer: the leg is not a SIP phone's, so there is nothing that could follow it")
        _fail(call, record, 405, "failed")
        return
    call.tell("call.refer.started", {"sip_notify_response": 100})
    call.timeline.note("refer", f"the phone is asked to call {address}")
    person = call.exchange.person_at(address, call)
    record.ringing_ms = call.line.now_ms
    if person is None:
        _fail(call, record, 404, "failed")
        return
    silent = person.behaviour == "no_answer"
    await call.exchange.clock.sleep(PHONE_RINGS_SECS if silent else person.answers_after_secs)
    code, outcome = _CODES[person.behaviour]
    if outcome != "completed":
        _fail(call, record, code, outcome)
        return
    record.outcome, record.answered_ms = outcome, call.line.now_ms
    call.tell("call.refer.completed", {"sip_notify_response": code})
    call.cause = Cause("normal_clearing", "caller" if incoming else "callee", "200")
    call.hang_up("colleague", f"the phone has reached {address} and leaves")


def _fail(call: ControlledCall, record: ColleagueCall, code: int, outcome: Ending) -> None:
    record.outcome, record.ended_ms = outcome, call.line.now_ms
    call.timeline.note("refer", f"the phone has not reached {record.number} ({code})", outcome=outcome)
    call.tell("call.refer.failed", {"sip_notify_response": code})
