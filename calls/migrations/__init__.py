"""How the database came to be what `calls.tables` says: one Alembic revision after another."""
