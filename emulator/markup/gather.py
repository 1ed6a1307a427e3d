"""`<Gather>`: the document waits for keys.

Sources: Twilio docs, voice/twiml/gather; Telnyx docs, TeXML gather. Speech is not recognised. Not documented and chosen
here: TeXML's `minDigits` and `validDigits` are not emulated.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin

from emulator.documents.parsing import Document, Verb
from emulator.legs.call import Call
from emulator.legs.plan import GoTo, Start

TIMEOUT_SECS = 5.0


async def gather(call: Call, verb: Verb, document: Document) -> Start | None:
    """Play what is nested, and collect keys until there are enough, the last one is pressed or time is up."""
    attributes = verb.attributes
    if "dtmf" not in attributes.get("input", "dtmf"):
        call.fail("<Gather input> without dtmf is not emulated; nothing will be gathered")
    most = _whole(attributes.get("numDigits"), 10**6)
    finish = attributes.get("finishOnKey", "#")
    timeout_ms = secs_of(attributes.get("timeout"), TIMEOUT_SECS) * 1000
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
    return action_of(call, verb, document, {"Digits": keys})


async def _prompts(call: Call, verb: Verb) -> None:
    for child in verb.children:
        if not await call.line_verbs.obey(child):
            call.fail(f"<Gather> with <{child.name}> is not emulated; it is left out")


def action_of(call: Call, verb: Verb, document: Document, parameters: dict[str, str]) -> GoTo | None:
    """What a verb's `action`, else its document itself, leads to, with what it is told; None where there is neither."""
    action = verb.attributes.get("action")
    if action is None and document.url is None:
        call.fail(f"11100 <{verb.name}> has no action, and its document has no URL of its own")
        return None
    url = urljoin(document.url or "", action or "")
    return GoTo(url, verb.attributes.get("method", "POST"), parameters)


def secs_of(text: str | None, default: float) -> float:
    """A number of seconds in an attribute."""
    try:
        return default if text in (None, "auto") else max(0.0, float(text or ""))
    except ValueError:
        return default


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() and int(text) > 0 else default
