"""A leg under Call Control: it does nothing by itself, and the carrier reports everything on it to the application.

Sources: Telnyx docs, "Receiving webhooks for programmable voice", "Voice API webhooks", call commands.

Not documented and chosen here: a dialled-in call without a command rings until the caller gives up; `hangup_source` is
the one who hung up an answered call, also in the event of the leg that is bridged with it.
"""

from __future__ import annotations

import asyncio

from emulator.carriers.telnyx.control.events import EventFeed, WebhookAddress
from emulator.carriers.telnyx.control.payloads import Cause, answered, hung_up, why
from emulator.carriers.telnyx.control.sounds import Gathering, Sounds
from emulator.carriers.telnyx.control.streaming import Streaming
from emulator.carriers.telnyx.control.told_call import ToldCall
from emulator.legs.call import Opening, Switch
from emulator.legs.leg import Leg
from emulator.legs.plan import CallPlan
from emulator.line.colleague import Ending


class ControlledCall(ToldCall):
    """A call that is commanded."""

    def __init__(
        self,
        exchange: Switch,
        feed: EventFeed,
        leg: Leg,
        plan: CallPlan,
        opening: Opening,
        address: WebhookAddress,
    ) -> None:
        """Prepare the call; `run` places it."""
        super().__init__(exchange, feed, leg, plan, opening, address)
        self.accepted = asyncio.Event()
        """Set when the call is answered."""
        self.streaming = Streaming(self)
        self.sounds = Sounds(self, mixed=lambda: self.streaming.active)
        self.gathering: Gathering | None = None
        self.peer: ControlledCall | None = None
        """The leg that it is bridged with."""
        self.calling: ControlledCall | None = None
        """The leg that rings on its behalf, by `transfer`."""
        self.cause: Cause | None = None
        """The cause in the event of its end, where that does not follow from who ended it."""

    @property
    def busy(self) -> bool:
        """Whether a stream is open, something is played, it is bridged, or another leg or a recorder waits."""
        recording = self.exchange.recordings.current(self)
        if recording is not None and recording.order.beep:
            return True
        return super().busy or self.streaming.active or self.sounds.playing or self.calling is not None

    def answer(self) -> None:
        """The phone is picked up, or a command takes the call; nothing happens the second time."""
        if self.leg.answered_at is not None:
            return
        super().answer()
        self.accepted.set()
        self.tell("call.answered", answered(self.leg))

    def end(self, ended_by: str, text: str, *, ending: Ending | None = None) -> None:
        """The call is over, and so is that of the leg that it is bridged with, or that rings for it."""
        if self.over:
            return
        released = self.leg.ended
        super().end(ended_by, text, ending=ending)
        if not released:
            self._tell_end(ended_by)
        calling, self.calling = self.calling, None
        if calling is not None:
            calling.hang_up("peer", "the leg that it was to be joined to is gone", ending="canceled")
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.peer = None
            dialled_for_peer = peer.leg.parent_id == self.leg.call_id
            by = {"caller": "peer" if dialled_for_peer else "colleague", "colleague": "peer"}.get(
                ended_by, ended_by
            )
            peer.hang_up(by, "the other side of the bridge is gone")

    def release(self, text: str) -> None:
        """The carrier is out of the call: its part is over, and so is the application's."""
        super().release(text)
        self._tell_end("caller")
        self.in_background(self.streaming.close())

    def _tell_end(self, ended_by: str) -> None:
        if self.gathering is not None:
            self.gathering.stop("call_hangup")
        self.tell("call.hangup", hung_up(self.leg, self.cause or why(self.leg, ended_by)))

    def gathered(self, gathering: Gathering) -> None:
        """These keys are collected."""
        if self.gathering is gathering:
            self.gathering = None

    def _press(self, digit: str) -> None:
        # Every key is an event (not only while keys are gathered), and the socket and the other leg get it too.
        if not self.leg.ended:
            self.tell("call.dtmf.received", {"digit": digit})
        if self.keypad is not None and self.keypad(digit):
            return
        if self.gathering is not None:
            self.gathering.press(digit)
        self.streaming.press(digit)
        if self.line.room is not None:
            self.line.room.press(self.line, digit)

    async def _finish(self) -> None:
        await self.streaming.close()
        await super()._finish()


def new_call(
    exchange: Switch,
    feed: EventFeed,
    leg: Leg,
    plan: CallPlan,
    opening: Opening,
    address: WebhookAddress,
) -> ControlledCall:
    """A leg that does nothing yet, but can be found."""
    call = ControlledCall(exchange, feed, leg, plan, opening, address)
    exchange.add(call)
    return call
