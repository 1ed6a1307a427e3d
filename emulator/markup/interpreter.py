"""Carries out documents on a leg, verb by verb.

What a language does not have is an error of the call before it is carried out (`emulator.documents.languages`).
Sources of the rest: Twilio docs, voice/twiml and its verbs redirect, hangup, reject; Telnyx docs, TeXML verbs. Whether
`<Dial action>` is still asked for when the caller hangs up is not documented (here: no).
"""

from __future__ import annotations

from urllib.parse import urljoin

from emulator.documents.languages import warnings
from emulator.documents.parsing import Document, MarkupError, parse_document
from emulator.errors import CannotReach
from emulator.legs.call import Call
from emulator.legs.plan import Fallback, GoTo, Inline, Start
from emulator.legs.webhooks import WebhookFailed

MAX_DOCUMENTS = 50


async def follow(call: Call, start: Start) -> None:
    """Carry out a document and what it leads to; at the end of the last one the call is over."""
    if await carry_out(call, start):
        call.end(call.left_by or "document", "the document is at its end")


def replace(call: Call, start: Start, fallback: Fallback | None = None) -> None:
    """Let a call obey another document from now on, as a REST update says; what it does now is cancelled.

    Args:
        call: The call.
        start: The document.
        fallback: The URL to ask from now on for a document when there is none elsewhere; None for the one before.
    """
    call.fallback = fallback or call.fallback
    call.divert(lambda: follow(call, start))


async def carry_out(call: Call, start: Start) -> bool:
    """Carry out a document and what it leads to. False if the call is over with it, True if it can go on."""
    following: Start | None = start
    while following is not None:
        document = await _document(call, following)
        if document is None:
            return False
        for warning in warnings(document, call.dialect.language):
            call.fail(warning)
        following = await _obey(call, document)
        if call.over:
            return False
    return True


async def _document(call: Call, start: Start) -> Document | None:
    if isinstance(start, Inline):
        # An inline document is looked at when it is carried out, so a bad one ends the call.
        call.timeline.note("document", "a document by REST")
        try:
            return parse_document(start.markup.encode(), call.dialect.known_verbs)
        except MarkupError as error:
            call.application_error(f"12100 {error}")
            return None
    call.documents += 1
    if call.documents > MAX_DOCUMENTS:
        call.application_error(f"more than {MAX_DOCUMENTS} documents in one call: a <Redirect> loop?")
        return None
    try:
        return await call.webhooks.document(start.url, call.leg, start.method, extra=dict(start.extra))
    except WebhookFailed as error:
        if (instead := _fallback(call, start, error)) is not None:
            call.fail(str(error))
            call.timeline.note("fallback", f"the fallback URL is asked: {instead.method} {instead.url}")
            return await _document(call, instead)
        if start.first and error.unreachable:
            raise CannotReach(f"nothing listens at {start.url}: start the server or change --url") from None
        call.application_error(str(error))
        return None


def _fallback(call: Call, start: GoTo, error: WebhookFailed) -> GoTo | None:
    """The fallback URL that the carrier asks after an error; None if it asks none.

    Sources: Twilio docs, usage/security/availability-reliability (after every fatal error, with `ErrorCode` and
    `ErrorUrl`), call resource (FallbackUrl); Telnyx docs, TeXML instruction fetching and the schema of an application
    (`voice_fallback_url`: when `voice_url` answers with an error), "initiate an outbound call" (when `Url` does not
    respond).
    """
    fallback = call.fallback
    if fallback is None or start.is_fallback:
        return None
    if call.dialect.falls_back_always:
        extra = {"ErrorCode": error.code, "ErrorUrl": start.url}
        return GoTo(fallback.url, fallback.method, extra, is_fallback=True)
    if start.voice and error.trouble is not None:
        return GoTo(fallback.url, fallback.method, is_fallback=True)
    return None


async def _obey(call: Call, document: Document) -> Start | None:
    for index, verb in enumerate(document.verbs):
        if verb.name == "Reject" and index == 0 and call.leg.answered_at is None:
            reason = verb.attributes.get("reason", "rejected")
            call.end("rejected", f"the document rejects the call ({reason})")
            return None
        call.answer()
        pause = call.exchange.faults.impairments.profile.verb
        if pause and call.streams and verb.name != "Connect":
            # Where a stream was, the next verb takes a moment to begin; that of a stream itself, `connect` lets pass.
            await call.clock.sleep(pause)
        if verb.name in ("Hangup", "Reject"):
            call.end(call.left_by or "document", f"the document says <{verb.name}>")
            return None
        if verb.name == "Redirect":
            return GoTo(urljoin(document.url or "", verb.text), verb.attributes.get("method", "POST"))
        handler = call.exchange.verbs.get(verb.name)
        if handler is not None:
            following = await handler(call, verb, document)
            if following is not None or call.over:
                return following
        elif not await call.line_verbs.obey(verb):
            call.fail(f"<{verb.name}> is not emulated; the call goes on with the next verb")
    return None
