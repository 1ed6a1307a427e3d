"""Forgets what calls have left: after some days (retention), or at once of one caller, who has asked for it.

Only calls that are over are touched, a few at a time, each few in a transaction of their own, so that calls that are
running are never held up. Recordings are at the carrier, which is asked to delete them first: what their names are is
known by the call alone, which is not deleted before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from loguru import logger

from calls.call import Call
from calls.database import forgetting
from calls.database.forgetting import Before
from calls.database.reading import events_after
from calls.database.saved import SavedCall
from calls.errors import UnderWay
from calls.events.forgetting import NUMBER_FIELDS, without_numbers
from calls.kept_json import forget_caller_in_memory
from calls.left_messages import OF_RECORDINGS, MessageBook
from calls.recordings import DELETED, recordings
from calls.store import CallStore
from carriers.carrier import CallNotFound, Carrier, CarrierError
from carriers.recording import RecordingState

T = TypeVar("T")

BATCH = 20
"""How many calls are dealt with in a transaction: some hundredths of a second, in which nothing else is written."""

PAUSE_SECS = 0.2
"""Between one transaction and the next: what running calls write comes first."""

WITHOUT_A_FILE = frozenset({RecordingState.ABSENT, RecordingState.FAILED, DELETED})
"""States of a recording in which the carrier has no file. Of every other one it may have one: reports get lost."""


@dataclass(frozen=True)
class Retention:
    """For how many days after the end of a call something of it is kept; None for ever.

    Parameters:
        numbers: The other side's number.
        words: What was said and found out, messages included.
        recordings: The carrier's recordings.
        events: The whole call.
    """

    numbers: int | None = None
    words: int | None = None
    recordings: int | None = None
    events: int | None = None

    @property
    def is_for_ever(self) -> bool:
        """Whether nothing is ever forgotten."""
        return self == Retention()

    def before(self, now: datetime) -> Before:
        """What is to be forgotten at a moment."""

        def moment(days: int | None) -> datetime | None:
            return now - timedelta(days=days) if days is not None else None

        return Before(moment(self.numbers), moment(self.words), moment(self.recordings), moment(self.events))


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten.

    Parameters:
        calls: Calls of which something was.
        deleted: Of them, those that are gone as a whole.
        recordings: Recordings that the carrier has deleted.
        recordings_left: Recordings that it has not: ask again.
        notices: What was still to be told of these calls.
        values: Small values that were kept with them, and with the caller.
        messages: Messages in the file of messages.
        call_backs: Entries of the list of those to be called back.
    """

    calls: int = 0
    deleted: int = 0
    recordings: int = 0
    recordings_left: int = 0
    notices: int = 0
    values: int = 0
    messages: int = 0
    call_backs: int = 0

    def plus(self, **more: int) -> Forgotten:
        """The same with more."""
        return replace(self, **{name: getattr(self, name) + count for name, count in more.items()})


