"""The calls that this process knows, in memory, and in a database behind it.

A call in this process is one live object, the same for every part of the program. Its changes are saved in the
background (`calls.database.writer`), so that a call never waits for the database. A call that ended here can still be
found, and one that another process began, or this one before it was killed, can be taken up (`CallStore.restore`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from loguru import logger

from calls.call import Call
from calls.database.saved import SavedCall
from calls.errors import NotPossible
from calls.events.event import CallEvent
from calls.feed import Feed
from calls.looking import LookingAtCalls
from calls.states import CallState, EndedBy
from carriers.carrier import Direction
from carriers.numbers import phone_number

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from calls.database.call_database import CallDatabase
    from calls.outbox.in_memory import MemoryOutbox
    from calls.outbox.notices import Wants
    from calls.outbox.parcels import Outbox
    from calls.shared import Shared

T = TypeVar("T")

DEFAULT_LIMIT = 1000
LIMIT_BESIDE_A_DATABASE = 32
"""Calls that ended are asked of the database again: what is kept of them is for what carriers report a moment later."""

ASK_SECS = 2.0
"""How long to wait for the database's answer about a call: a caller may be on the line."""

FAILING_SECS = 0.3
"""The same while it does not take what is to be saved."""

USE_SECS = 0.5
"""How long the database may take to say whether something was used before: a carrier's media socket waits for it."""

LOOK_SECS = 8.0
"""How long a search may take: a person waits for it, and no call does."""

NOTED_SECS = 0.5
"""How long the database may take to note what other processes must know before a carrier acts."""

HEARD_SECS = 1.0
"""How long to wait for what another process knows of a call: its caller is on the line."""

CLOSE_SECS = 5.0
"""How long a store that is closed tries to save what is left."""


class AlreadyNamed(Exception):
    """A call cannot have this id of its carrier's: it has another one, or another call has this one."""


