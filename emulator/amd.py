"""Answering machine detection: listens to whoever has answered, and tells the server who it is.

Sources: Twilio docs, voice/answering-machine-detection (MachineDetection, the four tuning parameters and their
defaults, AsyncAmd); Telnyx docs, TeXML answering machine. When the result comes follows from what is heard on the
line, as documented; whether it is a machine this detector knows, so it never errs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.codecs import FRAME_MS, loudness
from emulator.colleague import VoicemailBox
from emulator.earpiece import AUDIBLE
from emulator.plan import AmdOrder

if TYPE_CHECKING:
    from emulator.call import Call


async def detect_and_tell(call: Call, order: AmdOrder) -> str:
    """Find out who has answered and send the callback if there is one; returns the result."""
    begin_ms = call.line.now_ms
    answered_by = await detect(call, order)
    duration_ms = call.line.now_ms - begin_ms
    call.leg.answered_by = answered_by
    call.timeline.note(
        "amd", f"answering machine detection: {answered_by}", answered_by=answered_by, ms=duration_ms
    )
    if order.callback is not None:
        parameters = call.dialect.amd_parameters(call.leg, answered_by, duration_ms)
        what = f"answering machine detection {answered_by}"
        call.in_background(call.webhooks.notify(order.callback, parameters, what, order.method))
    return answered_by


async def detect(call: Call, order: AmdOrder) -> str:
    """`human`, `machine_start`, `machine_end_beep`, `machine_end_silence`, `machine_end_other` or `unknown`.

    Lasts for ever on a line that is hung up before there is a result; to be cancelled then.
    """
    line, box = call.line, call.caller if isinstance(call.caller, VoicemailBox) else None
    judged = first = len(line.said)
    speech_ms = silence_ms = 0
    while True:
        while judged < len(line.said):
            loud = loudness(line.said[judged]) >= AUDIBLE
            judged += 1
            speech_ms += FRAME_MS if loud else 0
            silence_ms = 0 if loud else silence_ms + FRAME_MS
            over = speech_ms > 0 and silence_ms >= order.speech_end_ms
            beeped = box is not None and box.beeps and box.recording_from_ms is not None
            if speech_ms == 0 and silence_ms >= order.silence_ms:
                return "unknown"
            if box is None and (over or speech_ms >= order.speech_ms):
                return "human"
            if box is not None and not order.until_end and (over or beeped or speech_ms >= order.speech_ms):
                return "machine_start"
            if order.until_end and beeped:
                return "machine_end_beep"
            if order.until_end and over:
                return "machine_end_silence"
            if (judged - first) * FRAME_MS >= order.timeout_secs * 1000:
                return "machine_end_other" if box is not None and order.until_end else "unknown"
        await line.tick()
