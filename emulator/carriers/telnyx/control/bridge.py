"""Joins legs under Call Control: `transfer` makes a new leg and `bridge` takes one that is there.

Sources: Telnyx docs, call commands transfer and bridge ("if the transfer is unsuccessful, a call.hangup webhook for
leg B will be sent; the original call will remain active"; `park_after_unbridge`: "if not set, the default behavior is
to hang up the leg").

Not documented and chosen here:

* While leg B rings, leg A hears ringing and its media stream stays up: the application is heard over the ringing, and
  over the two once they are joined, if it does not stop (see `emulator.carriers.telnyx.control.streaming`).
* Leg A may still be unanswered: it is answered when leg B is.
* The `webhook_url` of a transfer is that of leg B alone.
* A leg that is bridged a second time leaves the first bridge, whose other leg is hung up.
"""

from __future__ import annotations

import numpy as np

from emulator.carriers.telnyx.control.controlled_call import ControlledCall, new_call
from emulator.carriers.telnyx.control.detection import tell_in_background
from emulator.carriers.telnyx.control.events import WebhookAddress
from emulator.carriers.telnyx.control.orders import LIMIT_SECS, DialOut
from emulator.carriers.telnyx.control.payloads import initiated
from emulator.legs.leg import BY_DIAL
from emulator.legs.plan import CallPlan
from emulator.line.codecs import Pcm
from emulator.line.colleague import ColleagueCall, VoicemailBox
from emulator.line.other_end import BOT, CALLER, COLLEAGUE, RINGING
from emulator.line.room import Bridge
from emulator.line.signals import ringing
from emulator.markup.dial_out import ring
from emulator.markup.second_leg import COPIED, message_of
from emulator.timeline import Entry


def bridge(one: ControlledCall, other: ControlledCall) -> None:
    """Let the people at two answered legs hear each other, until one of them hangs up."""
    room = Bridge()
    for call, peer, hears in ((one, other, COLLEAGUE), (other, one, CALLER)):
        before, call.peer = call.peer, peer
        if before is not None and before is not peer:
            before.peer = None
            before.hang_up("peer", "the other side of the bridge was joined to another leg")
        if audible_ms := call.line.earpiece.audible_ms:
            call.timeline.note("note", f"{audible_ms} ms of the bot's speech are queued at the bridge")
        call.line.signal = None
        room.join(call.line, hears=hears)
        call.timeline.note("bridged", "the leg is bridged", with_call=peer.leg.call_id)


async def dialled_out(call: ControlledCall, order: DialOut) -> bool:
    """Let the phone ring, and begin what was ordered for the answer.

    Returns:
        Whether it was answered; if not, the leg is over.
    """
    call.tell("call.initiated", initiated(call.leg))
    if not await ring(call, order.ring_secs):
        return False
    call.answer()
    if order.stream is not None:
        call.streaming.start(order.stream)
    if order.limit_secs < LIMIT_SECS:
        call.background(lambda: _limit(call, order.limit_secs))
    if (detection := order.detection) is not None:
        tell_in_background(call, detection)
    if order.keys:
        call.background(lambda: call.line_verbs.play_keys(order.keys))
    return True


async def _limit(call: ControlledCall, secs: float) -> None:
    await call.clock.sleep(secs)
    call.hang_up("limit", f"the time limit of {secs:g} s is over")


class Transfer:
    """One `transfer`, from the command to the end of leg B.

    Args:
        call: Leg A.
        order: Leg B.
        address: Where the events of leg B go.
    """

    def __init__(self, call: ControlledCall, order: DialOut, address: WebhookAddress) -> None:
        """Prepare; `start` dials leg B."""
        self._call = call
        self._order = order
        self._address = address
        self.record = ColleagueCall(order.to[0], "", order.from_number)

    async def start(self) -> None:
        """Let leg B ring; returns at once."""
        call, order, exchange = self._call, self._order, self._call.exchange
        person = exchange.person_at(order.to[0], call)
        leg = call.dialect.new_leg(
            order.from_number, order.to[0], call.leg.codec, direction=BY_DIAL, parent=call.leg
        )
        leg.client_state = order.client_state
        self.record.call_id = leg.call_id
        plan = CallPlan(
            call.plan.server_url,
            () if person is None else await exchange.script_of(person),
            voice=call.plan.voice,
            people=call.plan.people,
            person=person,
        )
        second = new_call(exchange, call.feed, leg, plan, lambda _: self._be_second(second), self._address)
        second.report_to = call.fail
        second.timeline.listeners.append(lambda entry: self._tell(second, entry))
        call.colleagues.append(self.record)
        call.calling = second
        exchange.start(second)

    async def _be_second(self, second: ControlledCall) -> None:
        call = self._call
        if not await dialled_out(second, self._order):
            return
        call.answer()
        call.calling = None
        bridge(call, second)
        self.record.bridged_ms = call.line.now_ms
        call.timeline.note("colleague_bridged", "caller and colleague hear each other")
        if call.feed.habits.transfer_tells_both:
            call.tell("call.bridged")
        second.tell("call.bridged")
        await second.gone.wait()

    def _tell(self, second: ControlledCall, entry: Entry) -> None:
        """Pass on what happened on leg B: to leg A, and to leg A's timeline."""
        call, record = self._call, self.record
        line, timeline = call.line, call.timeline
        if entry.kind == "ringing":
            record.ringing_ms = line.now_ms
            timeline.copy(entry, second.timeline, "colleague_ringing", entry.text)
            line.signal = ringing()
            line.listen_to(RINGING)
        elif entry.kind == "answered":
            record.answered_ms = line.now_ms
            box = isinstance(second.caller, VoicemailBox)
            who = "a voicemail box answers" if box else "the colleague answers"
            timeline.copy(entry, second.timeline, "colleague_answered", who)
        elif entry.kind == "hang_up":
            self._close(second, entry.text)
        elif entry.kind in COPIED:
            kind, text = COPIED[entry.kind]
            timeline.copy(entry, second.timeline, kind, text.format(text=entry.text))

    def _close(self, second: ControlledCall, text: str) -> None:
        call, record = self._call, self.record
        answered = record.answered_ms is not None
        record.outcome = "completed" if answered else second.leg.ending or "canceled"
        record.ended_ms = call.line.now_ms
        if answered:
            own = {"caller": "colleague", "peer": "caller"}
            record.ended_by = own.get(second.ended_by, second.ended_by)
            record.said, record.heard = _whole(second.line.said), _whole(second.line.heard)
            record.message = message_of(second)
        elif not call.over:
            call.calling = None
            call.line.signal = None
            call.line.listen_to(BOT)
            call.watch_for_dead_air()
        kind = "colleague_hung_up" if answered else "colleague_not_reached"
        call.timeline.note(kind, text, outcome=record.outcome, by=record.ended_by)


def _whole(frames: list[Pcm]) -> Pcm:
    return np.concatenate([np.zeros(0, dtype=np.int16), *frames])
