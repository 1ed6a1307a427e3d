"""A leg under Call Control: it does nothing of itself and tells the application of everything that happens.

Sources: Telnyx docs, "Receiving webhooks for programmable voice", "Voice API webhooks", call commands.

Not documented and chosen here: a dialled-in call that nobody commands rings until the caller gives up; the one who
hangs up an answered call is told as `hangup_source`, also to the leg that is bridged with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from emulator.carriers.telnyx.control.events import Event, Told, WebhookAddress
from emulator.carriers.telnyx.control.payloads import Cause, answered, hung_up, payload, why
from emulator.carriers.telnyx.control.sounds import Gathering, Sounds
from emulator.carriers.telnyx.control.streaming import Streaming
from emulator.legs.call import Call, Opening
from emulator.legs.leg import Leg
from emulator.legs.plan import CallPlan
from emulator.line.colleague import Ending

if TYPE_CHECKING:
    from emulator.carriers.telnyx.control.call_control import CallControl


DEAD_AIR_SECS = 2.0


class ControlledCall(Call):
    """A call that is commanded.

    Args:
        control: Where the other legs are found and events are sent from.
        leg: The carrier's record of it.
        plan: What it brings with it.
        opening: How it begins.
        address: Where its events go.
    """

    def __init__(
        self, control: CallControl, leg: Leg, plan: CallPlan, opening: Opening, address: WebhookAddress
    ) -> None:
        """Prepare the call; `run` places it."""
        super().__init__(control.exchange, leg, plan, opening)
        self.control = control
        self.address = address
        self.accepted = asyncio.Event()
        """Set when the call is answered."""
        self.streaming = Streaming(self)
        self.sounds = Sounds(self)
        self.gathering: Gathering | None = None
        self.peer: ControlledCall | None = None
        """The leg that it is bridged with."""
        self.calling: ControlledCall | None = None
        """The leg that rings on its behalf, by `transfer`."""
        self.cause: Cause | None = None
        """What its end is told as, where that does not follow from who ended it."""
        self._told: set[asyncio.Task[list[Told]]] = set()
        self._work: set[asyncio.Task[None]] = set()

    def tell(
        self, event_type: str, details: Mapping[str, Any] | None = None, *, insist: bool = True
    ) -> asyncio.Task[list[Told]]:
        """Send an event. Without `insist` it is not sent again where nothing listens at all."""
        event = Event.new(event_type, payload(event_type, self.leg, details), self.exchange.clock.wall())
        told = self.control.feed.post(event, self.address, self.timeline, self.fail, insist=insist)
        self._told.add(told)
        told.add_done_callback(self._told.discard)
        return told

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

    def background(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Do something for as long as the call lasts."""
        task = asyncio.create_task(self._guarded(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def watch_for_dead_air(self, secs: float = DEAD_AIR_SECS) -> None:
        """Complain if the other hears nothing from now on and is not hung up either."""

        async def watch() -> None:
            await self.exchange.clock.sleep(secs)
            busy = self.streaming.active or self.sounds.playing or self.line.room is not None
            if not busy and self.calling is None:
                self.fail(
                    f"dead air: for {secs:g} s no stream is open and nothing is played; a Call Control call has no "
                    "document that could go on, it needs a command (hangup, transfer, streaming_start, ...)"
                )

        if not self.over:
            self.background(watch)

    def drop_unplayed(self) -> None:
        """What a stream has queued goes with it; at the call's end this was counted already.

        Who is with other people by then has lost nothing.
        """
        with_person = self.line.other_end.is_person
        if not self.over and not with_person and (audible_ms := self.line.earpiece.audible_ms):
            self.timeline.note("note", f"{audible_ms} ms of speech were not played when the stream ended")
            self.lose(audible_ms, at_a_seam=True)
        self.line.earpiece.clear()

    def left_by_bot(self, *, clean: bool) -> None:
        """The bot's side has closed its socket."""
        self.bot_left_ms = self.timeline.now_ms()
        self.left_by = "bot" if clean else "error"

    def gathered(self, gathering: Gathering) -> None:
        """These keys are collected."""
        if self.gathering is gathering:
            self.gathering = None

    def _press(self, digit: str) -> None:
        # Every key is told (not only while keys are gathered), and the socket and the other leg get it too.
        if not self.leg.ended:
            self.tell("call.dtmf.received", {"digit": digit})
        if self.keypad is not None and self.keypad(digit):
            return
        if self.gathering is not None:
            self.gathering.press(digit)
        self.streaming.press(digit)
        if self.line.room is not None:
            self.line.room.press(self.line, digit)

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:  # what fails in the background would be noticed by nobody
            self.fail(f"the emulator itself failed: {type(error).__name__}: {error}")

    async def _finish(self) -> None:
        await self.streaming.close()
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        if self._told:
            await asyncio.wait(self._told)
        await super()._finish()
