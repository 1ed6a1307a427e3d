"""The processes that share a database: which of them live, which talks on a call, and what they ask each other to do.

The tables say everything; that something has changed is told by `calls.database.waking`. Nothing here compares times: a
process counts its beats, and whether it still does is found out by whoever looks (`calls.shared`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from calls.database.schema import COMMANDS, LEASES, PROCESSES, SESSIONS
from calls.events.event import CallEvent
from calls.events.talk import Attached, Detached


@dataclass(frozen=True)
class Me:
    """A process, as the others know it.

    Parameters:
        id: Made anew at each start.
        name: Its machine and number, for people.
    """

    id: str
    name: str


@dataclass(frozen=True)
class Offer:
    """What a process would take over from another one that is to stop.

    Parameters:
        deployment: Names what two processes must have in common for that; empty for a process that takes nothing over.
        room: How many calls.
    """

    deployment: str = ""
    room: int = 0


@dataclass(frozen=True)
class Beat:
    """A sign of life.

    Parameters:
        count: For which time the process shows that it lives.
        offer: What it would take over, as it has said with that.
        machine: The name of its machine.
    """

    count: int
    offer: Offer = Offer()
    machine: str = ""


@dataclass(frozen=True)
class Command:
    """What a process is asked to do with a call.

    Parameters:
        id: Which command this is.
        call_id: Our id of the call.
        what: Its name.
        arguments: What goes with it, as JSON has it.
    """

    id: str
    call_id: str
    what: str
    arguments: Mapping[str, Any]


def beat(connection: sa.Connection, me: Me, offer: Offer) -> dict[str, Beat]:
    """Show that this process lives, and what it would take over.

    Returns:
        The last beats of all processes by their ids.
    """
    columns = PROCESSES.c
    offered = {"deployment": offer.deployment, "room": offer.room}
    again = sa.update(PROCESSES).where(columns.id == me.id).values(beat=columns.beat + 1, **offered)
    if connection.execute(again).rowcount == 0:
        connection.execute(sa.insert(PROCESSES).values(id=me.id, name=me.name, beat=1, **offered))
    found = connection.execute(
        sa.select(columns.id, columns.name, columns.beat, columns.deployment, columns.room)
    )
    return {
        one: Beat(count, Offer(deployment or "", room or 0), machine_of(name))
        for one, name, count, deployment, room in found
    }


def machine_of(name: str) -> str:
    """The machine in a process's name."""
    return name.rpartition("/")[0]


def forget(connection: sa.Connection, processes: Collection[str]) -> None:
    """Delete processes, what they had, and what they and others asked of each other."""
    connection.execute(sa.delete(PROCESSES).where(PROCESSES.c.id.in_(processes)))
    connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.process_id.in_(processes)))
    connection.execute(sa.delete(LEASES).where(LEASES.c.holder.in_(processes)))
    theirs = sa.or_(COMMANDS.c.process_id.in_(processes), COMMANDS.c.asked_by.in_(processes))
    connection.execute(sa.delete(COMMANDS).where(theirs))


def own_session(events: Iterable[CallEvent]) -> Attached | None:
    """The beginning of the session that this process has on a call, by the call's events; None when it has none."""
    # Two sessions may overlap: the next one begins before the last one has noticed that its stream is gone.
    sessions: list[Attached] = []
    left = 0
    for event in events:
        if event.stored is None and isinstance(event, Attached):
            sessions.append(event)
        left += event.stored is None and isinstance(event, Detached)
    return sessions[-1] if len(sessions) > left else None


def note_session(
    connection: sa.Connection, me: Me, call_id: str, events: Sequence[CallEvent], new: Sequence[CallEvent]
) -> None:
    """Note that this process has the session on a call, or has it no more, if new events say so.

    Args:
        connection: In whose transaction the events are written.
        me: This process.
        call_id: Our id of the call.
        events: All events that it knows of the call. Those of others were read, and have what was `stored`.
        new: Those that are written now.
    """
    if not any(isinstance(event, Attached | Detached) for event in new):
        return
    attached = own_session(events)
    if attached is None:
        mine = sa.and_(SESSIONS.c.call_id == call_id, SESSIONS.c.process_id == me.id)
        connection.execute(sa.delete(SESSIONS).where(mine))
        return
    # The last one to attach has the call: the session before it may have died with its process.
    place: dict[str, Any] = {"process_id": me.id, "stream_id": attached.stream_id, "since": attached.at}
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    put = insert(SESSIONS).values(call_id=call_id, **place)
    connection.execute(put.on_conflict_do_update(index_elements=["call_id"], set_=place))


def session_of(connection: sa.Connection, call_id: str) -> str | None:
    """The id of the process that has the session on a call, or had it when it died; None when there is none."""
    return connection.scalar(sa.select(SESSIONS.c.process_id).where(SESSIONS.c.call_id == call_id))


def put_command(connection: sa.Connection, me: Me, process_id: str, command: Command) -> None:
    """Ask another process to do something."""
    connection.execute(
        sa.insert(COMMANDS).values(
            id=command.id,
            process_id=process_id,
            asked_by=me.id,
            call_id=command.call_id,
            what=command.what,
            arguments=dict(command.arguments),
            taken=False,
        )
    )


def commands_for(connection: sa.Connection, me: Me) -> list[Command]:
    """What this process is asked to do and has not begun."""
    columns = COMMANDS.c
    query = sa.select(columns.id, columns.call_id, columns.what, columns.arguments).where(
        columns.process_id == me.id, columns.taken.is_(sa.false())
    )
    return [Command(*row) for row in connection.execute(query)]


def take_command(connection: sa.Connection, command_id: str) -> bool:
    """Begin what was asked for; returns False when it was withdrawn, or begun before."""
    untaken = sa.and_(COMMANDS.c.id == command_id, COMMANDS.c.taken.is_(sa.false()))
    return connection.execute(sa.update(COMMANDS).where(untaken).values(taken=True)).rowcount == 1


def answer_command(connection: sa.Connection, command_id: str, answer: Mapping[str, Any]) -> str | None:
    """Say what came of it; returns which process has asked, None when it waits no more."""
    connection.execute(sa.update(COMMANDS).where(COMMANDS.c.id == command_id).values(answer=dict(answer)))
    return connection.scalar(sa.select(COMMANDS.c.asked_by).where(COMMANDS.c.id == command_id))


def answers_for(connection: sa.Connection, me: Me) -> dict[str, Mapping[str, Any]]:
    """What came of that which this process has asked for, by the commands' ids."""
    query = sa.select(COMMANDS.c.id, COMMANDS.c.answer).where(
        COMMANDS.c.asked_by == me.id, COMMANDS.c.answer.is_not(None)
    )
    return {command_id: answer for command_id, answer in connection.execute(query)}


def withdraw_command(connection: sa.Connection, command_id: str) -> bool:
    """Ask for it no more, unless it was begun; returns whether it was withdrawn."""
    untaken = sa.and_(COMMANDS.c.id == command_id, COMMANDS.c.taken.is_(sa.false()))
    return connection.execute(sa.delete(COMMANDS).where(untaken)).rowcount == 1


def delete_command(connection: sa.Connection, command_id: str) -> None:
    """Delete what was answered, or is not waited for any more: it may have keys in it that were pressed."""
    connection.execute(sa.delete(COMMANDS).where(COMMANDS.c.id == command_id))
