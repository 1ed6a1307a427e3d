"""What processes that share the database would take over from one that is to stop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns; a process of an older version leaves them empty, and takes nothing over."""
    op.add_column("processes", sa.Column("deployment", sa.Text))
    op.add_column("processes", sa.Column("room", sa.Integer))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("processes", "room")
    op.drop_column("processes", "deployment")
