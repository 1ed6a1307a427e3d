"""Calls that dead processes have left in files: known to this one at once, and written when the database takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from loguru import logger

from calls.call import Call
from calls.database.call_database import CallDatabase
from calls.database.errors import DatabaseRefused
from calls.database.saving import Saved, Unsaved
from calls.database.spool import LeftSpool, last_of_each, left_behind


class LeftCalls:
    """What is in the files of dead processes, and not in the database yet.

    Parameters:
        folder: Where the files are.
    """

    def __init__(self, folder: Path):
        """Look for nothing yet."""
        self._folder = folder
        self._files: list[LeftSpool] = []
        self._revived: dict[str, Call] = {}
        self._turn = asyncio.Lock()

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return bool(self._files)

    def find(self) -> Sequence[Unsaved]:
        """Look for files; returns what is left of each call, oldest first. Always to be asked in the same thread."""
        self._files += left_behind(self._folder)
        return last_of_each(self._files)

    def revive(self, call: Call) -> None:
        """Note that a call was made from what is left of it."""
        self._revived[call.id] = call

    def release(self) -> None:
        """Leave the files to the next process."""
        while self._files:
            self._files.pop().release()

    async def replay(self, database: CallDatabase, on_saved: Callable[[Call, Unsaved, Saved], None]) -> None:
        """Write it all, and delete the files.

        Args:
            database: Where to.
            on_saved: Called with each call that was made from what was left, when nobody else has written about it.

        Raises:
            DatabaseError: The database takes nothing.
        """
        async with self._turn:
            while files := list(self._files):
                refused = set()
                records = last_of_each(files)
                for record in records:
                    call_id = record.row["id"]
                    try:
                        saved = await database.replay(record)
                    except DatabaseRefused as error:
                        refused.add(call_id)
                        logger.error("Call {} was left behind and cannot be saved: {}", call_id, error)
                        continue
                    if saved.theirs is None and (call := self._revived.pop(call_id, None)) is not None:
                        on_saved(call, record, saved)
                self._revived.clear()
                for file in files:
                    done = refused.isdisjoint(record.row["id"] for record in file.records)
                    (file.delete if done else file.put_aside)()
                    if file in self._files:  # not yet left to the next process
                        self._files.remove(file)
                if records:
                    logger.info("{} calls were saved that were left behind", len(records) - len(refused))

    def new_loop(self) -> None:
        """Note that `replay` is awaited in another event loop from now on."""
        self._turn = asyncio.Lock()
