"""What can go wrong with a database, and the messages that say so."""

from __future__ import annotations

import sqlite3
import sys

from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, StatementError

NOT_LET_IN = ("28",)
"""Classes of PostgreSQL's codes (SQLSTATE, its manual's appendix A) for a wrong user or password."""

NO_SUCH_DATABASE = "3D000"
NOT_ALLOWED = "42501"
DUPLICATE_TABLE = "42P07"


class DatabaseError(Exception):
    """The database did not do what it was asked. The message is one line, without any caller's number or words.

    The tree::

        DatabaseError
        ├── DatabaseUnavailable      it may work later: locked, full, not reachable, too slow
        ├── DatabaseUnusable         it will not work like this: newer than the program, not ours, no driver, no access
        └── DatabaseRefused          it works, but will not take these values
    """


class DatabaseUnavailable(DatabaseError):
    """The same may work later."""


class DatabaseUnusable(DatabaseError):
    """It has to be mended, or another one named."""


class DatabaseRefused(DatabaseError):
    """It takes others, but not these values."""


def explained(error: Exception, description: str) -> DatabaseError:
    """What an error of a driver, of SQLAlchemy or of the system means for the operator.

    Args:
        error: The error.
        description: The database's address without a password.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    where = f"the database {description}"
    # Only SQLite's and the system's own words are repeated: other drivers quote what was to be written.
    if isinstance(cause, sqlite3.DatabaseError) and "not a database" in str(cause):
        return DatabaseUnusable(
            f"{where} is not a database: move the file away, or set DATABASE_URL to another"
        )
    if isinstance(cause, sqlite3.OperationalError) and "already exists" in str(cause):
        return DatabaseUnusable(f"{where} belongs to another program ({cause}): set DATABASE_URL to another")
    if code := getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None):
        if str(code).startswith(NOT_LET_IN):
            return DatabaseUnusable(f"{where} does not let us in: check user and password in DATABASE_URL")
        if code == NO_SUCH_DATABASE:
            return DatabaseUnusable(f"{where} is not there: create it, or correct DATABASE_URL")
        if code == NOT_ALLOWED:
            return DatabaseUnusable(
                f"{where} may not be written by this user: let it make tables in its schema"
            )
        if code == DUPLICATE_TABLE:
            return DatabaseUnusable(
                f"{where} belongs to another program (a table of this name already exists): set DATABASE_URL to another"
            )
    if isinstance(cause, TypeError):
        return DatabaseUnusable(f"{where}: its driver does not know a parameter of the address ({cause})")
    if isinstance(cause, PermissionError) or "readonly" in str(cause):
        return DatabaseUnusable(f"{where} may not be written: check who owns the file and its folder")
    if isinstance(error, IntegrityError | DataError) or (
        isinstance(error, StatementError) and not isinstance(error, DBAPIError)
    ):
        return DatabaseRefused(f"{where} does not take these values: {type(cause).__name__}")
    if isinstance(cause, ArgumentError):
        return DatabaseUnusable(f"{where} is of a kind that no driver is known for: check DATABASE_URL")
    if isinstance(cause, ImportError):
        extra = "make setup EXTRAS=postgresql, or " if cause.name == "asyncpg" else ""
        return DatabaseUnusable(
            f"the driver of {where} is not installed: {extra}{sys.executable} -m pip install {cause.name}"
        )
    if isinstance(cause, OSError):
        reason = cause.strerror or type(cause).__name__
        return DatabaseUnavailable(
            f"{where} cannot be opened: {reason}; check that it is there, and DATABASE_URL"
        )
    if isinstance(cause, sqlite3.Error):
        return DatabaseUnavailable(f"{where} cannot be used: {cause}; {_fix_of(str(cause))}")
    return DatabaseUnavailable(f"{where} cannot be used: {type(cause).__name__}; check that it runs")


def _fix_of(words: str) -> str:
    if "locked" in words:
        return "find the program that keeps it open (another phonebot, a viewer of databases, a copy), and stop it"
    if "full" in words:
        return "make room"
    return "it must be a file on a local disk, and the user's who runs this, as must its folder"
