"""A leg under Call Control and its events to the application, and the dead air in which an application leaves a person.

Sources: Telnyx docs, "Receiving webhooks for programmable voice", "Voice API webhooks".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from emulator.carriers.telnyx.control.events import Event, EventFeed, Told, WebhookAddress
from emulator.carriers.telnyx.control.payloads import payload
from emulator.legs.call import Call, Opening, Switch
from emulator.legs.leg import Leg
from emulator.legs.plan import CallPlan

DEAD_AIR_SECS = 2.0


class ToldCall(Call):
    """A call whose events are sent to an application.

    Args:
        exchange: What it shares with the other legs of its network.
        feed: Where events are sent from.
        leg: The carrier's record of it.
        plan: What it brings with it.
        opening: How it begins.
        address: Where its events go.
    """

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
        super().__init__(exchange, leg, plan, opening)
        self.feed = feed
        self.address = address
        self._told: set[asyncio.Task[list[Told]]] = set()
        self._work: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether there is something to be heard on it, or is about to be."""
        return self.line.room is not None

    def tell(
        self, event_type: str, details: Mapping[str, Any] | None = None, *, insist: bool = True
    ) -> asyncio.Task[list[Told]]:
        """Send an event. Without `insist` it is not sent again where nothing listens at all."""
        event = Event.new(event_type, payload(event_type, self.leg, details), self.clock.wall())
        told = self.feed.post(event, self.address, self.timeline, self.fail, insist=insist)
        self._told.add(told)
        told.add_done_callback(self._told.discard)
        return told

    def background(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Do something for as long as the call lasts."""
        task = asyncio.create_task(self._guarded(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def watch_for_dead_air(self, secs: float = DEAD_AIR_SECS) -> None:
        """Complain if the person at the phone hears nothing from now on and is not hung up either."""

        async def watch() -> None:
            await self.clock.sleep(secs)
            if not self.busy:
                self.fail(
                    f"dead air: for {secs:g} s no stream is open and nothing is played; a Call Control call has no "
                    "document that could go on, it needs a command (hangup, transfer, streaming_start, ...)"
                )

        if not self.over:
            self.background(watch)

    def drop_unplayed(self) -> None:
        """Drop the audio that a stream has queued and not played, and count it as lost.

        Nothing is counted after the call's end, where it was counted already, nor when the person at the phone is
        connected with another person by then.
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

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:  # or what fails in the background would go unnoticed
            self.fail(f"the emulator itself failed: {type(error).__name__}: {error}")

    async def _finish(self) -> None:
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        if self._told:
            await asyncio.wait(self._told)
        await super()._finish()
