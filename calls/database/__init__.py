"""Calls kept in a database: the tables, how it is opened, and a writer that no call waits for."""