class CallStore:
    """The last calls, live ones always included.

    Parameters:
        database: Where calls are kept beyond the life of this process; None for nowhere. It is opened by the first
            change, in a thread of its own; `start` does so at once, and tells whether it works.
        limit: How many calls are kept in memory. When there are more, those that ended are forgotten first, oldest
            first; a live call is never forgotten, and none that is not in the database yet.
        clock: Where the times of events come from.
        feed: Tells listeners in this process of each event of each call.
        looking: Lists, searches and counts calls.
        shared: What is known of other processes on the same database; None without one.
    """

    def __init__(
        self,
        database: CallDatabase | None = None,
        limit: int = DEFAULT_LIMIT,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self._limit = limit
        self._clock = clock
        self._calls: dict[str, Call] = {}
        self._by_carrier: dict[tuple[str, str], Call] = {}
        self._writer = None
        self._database = database
        self._in_memory: MemoryOutbox | None = None
        self.shared: Shared | None = None
        self.feed = Feed()
        self.looking = LookingAtCalls(self)
        if database is not None:
            from calls.database.writer import CallWriter
            from calls.shared import Shared

            self._writer = CallWriter(database)
            self.shared = Shared(database, self._writer, self.live, self._named_elsewhere)

    def spool_to(self, folder: Path) -> None:
        """Have what the database does not take kept in files until it does, and replay those of dead processes.

        Args:
            folder: Where the files are: `calls.database.spool.spool_folder`.
        """
        if self._writer is not None:
            self._writer.spool_to(folder)

    async def start(self) -> None:
        """Open the database and bring it up to date.

        Raises:
            DatabaseError: It cannot be used; one line with cause and fix.
        """
        if self._writer is not None:
            await self._writer.ask(lambda database: database.open())

    async def flush(self, timeout_secs: float = CLOSE_SECS) -> bool:
        """Wait until all that happened so far is in the database.

        Returns:
            False when the time was up first.
        """
        return self._writer is None or await self._writer.flush(timeout_secs)

    def unsaved(self) -> tuple[int, float]:
        """Of how many calls the database does not have all, and for how many seconds the oldest change has waited."""
        return self._writer.unsaved() if self._writer is not None else (0, 0.0)

    async def noted(self) -> None:
        """Wait, for a moment at most, until other processes can know all that happened so far; not without others."""
        if self.shared is not None and not self.shared.alone:
            await self.flush(NOTED_SECS)

    async def aclose(self, timeout_secs: float = CLOSE_SECS) -> bool:
        """Save what is left, and let go of the database. The store can be used again; it is opened anew then.

        Returns:
            False when the time was up before everything was saved; it stays in memory.
        """
        return self._writer is None or await self._writer.aclose(timeout_secs)

    def announce(self, wants: Wants) -> None:
        """Have an outbox filled with what the owner's systems want to be told of, from now on."""
        if self._database is not None:
            self._database.wants = wants
            return
        if self._in_memory is None:
            from calls.outbox.in_memory import MemoryOutbox

            self._in_memory = MemoryOutbox()
        self._in_memory.wants = wants

    @property
    def outbox(self) -> Outbox | None:
        """What the owner's systems are still to be told; None without a database, before `announce`."""
        if self._writer is None:
            return self._in_memory
        from calls.outbox.in_database import DatabaseOutbox

        return DatabaseOutbox(self._writer)

    @property
    def _ask_secs(self) -> float:
        """How long to wait for the database: shorter while it fails, as a caller may be on the line."""
        is_failing = self._writer is not None and self._writer.is_failing
        return min(ASK_SECS, FAILING_SECS) if is_failing else ASK_SECS

    @property
    def ask_database(self) -> Callable[[Callable[[CallDatabase], Awaitable[T]]], Awaitable[T]] | None:
        """Asks the database something, in its own thread; it may raise `DatabaseError`. None without a database."""
        return self._writer.ask if self._writer is not None else None

    def on_outbox_news(self, wake: Callable[[], None]) -> None:
        """Have a function called, in any thread, when the outbox has got something."""
        filled = self._database or self._in_memory
        if filled is not None:
            filled.on_news = wake

    def open(
        self,
        *,
        carrier: str,
        carrier_call_id: str,
        direction: Direction | str = Direction.INBOUND,
        from_number: str | None = None,
        to_number: str | None = None,
        agent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        mode: str = "",
        call_id: str | None = None,
    ) -> Call:
        """Get the call, or begin to remember it. Only memory is looked at: ask `restore` before.

        A call that is known already learns what it did not know; what it knew stays.

        Args:
            carrier: Name of the carrier.
            carrier_call_id: The carrier's id of the call.
            direction: Who dialled.
            from_number: The caller's number as the carrier gave it; a withheld one, or text that is no number, counts
                as not known.
            to_number: The number that was dialled, in the same way.
            agent: Name of the agent.
            parameters: What the bot gets to know about the call.
            mode: Which of the carrier's interfaces runs the call.
            call_id: Our id, if the carrier's request has it. If the call with this id has no id of the carrier's yet,
                it gets `carrier_call_id`; if it has another one, it is another call, and this id is ignored.
        """
        from_number, to_number = phone_number(from_number), phone_number(to_number)
        call = self._by_carrier.get((carrier, carrier_call_id))
        if call is None and call_id is not None:
            call = self._calls.get(call_id)
            if call is not None and (
                call.carrier != carrier or call.carrier_call_id not in ("", carrier_call_id)
            ):
                logger.warning("A call says that it is {}, which is another one", call_id)
                call = None
        if call is None:
            return self._begin(
                carrier=carrier,
                carrier_call_id=carrier_call_id,
                direction=Direction(direction),
                from_number=from_number,
                to_number=to_number,
                agent=agent,
                parameters=dict(parameters or {}),
                mode=mode,
            )
        call.from_number = call.from_number or from_number
        call.to_number = call.to_number or to_number
        call.agent = call.agent or agent
        call.mode = call.mode or mode
        call.parameters = {**(parameters or {}), **call.parameters}
        if carrier_call_id:
            self.bind(call, carrier_call_id)
        self._save(call)
        return call

    def dial_out(
        self,
        *,
        carrier: str,
        from_number: str,
        to_number: str,
        agent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        mode: str = "",
    ) -> Call:
        """Begin to remember a call that we are about to make. It is queued; `bind` gives it its carrier's id later."""
        return self._begin(
            carrier=carrier,
            carrier_call_id="",
            direction=Direction.OUTBOUND,
            from_number=from_number,
            to_number=to_number,
            agent=agent,
            parameters=dict(parameters or {}),
            mode=mode,
        )

    async def dial_out_if(
        self, check: Callable[[Sequence[Call], datetime], None], *, within: timedelta, **known: Any
    ) -> Call:
        """`dial_out`, if what was placed before allows it: counted over all processes that share the database.

        The new call is written in the transaction that counts, and no other process counts meanwhile, so that two of
        them cannot both place the last call of a limit. While the database does not answer, the calls that this process
        knows are counted.

        Args:
            check: Gets the calls that we placed, and the present time; raises an error if there may be no other one. It
                is called in another thread.
            within: How far back those calls go.
            **known: As for `dial_out`.
        """
        now = self._clock()
        known["parameters"] = dict(known.get("parameters") or {})
        call = Call(**known, carrier_call_id="", direction=Direction.OUTBOUND, clock=self._clock)
        ours = self._placed(now - within)

        def check_all(rows: Sequence[SavedCall]) -> None:
            check(_latest_of(ours, [one for row in rows if (one := self._read(row))]), now)

        from calls.database.errors import DatabaseError

        if self._writer is not None:
            try:
                async with asyncio.timeout(self._ask_secs):
                    await self._writer.save_if(call, check_all, since=now - within)
            except (DatabaseError, TimeoutError) as error:
                logger.warning(
                    "Only calls of this process are counted for now, to see whether another one may be placed: {}",
                    error or "the database takes too long",
                )
            else:
                self._remember(call)
                self.feed.begun(call)
                return call
        # Nothing is awaited until the call is remembered: it counts before the next question.
        try:
            check(self._placed(now - within), now)
        except NotPossible as error:
            # It may have been written, and must not count as one that was placed.
            if self._writer is not None:
                self._remember(call)
                call.move(CallState.FAILED, cause=str(error), ended_by=EndedBy.LIMIT)
            raise
        self._remember(call)
        self._save(call)
        self.feed.begun(call)
        return call

    def _placed(self, since: datetime) -> Sequence[Call]:
        return [
            call
            for call in self._calls.values()
            if call.direction is Direction.OUTBOUND and call.created_at >= since
        ]

    def bind(self, call: Call, carrier_call_id: str) -> None:
        """Give a call of ours the id that its carrier has for it. Doing so again changes nothing.

        Two calls are never made one: sessions, subscribers and requests hold on to either of them. As each address that
        the carrier gets has our id in it (`WayBack`), there is no cause to open a second one.

        Raises:
            AlreadyNamed: The call has another id, or another call has this one. Nothing is changed.
        """
        if call.carrier_call_id == carrier_call_id:
            return
        if not carrier_call_id or call.carrier_call_id:
            raise AlreadyNamed(
                f"{call.id} has its carrier's id already, and a call has but one: was the report for another call?"
            )
        other = self._by_carrier.get((call.carrier, carrier_call_id))
        if other is not None:
            raise AlreadyNamed(f"{call.id} cannot have the carrier's id of {other.id}: they are two calls")
        call.carrier_call_id = carrier_call_id
        if call.id in self._calls:
            self._by_carrier[call.carrier, carrier_call_id] = call
        self._save(call)

    def find(self, carrier: str, carrier_call_id: str) -> Call | None:
        """The call with a carrier's id; None when it is not in memory (any more)."""
        return self._by_carrier.get((carrier, carrier_call_id))

    def get(self, call_id: str) -> Call | None:
        """The call with our id or its carrier's; None when it is not in memory (any more)."""
        if call := self._calls.get(call_id):
            return call
        return next((call for (_, theirs), call in self._by_carrier.items() if theirs == call_id), None)

    def list(self, limit: int = 100) -> Sequence[Call]:
        """The last calls in memory, newest first."""
        newest = sorted(reversed(self._calls.values()), key=lambda call: call.created_at, reverse=True)
        return newest[:limit]

    def live(self) -> Sequence[Call]:
        """The calls in memory that have not ended, oldest first."""
        return [call for call in list(self._calls.values()) if not call.is_over]  # from any thread

    def drop(self, of: Callable[[Call], bool]) -> int:
        """Forget ended calls in memory; the database has them, or has forgotten them, too.

        Args:
            of: Which of them.

        Returns:
            How many.
        """
        dropped = [call for call in list(self._calls.values()) if self._is_settled(call) and of(call)]
        for call in dropped:
            self._drop(call)
        return len(dropped)

    def forget_notices(self, call_ids: Collection[str]) -> int:
        """Throw away what the owner is still to be told of calls, where there is no database; returns how many."""
        return self._in_memory.forget(call_ids) if self._in_memory is not None else 0

    def now(self) -> datetime:
        """The time, by the clock that the times of events come from."""
        return self._clock()

    async def restore(self, carrier: str, carrier_call_id: str) -> Call | None:
        """The call with a carrier's id, from memory or else from the database, and live from now on.

        Returns:
            None when neither has it, or the database does not answer in time, which is logged.
        """
        call = self.find(carrier, carrier_call_id)
        if call is not None and await self._is_current(call):
            return await self._fresh(call)
        saved = await self._ask(lambda database: database.load(carrier_call_id, carrier))
        return self._revive(saved) if saved else self.find(carrier, carrier_call_id)

    async def fetch(self, call_id: str) -> Call | None:
        """The call with our id or its carrier's, from memory or else from the database.

        A call that has not ended is live from now on. One that has is for reading: it is not remembered.

        Returns:
            None when neither has it, or the database does not answer in time, which is logged.
        """
        call = self.get(call_id)
        if call is not None and await self._is_current(call):
            return await self._fresh(call)
        saved = await self._ask(lambda database: database.load(call_id))
        return self._revive(saved, ended_too=False) if saved else self.get(call_id)

    async def change(self, call_id: str) -> Call | None:
        """The call with our id or its carrier's, to record something on it, also when it has ended: it is kept then.

        Returns:
            None when there is none, or the database does not answer in time, which is logged.
        """
        call = self.get(call_id)
        if call is not None and await self._is_current(call):
            return await self._fresh(call)
        saved = await self._ask(lambda database: database.load(call_id))
        return self._revive(saved) if saved else self.get(call_id)

    async def has_heard(self, call_id: str, events: int) -> None:
        """Wait until this process knows as many events of a call as another one did, if it can come to know them.

        A carrier is often faster than the database: it opens a media socket at one process with the address that
        another has just given it.

        Args:
            call_id: Our id of the call.
            events: How many.
        """
        deadline = asyncio.get_running_loop().time() + HEARD_SECS
        while (call := self.get(call_id)) is None or len(call.events) < events:
            if self.shared is None or self.shared.alone or asyncio.get_running_loop().time() > deadline:
                return
            await self.fetch(call_id)
            await asyncio.sleep(HEARD_SECS / 40)

    async def _is_current(self, call: Call) -> bool:
        """Whether memory still has what the database has of a call that has ended; if not, it is dropped from memory.

        Another process may have forgotten its numbers or words, or all of it. Live calls are brought up to date instead
        (`calls.shared`).
        """
        if self._writer is None or not self._is_settled(call):
            return True
        known = self._writer.revision(call)
        found = await self._ask(lambda database: _answered(database.revision(call.id)))
        if found is None or found[0] == known or not self._is_settled(call):
            return True  # also while the database does not answer
        self._drop(call)
        return False

    def _is_settled(self, call: Call) -> bool:
        """Whether a call has ended, and the database has all of it."""
        return call.is_over and not (self._writer is not None and self._writer.has_unsaved(call))

    def _drop(self, call: Call) -> None:
        self._calls.pop(call.id, None)
        if self._by_carrier.get((call.carrier, call.carrier_call_id)) is call:
            del self._by_carrier[call.carrier, call.carrier_call_id]

    async def _fresh(self, call: Call) -> Call:
        """The call, with what other processes have written of it lately, unless this one has the bot's session."""
        if self.shared is not None and not self.shared.alone:
            from calls.database.processes import own_session

            if own_session(call.events) is None:
                await self.shared.catch_up(call)
        return call

    async def named(self, carrier: str, carrier_call_id: str | None, our_id: str | None) -> Call | None:
        """The call that a carrier's request is about, from memory or else from the database.

        A call that we made may have no id of the carrier's yet: then the address that the request came to has our id.

        Args:
            carrier: The carrier's name.
            carrier_call_id: The carrier's id of the call; None when the request does not say it.
            our_id: Our id of the call, from the address.

        Returns:
            None when the call is not known (any more), or the two ids are those of different calls, which is logged.
        """
        if carrier_call_id and (call := await self.restore(carrier, carrier_call_id)):
            return call
        call = await self.fetch(our_id) if our_id else None
        if call is None or call.carrier != carrier:
            logger.info("A request of {} is about a call that is not known (any more)", carrier)
            return None
        if carrier_call_id:
            try:
                self.bind(call, carrier_call_id)
            except AlreadyNamed as error:
                logger.warning("A request of {} is not believed: {}", carrier, error)
                return None
        return call

    async def as_written(self, call_id: str) -> Call | None:
        """The call with our id for reading, with what other processes have written of it.

        Raises:
            DatabaseError: The database did not answer.
        """
        if self._writer is None:
            return self.get(call_id)
        await self.flush()
        saved = await self._writer.ask(lambda database: database.load(call_id))
        return self._read(saved) if saved else None

    async def events_after(
        self, call_id: str, seq: int
    ) -> tuple[Sequence[tuple[int, CallEvent]], bool] | None:
        """See `CallDatabase.events_after`; None also without a database.

        Raises:
            DatabaseError: The database did not answer.
        """
        if self._writer is None:
            return None
        return await self._writer.ask(lambda database: database.events_after(call_id, seq))

    def unsettled(self) -> Sequence[Call]:
        """The calls in memory of which the database does not have all, and those that have not ended."""
        return [
            call for call in list(self._calls.values()) if self._writer is None or not self._is_settled(call)
        ]

    async def latest(self, limit: int = 100) -> Sequence[Call]:
        """The last calls, newest first, from memory and the database.

        Those that are in the database alone are for reading, and without events.
        """
        settled = self._settled()
        saved = await self._ask(lambda database: database.latest(limit))
        return self._merged(saved, settled)[:limit]

    async def holds(self, name: str) -> bool:
        """Whether this process is the one that does some work for all that share the database: `Shared.holds`."""
        return self.shared is None or await self.shared.holds(name)

    def is_known_to_others(self, call: Call) -> bool:
        """Whether other processes can know all that is known of a call here."""
        return self._writer is not None and not self._writer.has_unsaved(call)

    async def take_up(
        self,
        silent_since: datetime,
        unattended_since: datetime | None = None,
        promised_since: datetime | None = None,
    ) -> Sequence[Call]:
        """Make the calls live that have not ended and have had no event since a moment.

        A process that was killed leaves such calls behind.

        Args:
            silent_since: The moment.
            unattended_since: Another one, for calls on which no living process talks; the same when not given.
            promised_since: The moment for calls that were to end; the first one when not given.

        Returns:
            Those that were not in memory before.
        """
        taken_up = []
        living = self.shared.living if self.shared is not None else []
        unended = await self._ask(
            lambda database: database.unended(silent_since, unattended_since, living, promised_since)
        )
        for call_id in unended or []:
            if call_id not in self._calls and (call := await self.fetch(call_id)) and not call.is_over:
                taken_up.append(call)
        return taken_up

    async def use_once(self, use_id: str, secs: float, note: str = "") -> str | None:
        """Use up something that works once, over all processes that share the database.

        The code that asks must itself remember what was used in its own process: without a database, or while it does
        not answer, nothing is known here.

        Args:
            use_id: What to use up, for example the id of a token.
            secs: How long it is to be remembered.
            note: Returned to the next one who tries to use it.

        Returns:
            The note of the use before; None when this is the first one, or it is not known.
        """
        now = self._clock()
        until = now + timedelta(seconds=secs)
        if self._writer is None:
            return None
        return await self._answer(self._writer.use_once(use_id, note, now, until), USE_SECS)

    def _begin(self, **known: Any) -> Call:
        call = Call(**known, clock=self._clock)
        self._remember(call)
        self._save(call)
        self.feed.begun(call)
        return call

    def _remember(self, call: Call) -> None:
        self._calls[call.id] = call
        if call.carrier_call_id:
            self._by_carrier[call.carrier, call.carrier_call_id] = call
        if self._writer is not None or self._in_memory is not None:
            call.watch(self._saving(call))
        self.feed.watch(call)
        self._forget_old()

    def _saving(self, call: Call) -> Callable[[], None]:
        """What saves a call after each change of it."""
        seen = len(call.arrived)

        def save() -> None:
            nonlocal seen
            news, seen = call.arrived[seen:], len(call.arrived)
            self._save(call, may_wait=bool(news) and all(event.MAY_WAIT for event in news))

        return save

    def _save(self, call: Call, *, may_wait: bool = False) -> None:
        if self._writer is not None:
            self._writer.mark(call, may_wait=may_wait)
        elif self._in_memory is not None:
            self._in_memory.look_at(call)

    def _named_elsewhere(self, call: Call) -> None:
        """Note the carrier's id of a call, which another process may have learned."""
        if call.carrier_call_id and call.id in self._calls:
            self._by_carrier.setdefault((call.carrier, call.carrier_call_id), call)

    def _revive(self, saved: SavedCall, *, ended_too: bool = True) -> Call | None:
        """The call in memory, which another task may have brought there meanwhile; else the saved one."""
        row = saved.row
        known = self._calls.get(row["id"]) or self._by_carrier.get((row["carrier"], row["carrier_call_id"]))
        if known is not None:
            return known
        call = self._read(saved)
        if call is not None and self._writer is not None and (ended_too or not call.is_over):
            self._writer.is_saved(call, saved)
            self._remember(call)
        return call

    def _read(self, saved: SavedCall) -> Call | None:
        try:
            return saved.as_call(self._clock)
        except (ValueError, TypeError, KeyError) as error:
            logger.error("Call {} in the database cannot be read: {}", saved.row["id"], type(error).__name__)
            return None

    def _settled(self) -> set[str]:
        """Our ids of the calls in memory that have ended and are in the database."""
        return {call.id for call in self._calls.values() if self._is_settled(call)}

    def _merged(self, saved: Sequence[SavedCall] | None, settled: set[str]) -> Sequence[Call]:
        """The calls in memory, and those that the database has listed.

        Of a call that has ended the database has the last word: something of it may have been forgotten there.

        Args:
            saved: What the database has listed; None when it has not answered.
            settled: `_settled` before it was asked.
        """
        calls = dict(self._calls)
        if saved is not None and self._writer is not None:
            current = {one.row["id"]: one.row["revision"] for one in saved}
            for call_id in settled & calls.keys():
                if current.get(call_id) != self._writer.revision(calls[call_id]):
                    del calls[call_id]
        for one in saved or ():
            if one.row["id"] not in calls and (call := self._read(one)) is not None:
                calls[call.id] = call
        return sorted(reversed(calls.values()), key=lambda call: call.created_at, reverse=True)

    async def look(self, work: Callable[[Connection], T]) -> T | None:
        """Read something from the tables for people who look at calls: `CallDatabase.look`.

        Returns:
            None when there is no database, or it does not answer in time, which is logged.
        """
        if self._writer is None:
            return None
        return await self._answer(self._writer.ask(lambda database: database.look(work)), LOOK_SECS)

    async def _ask(self, question: Callable[[CallDatabase], Awaitable[T]]) -> T | None:
        """Ask the database; None if there is none, if it fails, or if it takes too long."""
        if self._writer is None:
            return None
        return await self._answer(self._writer.ask(question), self._ask_secs)

    async def _answer(self, asking: Awaitable[T], timeout_secs: float) -> T | None:
        from calls.database.call_database import DatabaseError

        try:
            async with asyncio.timeout(timeout_secs):
                return await asking
        except DatabaseError as error:
            logger.warning("Nothing is known of earlier calls for now: {}", error)
        except TimeoutError:
            logger.warning("Nothing is known of earlier calls for now: no answer within {} s", timeout_secs)
        self._take_over()
        return None

    def _take_over(self) -> None:
        """Know the calls that dead processes have left in files, while the database cannot tell of them."""
        if self._writer is None:
            return
        for record in reversed(self._writer.take_over()):
            row = record.row
            known = row["id"] in self._calls or (row["carrier"], row["carrier_call_id"]) in self._by_carrier
            call = None if known else self._read(SavedCall(row, record.events))
            if call is not None:
                self._writer.is_left(call, record)
                self._remember(call)

    def _forget_old(self) -> None:
        too_many = len(self._calls) - self._limit
        if too_many <= 0:
            return
        ended = [call for call in self._calls.values() if self._is_settled(call)]
        for call in ended[:too_many]:
            self._drop(call)


async def _answered(asking: Awaitable[T]) -> tuple[T]:
    """An answer that may be None, told from none."""
    return (await asking,)


def _latest_of(ours: Sequence[Call], saved: Sequence[Call]) -> Sequence[Call]:
    """Calls that are known here and in a database: an end that either knows counts."""
    calls = {call.id: call for call in saved}
    calls |= {call.id: call for call in ours if call.id not in calls or not calls[call.id].is_over}
    return list(calls.values())


def default_store(database_url: str | None = None) -> CallStore:
    """The store of this process, for each address of a database one.

    Args:
        database_url: `settings.calls_database`; None for calls in memory only.

    Raises:
        DatabaseUnusable: The address cannot be used.
    """
    return _store_of(database_url)


@cache
def _store_of(database_url: str | None) -> CallStore:
    if database_url is None:
        return CallStore()
    from calls.database.call_database import CallDatabase

    return CallStore(CallDatabase(database_url), limit=LIMIT_BESIDE_A_DATABASE)
