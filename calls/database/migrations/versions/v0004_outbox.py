"""What the owner's systems are to be told of calls, until they have been told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("event_at", moment, nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("ready_by", moment, nullable=False),
        sa.Column("leased_until", moment),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("trouble", sa.Text),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_outbox_call_id_calls", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"])
    op.create_index("ix_outbox_call_id_channel_seq", "outbox", ["call_id", "channel", "seq"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("outbox")
