"""Messages that callers left for the business, one JSON line each.

They are appended to a file so that none is lost when the process ends; a line is written whole and flushed to the disk
before the bot tells the caller that the message was taken. Only the service's own user can read the file.

Where messages are forgotten, another file takes its place. Who appends holds a lock on the file, and looks whether it
is still the one of this name.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from calls.private_files import append_private, open_private

try:
    import fcntl
except ImportError:  # Windows, where there is one process
    fcntl = None  # type: ignore[assignment]


OF_RECORDINGS = frozenset({"recording_url", "recording_secs"})
"""What only a message has that was recorded, and what goes with the recording."""


@dataclass(frozen=True)
class Message:
    """A message.

    Parameters:
        taken_at: When, in UTC.
        call_id: The call's id.
        agent: The agent that took it.
        caller_name: As the caller gave it; may be empty.
        callback_number: As the caller gave it, else the number that called; may be empty.
        text: The message; empty for one that the carrier has recorded.
        recording_url: Where that is, for a while perhaps without a password; None for others.
        recording_secs: How long it is, in seconds; None when the carrier does not say.
    """

    taken_at: datetime
    call_id: str
    agent: str
    caller_name: str
    callback_number: str
    text: str
    recording_url: str | None = None
    recording_secs: int | None = None


class MessageBook:
    """The file `messages.jsonl` in a directory.

    Parameters:
        path: Where the messages are.
    """

    def __init__(self, directory: Path):
        """Open the book of a data directory; it is created with the first message."""
        self.path = directory / "messages.jsonl"

    async def keep(self, message: Message) -> None:
        """Append a message.

        Raises:
            OSError: The file cannot be written.
        """
        values = {**asdict(message), "taken_at": message.taken_at.isoformat(timespec="seconds")}
        if message.recording_url is None:
            values = {name: value for name, value in values.items() if name not in OF_RECORDINGS}
        await asyncio.to_thread(self._append, json.dumps(values) + "\n")

    async def rewrite(self, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> int:
        """Put others in the place of messages.

        Args:
            change: What to have instead of a message, the same for one that stays as it is, or None for nothing. A line
                that is no message stays.

        Returns:
            How many were changed or left out.

        Raises:
            OSError: The file cannot be read or written; it is as it was.
        """
        return await asyncio.to_thread(self._rewrite, change)

    def _append(self, line: str) -> None:
        with self._locked() as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _rewrite(self, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> int:
        if not self.path.exists():
            return 0
        with self._locked():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            kept = [_changed(line, change) for line in lines]
            count = sum(old != new for old, new in zip(lines, kept, strict=True))
            if not count:
                return 0
            fresh = self.path.with_name(f"{self.path.name}.new")
            fresh.unlink(missing_ok=True)
            with open(open_private(fresh), "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in kept if line is not None)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
            return count

    @contextmanager
    def _locked(self) -> Iterator[IO[str]]:
        """The file, to append to it, while no other process does anything to it."""
        while True:
            with append_private(self.path) as file:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX)
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                        yield file
                        return


def _changed(line: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> str | None:
    try:
        message = json.loads(line)
    except ValueError:
        return line
    if not isinstance(message, dict):
        return line
    instead = change(dict(message))
    if instead == message:
        return line
    return json.dumps(instead) if instead is not None else None
