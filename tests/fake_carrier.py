"""A carrier that does what a test tells it to, and remembers what it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from calls.call import Call
from carriers.carrier import (
    MARKUP,
    CallNotFound,
    CarrierCall,
    DialledCall,
    DialOut,
    HangUp,
    LineState,
    StreamDocument,
)


class FakeCarrier:
    """Answers in turn with what it was given: an exception is raised, anything else returned.

    Parameters:
        dials: Answers to `dial`; the last one again and again.
        recent: Answers to `find_recent_call`, likewise.
        calls: What `fetch_call` knows, by the carrier's id; a value may be an exception.
        tells_at_once: Whether the answer to a hang-up says that the call is over.
    """

    name, mode = "c", MARKUP
    call_secs = range(60, 14001)

    def __init__(
        self,
        *,
        dials: Sequence[Any] = (DialledCall("CA1"),),
        recent: Sequence[Any] = ([],),
        calls: dict[str, Any] | None = None,
        delay_secs: float = 0.0,
        tells_at_once: bool = True,
    ):
        self.dials, self.recent, self.calls = list(dials), list(recent), calls or {}
        self.delay_secs = delay_secs
        self.tells_at_once = tells_at_once
        self.dialled: list[DialOut] = []
        self.looks: list[tuple[str, str, datetime]] = []
        self.fetched: list[str] = []
        self.hung_up: list[str] = []
        self.at_once = self.most_at_once = 0

    async def load(self) -> None:
        """Nothing."""

    async def dial(self, dial_out: DialOut) -> DialledCall:
        self.dialled.append(dial_out)
        await asyncio.sleep(self.delay_secs)
        return self._answer(self.dials, len(self.dialled))

    async def find_recent_call(self, to: str, from_number: str, since: datetime) -> list[CarrierCall]:
        self.looks.append((to, from_number, since))
        return self._answer(self.recent, len(self.looks))

    async def fetch_call(self, call_id: str) -> CarrierCall:
        self.fetched.append(call_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.delay_secs)
        self.at_once -= 1
        answer = self.calls.get(call_id, CallNotFound("no such call", status=404))
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, CarrierCall) else CarrierCall(call_id, answer)

    async def hang_up(self, call_id: str) -> HangUp:
        self.hung_up.append(call_id)
        self.calls[call_id] = LineState.COMPLETED
        return HangUp(already_ended=False, state=LineState.COMPLETED if self.tells_at_once else None)

    @staticmethod
    def _answer(answers: list[Any], turn: int) -> Any:
        answer = answers[min(turn, len(answers)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def a_carrier(**options: Any) -> Any:
    """A fake where a `Carrier` is wanted: it has only the methods that these tests use."""
    return FakeCarrier(**options)


def at_carrier(call_id: str, state: LineState | None = LineState.RINGING, **more: Any) -> CarrierCall:
    return CarrierCall(call_id, state, **more)


class Webhooks:
    """A way back with an address for everything."""

    amd = True

    async def stream(self, call: Call) -> StreamDocument:
        return StreamDocument("wss://bot.example.com/ws", {"call_id": call.id})

    def transfer_url(self, call: Call) -> str | None:
        return f"https://bot.example.com/transfer?call={call.id}"

    def status_url(self, call: Call) -> str | None:
        return f"https://bot.example.com/status?call={call.id}"

    def amd_url(self, call: Call) -> str | None:
        return f"https://bot.example.com/amd?call={call.id}" if self.amd else None

    def recording_url(self, call: Call) -> str | None:
        return None
