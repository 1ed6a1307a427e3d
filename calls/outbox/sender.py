"""Delivers what is in the outbox: each parcel at least once, those of a call in their order, none in a call's way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import httpx
from loguru import logger

from calls.call import Call
from calls.database.errors import DatabaseError
from calls.events.event import CallEvent
from calls.events.talk import Attached, Detached, SummedUp
from calls.outbox.mail import mail_of, send
from calls.outbox.making import notice
from calls.outbox.notices import Channel, Kind, Wants
from calls.outbox.parcels import LEASE_SECS, Outbox, Parcel, next_try
from calls.outbox.receivers import MailServer, NotDelivered, Receiver
from calls.outbox.webhooks import http_client, post
from calls.store import CallStore

AT_ONCE = 16
"""How many parcels are delivered at the same time: a receiver that hangs must not hold up the others."""

LOOK_SECS = 1.0
"""How often the outbox is looked into while something waits in it."""

IDLE_LOOK_SECS = 5.0
"""The same while nothing does: other processes, and people with `phonebot webhooks again`, fill it too."""

TOLD_SECS = 0.1
"""How often a process that ends with its call looks whether it may go."""

NOT_READY_SECS = 0.5
"""How soon a notice is tried again that waits for what is still to come of its call."""


class Owner(Protocol):
    """Whom the owner wants told, by the settings and the agents' files as they are now."""

    @property
    def wants(self) -> Wants:
        """Who wants to be told of what."""
        ...

    def receiver(self, agent: str | None) -> Receiver | None:
        """Who gets an agent's webhooks; None when nobody does any more.

        Raises:
            NotDelivered: It is known who, but not how: a secret is missing.
        """
        ...

    def mailbox(self, agent: str | None) -> tuple[MailServer, Sequence[str]] | None:
        """By which server, and to whom, an agent's mails go; None when they do not any more."""
        ...

    def sums_up_secs(self, agent: str | None) -> float | None:
        """How long an agent's model may take to sum up a call; None when it does not do that."""
        ...


SumUp = Callable[[Call], Awaitable[CallEvent | None]]
"""Has the agent's model sum a call up; returns what came of it, an event of the call."""


