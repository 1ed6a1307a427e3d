"""The operator's keys: who may ask for what by the API and in a browser.

A key has a name, a scope and a rate. What is kept of it is its SHA-256: a key is 256 random bits, which nobody finds by
trying, so neither salt nor a slow hash is needed (source: NIST SP 800-63B, section 5.1.2.2, on secrets of 112 bits and
more). Keys stand in API_KEYS, or a line each in the file `api.keys` in DATA_DIR, as `NAME:SCOPE:PER_MINUTE:SHA256`. The
file is read again when it has changed, in every process, so a key that is revoked there is worthless at once; of two
with the same name the file's counts, so it can also revoke one of API_KEYS. API_KEY is a key of all scopes without a
line of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from loguru import logger

from settings import Settings

FILE = "api.keys"
"""The file in DATA_DIR."""

OWNER = "API_KEY"
"""The name of the key that the setting of this name has; no other key can be called so."""

HERE = "This machine"
"""The name of what stands for a key while there is none; no key can be called so."""

PREFIX = "phonebot_"
"""What a key that is made here begins with: scanners for secrets in code find it by that."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")

MAX_PER_MINUTE = 100_000

HEAD = (
    "# Keys of the API: NAME:SCOPE:PER_MINUTE:SHA256. `phonebot key` writes this file; it has no key in it.\n"
)


class Scope(StrEnum):
    """What a key is good for. Each scope has those before it."""

    VIEW = "view"
    """See calls, with numbers shortened, without recordings and pressed keys."""
    READ = "read"
    """See all of them."""
    CALL = "call"
    """Place calls, and act on those that go on."""
    ADMIN = "admin"
    """Erase callers, and have the service take no calls."""

    def covers(self, needed: Scope) -> bool:
        """Whether a key of this scope may do what needs another one."""
        order = list(Scope)
        return order.index(self) >= order.index(needed)


REVOKED = "revoked"
"""Stands in the place of a scope: the name stays, so that events go on to say who it was."""


class KeysUnusable(Exception):
    """Keys cannot be read or written, or not this one; the message is one line with cause and fix."""


@dataclass(frozen=True)
class ApiKey:
    """A key, without the key itself.

    Parameters:
        name: Whose it is; it stands in the events of calls.
        scope: What it is good for; None for one that was revoked.
        per_minute: How many requests a minute it is good for in each process; 0 for any number.
        digest: Its SHA-256.
    """

    name: str
    scope: Scope | None
    per_minute: int
    digest: bytes = field(repr=False)

    @property
    def line(self) -> str:
        """As it is written."""
        return f"{self.name}:{self.scope or REVOKED}:{self.per_minute}:{self.digest.hex()}"


def digest_of(key: bytes) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key).digest()


def new_key(name: str, scope: Scope, per_minute: int) -> tuple[str, ApiKey]:
    """Make a key, and what is to be kept of it.

    Raises:
        KeysUnusable: The name or the rate cannot be.
    """
    if not NAME.fullmatch(name):
        raise KeysUnusable(
            f"{name[:60]!r} is no name of a key: write up to 40 small letters, digits, dots and hyphens, such as desk-1"
        )
    if not 0 <= per_minute <= MAX_PER_MINUTE:
        raise KeysUnusable(f"a key is good for 1 to {MAX_PER_MINUTE} requests a minute, or 0 for any number")
    key = PREFIX + secrets.token_urlsafe(32)
    return key, ApiKey(name, scope, per_minute, digest_of(key.encode()))


def read_entry(text: str) -> ApiKey:
    """What is kept of a key, as it is written.

    Raises:
        KeysUnusable: It cannot be read. The message does not repeat it, as it may be a key by mistake.
    """
    parts = text.strip().split(":")
    name = parts[0] if NAME.fullmatch(parts[0]) and len(parts) == 4 else None
    scopes = {str(one): one for one in Scope}
    if name is None:
        raise KeysUnusable("is not NAME:SCOPE:PER_MINUTE:SHA256, as `phonebot key new` prints it")
    _, scope, rate, digest = parts
    if scope not in {*scopes, REVOKED}:
        raise KeysUnusable(f"has another scope for {name} than {', '.join(scopes)} and {REVOKED}")
    if not re.fullmatch(r"[0-9]{1,6}", rate) or int(rate) > MAX_PER_MINUTE:
        raise KeysUnusable(f"has no number of requests a minute for {name}: write 0 to {MAX_PER_MINUTE}")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise KeysUnusable(f"has no SHA-256 for {name}: 64 digits and letters from a to f")
    return ApiKey(name, scopes.get(scope), int(rate), bytes.fromhex(digest))


def _read(entries: Iterable[tuple[str, str]], found: dict[str, ApiKey]) -> list[str]:
    """Read entries, each with where it stands, into a dictionary; returns what is wrong."""
    problems, names = [], set[str]()
    for where, text in entries:
        try:
            one = read_entry(text)
        except KeysUnusable as error:
            problems.append(f"{where} {error}")
            continue
        if one.name in names:
            # None of them is certain to be meant, and one may have been revoked.
            problems.append(f"{where} has another key with the name {one.name}: give each its own")
            one = replace(one, scope=None)
        names.add(one.name)
        found[one.name] = one
    return problems


