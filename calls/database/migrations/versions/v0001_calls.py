"""Calls and what happened to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "calls",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("carrier", sa.Text, nullable=False),
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
        sa.Column("resume", sa.JSON),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("answered_at", moment),
        sa.Column("ended_at", moment),
        sa.Column("heard_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
        sa.UniqueConstraint("carrier", "carrier_call_id", name="uq_calls_carrier_carrier_call_id"),
    )
    op.create_index("ix_calls_carrier_call_id", "calls", ["carrier_call_id"])
    op.create_index("ix_calls_created_at", "calls", ["created_at"])
    op.create_index("ix_calls_to_number_created_at", "calls", ["to_number", "created_at"])
    op.create_index("ix_calls_state_heard_at", "calls", ["state", "heard_at"])
    op.create_table(
        "call_events",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("call_id", "seq", name="pk_call_events"),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_call_events_call_id_calls", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("call_events")
    op.drop_table("calls")
