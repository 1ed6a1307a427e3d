"""`<Record>`: the document waits for a message of the person at the phone.

Sources: Twilio docs, voice/twiml/record; Telnyx docs, TeXML record (what they do differently: `RecordRules`). Twilio's
page tells of a caller who says nothing that `action` is asked, and that the next verb is carried out; here it is the
latter, as in its examples. Not documented and chosen here: what `action` is told of the recording at Telnyx (nothing),
and whether it is asked there when the caller hangs up (it is not); that a recording in which nothing was said stays one
at Telnyx, and is "absent" at Twilio. The name RecordingSid is not documented for `action`.
"""

from __future__ import annotations

from urllib.parse import urljoin

from emulator.documents.parsing import Document, Verb
from emulator.legs.call import Call
from emulator.legs.plan import GoTo, Start
from emulator.legs.recordings import (
    VERB,
    Recording,
    RecordingOrder,
    Tell,
    callback,
    last_spoken_ms,
    media_url,
)
from emulator.legs.webhooks import WebhookFailed
from emulator.markup.gather import action_of, secs_of

ANY_KEY = "1234567890*#"
HANG_UP = "hangup"
LONGEST_SECS = 3600.0
NOTHING_SAID_MS = 200
LOOK_SECS = 0.1


async def record(call: Call, verb: Verb, document: Document) -> Start | None:
    """Record the person at the phone until they are silent, press a key, or the recording is as long as it may be."""
    attributes, rules = verb.attributes, call.dialect.record_rules
    timeout_ms = secs_of(attributes.get("timeout"), rules.timeout_secs) * 1000
    longest_ms = secs_of(attributes.get("maxLength"), LONGEST_SECS) * 1000
    finish = attributes.get("finishOnKey", ANY_KEY)
    line, pressed = call.line, ""

    def press(digit: str) -> bool:
        nonlocal pressed
        if digit in finish:
            pressed = digit
        return True

    order = RecordingOrder(
        dual=rules.dual and attributes.get("channels", "dual") == "dual",
        track="both" if rules.dual else "inbound",
        beep=verb.flag("playBeep", True),
        source=VERB,
    )
    call.timeline.note("record", "the document records the caller")
    recording = call.exchange.recordings.start(
        call.dialect.new_recording_id(), call, order, _report(call, verb, document)
    )
    begin_ms = line.now_ms
    call.keypad = press
    try:
        while not pressed and not (longest_ms and line.now_ms - begin_ms >= longest_ms):
            spoken_ms = last_spoken_ms(call, begin_ms)
            if spoken_ms is None and not rules.waits_for_speech:
                spoken_ms = begin_ms
            silent_ms = 0.0 if spoken_ms is None else line.now_ms - spoken_ms
            if timeout_ms and silent_ms >= timeout_ms:
                recording.trim_end_ms = round(silent_ms)
                break
            await line.tick()
    finally:
        call.keypad = None
        recording.stop()
        if call.over and rules.asks_when_hung_up:
            call.in_background(_told_of_hang_up(call, verb, document, recording))
    if not rules.asks_when_empty and _is_empty(recording):
        return None
    if "action" not in attributes and not rules.asks_itself:
        return None
    return action_of(call, verb, document, _told(call, recording, pressed))


async def _told_of_hang_up(call: Call, verb: Verb, document: Document, recording: Recording) -> None:
    """Ask `action` of a caller who has hung up: what it answers is carried out by nobody."""
    if _is_empty(recording):
        return
    where = action_of(call, verb, document, _told(call, recording, HANG_UP))
    if isinstance(where, GoTo):
        try:
            await call.webhooks.document(where.url, call.leg, where.method, extra=dict(where.extra))
        except WebhookFailed as error:
            call.fail(str(error))


def _told(call: Call, recording: Recording, ended_by: str) -> dict[str, str]:
    if not call.dialect.record_rules.tells_action:
        return {}
    return {
        "RecordingUrl": media_url(recording),
        "RecordingDuration": str(recording.duration_secs),
        "Digits": ended_by,
    }


def _report(call: Call, verb: Verb, document: Document) -> Tell:
    """Reports the recording to the document's `recordingStatusCallback`."""
    form = {key[0].upper() + key[1:]: value for key, value in verb.attributes.items()}
    if url := form.get("RecordingStatusCallback"):
        form["RecordingStatusCallback"] = urljoin(document.url or "", url)
    at_once = callback(form)

    async def once_over(recording: Recording) -> None:
        while not call.over:
            await call.clock.sleep(LOOK_SECS)
        await at_once(recording)

    return once_over if call.dialect.record_rules.reports_after_call else at_once


def _is_empty(recording: Recording) -> bool:
    return len(recording.samples()) * 1000 // 8000 < NOTHING_SAID_MS