class ApiKeys:
    """The keys that are good, at every moment.

    Parameters:
        settings: Where they stand.
    """

    def __init__(self, settings: Settings):
        self.file = settings.data_dir / FILE
        self._owner: ApiKey | None = None
        if settings.api_key is not None:
            digest = digest_of(settings.api_key.get_secret_value().encode())
            self._owner = ApiKey(OWNER, Scope.ADMIN, 0, digest)
        self._set: dict[str, ApiKey] = {}
        text = settings.api_keys.get_secret_value() if settings.api_keys is not None else ""
        entries = [one for one in re.split(r"[\s,]+", text) if one]
        self.problems_of_setting = _read((("API_KEYS", one) for one in entries), self._set)
        self._here: ApiKey | None = None
        self._seen: tuple[int, ...] | None = None
        self._of_file: dict[str, ApiKey] | None = {}
        self._problems_of_file: list[str] = []

    @property
    def problems_of_file(self) -> list[str]:
        """What is wrong with the file, as lines that begin with its path."""
        self._look()
        return self._problems_of_file

    def all(self) -> list[ApiKey]:
        """All keys but API_KEY, those that were revoked included; none at all when the file cannot be read.

        Without the file it is not known which ones are revoked, so none is good.
        """
        self._look()
        return list({**self._set, **self._of_file}.values()) if self._of_file is not None else []

    def good(self) -> list[ApiKey]:
        """The keys that are good now."""
        named = [one for one in self.all() if one.scope is not None]
        return [*([self._owner] if self._owner else []), *named]

    def of(self, given: bytes) -> ApiKey | None:
        """The key that somebody has given; None when it is none. The time tells nothing of those that are good."""
        digest, found = digest_of(given), None
        for one in self.good():
            if hmac.compare_digest(digest, one.digest):
                found = one
        return found

    def named(self, name: str) -> ApiKey | None:
        """The key of this name, if it is good."""
        good = self.good()
        if name == HERE and not good:
            return self._here
        return next((one for one in good if one.name == name), None)

    def open_here(self) -> ApiKey:
        """What stands for a key for people on this machine, while there is none; nobody can give it.

        It is another one after each start, and worthless as soon as there is a key.
        """
        if self._here is None:
            self._here = ApiKey(HERE, Scope.ADMIN, 0, secrets.token_bytes(32))
        return self._here

    def is_good(self, key: ApiKey) -> bool:
        """Whether a key that was good still is, and with the same scope."""
        now = self.named(key.name)
        return now is not None and hmac.compare_digest(now.digest, key.digest) and now.scope is key.scope

    def _look(self) -> None:
        """Read the file anew if it is another one than before: some microseconds when it is not."""
        try:
            stat = self.file.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._seen, self._of_file, self._problems_of_file = None, {}, []
            return
        except OSError as error:
            self._cannot_be_read(str(error.strerror))
            return
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen == self._seen:
            return
        try:
            self._of_file, self._problems_of_file = read_file(self.file)
        except KeysUnusable as error:
            self._seen = None
            self._cannot_be_read(str(error))
            return
        self._seen = seen
        for line in self._problems_of_file:
            logger.error("{}; this key is worthless until then", line)

    def _cannot_be_read(self, why: str) -> None:
        problem = f"{self.file} cannot be read ({why}): no key but API_KEY is good until the service's user can read it"
        if self._problems_of_file != [problem]:
            logger.error("{}", problem)
        self._seen, self._of_file, self._problems_of_file = None, None, [problem]


def read_file(path: Path) -> tuple[dict[str, ApiKey], list[str]]:
    """The keys of a file by name, and what is wrong with it.

    Raises:
        KeysUnusable: It cannot be read at all.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise KeysUnusable(str(error.strerror)) from None
    except UnicodeDecodeError:
        raise KeysUnusable("it is no text") from None
    found: dict[str, ApiKey] = {}
    entries = [(f"{path} line {number}", line) for number, line in enumerate(lines, 1)]
    problems = _read(
        ((where, line) for where, line in entries if line.strip() and not line.lstrip().startswith("#")),
        found,
    )
    return found, problems


def add(path: Path, key: ApiKey) -> None:
    """Write a new key into the file.

    Raises:
        KeysUnusable: Its name was used before, or the file cannot be written.
    """
    kept = _kept(path)
    if key.name in kept:
        raise KeysUnusable(
            f"there is, or was, a key with the name {key.name}: choose another, so that events of calls tell who it was"
        )
    _write(path, [*kept.values(), key])


def revoke(path: Path, key: ApiKey) -> None:
    """Write into the file that a key is worthless.

    Raises:
        KeysUnusable: The file cannot be written.
    """
    kept = _kept(path)
    kept[key.name] = replace(key, scope=None)
    _write(path, kept.values())


def _kept(path: Path) -> dict[str, ApiKey]:
    if not path.exists():
        return {}
    found, problems = read_file(path)
    if problems:
        raise KeysUnusable(f"{problems[0]}; mend the file first")
    return found


def _write(path: Path, keys: Iterable[ApiKey]) -> None:
    """Write it for its owner alone, and whole: processes read it at any moment."""
    scratch = path.with_name(f"{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(HEAD + "".join(f"{one.line}\n" for one in keys))
            file.flush()
            os.fsync(file.fileno())
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Whoever is root writes for the service, which reads as the user whose folder it is.
            folder = path.parent.stat()
            os.chown(scratch, folder.st_uid, folder.st_gid)
        os.replace(scratch, path)
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be written ({error.strerror}): use the service's user") from None
    finally:
        scratch.unlink(missing_ok=True)
