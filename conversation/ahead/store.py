"""Spoken lines on disk and in memory, those that were asked for longest ago giving way first.

Several processes may share the folder. A file is written beside its place and moved there when it is whole, so a reader
finds all of it or nothing, and of two writers the later one counts; both have written the same line.

Nothing here can keep a call from going on: a folder that is full or cannot be written, a file that is damaged, is one
line in the log, and the voice is asked as if there were no folder.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from conversation.ahead.line import Damaged, SpokenLine, head_of, unpacked

SUFFIX = ".line"
HALF_WRITTEN = ".part"

MEMORY_BYTES = 16 * 1024 * 1024
"""Sound that is kept in memory: a thousand seconds at 8 kHz."""

USED_AGAIN_SECS = 3600.0
"""How long after a line was noted as used this is noted again: a busy line need not write to the disk."""

ABANDONED_SECS = 600.0
"""A file that nobody has finished writing for this long is the rest of a process that has died."""

_OWN_MODE = 0o700


@dataclass(frozen=True)
class Entry:
    """A line in the folder.

    Parameters:
        path: Its file.
        size: Of the file, in bytes.
        used_at: When it was last asked for, in seconds since 1970.
        voice: Which voice has spoken it.
        text: What it says.
        secs: How long it is.
    """

    path: Path
    size: int
    used_at: float
    voice: str
    text: str
    secs: float


class LineStore:
    """The lines of one folder. Used from several threads; all methods may touch the disk, except `at_hand`.

    Attributes:
        folder: Where the files are.
    """

    def __init__(self, folder: Path, limit: int):
        """Look at nothing yet.

        Args:
            folder: Where the files are; made when the first is written.
            limit: How many bytes the files may have in all.
        """
        self.folder = folder
        self._limit = limit
        self._memory: OrderedDict[str, SpokenLine] = OrderedDict()
        self._memory_bytes = 0
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()
        self._complained = False

    def at_hand(self, key: str) -> SpokenLine | None:
        """Return a line that is in memory; does not wait for a disk."""
        with self._lock:
            line = self._memory.get(key)
            if line is not None:
                self._memory.move_to_end(key)
            return line

    def get(self, key: str) -> SpokenLine | None:
        """Return a line; None for one that is not there, or cannot be read."""
        if (line := self.at_hand(key)) is None:
            line = self._read(key)
            if line is not None:
                self._remember(key, line)
        if line is not None:
            self._note_use(key)
        return line

    def put(self, key: str, line: SpokenLine, about: dict[str, str]) -> None:
        """Keep a line, in memory when the folder cannot take it.

        Args:
            key: Names it, in letters and digits.
            line: The line.
            about: For people who look at the file.
        """
        self._remember(key, line)
        content = line.packed(about)
        if len(content) > self._limit:
            return
        try:
            self.folder.mkdir(mode=_OWN_MODE, parents=True, exist_ok=True)
            self._make_room(len(content))
            self._write(self._path(key), content)
        except OSError as error:
            if not self._complained:
                self._complained = True
                reason = error.strerror or type(error).__name__
                logger.warning(
                    f"lines of hosted voices cannot be kept in {self.folder} ({reason}): each process asks its voice "
                    "again; make room, let the service's user write there, or set VOICE_CACHE_MB=0"
                )

    def entries(self) -> list[Entry]:
        """What is in the folder, what was asked for last first; a damaged file is not there."""
        found = []
        for path, size, used_at in self._files():
            try:
                with path.open("rb") as file:
                    head = head_of(file.readline())
                secs = head["bytes"] / 2 / head["rate"]
                found.append(Entry(path, size, used_at, str(head["voice"]), str(head["text"]), secs))
            except (OSError, Damaged, KeyError, TypeError, ZeroDivisionError):
                continue
        return sorted(found, key=lambda entry: -entry.used_at)

    def clear(self) -> int:
        """Throw all away; return how many files there were.

        Raises:
            OSError: One cannot be removed.
        """
        with self._lock:
            self._memory.clear()
            self._memory_bytes = 0
        gone = 0
        for path, _, _ in self._files():
            path.unlink(missing_ok=True)
            gone += 1
        return gone

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _read(self, key: str) -> SpokenLine | None:
        path = self._path(key)
        try:
            return unpacked(path.read_bytes())
        except FileNotFoundError:
            return None
        except Damaged as error:
            logger.warning(
                f"a kept line is damaged ({path}: {error}): it is removed, and the voice is asked again"
            )
            with suppress(OSError):
                path.unlink()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            logger.warning(f"a kept line cannot be read ({path}: {reason}): the voice is asked instead")
        return None

    def _remember(self, key: str, line: SpokenLine) -> None:
        with self._lock:
            before = self._memory.pop(key, None)
            self._memory_bytes -= len(before.audio) if before else 0
            if len(line.audio) > MEMORY_BYTES:
                return
            self._memory[key] = line
            self._memory_bytes += len(line.audio)
            while self._memory_bytes > MEMORY_BYTES:
                self._memory_bytes -= len(self._memory.popitem(last=False)[1].audio)

    def _note_use(self, key: str) -> None:
        now = time.time()
        if now - self._noted.get(key, 0.0) < USED_AGAIN_SECS:
            return
        self._noted[key] = now
        with suppress(OSError):  # not there any more, or not ours to touch
            os.utime(self._path(key))

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        try:
            with os.scandir(self.folder) as found:
                names = [entry.name for entry in found if entry.name.endswith(SUFFIX)]
        except OSError:
            return
        for name in names:
            path = self.folder / name
            with suppress(OSError):  # gone meanwhile
                about = path.stat()
                yield path, about.st_size, about.st_mtime

    def _make_room(self, size: int) -> None:
        for rest in self.folder.glob(f"*{HALF_WRITTEN}"):
            with suppress(OSError):
                if time.time() - rest.stat().st_mtime > ABANDONED_SECS:
                    rest.unlink()
        files = sorted(self._files(), key=lambda file: file[2])
        in_all = sum(file[1] for file in files) + size
        for path, bytes_of_it, _ in files:
            if in_all <= self._limit:
                return
            path.unlink(missing_ok=True)
            in_all -= bytes_of_it

    def _write(self, path: Path, content: bytes) -> None:
        descriptor, name = tempfile.mkstemp(suffix=HALF_WRITTEN, dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise


_stores: dict[tuple[Path, int], LineStore] = {}


def line_store(folder: Path, limit: int) -> LineStore:
    """The store of a folder, which all calls of this process share.

    Args:
        folder: Where the files are.
        limit: How many bytes they may have in all.
    """
    return _stores.setdefault((folder.absolute(), limit), LineStore(folder.absolute(), limit))
