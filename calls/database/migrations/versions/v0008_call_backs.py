"""Callers who are to be called back, and what of a call has been forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

GONE = ("numbers_gone", "words_gone", "recordings_gone")


def upgrade() -> None:
    """Make the table and the columns; a process of an older version goes on beside them."""
    moment = sa.DateTime(timezone=True)
    for name in GONE:
        op.add_column("calls", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_calls_ended_at", "calls", ["ended_at"])
    op.create_index("ix_calls_from_number_created_at", "calls", ["from_number", "created_at"])
    op.create_table(
        "call_backs",
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("carrier", sa.Text, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("called", sa.Text),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("leased_until", moment),
        sa.Column("call_id", sa.Text),
        sa.PrimaryKeyConstraint("number", name="pk_call_backs"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("call_backs")
    op.drop_index("ix_calls_from_number_created_at", "calls")
    op.drop_index("ix_calls_ended_at", "calls")
    for name in GONE:
        op.drop_column("calls", name)
