"""Telnyx's JSON webhooks: what they report of a Call Control call, and how they get to the application.

Sources: Telnyx docs, "Voice API webhooks" (envelope, headers, which answers are retried), "Webhook fundamentals"
(2 s for an answer, exponential back-off, redirects count as failures, order is not kept, duplicates happen),
"Receiving webhooks for programmable voice". Not documented and chosen here: how often is retried (three times,
after 0.5, 1 and 2 s, unless the command's `webhook_retries_policies` says otherwise).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from emulator.carriers.signatures import telnyx_signature
from emulator.carriers.telnyx.retries import ANSWER_SECS, RETRIES_SECS
from emulator.faults import Faults
from emulator.legs.delivery import EventHabits
from emulator.legs.webhooks import SIGNATURE_HINT
from emulator.line.clock import Clock
from emulator.line.impairments import under_way
from emulator.timeline import Timeline
from emulator.wire import Wire

MOST_RETRIES = 5
LONGEST_RETRIES_SECS = 60.0
HELD_BACK_SECS = 0.5
"""How long an event that is to come out of order waits for the next one."""


@dataclass
class WebhookAddress:
    """Where the events of a leg go.

    Attributes:
        url: For all events that have no address of their own; None to send those nowhere.
        by_event: `webhook_urls` of a command: addresses by type of event.
        retries: `webhook_retries_policies` of a command: the pauses before each retry in seconds, by type of
            event.
        failover: Where an event goes that `url` did not take, with as many attempts; None for nowhere.
    """

    url: str | None
    by_event: Mapping[str, Sequence[str]] = field(default_factory=dict)
    retries: Mapping[str, Sequence[float]] = field(default_factory=dict)
    failover: str | None = None

    def of(self, event_type: str) -> list[str]:
        """The URLs that get an event of this type."""
        return list(self.by_event.get(event_type) or ([self.url] if self.url else []))


@dataclass(frozen=True)
class Event:
    """Something that happened on a leg; the same `data` goes out at every attempt."""

    type: str
    data: dict[str, Any]

    @staticmethod
    def new(event_type: str, payload: Mapping[str, Any], at: datetime) -> Event:
        """An event of this moment."""
        occurred_at = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        data = {
            "record_type": "event",
            "event_type": event_type,
            "id": str(uuid.uuid4()),
            "occurred_at": occurred_at,
            "payload": dict(payload),
        }
        return Event(event_type, data)


@dataclass
class Told:
    """What became of an event at one address.

    Attributes:
        status: The last answer's HTTP status; None without one.
        trouble: Why it did not arrive, or None.
        unreachable: Whether nothing listens there.
    """

    status: int | None = None
    trouble: str | None = None
    unreachable: bool = False


class EventFeed:
    """Delivers events at once and each on its own, so that one slow answer holds up nothing else.

    Args:
        key: Signs every event.
        habits: How late, how often and in which order events arrive.
        clock: The network's time, which is real while an event is under way.
        faults: What is to go wrong with events of which type.
        wire: Passes on each attempt.
    """

    def __init__(
        self,
        key: Ed25519PrivateKey,
        habits: EventHabits | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
        wire: Wire | None = None,
    ) -> None:
        """Open nothing yet."""
        self._wire = wire or Wire()
        self.insist = True
        """Whether events are sent again where nothing listens at all; not while the network is shut down."""
        self._clock = clock or Clock()
        self._faults = faults or Faults()
        self.habits = habits or EventHabits()
        self._key = key
        self._random = random.Random(self.habits.seed)
        self._session: aiohttp.ClientSession | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._overtaken: dict[str, asyncio.Event] = {}

    def post(
        self,
        event: Event,
        address: WebhookAddress,
        timeline: Timeline,
        fail: Callable[[str], None],
        *,
        insist: bool = True,
    ) -> asyncio.Task[list[Told]]:
        """Send an event.

        Args:
            event: The event.
            address: Where it goes.
            timeline: Where each attempt is written down.
            fail: Takes an event that was given up.
            insist: Whether it is sent again where nothing listens at all.

        Returns:
            A task with the outcome at each address; it runs to its end without being awaited.
        """
        timeline.note("event", event.type, event=event.data)
        late_secs = self._random.random() * self.habits.delay_secs
        copies = 1 + (self._random.random() < self.habits.doubled)
        held = self._random.random() < self.habits.out_of_order
        session_id = str(event.data["payload"].get("call_session_id", ""))
        if (overtaken := self._overtaken.pop(session_id, None)) is not None:
            held = False
        gate = None
        if held:
            gate = self._overtaken[session_id] = asyncio.Event()

        async def deliver() -> list[Told]:
            told: list[Told] = []

            async def once() -> None:
                told.extend(await send())

            with self._clock.real_time():
                await self._faults.deliver(event.type, once)
            return told

        async def send() -> list[Told]:
            if gate is not None:
                await _wait(gate, HELD_BACK_SECS)
            await asyncio.sleep(late_secs)
            work = [
                self._deliver(event, url, address, timeline, fail, insist)
                for url in address.of(event.type)
                for _ in range(copies)
            ]
            told = await asyncio.gather(*work)
            if overtaken is not None:
                overtaken.set()
            return list(told)

        task = asyncio.create_task(deliver())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def settle(self, secs: float = LONGEST_RETRIES_SECS) -> None:
        """Wait until everything so far was delivered or given up."""
        running = set(self._running)
        if running:
            await asyncio.wait(running, timeout=secs)

    async def aclose(self) -> None:
        """Stop delivering."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _deliver(
        self,
        event: Event,
        url: str,
        address: WebhookAddress,
        timeline: Timeline,
        fail: Callable[[str], None],
        insist: bool,
    ) -> Told:
        pauses = address.retries.get(event.type, RETRIES_SECS)
        told = await self._insist(event, url, pauses, timeline, insist)
        if told.trouble is not None and address.failover is not None and url == address.url:
            timeline.note("retry", f"{event.type} goes to the failover URL: {told.trouble}")
            told = await self._insist(event, address.failover, pauses, timeline, insist)
        if told.trouble is not None:
            fail(f"the event {event.type} was not taken: {told.trouble}")
        return told

    async def _insist(
        self, event: Event, url: str, pauses: Sequence[float], timeline: Timeline, insist: bool
    ) -> Told:
        for attempt, pause in enumerate((*pauses, None), start=1):
            told, again = await self._attempt(event, url, attempt)
            outcome = f"HTTP {told.status}" if told.status is not None else str(told.trouble)
            timeline.note(
                "event_told",
                f"{event.type}: {outcome}" + (f" (attempt {attempt})" if attempt > 1 else ""),
                event_type=event.type,
                event_id=event.data["id"],
                attempt=attempt,
                status=told.status,
            )
            if told.trouble is None:
                return told
            if not again or pause is None or (told.unreachable and not (insist and self.insist)):
                break
            await asyncio.sleep(pause)
        return told

    async def _attempt(self, event: Event, url: str, attempt: int) -> tuple[Told, bool]:
        """One POST, which those see who watch the wire; whether it is worth another one comes with it."""
        envelope = {"data": event.data, "meta": {"attempt": attempt, "delivered_to": url}}
        body = json.dumps(envelope, separators=(",", ":"))
        what = f"POST {urlsplit(url).path or '/'}"
        call_id = str(event.data["payload"].get("call_control_id", ""))
        number = self._wire.sent("webhook", True, what, body, call_id)
        told, again = await self._post(body.encode(), url)
        self._wire.answered(number, told.status or 0, told.trouble or "")
        return told, again

    async def _post(self, body: bytes, url: str) -> tuple[Told, bool]:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "telnyx-webhooks",
            "telnyx-signature-ed25519": telnyx_signature(body, timestamp, self._key),
            "telnyx-timestamp": timestamp,
        }
        where = urlsplit(url).path or "/"
        there, back = self._faults.impairments.webhook()
        await under_way(there)
        try:
            async with (
                asyncio.timeout(ANSWER_SECS),
                self._session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                await response.read()
                await under_way(back)
                status = response.status
        except TimeoutError:
            return Told(trouble=f"{where} did not answer within {ANSWER_SECS:.0f} s"), True
        except aiohttp.ClientConnectorError as error:
            reason = error.strerror or type(error).__name__
            return Told(trouble=f"cannot connect to {urlsplit(url).netloc}: {reason}", unreachable=True), True
        except (aiohttp.ClientError, ValueError) as error:
            return Told(trouble=f"{where}: {type(error).__name__}"), True
        if 200 <= status < 300:
            return Told(status), False
        hint = SIGNATURE_HINT if status in (401, 403) else ""
        trouble = f"{where} answered HTTP {status}, not 2xx{hint}"
        return Told(status, trouble), status in (408, 429) or status >= 500 or 300 <= status < 400


async def _wait(gate: asyncio.Event, secs: float) -> None:
    try:
        async with asyncio.timeout(secs):
            await gate.wait()
    except TimeoutError:
        return


def retry_policies(given: Any) -> dict[str, list[float]]:
    """Read a command's `webhook_retries_policies`: `{"call.answered": {"retries_ms": [500, 1000]}}`.

    Raises:
        ValueError: Not of that shape, more than 5 retries, or more than 60 s together.
    """
    if not isinstance(given, Mapping):
        raise ValueError("webhook_retries_policies is not an object")
    policies: dict[str, list[float]] = {}
    for event_type, policy in given.items():
        pauses = policy.get("retries_ms") if isinstance(policy, Mapping) else None
        if not isinstance(pauses, list) or not all(isinstance(one, int) and one >= 0 for one in pauses):
            raise ValueError(f"webhook_retries_policies of {event_type}: retries_ms is not a list of ms")
        if len(pauses) > MOST_RETRIES or sum(pauses) > LONGEST_RETRIES_SECS * 1000:
            raise ValueError(f"webhook_retries_policies of {event_type}: at most 5 retries within 60 s")
        policies[event_type] = [one / 1000 for one in pauses]
    return policies
