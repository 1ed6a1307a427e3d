"""What is made of a call's events when it has ended: figures, outcome, words to search, turns, messages."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)

COLUMNS: dict[str, Any] = {
    "outcome": sa.Text,
    "outcome_found": sa.Text,
    "note": sa.Text,
    "reviewed_at": MOMENT,
    "talk_ms": sa.Integer,
    "first_words_ms": sa.Integer,
    "response_p50_ms": sa.Integer,
    "response_max_ms": sa.Integer,
    "responses": sa.Integer,
    "interruptions": sa.Integer,
    "errors": sa.Integer,
    "about": sa.Text,
}

LISTING = (
    *("created_at", "id", "outcome", "agent", "direction", "carrier", "state", "response_max_ms"),
    *("has", "reviewed_at", "from_number", "to_number", "first_words_ms", "talk_ms"),
)

STAGES = ("end_of_turn", "recogniser", "model", "tool", "voice", "line", "other")


def upgrade() -> None:
    """Make them empty; the service fills them in for calls that have ended, a few at a time.

    A process of an older version goes on beside them. What it writes is filled in as well: `derived` stays 0.
    """
    for name, kind in COLUMNS.items():
        op.add_column("calls", sa.Column(name, kind))
    op.add_column("calls", sa.Column("has", sa.Text, nullable=False, server_default=""))
    op.add_column("calls", sa.Column("derived", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_calls_listing", "calls", list(LISTING))
    op.create_index("ix_calls_derived", "calls", ["derived"])
    op.create_table(
        "call_words",
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        _of_a_call("call_words"),
        sa.PrimaryKeyConstraint("created_at", "call_id", name="pk_call_words"),
    )
    op.create_index("ix_call_words_call_id", "call_words", ["call_id"])
    op.create_table(
        "call_turns",
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("waits", sa.Text, nullable=False),
        sa.Column("ms", sa.Integer, nullable=False),
        *(sa.Column(stage, sa.Integer, nullable=False) for stage in STAGES),
        sa.Column("interrupted", sa.Boolean, nullable=False),
        _of_a_call("call_turns"),
        sa.PrimaryKeyConstraint("at", "call_id", "n", name="pk_call_turns"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_call_turns_call_id", "call_turns", ["call_id"])
    op.create_table(
        "messages",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("caller_name", sa.Text, nullable=False),
        sa.Column("callback_number", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("handled_at", MOMENT),
        sa.Column("handled_by", sa.Text),
        _of_a_call("messages"),
        sa.PrimaryKeyConstraint("call_id", "seq", name="pk_messages"),
    )
    op.create_index("ix_messages_at", "messages", ["at"])


def downgrade() -> None:
    """Drop them."""
    for table in ("messages", "call_turns", "call_words"):
        op.drop_table(table)
    op.drop_index("ix_calls_derived", "calls")
    op.drop_index("ix_calls_listing", "calls")
    for name in (*COLUMNS, "has", "derived"):
        op.drop_column("calls", name)


def _of_a_call(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["call_id"], ["calls.id"], name=f"fk_{table}_call_id_calls", ondelete="CASCADE"
    )
