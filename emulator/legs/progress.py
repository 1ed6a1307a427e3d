"""Reports a call's progress to a server by status callbacks.

Sources: Twilio docs, voice/api/call-resource (StatusCallbackEvent, SequenceNumber); Telnyx docs, TeXML callbacks.
A carrier promises no order; here each callback of a call waits for the one before it, unless the network's `Profile`
lets callbacks overtake each other.
"""

from __future__ import annotations

import asyncio

from emulator.legs.dialect import Dialect
from emulator.legs.leg import Leg
from emulator.legs.plan import Reporting
from emulator.legs.webhooks import Webhooks


class Progress:
    """The status callbacks of one leg, in order and without holding up the call.

    Args:
        reporting: What is wanted; None for nothing.
    """

    def __init__(self, dialect: Dialect, leg: Leg, webhooks: Webhooks, reporting: Reporting | None) -> None:
        """Tell nothing yet."""
        self._dialect = dialect
        self._leg = leg
        self._webhooks = webhooks
        self._reporting = reporting
        self._told_events: set[str] = set()
        self._sending: list[asyncio.Task[None]] = []

    def tell(self, event: str) -> None:
        """`initiated`, `ringing`, `answered` or `completed`, each once; the form is made now and sent in its turn."""
        if self._reporting is None or event not in self._reporting.events or event in self._told_events:
            return
        self._told_events.add(event)
        parameters = self._dialect.progress_parameters(self._leg, event, len(self._told_events) - 1)
        before = self._sending[-1] if self._sending and self._webhooks.in_order else None
        self._sending.append(asyncio.create_task(self._send(parameters, self._reporting, before)))

    async def finish(self) -> None:
        """Wait until all of them were sent."""
        await asyncio.gather(*self._sending)

    async def _send(
        self, parameters: dict[str, str], reporting: Reporting, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await before
        what = f"status callback {parameters['CallStatus']}"
        await self._webhooks.notify(reporting.url, parameters, what, reporting.method)
