"""`phonebot key`: make, list and revoke keys of the API. A running server knows of it at its next request."""

from __future__ import annotations

import sys

from loguru import logger

from desk.api_keys import OWNER, REVOKED, ApiKey, ApiKeys, KeysUnusable, Scope, add, new_key, revoke
from settings import Settings, SettingsError, load_settings

UNKNOWN = 1
CANNOT = 2


def make_key(name: str, scope: Scope, per_minute: int, *, only_print: bool) -> int:
    """Make a key, and print it, this once.

    Args:
        name: Whose it is.
        scope: What it is good for.
        per_minute: How many requests a minute it is good for; 0 for any number.
        only_print: Print what is to be added to API_KEYS, and write nothing.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        keys = ApiKeys(load_settings())
        key, kept = new_key(name, scope, per_minute)
        if any(one.name == name for one in keys.all()):
            raise KeysUnusable(
                f"there is, or was, a key with the name {name}: choose another, so that events of calls tell who it was"
            )
        if not only_print:
            add(keys.file, kept)
    except (SettingsError, KeysUnusable) as error:
        print(error, file=sys.stderr)
        return CANNOT
    print(key)
    if only_print:
        print("add this to API_KEYS where the server runs, and start it again:", file=sys.stderr)
        print(kept.line)
    print(f"the key of {name}, with the scope {scope}; it is shown this once", file=sys.stderr)
    return 0


def list_keys() -> int:
    """Print the names of keys, what they are good for, and where they stand.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return CANNOT
    keys = ApiKeys(settings)
    problems = [*keys.problems_of_setting, *keys.problems_of_file]
    rows = [("name", "scope", "requests a minute")]
    if settings.api_key is not None:
        rows.append((OWNER, Scope.ADMIN, "any"))
    rows += [(one.name, one.scope or REVOKED, str(one.per_minute or "any")) for one in keys.all()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if len(rows) == 1:
        print("no keys: the API is closed")
    for row in rows if len(rows) > 1 else []:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
    for line in problems:
        print(line, file=sys.stderr)
    return CANNOT if problems else 0


def revoke_key(name: str) -> int:
    """Make a key worthless, with all sessions of browsers that were begun with it.

    Args:
        name: Whose it is.

    Returns:
        The exit status.
    """
    logger.remove()
    try:
        settings = load_settings()
        keys = ApiKeys(settings)
        found = next((one for one in keys.all() if one.name == name), None)
        if found is None:
            return _unknown(name, keys)
        if found.scope is not None:
            revoke(keys.file, found)
    except (SettingsError, KeysUnusable) as error:
        print(error, file=sys.stderr)
        return CANNOT
    print(f"{name} is revoked, on this machine at once")
    if _stands_in_setting(found, settings):
        print(
            "it stands in API_KEYS: take it out there, for other machines too, and start again",
            file=sys.stderr,
        )
    return 0


def _stands_in_setting(key: ApiKey, settings: Settings) -> bool:
    text = settings.api_keys.get_secret_value() if settings.api_keys is not None else ""
    return key.digest.hex() in text


def _unknown(name: str, keys: ApiKeys) -> int:
    if name == OWNER:
        print("API_KEY stands in the settings: change it there, and start the server again", file=sys.stderr)
    else:
        print(f"there is no key with the name {name[:60]!r}: `phonebot key list` has them", file=sys.stderr)
    for line in keys.problems_of_file:
        print(line, file=sys.stderr)
    return UNKNOWN
