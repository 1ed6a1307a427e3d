"""What people say of calls afterwards: what a call has achieved, a note, that a message has been dealt with.

Each is an event of the call, with who has said it, and written before whoever asked is answered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from calls.call import Call
from calls.database.errors import DatabaseError
from calls.errors import NotDone
from calls.events.people import MessageHandled, Reviewed
from calls.searching import Record
from calls.store import CallStore

FLUSH_SECS = 2.0
"""How long the database may take to write it."""


class NoDatabase(NotDone):
    """The database does not answer, so nothing was done."""

    def __init__(self) -> None:
        super().__init__("the database does not answer: ask again")


async def review(store: CallStore, call_id: str, said: dict[str, Any], by: str) -> Call | None:
    """Keep what a person says of a call; what they leave out stays as it is.

    Args:
        store: The calls.
        call_id: Our id, or the carrier's.
        said: Of `outcome`, `note` and `reviewed`, as `calls.events.people.Reviewed` has them.
        by: Who they are.

    Returns:
        The call; None when there is none.
    """
    call = await store.change(call_id)
    if call is None:
        return None
    before = call.last(Reviewed) or Reviewed()
    call.record(replace(before, **said, by=by, stored=None))
    await store.flush(FLUSH_SECS)
    return call


async def deal_with(store: CallStore, call_id: str, seq: int, *, handled: bool, by: str) -> Record | None:
    """Keep that a message has been dealt with, or that it has not after all.

    Args:
        store: The calls.
        call_id: Our id, or the carrier's.
        seq: The number of the message's event in its call.
        handled: Whether it has been.
        by: Who says so.

    Returns:
        The message; None when there is none.

    Raises:
        NoDatabase: It is not known whether there is one.
    """
    call = await store.change(call_id)
    try:
        if call is not None:
            await store.flush(FLUSH_SECS)
        if call is None or await store.looking.message(call, seq) is None:
            return None
        call.record(MessageHandled(seq=seq, handled=handled, by=by))
        await store.flush(FLUSH_SECS)
        return await store.looking.message(call, seq)
    except DatabaseError:
        raise NoDatabase() from None
