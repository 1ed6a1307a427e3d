"""What the owner's code keeps with a call or a caller."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "kept_json",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name="fk_kept_json_call_id_calls", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("kind", "owner", "key", name="pk_kept_json"),
    )
    op.create_index("ix_kept_json_call_id", "kept_json", ["call_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("kept_json")
