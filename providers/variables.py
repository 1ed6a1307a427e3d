"""The variables of all services of the table, as a part of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, SecretStr, create_model

from providers import ROWS, variables_of

ADDRESS_ENDS = ("_BASE_URL", "_ENDPOINT")
SECRET_ENDS = ("_KEY", "_KEY_ID", "_TOKEN", "_CREDENTIALS")
FILES = frozenset({"google_application_credentials"})
"""Variables that name a file of this machine."""

WRITTEN = frozenset({"google_credentials"})
"""Secrets that are a text with blanks and quotation marks in it, not one word."""

_NAMES = tuple(variable.lower() for variable in variables_of(ROWS))


def is_secret(name: str) -> bool:
    """Whether a variable is one that nobody else may see."""
    return name.upper().endswith(SECRET_ENDS) and name not in FILES


if TYPE_CHECKING:

    class _Fields(BaseModel):
        pass

else:
    _Fields = create_model(
        "_Fields", **{name: (SecretStr | None if is_secret(name) else str | None, None) for name in _NAMES}
    )


class ProviderVariables(_Fields):
    """A field for each variable, in lower case; what it is for is in `docs/services.md`. See `Settings`."""

    KEYS: ClassVar[frozenset[str]] = frozenset(name for name in _NAMES if is_secret(name)) - WRITTEN
    ADDRESSES: ClassVar[frozenset[str]] = frozenset(
        name for name in _NAMES if name.upper().endswith(ADDRESS_ENDS)
    )
    IN_A_CALL: ClassVar[frozenset[str]] = frozenset(_NAMES) - FILES
    ON_A_SERVER: ClassVar[frozenset[str]] = frozenset()
