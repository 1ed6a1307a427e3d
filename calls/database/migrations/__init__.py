"""How the database came to be what `calls.database.schema` says: one Alembic revision after another."""
