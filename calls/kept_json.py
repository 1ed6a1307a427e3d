"""Small JSON values that an owner's code keeps with a call, or with a caller over all their calls.

A caller is the other side's number as one agent knows it: two agents keep what they know apart. In the database the
number stands as a SHA-256 only, so that a table that is looked at or handed on does not list callers. That does not
hide a number from somebody who tries all numbers out; whoever has the whole database has the numbers of calls anyway.

What is kept with a call goes when the call is deleted from the database; what is kept with a caller stays until it is
deleted. Without a database both live in memory, for as long as the process, and the callers of longest ago are
forgotten first.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from calls.call import Call
from calls.database.call_database import CallDatabase
from calls.database.errors import DatabaseError, DatabaseRefused
from calls.database.schema import KEPT_JSON
from calls.store import CallStore

T = TypeVar("T")

LARGEST_BYTES = 64 * 1024
"""How much one call, or one caller, may have: all keys and values as JSON in UTF-8."""

LONGEST_KEY = 200

KEEP_SECS = 2.0
"""How long the database may take: a caller is on the line."""

CALLERS_IN_MEMORY = 10_000

CALL, CALLER = "call", "caller"


class NotKept(Exception):
    """The database could not be asked: nothing was changed, as far as we know. The call goes on."""


class CallerUnknown(Exception):
    """The caller has withheld their number, so nothing can be kept with it."""


class KeptJson:
    """What an owner's code keeps, as one call sees it.

    Parameters:
        store: The calls, and the database behind them.
        call: The call.

    Attributes:
        call: What is kept with the call.
        caller: What is kept with the caller, for the call's agent.
    """

    def __init__(self, store: CallStore, call: Call):
        """Read nothing yet."""
        self.call = Scope(store, CALL, lambda: call.id, call)
        self.caller = Scope(store, CALLER, lambda: _caller(call), call)


class Scope:
    """The values of one call or one caller.

    Parameters:
        store: The calls, and the database behind them.
        kind: `call` or `caller`.
        owner: Whose values they are; None when that is not known.
        call: The call that asks.
    """

    def __init__(self, store: CallStore, kind: str, owner: Callable[[], str | None], call: Call):
        self._store = store
        self._kind = kind
        self._owner = owner
        self._call = call

    @property
    def is_known(self) -> bool:
        """Whether anything can be kept here: not with a caller who has withheld their number."""
        return self._owner() is not None

    async def get(self, key: str, default: Any = None) -> Any:
        """The value under a key; `default` when there is none, or the caller is not known.

        Raises:
            NotKept: The database could not be asked.
        """
        owner = self._owner()
        if owner is None:
            return default
        found = await self._do(lambda kept: kept.get(self._kind, owner, _checked_key(key)))
        return default if found is None else json.loads(found)

    async def set(self, key: str, value: Any) -> None:
        """Keep a value under a key, in place of the one before.

        Raises:
            ValueError: The value is not JSON, or there would be more than `LARGEST_BYTES`.
            CallerUnknown: The caller has withheld their number.
            NotKept: The database could not be asked.
        """
        text, owner = _json(value), self._known_owner()
        await self._do(lambda kept: kept.set(self._kind, owner, _checked_key(key), text))

    async def delete(self, key: str) -> None:
        """Forget a key; one that is not there is no error.

        Raises:
            NotKept: The database could not be asked.
        """
        owner = self._owner()
        if owner is not None:
            await self._do(lambda kept: kept.delete(self._kind, owner, _checked_key(key)))

    def _known_owner(self) -> str:
        owner = self._owner()
        if owner is None:
            raise CallerUnknown(
                "the caller has withheld their number, so nothing can be kept with it: look at `is_known` before"
            )
        return owner

    async def _do(self, work: Callable[[Any], T]) -> T:
        ask = self._store.ask_database
        if ask is None:
            return work(_InMemory(_memories.setdefault(self._store, _Memory()), self._call))
        try:
            async with asyncio.timeout(KEEP_SECS):
                try:
                    return await ask(lambda database: _in(database, work))
                except DatabaseRefused:
                    # The call itself is written behind its back, and may not be there yet.
                    await self._store.flush()
                    return await ask(lambda database: _in(database, work))
        except TimeoutError:
            raise NotKept(f"the database did not answer within {KEEP_SECS:g} s") from None
        except DatabaseError as error:
            raise NotKept(str(error)) from None


async def _in(database: CallDatabase, work: Callable[[Any], T]) -> T:
    return await database.do(lambda connection: work(_InDatabase(connection)))


class _InDatabase:
    """The values in the table."""

    def __init__(self, connection: sa.Connection):
        self._connection = connection

    def get(self, kind: str, owner: str, key: str) -> str | None:
        query = sa.select(KEPT_JSON.c.value).where(*_is(kind, owner), KEPT_JSON.c.key == key)
        return self._connection.scalar(query)

    def set(self, kind: str, owner: str, key: str, text: str) -> None:
        size = _size(key, text)
        row = {
            "kind": kind,
            "owner": owner,
            "key": key,
            "call_id": owner if kind == CALL else None,
            "value": text,
            "size": size,
        }
        if self._connection.dialect.name == "postgresql":
            # Two that set at once must not both find room: the lock ends with the transaction.
            lock = int.from_bytes(hashlib.sha256(f"{kind} {owner}".encode()).digest()[:7])
            self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
        others = sa.select(sa.func.coalesce(sa.func.sum(KEPT_JSON.c.size), 0)).where(
            *_is(kind, owner), KEPT_JSON.c.key != key
        )
        _must_fit(kind, int(self._connection.scalar(others) or 0) + size)
        self.delete(kind, owner, key)
        self._connection.execute(sa.insert(KEPT_JSON), row)

    def delete(self, kind: str, owner: str, key: str) -> None:
        self._connection.execute(sa.delete(KEPT_JSON).where(*_is(kind, owner), KEPT_JSON.c.key == key))


def _is(kind: str, owner: str) -> tuple[Any, Any]:
    return KEPT_JSON.c.kind == kind, KEPT_JSON.c.owner == owner


class _InMemory:
    """The values of a store without a database."""

    def __init__(self, memory: _Memory, call: Call):
        self._memory = memory
        self._call = call

    def get(self, kind: str, owner: str, key: str) -> str | None:
        return self._memory.of(kind, owner, self._call).get(key)

    def set(self, kind: str, owner: str, key: str, text: str) -> None:
        values = self._memory.of(kind, owner, self._call)
        others = sum(_size(name, value) for name, value in values.items() if name != key)
        _must_fit(kind, others + _size(key, text))
        values[key] = text

    def delete(self, kind: str, owner: str, key: str) -> None:
        self._memory.of(kind, owner, self._call).pop(key, None)


class _Memory:
    """Of one store: the values of its calls and callers."""

    def __init__(self) -> None:
        self.calls: WeakKeyDictionary[Call, dict[str, str]] = WeakKeyDictionary()
        self.callers: OrderedDict[str, dict[str, str]] = OrderedDict()

    def of(self, kind: str, owner: str, call: Call) -> dict[str, str]:
        if kind == CALL:
            return self.calls.setdefault(call, {})
        values = self.callers.setdefault(owner, {})
        self.callers.move_to_end(owner)
        if len(self.callers) > CALLERS_IN_MEMORY:
            self.callers.popitem(last=False)
        return values


_memories: WeakKeyDictionary[CallStore, _Memory] = WeakKeyDictionary()


def forget_caller_in_memory(store: CallStore, number: str, agents: Iterable[str]) -> int:
    """Throw away what a store without a database keeps with a caller for agents; returns how many values."""
    callers = _memories.setdefault(store, _Memory()).callers
    return sum(len(callers.pop(caller_named(agent, number), {})) for agent in set(agents))


def _caller(call: Call) -> str | None:
    number = call.other_number
    return caller_named(call.agent, number) if number else None


def caller_named(agent: str | None, number: str) -> str:
    """Whose values those are that are kept with a caller for an agent: what stands for the two in the database."""
    return hashlib.sha256(f"{agent or ''}\n{number}".encode()).hexdigest()


def _checked_key(key: str) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or "\x00" in key:
        raise ValueError(f"a key is a text of 1 to {LONGEST_KEY} characters, not {type(key).__name__}")
    return key


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"the value cannot be kept, as it is not JSON ({type(error).__name__}): use texts, numbers, true, false, "
            "null, lists and tables"
        ) from None


def _size(key: str, text: str) -> int:
    return len(key.encode()) + len(text)


def _must_fit(kind: str, size: int) -> None:
    if size > LARGEST_BYTES:
        raise ValueError(
            f"too much to keep with one {kind}: {size} bytes, and {LARGEST_BYTES} are allowed; delete what is not "
            "needed, or keep it in a database of your own"
        )
