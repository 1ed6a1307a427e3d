"""Answering machine detection: listens to the callee who has answered, and reports to the server who, or what, it is.

Sources: Twilio docs, voice/answering-machine-detection (MachineDetection, the four tuning parameters and their
defaults, AsyncAmd); Telnyx docs, TeXML answering machine. When the result comes follows from what is heard on the line,
as documented. The result itself is the truth, which the emulator knows, unless a person's `detected` says otherwise.
"""

from __future__ import annotations

import asyncio

from emulator.legs.call import Call
from emulator.legs.plan import AmdOrder
from emulator.line.codecs import FRAME_MS, loudness
from emulator.line.colleague import FaxMachine, VoicemailBox
from emulator.line.detected import THE_TRUTH, Detected
from emulator.line.earpiece import AUDIBLE


def of_whom(call: Call) -> Detected:
    """What detection finds of the callee of a call."""
    return call.plan.person.detected if call.plan.person is not None else THE_TRUTH


def tell_in_background(call: Call, order: AmdOrder) -> None:
    """Find out who has answered beside the documents; a late result may come after the call's end."""
    if of_whom(call).after_secs is None:
        call.watch(_tell(call, order))
    else:
        call.in_background(_tell(call, order))


async def _tell(call: Call, order: AmdOrder) -> None:
    await detect_and_tell(call, order)


async def detect_and_tell(call: Call, order: AmdOrder) -> str:
    """Find out who has answered and send the callback if there is one; returns the result."""
    begin_ms = call.line.now_ms
    words = call.dialect.detection_words
    found = await find(call, order, tells_end="machine_end_beep" in words)
    answered_by = of_whom(call).told_as(found, words)
    duration_ms = call.line.now_ms - begin_ms
    call.leg.answered_by = answered_by
    call.timeline.note(
        "amd", f"answering machine detection: {answered_by}", answered_by=answered_by, ms=duration_ms
    )
    if order.callback is not None:
        parameters = call.dialect.amd_parameters(call.leg, answered_by, duration_ms)
        what = f"answering machine detection {answered_by}"
        told = call.webhooks.notify(order.callback, parameters, what, order.method)
        if order.in_background and of_whom(call).after_secs is not None:
            await told  # nothing is begun any more in the background of a call that may be over
        else:
            call.in_background(told)
    return answered_by


async def find(call: Call, order: AmdOrder, *, tells_end: bool = False) -> str:
    """Return what is found, at the moment at which the carrier reports it. Lasts for ever if nothing is found.

    Args:
        call: The leg.
        order: What to listen for.
        tells_end: Whether the interface has words for the end of a greeting, if the order asks for it.
    """
    detected = of_whom(call)
    if detected.finds == "nothing":
        await asyncio.Event().wait()
    until_end = order.until_end and tells_end
    if detected.after_secs is None:
        return await _listen(call, order, detected.finds, until_end)
    await call.clock.sleep(detected.after_secs)
    found = detected.finds or _truth(call)
    return "machine_end_other" if found == "machine" and until_end else found


def _truth(call: Call) -> str:
    kinds = {VoicemailBox: "machine", FaxMachine: "fax"}
    return next((who for kind, who in kinds.items() if isinstance(call.caller, kind)), "human")


async def _listen(call: Call, order: AmdOrder, finds: str | None, until_end: bool) -> str:
    """Return what the detector believes, once it has heard enough to know it.

    Never ends on a line that is hung up before there is a result; cancel it then.
    """
    line, box = call.line, call.caller if isinstance(call.caller, VoicemailBox) else None
    judged = first = len(line.said)
    speech_ms = silence_ms = 0
    believed = finds or _truth(call)
    waits_for_end = believed == "machine" and until_end
    while True:
        while judged < len(line.said):
            loud = loudness(line.said[judged]) >= AUDIBLE
            judged += 1
            speech_ms += FRAME_MS if loud else 0
            silence_ms = 0 if loud else silence_ms + FRAME_MS
            over = speech_ms > 0 and silence_ms >= order.speech_end_ms
            beeped = box is not None and box.beeps and box.recording_from_ms is not None
            long = speech_ms >= order.speech_ms
            if speech_ms == 0 and silence_ms >= order.silence_ms:
                return finds or "silence"
            if waits_for_end and beeped:
                return "machine_end_beep"
            if waits_for_end and over:
                return "machine_end_silence"
            if not waits_for_end and (over or long or (beeped and believed == "machine")):
                return believed
            if (judged - first) * FRAME_MS >= order.timeout_secs * 1000:
                return "machine_end_other" if waits_for_end else "not_sure"
        await line.tick()
