"""`refer`: the carrier asks a SIP phone to call another address by itself, and to leave this call.

Sources: Telnyx docs, call command refer and its events (call.refer.started, .completed, .failed with
`sip_notify_response`); RFC 3515 (the phone reports by NOTIFY how its new call gets on).

Not documented and chosen here: a leg that is not a SIP phone's gets call.refer.failed with 405 (RFC 3261, method not
allowed) and stays, as does one whose phone has not reached the new address; a phone that has reached it hangs up the
leg to the carrier, and the two talk on without the carrier (see `emulator.markup.refer`).
"""

from __future__ import annotations

from emulator.carriers.telnyx.control.told_call import ToldCall
from emulator.legs.dialect import Referred
from emulator.markup.refer import is_sip, refer_leg

TRYING = 100
NOT_ALLOWED = 405


async def follow_refer(call: ToldCall, address: str) -> None:
    """Let the phone of this leg call another address, and send the events about it."""
    if not is_sip(call):
        call.fail("refer: the leg is not a SIP phone's, so there is nothing that could follow it")
        call.tell("call.refer.failed", {"sip_notify_response": NOT_ALLOWED})
        return
    call.tell("call.refer.started", {"sip_notify_response": TRYING})

    async def tell(referred: Referred) -> None:
        call.tell("call.refer.completed", {"sip_notify_response": referred.notify_code})

    failed = await refer_leg(call, address, tell)
    if failed is not None:
        call.tell("call.refer.failed", {"sip_notify_response": failed.notify_code})
        call.watch_for_dead_air()