class Forgetting:
    """Forgets what calls have left.

    Parameters:
        store: The calls.
        carrier_of: The carrier of a call; None when there are no credentials for it.
        data_dir: Where the file of messages is.
        pause_secs: See `PAUSE_SECS`.
    """

    def __init__(
        self,
        store: CallStore,
        carrier_of: Callable[[Call], Carrier | None],
        data_dir: Path,
        *,
        pause_secs: float = PAUSE_SECS,
    ):
        self._store = store
        self._carrier_of = carrier_of
        self._messages = MessageBook(data_dir)
        self._pause_secs = pause_secs

    # After some days

    def purge_memory(self, retention: Retention) -> int:
        """Forget the ended calls in this process's memory of which the database keeps less; returns how many."""
        latest = retention.before(self._store.now()).latest
        if latest is None:
            return 0
        return self._store.drop(lambda call: call.ended_at is not None and call.ended_at < latest)

    async def purge(self, retention: Retention) -> Forgotten:
        """Forget what is older than it may be.

        Raises:
            DatabaseError: The database did not answer; what was forgotten so far stays so.
            OSError: The file of messages cannot be changed.
        """
        before = retention.before(self._store.now())
        done = Forgotten(messages=await self._purge_messages(before))
        if before.latest is None or self._store.ask_database is None:
            return done
        after: forgetting.Place | None = None
        silent: set[str] = set()

        def look(connection: sa.Connection) -> list[_Ended]:
            rows = forgetting.due(connection, before, after, BATCH)
            return [_Ended(row, _recordings_of(connection, row)) for row in rows]

        while ended := await self._do(look):
            after = ended[-1].row["ended_at"], ended[-1].row["id"]
            done = await self._purge_some(ended, before, silent, done)
            await asyncio.sleep(self._pause_secs)
        if done.calls:
            await self._empty_log()
        return done

    async def _purge_some(
        self, ended: Sequence[_Ended], before: Before, silent: set[str], done: Forgotten
    ) -> Forgotten:
        # A call that is to go goes with its recordings, if those are to go at all.
        deleted: list[Mapping[str, Any]] = []
        for one in ended:
            if before.recordings is None or one.row["recordings_gone"]:
                continue
            if _ended_before(one.row, before.recordings) or _ended_before(one.row, before.events):
                count, left = await self._delete_recordings(one, silent)
                done = done.plus(recordings=count, recordings_left=left)
                if not left:
                    deleted.append(one.row)
        with_recordings = {one.row["id"] for one in ended if before.recordings is not None and one.recordings}
        with_recordings -= {row["id"] for row in deleted}
        with_recordings -= {one.row["id"] for one in ended if one.row["recordings_gone"]}
        rows, now = [one.row for one in ended], self._store.now()

        def forget(connection: sa.Connection) -> tuple[int, int, int]:
            whole = [row for row in rows if _ended_before(row, before.events)]
            gone = {row["id"] for row in whole} - with_recordings
            kept = [row for row in rows if row["id"] not in gone]
            # What cannot go as a whole yet loses what it has of the caller
            must = [row for row in kept if _ended_before(row, before.events)]
            words = [row for row in kept if row in must or _ended_before(row, before.words)]
            numbers = [row for row in kept if row in must or _ended_before(row, before.numbers)]
            notices, values = forgetting.forget_words(connection, [r for r in words if not r["words_gone"]])
            forgetting.forget_recordings(connection, [r for r in deleted if r["id"] not in gone], now)
            # Those that go are forgotten with them: what is kept with a caller goes with their last call.
            values += forgetting.forget_numbers(
                connection,
                [r for r in rows if (r in numbers or r["id"] in gone) and not r["numbers_gone"]],
            )
            forgetting.delete_calls(connection, gone)
            return notices, values, len(gone)

        notices, values, gone = await self._do(forget)
        self._drop({row["id"] for row in rows})
        return done.plus(calls=len(rows), deleted=gone, notices=notices, values=values)

    async def _purge_messages(self, before: Before) -> int:
        words = max(filter(None, (before.words, before.events)), default=None)
        numbers = before.numbers
        recorded = max(filter(None, (before.recordings, before.events)), default=None)

        def change(message: dict[str, Any]) -> dict[str, Any] | None:
            taken_at = _moment(message.get("taken_at"))
            if taken_at is None:
                return message
            if words is not None and taken_at < words:
                return None
            if recorded is not None and taken_at < recorded:
                message = {name: value for name, value in message.items() if name not in OF_RECORDINGS}
            if numbers is not None and taken_at < numbers:
                return {**message, **without_numbers({name: message.get(name) for name in NUMBER_FIELDS})}
            return message

        return await self._messages.rewrite(change) if words or numbers or recorded else 0

    # One caller

    async def erase(self, number: str, *, agents: Iterable[str] = (), by: str | None = None) -> Forgotten:
        """Forget a caller: in all calls in which the number was the other side, and wherever else it is kept.

        What a carrier does not delete is counted, and its calls keep the number, so that erasing can be repeated.

        Args:
            number: In E.164, or a SIP address, as `carriers.numbers.phone_number` writes it.
            agents: Names of agents that may have kept something with the caller, beside those of known calls.
            by: Which of the operator's people has asked for it, for the calls' events.

        Returns:
            What was forgotten; nothing where nothing was known.

        Raises:
            UnderWay: A call of theirs is running; nothing was done.
            DatabaseError: The database did not answer; what was forgotten so far stays so.
            OSError: The file of messages cannot be changed.
        """
        if any(call.other_number == number for call in self._store.live()):
            raise _running()
        if self._store.ask_database is None:
            return await self._erase_in_memory(number, agents)
        await self._store.flush()

        def look(connection: sa.Connection) -> list[_Ended]:
            rows = forgetting.calls_with(connection, number)
            if not all(forgetting.is_over(row) for row in rows):
                raise _running()
            return [_Ended(row, _recordings_of(connection, row)) for row in rows]

        found = await self._do(look)
        done, silent = Forgotten(), set[str]()
        for start in range(0, len(found), BATCH):
            some = found[start : start + BATCH]
            deleted, left_with = [], set()
            for one in some:
                if one.row["recordings_gone"]:
                    continue
                count, left = await self._delete_recordings(one, silent)
                done = done.plus(recordings=count, recordings_left=left)
                left_with |= {one.row["id"]} if left else set()
                deleted += [] if left else [one.row]
            notices, values = await self._do(_forget_calls(some, deleted, left_with, self._store.now(), by))
            done = done.plus(calls=len(some), notices=notices, values=values)
            await asyncio.sleep(self._pause_secs)
        known = set(agents)

        def forget_rest(connection: sa.Connection) -> tuple[int, int]:
            of = known | forgetting.agents_of_calls(connection) | {None}
            values = forgetting.forget_caller(connection, number, of)
            forgetting.forget_messages_for(connection, number)
            return values, forgetting.forget_call_back(connection, number)

        values, call_backs = await self._do(forget_rest)
        ids = {one.row["id"] for one in found}
        self._drop(ids)
        messages = await self._messages.rewrite(_without_caller(ids, number))
        await self._empty_log()
        return done.plus(values=values, call_backs=call_backs, messages=messages)

    async def _erase_in_memory(self, number: str, agents: Iterable[str]) -> Forgotten:
        calls = [call for call in self._store.list(limit=2**31) if call.other_number == number]
        ended = [_Ended({}, [(call, one) for one in _named(call)]) for call in calls]
        done = Forgotten()
        left_with: set[str] = set()
        for call, one in zip(calls, ended, strict=True):
            count, left = await self._delete_recordings(one, set())
            left_with |= {call.id} if left else set()
            done = done.plus(recordings=count, recordings_left=left)
        ids = {call.id for call in calls}
        dropped = self._store.drop(lambda call: call.id in ids - left_with)
        notices = self._store.forget_notices(ids)
        agents = {*agents, *(call.agent or "" for call in calls)}
        values = forget_caller_in_memory(self._store, number, agents)
        messages = await self._messages.rewrite(_without_caller(ids, number))
        return done.plus(calls=len(calls), deleted=dropped, notices=notices, values=values, messages=messages)

    # Both

    async def _delete_recordings(self, one: _Ended, silent: set[str]) -> tuple[int, int]:
        """Have the carrier delete a call's recordings.

        Args:
            one: The call.
            silent: Names of carriers that did not answer: they are asked no more, until the next time.

        Returns:
            How many were deleted, and how many were not.
        """
        deleted = left = 0
        for call, recording_id in one.recordings:
            carrier = self._carrier_of(call)
            if carrier is None or call.carrier in silent:
                left += 1
                continue
            try:
                await carrier.delete_recording(recording_id)
                deleted += 1
            except CallNotFound:
                pass  # somebody has deleted it before
            except CarrierError as error:
                silent.add(call.carrier)
                left += 1
                logger.warning("Call {}: a recording was not deleted: {}", call.id, error)
        return deleted, left

    def _drop(self, ids: Collection[str]) -> None:
        self._store.drop(lambda call: call.id in ids)

    async def _empty_log(self) -> None:
        if (ask := self._store.ask_database) is not None:
            await ask(lambda database: database.empty_log())

    async def _do(self, work: Callable[[sa.Connection], T]) -> T:
        ask: Callable[..., Awaitable[Any]] | None = self._store.ask_database
        assert ask is not None
        result: T = await ask(lambda database: database.do(work))
        return result


