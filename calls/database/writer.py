"""Writes calls behind their backs: a call never waits for a database, and is never disturbed by one that fails."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from loguru import logger

from calls.call import Call
from calls.database.background import BackgroundLoop, LoopStopped
from calls.database.call_database import (
    CallDatabase,
    DatabaseError,
    DatabaseRefused,
    DatabaseUnavailable,
)
from calls.database.left_calls import LeftCalls
from calls.database.merging import Theirs
from calls.database.saved import SavedCall, row_of
from calls.database.saving import Saved, Unsaved
from calls.database.spooling import Spooling

T = TypeVar("T")

# What `atexit` knows runs late: some versions of Python start no thread any more then, and a driver may need one.
_at_exit: Callable[..., object] = getattr(threading, "_register_atexit", atexit.register)

BATCH = 100
"""How many calls are written in one transaction."""

GATHER_SECS = 0.02
"""How long to wait for more after something has changed: most changes come in twos and threes."""

MAY_WAIT_SECS = 0.25
"""How long after something was written what was said and heard may wait for more of it, of all calls."""

FIRST_RETRY_SECS = 0.2
LONGEST_RETRY_SECS = 15.0

MERGE_SECS = 2.0
"""How long the thread of the calls may take to take in what others have written."""

ODD_RETRY_SECS = 60.0
"""When to try again to save a call that the database did not take, if it does not change before."""

EXIT_SECS = 2.0
"""How long a program that ends without closing its store waits for the last of it to be written."""


@dataclass(frozen=True)
class _Written:
    """What the database has of a call, as far as this process knows."""

    row: Mapping[str, Any]
    events: int
    last_seq: int
    revision: int


NOTHING_WRITTEN = _Written({}, 0, 0, 0)

Merge = Callable[[Call, Mapping[str, Any], int, int, Theirs], Awaitable[int]]
"""`calls.database.merging.merge`, in the thread that the call belongs to."""


class CallWriter:
    """Saves calls that have changed, in the order of their changes, until the database has them.

    It has a thread of its own, which is started by the first change, so it works whichever event loop the calls
    belong to.

    Parameters:
        database: Where to.
    """

    def __init__(self, database: CallDatabase):
        """Wait for the first change."""
        self._database = database
        self._background = BackgroundLoop("call store", self._begin)
        self._lock = threading.Lock()
        self._dirty: dict[str, Call] = {}
        self._saving: dict[str, Call] = {}
        self._written: WeakKeyDictionary[Call, _Written] = WeakKeyDictionary()
        self._odd: dict[str, Call] = {}
        self._waits_since: float | None = None
        self._spooling: Spooling | None = None
        self._left: LeftCalls | None = None
        self._woken = self._pressed = False
        self._failing = False
        self._exit_hook = False
        # Made anew for each loop, by `_begin`
        self._wake, self._press, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None
        self._merge: Merge | None = None
        self._on_saved: Callable[[Iterable[str]], None] = lambda _: None

    def spool_to(self, folder: Path) -> None:
        """Have what the database does not take written to a file, and replay what dead processes have left there.

        Args:
            folder: Where the files are.
        """
        if self._spooling is not None and self._spooling.folder == folder:
            return
        self._spooling = Spooling(folder, self._waits_secs, self._all_unsaved)
        self._left = LeftCalls(folder)
        if self.take_over():
            self._background.call_soon(self._wake_up_at_once)

    def take_over(self) -> Sequence[Unsaved]:
        """What dead processes have left in files, and the database has not taken yet; always in the same thread."""
        return self._left.find() if self._left is not None else []

    @property
    def is_failing(self) -> bool:
        """Whether the database did not take what was to be saved last."""
        return self._failing

    def share(self, merge: Merge | None, on_saved: Callable[[Iterable[str]], None]) -> None:
        """Bring calls up to date with what other processes write about them, from now on.

        Args:
            merge: How; it is called in the writer's loop. None for not any more.
            on_saved: Called there with our ids of calls that were saved.
        """
        self._merge, self._on_saved = merge, on_saved

    async def catch_up(self, calls: Sequence[Call]) -> None:
        """Bring calls up to what the database has of them, where other processes have written about them.

        Raises:
            DatabaseError: The database did not answer.
        """
        await self.ask(lambda _: self.catch_up_here(calls))

    async def catch_up_here(self, calls: Sequence[Call]) -> None:
        """`catch_up`, for what runs in the writer's loop."""
        if self._merge is None:
            return
        async with self._turn:
            known = {}
            for call in calls:
                if (written := self._written.get(call, NOTHING_WRITTEN)) is not NOTHING_WRITTEN:
                    known[call.id] = written.last_seq, written.revision
            if not known:
                return
            changed = await self._database.changed(known)
            for call in calls:
                if call.id in changed:
                    revision, theirs = changed[call.id]
                    await self._merged(call, self._written[call].events, theirs, revision)

    async def _merged(self, call: Call, taken: int, theirs: Theirs, revision: int) -> None:
        """Take in what others have written; the calls' thread does it, which may be busy for a moment."""
        assert self._merge is not None
        before = self._written.get(call, NOTHING_WRITTEN)
        try:
            async with asyncio.timeout(MERGE_SECS):
                events = await self._merge(call, before.row, before.events, taken, theirs)
        except Exception as error:
            # It is found again at the next look: what is noted as written stays as it was.
            logger.warning("Call {} could not be brought up to date: {}", call.id, type(error).__name__)
            return
        self._written[call] = _Written(theirs.row, events, theirs.last_seq, revision)

    def mark(self, call: Call, *, may_wait: bool = False) -> None:
        """Have a call saved, soon; from any thread. The call is not used here, only remembered.

        Args:
            call: The call.
            may_wait: Whether what has changed may wait for more changes, `MAY_WAIT_SECS` long.
        """
        with self._lock:
            self._dirty[call.id] = call
            self._odd.pop(call.id, None)
            self._waits_since = self._waits_since or time.monotonic()
            if self._pressed or (self._woken and may_wait):
                return
            self._woken, self._pressed = True, not may_wait
        try:
            if not self._exit_hook:
                self._exit_hook = True
                _at_exit(_flush_at_exit, weakref.ref(self))
            self._background.call_soon(self._wake_up if may_wait else self._wake_up_at_once)
            if self._spooling is not None:
                self._spooling.wake()
        except RuntimeError:
            # The program is ending, and no thread can be started any more.
            self._woken = self._pressed = False

    def has_unsaved(self, call: Call) -> bool:
        """Whether something of a call is not in the database yet."""
        with self._lock:
            return any(call.id in calls for calls in (self._dirty, self._saving, self._odd))

    def unsaved(self) -> tuple[int, float]:
        """How many calls have something that the database has not, and how many seconds the oldest has waited."""
        with self._lock:
            waiting = self._dirty.keys() | self._saving.keys() | self._odd.keys()
            secs = 0.0 if self._waits_since is None else time.monotonic() - self._waits_since
        return len(waiting), secs

    def is_left(self, call: Call, record: Unsaved) -> None:
        """Note that a call was made from what a dead process has left, which is still to be written."""
        self._written[call] = _Written(record.before, record.known, record.last_seq, record.revision)
        if self._left is not None:
            self._left.revive(call)

    def is_saved(self, call: Call, saved: SavedCall) -> None:
        """Note that a call was made from what the database has."""
        self._written[call] = _Written(saved.row, len(saved.events), saved.last_seq, saved.row["revision"])

    async def save_if(
        self, call: Call, check: Callable[[Sequence[SavedCall]], None], *, since: datetime
    ) -> None:
        """Save a new call of which nobody knows yet: `CallDatabase.save_if`.

        Raises:
            DatabaseError: It was not saved, as far as we know.
        """
        record = self._unsaved(call)
        saved = await self.ask(lambda database: database.save_if(record, check, since))
        self._is_written(call, record, saved)

    def revision(self, call: Call) -> int:
        """The revision of a call that this process last wrote or read."""
        return self._written.get(call, NOTHING_WRITTEN).revision

    async def ask(self, question: Callable[[CallDatabase], Awaitable[T]]) -> T:
        """Ask the database something.

        Raises:
            DatabaseError: The database did not answer.
        """

        async def asked() -> T:
            await self._replay()
            return await question(self._database)

        try:
            return await self._background.ask(asked)
        except LoopStopped:
            raise DatabaseUnavailable("the call store was closed meanwhile") from None

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have something go on in the writer's loop, until it ends, or this is cancelled."""
        while True:
            with suppress(LoopStopped):
                return await self._background.ask(work)

    async def use_once(self, use_id: str, note: str, now: datetime, until: datetime) -> str | None:
        """Like `CallDatabase.use_once`, and without a detour by this thread where that can be: it costs the most.

        Raises:
            DatabaseError: The database did not answer.
        """
        if self._database.is_open_file:
            return await self._database.use_once(use_id, note, now, until)
        return await self.ask(lambda database: database.use_once(use_id, note, now, until))

    async def flush(self, timeout_secs: float) -> bool:
        """Wait until all that has changed is saved. A database that fails is asked more often meanwhile.

        Returns:
            False when the time was up first.
        """
        if not self._any_unsaved():
            return True
        try:
            async with asyncio.timeout(timeout_secs):
                await self._background.ask(self._all_saved)
        except (LoopStopped, TimeoutError):
            return False
        return True

    async def aclose(self, timeout_secs: float) -> bool:
        """Save what is left, and let go of the database.

        Returns:
            False when something was not saved in time; it is kept, and tried again after the next change.
        """
        saved = await self.flush(timeout_secs)
        if self._spooling is not None:
            await asyncio.to_thread(self._spooling.stop)
        if self._background.running:
            try:
                await self._background.ask(self._end)
            except (LoopStopped, DatabaseError) as error:
                logger.warning("The database was not closed well: {}", error)
            await asyncio.to_thread(self._background.stop)
            with self._lock:
                self._woken = self._pressed = False
        if self._left is not None:
            self._left.release()
        if not saved:
            where = f"; they are in {self._spooling.folder}, for the next start" if self._spooling else ""
            logger.error("The store was closed before all calls were saved{}", where)
        return saved

    def _flush_at_exit(self) -> None:
        if not self._any_unsaved():
            return
        try:
            self._background.submit(self._all_saved).result(EXIT_SECS)
        except Exception:
            logger.error("The program ends before all calls were saved")
            if self._spooling is not None:
                self._spooling.stop()

    def _wake_up(self) -> None:
        self._wake.set()

    def _wake_up_at_once(self) -> None:
        self._press.set()
        self._wake.set()

    def _begin(self) -> None:
        self._wake, self._press, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._turn = asyncio.Lock()
        if self._left is not None:
            self._left.new_loop()
        self._put_back(list(self._saving.values()))  # of a loop that was stopped in the middle of it
        self._writing = asyncio.get_running_loop().create_task(self._write_forever())
        if self._any_unsaved():
            self._wake.set()

    async def _end(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})
        await self._database.aclose()

    async def _all_saved(self) -> None:
        self._retry_odd()
        while self._any_unsaved():
            self._wake_up_at_once()
            self._hurry.set()
            await asyncio.sleep(FIRST_RETRY_SECS / 4)

    async def _write_forever(self) -> None:
        pause, clock = FIRST_RETRY_SECS, asyncio.get_running_loop().time
        written = clock() - MAY_WAIT_SECS
        while True:
            await self._wake.wait()
            # What comes after a pause is written at once: a process that is killed now loses nothing of it.
            with suppress(TimeoutError):
                async with asyncio.timeout_at(written + MAY_WAIT_SECS):
                    await self._press.wait()
            await asyncio.sleep(GATHER_SECS)
            for event in (self._wake, self._press, self._hurry):
                event.clear()
            with self._lock:
                self._woken = self._pressed = False
            written = clock()
            if await self._drain():
                pause = FIRST_RETRY_SECS
                continue
            self._wake_up_at_once()
            try:
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            except TimeoutError:
                pause = min(pause * 2, LONGEST_RETRY_SECS)

    async def _drain(self) -> bool:
        """Save all that has changed.

        Returns:
            False when some of it could not be saved; it is kept for the next time.
        """
        while (batch := self._take()) or self._left:
            try:
                await self._replay()
                if batch and not await self._save(batch):
                    await self._save_apart(batch)
            except DatabaseError as error:
                self._put_back(batch)
                if not self._failing:
                    self._failing = True
                    where = "on this disk" if self._spooling else "in memory"
                    logger.error("Calls cannot be saved and are kept {} for now: {}", where, error)
                return False
            if self._failing:
                self._failing = False
                logger.info("Calls are saved again")
            self._put_back([])
        return True

    async def _replay(self) -> None:
        """Write what dead processes have left, before anything else.

        Raises:
            DatabaseError: It takes nothing.
        """
        if self._left:
            await self._left.replay(self._database, self._is_written)

    def _is_written(self, call: Call, record: Unsaved, saved: Saved) -> None:
        self._written[call] = _Written(record.row, len(record.events), saved.last_seq, saved.revision)

    async def _save_apart(self, batch: list[Call]) -> None:
        """Save calls one by one, so that one with something odd in it does not hold up the others.

        Raises:
            DatabaseError: The database takes none.
        """
        for call in batch:
            if await self._save([call]):
                continue
            logger.error("Call {} cannot be saved, and is kept in memory", call.id)
            with self._lock:
                if not self._odd:
                    asyncio.get_running_loop().call_later(ODD_RETRY_SECS, self._retry_odd)
                self._odd[call.id] = call

    def _retry_odd(self) -> None:
        with self._lock:
            self._dirty = {**self._odd, **self._dirty}
            self._odd = {}
        self._wake.set()

    async def _save(self, batch: list[Call]) -> bool:
        """Write calls in one transaction.

        Returns:
            False when the database, or what stands before it, will not take these values.

        Raises:
            DatabaseError: It takes none.
        """
        async with self._turn:
            try:
                unsaved = {call: record for call in batch if (record := self._unsaved(call)).has_news}
                saved = await self._database.save(list(unsaved.values())) if unsaved else {}
            except DatabaseRefused as error:
                logger.debug("{}", error)
                return False
            except DatabaseError:
                raise
            except Exception as error:
                # The call may have changed under our hands, in its own thread.
                logger.debug("Calls could not be read or written: {}", type(error).__name__)
                return False
            for call, record in unsaved.items():
                now = saved[call.id]
                if now.theirs is not None and self._merge is not None:
                    await self._merged(call, len(record.events), now.theirs, now.revision)
                else:
                    self._written[call] = _Written(record.row, len(record.events), now.last_seq, now.revision)
        self._on_saved(saved)
        return True

    def _unsaved(self, call: Call) -> Unsaved:
        before = self._written.get(call, NOTHING_WRITTEN)
        # The events first: whatever belongs to one of them is in the row then.
        events = list(call.events)
        return Unsaved(row_of(call), before.row, events, before.events, before.last_seq, before.revision)

    def _any_unsaved(self) -> bool:
        with self._lock:
            return bool(self._dirty or self._saving or self._odd or self._left)

    def _waits_secs(self) -> float:
        """How long the oldest change has waited for the database; 0 when none waits."""
        with self._lock:
            return 0.0 if self._waits_since is None else max(time.monotonic() - self._waits_since, 1e-6)

    def _all_unsaved(self) -> list[Unsaved]:
        with self._lock:
            calls = {**self._odd, **self._saving, **self._dirty}
        return [record for call in calls.values() if (record := self._unsaved(call)).has_news]

    def _take(self) -> list[Call]:
        with self._lock:
            self._saving = {call_id: self._dirty.pop(call_id) for call_id in list(self._dirty)[:BATCH]}
            return list(self._saving.values())

    def _put_back(self, calls: list[Call]) -> None:
        """End the saving of a batch; these of its calls are still to be saved, before all others."""
        with self._lock:
            self._dirty = {**{call.id: call for call in calls}, **self._dirty}
            self._saving = {}
            if not calls:
                self._waits_since = time.monotonic() if self._dirty or self._odd else None


def _flush_at_exit(writer: weakref.ref[CallWriter]) -> None:
    if known := writer():
        known._flush_at_exit()
