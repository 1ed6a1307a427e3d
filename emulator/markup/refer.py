"""`<Refer>`: the carrier asks a SIP phone to call another address by itself, and is out of the call then.

Sources: Twilio docs, voice/twiml/refer (SIP legs only; parameters of the action); Telnyx docs, TeXML refer; RFC 3515
(202, then NOTIFY with the outcome). Chosen here, where nothing is documented: the phone hangs up the old leg once the
action was asked for, whose document is not carried out then; on any other leg than a SIP one the next verb runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urljoin

from emulator.documents.parsing import Document, Verb
from emulator.legs.call import Call
from emulator.legs.dialect import Referred
from emulator.legs.leg import INBOUND, STATUSES
from emulator.legs.plan import GoTo, Start
from emulator.legs.webhooks import WebhookFailed
from emulator.line.colleague import Ending
from emulator.markup.dial import DialOrder, DialTarget

PHONE_RINGS_SECS = 60.0
PHONE_TALKS_SECS = 14400.0
NOTIFY_CODES: Mapping[Ending, int] = {
    "completed": 200,
    "busy": 486,
    "declined": 603,
    "no_answer": 480,
    "failed": 480,
    "canceled": 487,
}


def is_sip(call: Call) -> bool:
    """Whether the phone of this leg is a SIP one."""
    leg = call.leg
    return "@" in (leg.from_number if leg.direction == INBOUND else leg.to_number)


async def refer(call: Call, verb: Verb, document: Document) -> Start | None:
    """Carry out the verb."""
    noun = verb.child("Sip")
    if noun is None or not noun.text:
        call.fail("<Refer> has no <Sip> with an address; the call goes on with the next verb")
        return None
    if not is_sip(call):
        call.fail("<Refer> works on SIP legs only; the call goes on with the next verb")
        return None
    action = verb.attributes.get("action")
    method = verb.attributes.get("method", "POST")
    url = urljoin(document.url or "", action) if action else None

    async def tell(referred: Referred) -> None:
        if url is None:
            return
        parameters = call.dialect.refer_parameters(call.leg, referred)
        try:
            await call.webhooks.document(url, call.leg, method, extra=parameters)
        except WebhookFailed as error:
            call.fail(str(error))

    failed = await refer_leg(call, noun.text, tell)
    if failed is None or url is None:
        return None
    return GoTo(url, method, call.dialect.refer_parameters(call.leg, failed))


async def refer_leg(call: Call, address: str, tell: Callable[[Referred], Awaitable[None]]) -> Referred | None:
    """Let this leg's phone call another address by itself.

    Args:
        call: The leg. If the phone is answered there, the carrier's part is over and the two talk on without it,
            until one of them hangs up.
        address: Whom to call; headers in the URI count for nothing here.
        tell: Takes the success, before the carrier's part ends.

    Returns:
        None if the phone has reached the address, and then this call is over; else why it has not.
    """
    from emulator.markup.second_leg import Dialling  # the verbs need each other

    call.timeline.note("refer", "the carrier sends a REFER, and the phone takes it (202)")
    caller_id = call.leg.from_number if call.leg.direction == INBOUND else call.leg.to_number
    order = DialOrder(
        (DialTarget(address),), PHONE_RINGS_SECS, PHONE_TALKS_SECS, caller_id, False, None, "POST"
    )
    dialling = Dialling(call, order, listed=False)
    talk = asyncio.create_task(dialling.run())
    try:
        while not talk.done() and not dialling.bridged:
            await call.line.tick()
        if dialling.bridged:
            await tell(Referred("in-progress", 202, 200))
            call.release("the phone has followed the REFER and hangs up on the carrier")
        dialled = await talk
    finally:
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)
    if not dialled.bridged:
        code = 404 if dialled.nobody_there else NOTIFY_CODES[dialled.ending]
        return Referred(STATUSES[dialled.ending], 202, code)
    call.end("colleague", "the colleague hangs up")
    return None
