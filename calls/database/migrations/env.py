"""Runs the revisions on the connection that `calls.database.engine` made, in the transaction that it began."""

from __future__ import annotations

from alembic import context

from calls.database.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=context.config.attributes["version_table"],
    # SQLite can change little of a table that is there; Alembic makes a new one and copies.
    render_as_batch=True,
)
context.run_migrations()