@dataclass(frozen=True)
class _Ended:
    """A call that is over: its columns, and the recordings that the carrier may have, each with its call."""

    row: Mapping[str, Any]
    recordings: Sequence[tuple[Call, str]]


def _recordings_of(connection: sa.Connection, row: Mapping[str, Any]) -> list[tuple[Call, str]]:
    if row["recordings_gone"]:
        return []
    events = [event for _, event in events_after(connection, row["id"], 0)]
    try:
        call = SavedCall(row, events).as_call(lambda: row["created_at"])
    except (ValueError, TypeError, KeyError) as error:
        logger.error("Call {} in the database cannot be read: {}", row["id"], type(error).__name__)
        return []
    return [(call, recording_id) for recording_id in _named(call)]


def _named(call: Call) -> list[str]:
    return [one.id for one in recordings(call) if one.id is not None and one.state not in WITHOUT_A_FILE]


def _forget_calls(
    some: Sequence[_Ended],
    deleted: Sequence[Mapping[str, Any]],
    left_with: Collection[str],
    now: datetime,
    by: str | None,
) -> Callable[[sa.Connection], tuple[int, int]]:
    """What forgets calls of one caller: all but the number of those that a recording is left of."""
    rows = [one.row for one in some]

    def forget(connection: sa.Connection) -> tuple[int, int]:
        notices, values = forgetting.forget_words(connection, rows)
        forgetting.forget_recordings(connection, deleted, now, by)
        values += forgetting.forget_numbers(connection, [row for row in rows if row["id"] not in left_with])
        forgetting.note_erased(connection, [row["id"] for row in rows], now, by)
        return notices, values

    return forget


def _without_caller(ids: Collection[str], number: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    def change(message: dict[str, Any]) -> dict[str, Any] | None:
        is_theirs = message.get("call_id") in ids or message.get("callback_number") == number
        return None if is_theirs else message

    return change


def _ended_before(row: Mapping[str, Any], moment: datetime | None) -> bool:
    return moment is not None and row["ended_at"] is not None and row["ended_at"] < moment


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _running() -> UnderWay:
    return UnderWay("a call of theirs is running: end it, or wait until it has ended, and ask again")
