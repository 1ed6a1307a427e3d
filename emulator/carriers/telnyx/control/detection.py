"""Answering machine detection for legs under Call Control: who has answered, reported by events.

Sources: Telnyx docs, "Answering machine detection" (kinds, results, order of the events), parameters of `dial`. When
call.machine.premium.detection.started is sent is not documented; here it is at the answer.
"""

from __future__ import annotations

from emulator.carriers.telnyx.control.orders import Detection
from emulator.carriers.telnyx.control.told_call import ToldCall
from emulator.carriers.telnyx.detection_words import PREMIUM, STANDARD
from emulator.legs.amd import find, of_whom
from emulator.legs.plan import AmdOrder
from emulator.line.colleague import VoicemailBox

AFTER_GREETING_MS = 800
INITIAL_SILENCE_MS = 3500
BEEP_WINDOW_SECS = 30.0


def tell_in_background(call: ToldCall, detection: Detection) -> None:
    """Listen to the callee who has answered, and send the events; a late result may come after the call's end."""
    if of_whom(call).after_secs is None:
        call.background(lambda: _detect_and_tell(call, detection))
    else:
        call.in_background(_detect_and_tell(call, detection))


async def _detect_and_tell(call: ToldCall, detection: Detection) -> None:
    family = "call.machine.premium" if detection.premium else "call.machine"
    if detection.premium:
        call.tell(f"{family}.detection.started")
    order = AmdOrder(
        timeout_secs=detection.timeout_secs,
        speech_ms=detection.greeting_ms,
        speech_end_ms=AFTER_GREETING_MS,
        silence_ms=INITIAL_SILENCE_MS,
    )
    found = await find(call, order)
    result = of_whom(call).told_as(found, PREMIUM if detection.premium else STANDARD)
    call.leg.answered_by = result
    call.timeline.note("amd", f"answering machine detection: {result}", answered_by=result)
    # Documented for the premium kind: a beep that comes before the result is reported instead of it.
    if not (detection.premium and found == "machine" and _beeped(call)):
        told = call.tell(f"{family}.detection.ended", {"result": result})
        if call.over:
            await told
    if found == "machine" and detection.kind != "detect" and not call.over:
        call.background(lambda: _tell_of_greeting(call, detection, f"{family}.greeting.ended"))


async def _tell_of_greeting(call: ToldCall, detection: Detection, event: str) -> None:
    secs = detection.timeout_secs if detection.premium else BEEP_WINDOW_SECS
    until_ms = call.line.now_ms + secs * 1000
    while not _is_over(call, detection) and call.line.now_ms < until_ms:
        await call.line.tick()
    if detection.kind == "greeting_end":
        call.tell(event, {"result": "ended"})
    elif _beeped(call):
        call.tell(event, {"result": "beep_detected"})
    elif detection.premium:
        call.tell(event, {"result": "no_beep_detected"})
    elif detection.kind == "detect_words":
        call.tell(event, {"result": "not_sure"})


def _is_over(call: ToldCall, detection: Detection) -> bool:
    box = call.caller
    if not isinstance(box, VoicemailBox) or box.recording_from_ms is None:
        return False
    return box.beeps or detection.kind == "greeting_end"


def _beeped(call: ToldCall) -> bool:
    box = call.caller
    return isinstance(box, VoicemailBox) and box.beeps and box.recording_from_ms is not None
