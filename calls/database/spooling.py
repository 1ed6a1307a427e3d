"""Has what the database does not take written to a file, while the database is asked again and again.

It has a thread of its own, because the one that writes to the database may be waiting for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from loguru import logger

from calls.database.saving import Unsaved
from calls.database.spool import Spool

AFTER_SECS = 0.5
"""How long something may wait for the database before it is written to the file."""

LOOK_SECS = 0.25
"""How often it is looked at what waits, and written what has come, while something does."""

STOP_SECS = 2.0


class Spooling:
    """Writes the file of this process, from the first `wake` on.

    Parameters:
        folder: Where the file is.
        waits_secs: How long the oldest change waits for the database; 0 when none does. Called in any thread.
        unsaved: What waits. Called in any thread.
    """

    def __init__(
        self, folder: Path, waits_secs: Callable[[], float], unsaved: Callable[[], Sequence[Unsaved]]
    ):
        """Wait for the first change."""
        self.folder = folder
        self._waits_secs = waits_secs
        self._unsaved = unsaved
        self._spool = Spool(folder)
        self._woken = threading.Event()
        self._stops = False
        self._failing = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Note that something has changed; from any thread.

        Raises:
            RuntimeError: The program is ending, and no thread can be started any more.
        """
        if self._thread is None:
            # A daemon: a disk that hangs must not keep the program from ending.
            thread = threading.Thread(target=self._run, name="call spool", daemon=True)
            self._thread, self._stops = thread, False
            thread.start()
        self._woken.set()

    def stop(self) -> None:
        """Write down what still waits, and leave the file to the next process; without anything, delete it."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stops = True
            self._woken.set()
            thread.join(STOP_SECS)

    def _run(self) -> None:
        while not self._stops:
            self._woken.wait()
            waits_secs = self._waits_secs()
            if waits_secs == 0:
                self._woken.clear()
                if self._waits_secs() == 0 and not self._stops:
                    self._spool.clear()
                    continue
            if waits_secs >= AFTER_SECS:
                self._write()
            if not self._stops:
                time.sleep(LOOK_SECS)
        if self._waits_secs() == 0:
            self._spool.clear()
        else:
            self._write()
            self._spool.close()

    def _write(self) -> None:
        try:
            self._spool.add(self._unsaved())
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._failing = True
                logger.error(
                    "Calls cannot be written to {} either ({}), and are kept in memory alone for now: make room, or "
                    "mend the folder",
                    self.folder,
                    error.strerror,
                )
        except Exception as error:
            # A call may have changed under our hands, in its own thread: the next look has it.
            logger.debug("Calls could not be read: {}", type(error).__name__)
