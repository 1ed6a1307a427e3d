"""How the database came to be what `calls.database.tables` says: one Alembic revision after another."""
