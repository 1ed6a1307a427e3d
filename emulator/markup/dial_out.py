"""A call that a server creates by REST: the callee's phone rings, and the document runs when it is answered.

Sources: Twilio docs, voice/api/call-resource (Timeout with its 5 s buffer, SendDigits, TimeLimit, statuses), AMD;
Telnyx docs, "initiate an outbound call", TeXML callbacks. The callee is the person at the leg's phone: the bot speaks
to them exactly as to a caller who has dialled in.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from emulator.legs.amd import detect_and_tell, tell_in_background
from emulator.legs.call import Call
from emulator.legs.exchange import Exchange
from emulator.legs.leg import BY_REST
from emulator.legs.plan import CallPlan, GoTo, Inline, OutboundOrder, Start
from emulator.line.colleague import Colleague, Ending
from emulator.markup.interpreter import follow

RINGS = ("answers", "declines", "no_answer", "voicemail", "fax")
REFUSES: Mapping[str, tuple[Ending, str]] = {
    "declines": ("declined", "the colleague declines the call"),
    "busy": ("busy", "the colleague's line is busy"),
    "unreachable": ("failed", "the colleague cannot be reached"),
}


async def ring(call: Call, ring_secs: float) -> bool:
    """Let the phone ring.

    Returns:
        Whether it is picked up; if not, the call is over.
    """
    clock, leg, person = call.clock, call.leg, call.plan.person
    leg.status = "initiated"
    call.progress.tell("initiated")
    with clock.real_time():
        if person is None:
            leg.nobody_there = True
            call.end("nobody", f"there is nobody at {leg.to_number}", ending="failed")
            return False
        if person.behaviour in RINGS:
            leg.status = "ringing"
            call.timeline.note("ringing", f"the phone at {leg.to_number} rings", call_id=leg.call_id)
            call.progress.tell("ringing")
        becomes = await _becomes(call, person, ring_secs)
    if becomes == "no_answer":
        call.end("nobody", f"nobody answers within {ring_secs:g} s", ending="no_answer")
    elif becomes in REFUSES:
        ending, text = REFUSES[becomes]
        call.end("caller", text, ending=ending)
    return not call.over


async def _becomes(call: Call, person: Colleague, ring_secs: float) -> str:
    """What the person at the phone does, when they do it: their behaviour, or `no_answer` when it took too long."""
    if person.held is not None:
        try:
            async with asyncio.timeout(ring_secs):
                return "answers" if await person.held.rings(call.timeline) else "declines"
        except TimeoutError:
            return "no_answer"
    after = math.inf if person.behaviour == "no_answer" else person.answers_after_secs
    await call.clock.sleep(min(after, ring_secs))
    return "no_answer" if after > ring_secs else person.behaviour


async def create_call(exchange: Exchange, order: OutboundOrder) -> Call:
    """Create a call as a server has ordered by REST; it is under way when this returns."""
    person = exchange.person_at(order.to_number)
    leg = exchange.dialect.new_leg(order.from_number, order.to_number, "PCMU", direction=BY_REST)
    plan = CallPlan(
        order.url or (order.reporting.url if order.reporting else None) or exchange.server_url,
        () if person is None else await exchange.script_of(person),
        reporting=order.reporting,
        voice=exchange.speak,
        person=person,
        fallback=order.fallback,
    )
    call = exchange.new_call(leg, plan, lambda call: _place(call, order))
    call.timeline.note("note", f"a call to {order.to_number} is created by REST", call_id=leg.call_id)
    exchange.start(call)
    return call


async def _place(call: Call, order: OutboundOrder) -> None:
    """The opening of a call by REST."""
    if not await ring(call, order.ring_secs):
        return
    call.answer()
    if order.limit_secs is not None:
        call.watch(_limit(call, order.limit_secs))
    extra: dict[str, str] = {}
    if order.send_digits:
        # Twilio ignores answering machine detection where keys are sent (its API's schema says so).
        await call.line_verbs.play_keys(order.send_digits)
    elif order.amd is not None and order.amd.in_background:
        tell_in_background(call, order.amd)
    elif order.amd is not None:
        extra["AnsweredBy"] = await detect_and_tell(call, order.amd)
    start: Start = Inline(order.markup or "")
    if order.url is not None:
        start = GoTo(order.url, order.method, extra, voice=True)
    await follow(call, start)


async def _limit(call: Call, secs: float) -> None:
    await call.clock.sleep(secs)
    call.hang_up("limit", f"the time limit of {secs:g} s is over")