class Sender:
    """Empties the outbox of a store.

    Parameters:
        store: The calls, and their outbox.
        owner: Whom to tell.
        sum_up: Sums a call up; None where no model can be asked.
    """

    def __init__(self, store: CallStore, owner: Owner, *, sum_up: SumUp | None = None):
        self._store = store
        self._owner = owner
        self._sum_up = sum_up
        self._busy: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._failing = False
        store.announce(owner.wants)

    async def run(self) -> None:
        """Deliver, until cancelled."""
        loop = asyncio.get_running_loop()

        def news() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._wake.set)

        self._store.on_outbox_news(news)
        async with http_client() as http:
            try:
                while True:
                    self._wake.clear()
                    waits = await self._begin_due(http)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECS if waits else IDLE_LOOK_SECS):
                            await self._wake.wait()
            finally:
                await self._stop()

    async def has_told(self, call_id: str, secs: float) -> bool:
        """Wait, beside `run`, until nothing of a call is left, for a process that ends with its call.

        Args:
            call_id: Our id of the call. What is left of others does not hold the process up.
            secs: For how long.

        Returns:
            Whether nothing is left.
        """
        outbox = self._store.outbox
        try:
            async with asyncio.timeout(secs):
                while outbox is not None and not await outbox.is_empty(call_id):
                    self._wake.set()
                    await asyncio.sleep(TOLD_SECS)
        except (TimeoutError, DatabaseError):
            return False
        return True

    async def _stop(self) -> None:
        """Leave what is under way to the next process, or the next start: its lease ends."""
        busy = list(self._busy)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._wake.set()  # it may have let the next notice of its call go

    async def _begin_due(self, http: httpx.AsyncClient) -> bool:
        """Begin to deliver what is due; returns whether something waits."""
        outbox = self._store.outbox
        if outbox is None:
            return False
        try:
            free = AT_ONCE - len(self._busy)
            parcels = await outbox.lease(self._store.now(), free) if free > 0 else []
            for parcel in parcels:
                task = asyncio.create_task(self._deliver(outbox, parcel, http), name=f"deliver {parcel.id}")
                self._busy.add(task)
                task.add_done_callback(self._done)
            self._failing = False
            return bool(parcels) or not await outbox.is_empty()
        except DatabaseError as error:
            if not self._failing:
                self._failing = True
                logger.warning("The outbox cannot be read for now: {}", error)
            return True

    async def _deliver(self, outbox: Outbox, parcel: Parcel, http: httpx.AsyncClient) -> None:
        try:
            call = await self._store.as_written(parcel.call_id)
            if call is None:
                await outbox.delivered(parcel)  # it was forgotten meanwhile
            elif not self._is_ready(parcel, call):
                await outbox.postpone(parcel, self._store.now() + timedelta(seconds=NOT_READY_SECS))
            elif parcel.channel is Channel.AFTER_CALL:
                await self._sum_up_call(outbox, parcel, call)
            else:
                await self._tell(outbox, parcel, call, http)
        except DatabaseError as error:
            # The lease ends by itself, and then it is tried again.
            logger.debug("{} of call {} waits for the database: {}", parcel.kind, parcel.call_id, error)
        except Exception as error:
            logger.opt(exception=error).error(
                "{} of call {} could not be told: {}", parcel.kind, parcel.call_id, type(error).__name__
            )

    def _is_ready(self, parcel: Parcel, call: Call) -> bool:
        """Whether all that belongs into a notice has come, or it has waited for long enough."""
        if parcel.kind is not Kind.CALL_ENDED or parcel.body or self._store.now() >= parcel.ready_by:
            return True
        if isinstance(call.last(Attached, Detached), Attached):
            return False  # what the caller heard last is still to be written down
        if parcel.channel is Channel.AFTER_CALL or not call.has(Attached):
            return True
        return self._owner.sums_up_secs(call.agent) is None or call.has(SummedUp)

    async def _tell(self, outbox: Outbox, parcel: Parcel, call: Call, http: httpx.AsyncClient) -> None:
        if parcel.body is None:
            made = notice(parcel.kind, call, parcel.seq, parcel.event_at)
            parcel.body = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
            await outbox.keep_body(parcel)
        parcel.attempts += 1
        try:
            await self._send(parcel, call, parcel.body, http)
        except NotDelivered as error:
            await self._not_delivered(outbox, parcel, error)
        else:
            await outbox.delivered(parcel)
            logger.debug("{} of call {} was told by {}", parcel.kind, parcel.call_id, parcel.channel)

    async def _send(self, parcel: Parcel, call: Call, body: str, http: httpx.AsyncClient) -> None:
        if parcel.channel is Channel.WEBHOOK:
            receiver = self._owner.receiver(call.agent)
            if receiver is None:
                raise NotDelivered("no address is configured any more", for_good=True)
            await post(http, receiver, parcel.id, body)
            return
        mailbox = self._owner.mailbox(call.agent)
        if mailbox is None:
            raise NotDelivered("no e-mail address or SMTP server is configured any more", for_good=True)
        server, to = mailbox
        try:
            mail = mail_of(parcel.kind, json.loads(body), message_id=parcel.id, sender=server.sender, to=to)
        except ValueError as error:
            raise NotDelivered(f"no mail can be made of it ({type(error).__name__})", for_good=True) from None
        await send(server, mail)

    async def _not_delivered(self, outbox: Outbox, parcel: Parcel, error: NotDelivered) -> None:
        now = self._store.now()
        parcel.trouble = str(error)
        again_at = None if error.for_good else next_try(parcel, now)
        if again_at is None:
            await outbox.give_up(parcel)
            logger.error(
                "{} of call {} was not delivered by {}, and is not tried any more: {}. `phonebot webhooks undelivered` "
                "lists it",
                parcel.kind,
                parcel.call_id,
                parcel.channel,
                error,
            )
            return
        await outbox.postpone(parcel, again_at)
        logger.log(
            "WARNING" if parcel.attempts == 1 else "DEBUG",
            "{} of call {} was not delivered by {}: {}; it is tried again for a day, next in {:.0f} s",
            parcel.kind,
            parcel.call_id,
            parcel.channel,
            error,
            (again_at - now).total_seconds(),
        )

    async def _sum_up_call(self, outbox: Outbox, parcel: Parcel, call: Call) -> None:
        secs = self._owner.sums_up_secs(call.agent)
        if secs is not None and self._sum_up is not None and not call.has(SummedUp) and call.has(Attached):
            await outbox.hold(parcel, self._store.now() + timedelta(seconds=secs + LEASE_SECS))
            event = await self._sum_up(call)
            kept = self._store.get(call.id) or await self._store.restore(call.carrier, call.carrier_call_id)
            if event is not None and kept is not None:
                kept.record(event)
                await self._store.flush()
        await outbox.delivered(parcel)
