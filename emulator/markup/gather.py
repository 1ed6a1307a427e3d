"""`<Gather>` and `<Record>`: the document waits for keys, or for a message.

Sources: Twilio docs, voice/twiml/{gather,record}; Telnyx docs, TeXML gather and record. Speech is not recognised. Not
documented and chosen here: TeXML's `minDigits` and `validDigits` are not emulated.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin

from emulator.documents.parsing import Document, Verb
from emulator.legs.call import Call
from emulator.legs.plan import GoTo, Start
from emulator.legs.recordings import VERB, Recording, RecordingOrder, callback, media_url

ANY_KEY = "1234567890*#"
TIMEOUT_SECS = 5.0
LONGEST_RECORDING_SECS = 3600.0
NOTHING_SAID_MS = 200


async def gather(call: Call, verb: Verb, document: Document) -> Start | None:
    """Play what is nested, and collect keys until there are enough, the last one is pressed or time is up."""
    attributes = verb.attributes
    if "dtmf" not in attributes.get("input", "dtmf"):
        call.fail("<Gather input> without dtmf is not emulated; nothing will be gathered")
    most = _whole(attributes.get("numDigits"), 10**6)
    finish = attributes.get("finishOnKey", "#")
    timeout_ms = _secs(attributes.get("timeout"), TIMEOUT_SECS) * 1000
    line, keys = call.line, ""
    last_ms, finished = line.now_ms, False

    def press(digit: str) -> bool:
        nonlocal keys, finished, last_ms
        last_ms = line.now_ms
        if digit in finish:
            finished = True
        else:
            keys += digit
            finished = finished or len(keys) >= most
        return True

    call.timeline.note("gather", "the document waits for keys")
    call.keypad = press
    prompts = asyncio.create_task(_prompts(call, verb))
    try:
        while not finished:
            if keys and not prompts.done():
                prompts.cancel()  # the first key interrupts what is being said
            if not prompts.done():
                last_ms = line.now_ms
            elif line.now_ms - last_ms >= timeout_ms:
                break
            await line.tick()
    finally:
        call.keypad = None
        prompts.cancel()
        await asyncio.gather(prompts, return_exceptions=True)
    call.timeline.note("gather", f"{len(keys)} key(s) were gathered", digits=keys)
    if not keys and not verb.flag("actionOnEmptyResult", False):
        return None
    return _action(call, verb, document, {"Digits": keys})


async def _prompts(call: Call, verb: Verb) -> None:
    for child in verb.children:
        if not await call.line_verbs.obey(child):
            call.fail(f"<Gather> with <{child.name}> is not emulated; it is left out")


async def record(call: Call, verb: Verb, document: Document) -> Start | None:
    """Record the person at the phone until they are silent, press a key, or the recording is as long as it may be."""
    attributes = verb.attributes
    timeout_ms = _secs(attributes.get("timeout"), TIMEOUT_SECS) * 1000
    longest_ms = _secs(attributes.get("maxLength"), LONGEST_RECORDING_SECS) * 1000
    finish = attributes.get("finishOnKey", ANY_KEY)
    line, pressed = call.line, ""

    def press(digit: str) -> bool:
        nonlocal pressed
        if digit in finish:
            pressed = digit
        return True

    order = RecordingOrder(
        dual=False, track="inbound", beep=attributes.get("playBeep", "true") == "true", source=VERB
    )
    base = document.url or ""
    report = {key[0].upper() + key[1:]: value for key, value in attributes.items()}
    if url := report.get("RecordingStatusCallback"):
        report["RecordingStatusCallback"] = urljoin(base, url)
    call.timeline.note("record", "the document records the caller")
    recording: Recording = call.exchange.recordings.start(
        call.dialect.new_recording_id(), call, order, callback(report)
    )
    begin_ms = line.now_ms
    call.keypad = press
    try:
        while not pressed and line.now_ms - begin_ms < longest_ms:
            silent_ms = line.now_ms - max(begin_ms, _last_spoken_ms(call, begin_ms))
            if silent_ms >= timeout_ms:
                recording.trim_end_ms = round(silent_ms)
                break
            await line.tick()
    finally:
        call.keypad = None
        recording.stop()
    if len(recording.samples()) * 1000 // 8000 < NOTHING_SAID_MS:
        return None
    parameters = {
        "RecordingUrl": media_url(recording),
        "RecordingSid": recording.recording_id,
        "RecordingDuration": str(recording.duration_secs),
        "Digits": pressed or ("hangup" if call.over else ""),
    }
    return _action(call, verb, document, parameters)


def _last_spoken_ms(call: Call, begin_ms: int) -> int:
    """The end of the last thing that was said into the phone, in ms; in the future while it is being said."""
    return max((line.end_ms for line in call.caller.lines), default=begin_ms)


def _action(call: Call, verb: Verb, document: Document, parameters: dict[str, str]) -> Start | None:
    action = verb.attributes.get("action")
    if action is None and document.url is None:
        call.fail(f"11100 <{verb.name}> has no action, and its document has no URL of its own")
        return None
    url = urljoin(document.url or "", action or "")
    return GoTo(url, verb.attributes.get("method", "POST"), parameters)


def _secs(text: str | None, default: float) -> float:
    try:
        return default if text in (None, "auto") else max(0.0, float(text or ""))
    except ValueError:
        return default


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() and int(text) > 0 else default
