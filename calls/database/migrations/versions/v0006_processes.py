"""The processes that share the database, which of them talks on a call, and what they ask each other to do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; a process of an older version goes on beside them, and leaves the new column as it is."""
    op.add_column("calls", sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "processes",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("beat", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_processes"),
    )
    op.create_table(
        "sessions",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("process_id", sa.Text, nullable=False),
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_sessions_call_id_calls", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_process_id", "sessions", ["process_id"])
    op.create_table(
        "commands",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("process_id", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("taken", sa.Boolean, nullable=False),
        sa.Column("answer", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_commands"),
    )
    op.create_index("ix_commands_process_id", "commands", ["process_id"])
    op.create_index("ix_commands_asked_by", "commands", ["asked_by"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("commands")
    op.drop_table("sessions")
    op.drop_table("processes")
    op.drop_column("calls", "revision")
