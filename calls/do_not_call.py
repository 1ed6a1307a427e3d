"""The do-not-call list: the operator's list of numbers whose owners asked not to be called."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from calls.errors import NotPossible
from carriers.numbers import phone_number


class DoNotCallUnusable(NotPossible):
    """The list cannot be read, so no call is made. The message names the file, the line and the fix, and no number."""


class DoNotCall:
    """A file of numbers, one a line, with `#` before a remark; it is read again when it has changed.

    Parameters:
        path: The file; None when there is no such list.
    """

    def __init__(self, path: Path | None = None):
        """Read nothing yet."""
        self._path = path
        self._read: tuple[int, int] | None = None
        self._numbers: frozenset[str] = frozenset()

    def check(self, destination: str) -> None:
        """Find out whether a destination may be called: for calls that the bot places and for transfers alike.

        Args:
            destination: A number in E.164, or a SIP address.

        Raises:
            NotPossible: It is on the list.
            DoNotCallUnusable: Whether it is on the list is not known.
        """
        self.load()
        if not self._numbers.isdisjoint(names_of(destination)):
            raise NotPossible(
                "the destination is on the do-not-call list (DIAL_DO_NOT_CALL): it is never called"
            )

    def load(self) -> None:
        """Read the file if it has changed.

        Raises:
            DoNotCallUnusable: It cannot be read.
        """
        if self._path is None:
            return
        try:
            stat = self._path.stat()
            version = (stat.st_mtime_ns, stat.st_size)
            if version == self._read:
                return
            text = self._path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise DoNotCallUnusable(
                f"the do-not-call list {self._path} cannot be read ({reason}), so nobody is called: mend it, or change "
                "DIAL_DO_NOT_CALL"
            ) from None
        numbers: set[str] = set()
        for place, line in enumerate(text.splitlines(), 1):
            entry = line.partition("#")[0].strip().strip(",;")
            if not entry:
                continue
            number = phone_number(entry)
            if number is None:
                raise DoNotCallUnusable(
                    f"line {place} of the do-not-call list {self._path} is no number, so nobody is called: write it "
                    "with + and country code, like +14155550100"
                )
            numbers |= names_of(number)
        self._numbers = frozenset(numbers)
        self._read = version


def names_of(destination: str) -> set[str]:
    """The spellings under which a destination may be listed: the address without its options, the number in it."""
    address = destination.partition(";")[0].casefold()
    user, at, host = address.rpartition("@")
    if not at:
        return {address}
    user = unquote(user.removeprefix("sips:").removeprefix("sip:"))
    number = phone_number(user)
    return {f"{user}@{host.partition(':')[0].rstrip('.')}", *([number] if number else [])}
