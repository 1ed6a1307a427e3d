"""Work that one process does for all that share a database: who does it, and who takes it over from a dead one.

Nothing here compares times: whether a holder lives is found out by whoever asks, by the holder's count of beats
(`calls.shared`).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from calls.database.processes import Me
from calls.database.schema import LEASES, PROCESSES


def holder_of(connection: sa.Connection, name: str) -> str | None:
    """The id of the process that has a lease, or had it when it died; None when nobody has had it yet."""
    return connection.scalar(sa.select(LEASES.c.holder).where(LEASES.c.name == name))


def take(connection: sa.Connection, me: Me, name: str, before: str | None, *, must_be_gone: bool) -> bool:
    """Take a lease from its last holder; returns False when somebody else was quicker.

    Args:
        connection: In its transaction.
        me: Who takes it.
        name: Which lease.
        before: Who had it; None for nobody.
        must_be_gone: Whether the table of processes must not have that one any more: it may have started a moment ago.
    """
    if before is None:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        new = insert(LEASES).values(name=name, holder=me.id).on_conflict_do_nothing()
        return connection.execute(new).rowcount == 1
    theirs = sa.and_(LEASES.c.name == name, LEASES.c.holder == before)
    if must_be_gone:
        theirs = sa.and_(theirs, ~sa.exists().where(PROCESSES.c.id == before))
    return connection.execute(sa.update(LEASES).where(theirs).values(holder=me.id)).rowcount == 1
