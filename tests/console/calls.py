"""Calls that were not made: their events, one after the other on a clock of the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from calls.call import Call
from calls.events.event import CallEvent
from calls.events.talk import BotHeard, BotSaid, CallerSaid, Responded, TurnMeasured
from calls.states import CallState, EndedBy
from calls.store import CallStore

BEGIN = datetime(2026, 11, 25, 9, 14, 2, tzinfo=UTC)


class MadeUp:
    """A call that somebody who writes a test makes up.

    Attributes:
        call: The call.
    """

    def __init__(self, store: CallStore, number: str = "+12025550143", **known: Any):
        values = {"carrier": "twilio", "carrier_call_id": f"CA{id(self):x}", "to_number": "+12025550100"}
        self.call: Call = store.open(**{**values, "agent": "receptionist", "from_number": number, **known})
        self.now = self.call.created_at

    def after(self, secs: float) -> MadeUp:
        """Let some time pass."""
        self.now += timedelta(seconds=secs)
        return self

    def happens(self, event: CallEvent, secs: float = 0.5) -> MadeUp:
        """Something happens, after some time."""
        self.after(secs)
        self.call.record(event, at=self.now)
        return self

    def answered(self) -> MadeUp:
        """The call is answered."""
        self.call.move(CallState.IN_PROGRESS, cause="answered")
        return self

    def caller(self, text: str) -> MadeUp:
        """The caller says something."""
        return self.happens(CallerSaid(text=text))

    def bot(self, *texts: str, ms: int = 660, heard: bool = True) -> MadeUp:
        """The bot says something, which is heard to its end."""
        stages = {"end_of_turn": 200, "recogniser": 100, "model": ms - 360, "voice": 60}
        parts = [
            {"key": k, "stage": k, "owner": "test", "kind": "service", "ms": v} for k, v in stages.items()
        ]
        self.happens(Responded(to="caller", ms=ms, stages=stages), ms / 1000)
        for text in texts:
            self.happens(BotSaid(text=text), 0.1)
            if heard:
                self.happens(BotHeard(text=text), 1.5)
        n = sum(isinstance(one, TurnMeasured) for one in self.call.events)
        return self.happens(TurnMeasured(n=n, to="caller", response_ms=ms, parts=parts, by_sound=True), 0)

    def ended(self, by: EndedBy = EndedBy.BOT, cause: str = "goodbye") -> MadeUp:
        """The call is over."""
        self.call.will_end(by, cause)
        self.call.move(CallState.COMPLETED, cause=cause)
        return self
