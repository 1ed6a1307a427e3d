"""Messages that callers left for the business, one JSON line each.

They are appended to a file so that none is lost when the process ends; a line is written whole and flushed to the disk
before the bot tells the caller that the message was taken. Only the service's own user can read the file.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from calls.private_files import append_private


@dataclass(frozen=True)
class Message:
    """A message.

    Parameters:
        taken_at: When, in UTC.
        call_id: The call's id.
        agent: The agent that took it.
        caller_name: As the caller gave it; may be empty.
        callback_number: As the caller gave it, else the number that called; may be empty.
        text: The message.
    """

    taken_at: datetime
    call_id: str
    agent: str
    caller_name: str
    callback_number: str
    text: str


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
        line = json.dumps({**asdict(message), "taken_at": message.taken_at.isoformat(timespec="seconds")})
        await asyncio.to_thread(self._append, line + "\n")

    def _append(self, line: str) -> None:
        with append_private(self.path) as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
