"""How calls are laid out in a database: types that SQLite and PostgreSQL both have, and times in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from calls.figures import STAGES

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a later migration can change it."""

METADATA = sa.MetaData(naming_convention=NAMES)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A moment, to the microsecond. It comes back aware, whatever the database thinks of time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """As UTC; a time without a zone is UTC already."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Aware, in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


CALLS = sa.Table(
    "calls",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("carrier", sa.Text, nullable=False),
    # Null until the carrier has named the call: nulls are never equal, so any number of calls can wait for that.
    sa.Column("carrier_call_id", sa.Text),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("from_number", sa.Text),
    sa.Column("to_number", sa.Text),
    sa.Column("agent", sa.Text),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("ending_by", sa.Text),
    sa.Column("ending_cause", sa.Text),
    sa.Column("ending_state", sa.Text),
    sa.Column("resume", sa.JSON(none_as_null=True)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("answered_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    # The time of the last event: a search for calls that have gone silent need not read the events.
    sa.Column("heard_at", UtcTime, nullable=False),
    # Raised by each change: who has the call in memory sees by it that others have changed it.
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    # What was forgotten of it: nothing of the kind is written any more.
    sa.Column("numbers_gone", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("words_gone", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("recordings_gone", sa.Boolean, nullable=False, server_default=sa.false()),
    # Made of the call's events when it has ended, and again when something of it changes: `calls.derived`.
    sa.Column("outcome", sa.Text),
    sa.Column("outcome_found", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("reviewed_at", UtcTime),
    sa.Column("talk_ms", sa.Integer),
    sa.Column("first_words_ms", sa.Integer),
    sa.Column("response_p50_ms", sa.Integer),
    sa.Column("response_max_ms", sa.Integer),
    sa.Column("responses", sa.Integer),
    sa.Column("interruptions", sa.Integer),
    sa.Column("errors", sa.Integer),
    sa.Column("has", sa.Text, nullable=False, server_default=""),
    sa.Column("about", sa.Text),
    # By which version of `calls.derived`; 0 while the call lives, and for calls of before there was any.
    sa.Column("derived", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("carrier", "carrier_call_id"),
    sa.Index(None, "carrier_call_id"),
    # All that a list of calls can be narrowed by: whatever is asked for, it is found in this index alone.
    sa.Index(
        "ix_calls_listing",
        *("created_at", "id", "outcome", "agent", "direction", "carrier", "state", "response_max_ms"),
        *("has", "reviewed_at", "from_number", "to_number", "first_words_ms", "talk_ms"),
    ),
    sa.Index(None, "derived"),
    sa.Index(None, "created_at"),
    sa.Index(None, "to_number", "created_at"),
    sa.Index(None, "from_number", "created_at"),
    sa.Index(None, "state", "heard_at"),
    sa.Index(None, "ended_at"),
)
"""One row a call: `calls.call.Call` without its events."""

CALL_EVENTS = sa.Table(
    "call_events",
    METADATA,
    sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    # The default is for events that were written before there was a version.
    sa.Column("format", sa.Integer, nullable=False, server_default="1"),
)
"""What happened to the calls; `seq` counts from 1 in each call, in the order of writing. `format` is the version of
`calls.events.event` that an event was written by."""

CALL_WORDS = sa.Table(
    "call_words",
    METADATA,
    sa.Column("created_at", UtcTime, primary_key=True),
    sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("words", sa.Text, nullable=False),
    sa.Index(None, "call_id"),
)
"""What was said on calls that have ended, to be searched: each word once, in small letters."""

CALL_TURNS = sa.Table(
    "call_turns",
    METADATA,
    sa.Column("at", UtcTime, primary_key=True),
    sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("agent", sa.Text),
    sa.Column("waits", sa.Text, nullable=False),
    sa.Column("ms", sa.Integer, nullable=False),
    *(sa.Column(stage, sa.Integer, nullable=False) for stage in STAGES),
    sa.Column("interrupted", sa.Boolean, nullable=False),
    sa.Index(None, "call_id"),
    sqlite_with_rowid=False,  # it lies in the order of time, in which it is read
)
"""How long each turn of calls that have ended was waited for: `calls.figures.ResponseTime`. `waits` is its `to`."""

MESSAGES = sa.Table(
    "messages",
    METADATA,
    sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("agent", sa.Text),
    sa.Column("caller_name", sa.Text, nullable=False),
    sa.Column("callback_number", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("handled_at", UtcTime),
    sa.Column("handled_by", sa.Text),
    sa.Index(None, "at"),
)
"""The messages that were taken, from their events `message_taken` and `message_handled`; `seq` is the first one's."""

USED_ONCE = sa.Table(
    "used_once",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("until", UtcTime, nullable=False),
)
"""What works once, such as the token of a media socket, was used; it may be forgotten after `until`."""

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id", ondelete="CASCADE"), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("event_at", UtcTime, nullable=False),
    sa.Column("since", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("ready_by", UtcTime, nullable=False),
    sa.Column("leased_until", UtcTime),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("body", sa.Text),
    sa.Column("trouble", sa.Text),
    sa.Index(None, "state", "due_at"),
    sa.Index(None, "call_id", "channel", "seq"),
)
"""What the owner's systems are to be told of: `calls.outbox.parcels.Parcel`. What was delivered is here no more."""

KEPT_JSON = sa.Table(
    "kept_json",
    METADATA,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    # Null for what is kept with a caller, which outlives their calls
    sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id", ondelete="CASCADE")),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Index(None, "call_id"),
)
"""What the owner's code keeps with a call or a caller: `calls.kept_json`."""

PROCESSES = sa.Table(
    "processes",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    # Counts up while the process lives. No time: clocks jump, and those of two machines differ.
    sa.Column("beat", sa.Integer, nullable=False),
    # Null from a process of a version that takes none
    sa.Column("deployment", sa.Text),
    sa.Column("room", sa.Integer),
)
"""The processes that share the database: `calls.database.processes`."""

SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("process_id", sa.Text, nullable=False),
    sa.Column("stream_id", sa.Text, nullable=False),
    sa.Column("since", UtcTime, nullable=False),
    sa.Index(None, "process_id"),
)
"""Which process has the bot's session on a call, from the call's event `attached` to `detached`."""

LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
)
"""Which process does what one alone does for all: `calls.database.leases`."""

COMMANDS = sa.Table(
    "commands",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("process_id", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("taken", sa.Boolean, nullable=False),
    sa.Column("answer", sa.JSON(none_as_null=True)),
    sa.Index(None, "process_id"),
    sa.Index(None, "asked_by"),
)
"""What one process asks another to do with a call. Who has asked deletes it, with the answer or without."""

CALL_BACKS = sa.Table(
    "call_backs",
    METADATA,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("carrier", sa.Text, nullable=False),
    sa.Column("agent", sa.Text),
    sa.Column("called", sa.Text),
    sa.Column("asked_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("leased_until", UtcTime),
    sa.Column("call_id", sa.Text),
)
"""Callers for whom there was no room, until they are called back: `calls.call_backs.CallBack`."""
