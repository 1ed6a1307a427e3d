"""What the database has not taken yet, in a file of this machine: a process that is killed meanwhile loses nothing.

Each process appends to a file of its own, which it keeps locked, and deletes it when the database has everything. A
file that nobody has locked was left behind by a dead process: the next one replays it. Files hold what callers said,
and are readable by their owner alone.

The first line says the format. Each other line is one change of a call: the first of a call has all its events and what
the database was known to have of it, so that the call can be restored from the file alone; those after it have what was
new. A line that was cut off by the process's death is left out.

Sources: flock(2): a lock ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from loguru import logger

from calls.database.saved import plain
from calls.database.saving import Unsaved
from calls.events.event import CallEvent
from calls.events.reading import read_event
from calls.private_files import make_private_folder, open_private

with suppress(ImportError):  # Windows, where there is no spool
    import fcntl

FORMAT = 1
"""The version of the files. It is raised when an older program would misread them; it leaves them alone then."""

MAX_BYTES = 200_000_000
"""How large a file may become. What comes after that waits in memory alone."""

ENDING = ".jsonl"

REFUSED = ".refused"
"""How the names of files end that are put aside."""

TIMES = ("created_at", "answered_at", "ended_at", "heard_at")
"""Columns of a call that are moments."""


def spool_folder(data_dir: Path, database: str) -> Path:
    """Where calls wait for a database. It is there since the database was opened for the first time from this machine.

    Args:
        data_dir: For callers' data.
        database: What the database is called, without a password.
    """
    return data_dir / "spool" / hashlib.sha256(database.encode()).hexdigest()[:16]


@dataclass
class _Spooled:
    """What the file has of a call."""

    row: Mapping[str, Any]
    events: int
    base: tuple[int, int, int]


class Spool:
    """The file of this process. It is made when something is first added to it. Not for several threads.

    Parameters:
        folder: Where it is.
    """

    def __init__(self, folder: Path):
        """Make nothing yet."""
        self._folder = folder
        self._file: IO[str] | None = None
        self._path = folder
        self._spooled: dict[str, _Spooled] = {}
        self._full = False

    def add(self, records: Iterable[Unsaved]) -> None:
        """Append what is new in calls.

        Raises:
            OSError: The file cannot be written.
        """
        lines = [line for record in records if (line := self._line(record))]
        if not lines or self._full:
            return
        if self._file is None:
            self._file = self._made()
        try:
            self._file.write("".join(lines))
            self._file.flush()
        except OSError:
            # A line may stand there in part: what follows begins anew, in full.
            self._spooled.clear()
            with suppress(OSError):
                self._file.write("\n")
            raise
        if self._file.tell() > MAX_BYTES:
            self._full = True
            logger.error(
                "{} has {} MB, and calls wait for the database in memory alone now: mend the database",
                self._path,
                MAX_BYTES // 1_000_000,
            )

    def clear(self) -> None:
        """Delete the file: the database has everything."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            self.close()

    def close(self) -> None:
        """Leave the file to the next process."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file = None
        self._spooled.clear()
        self._full = False

    def _made(self) -> IO[str]:
        make_private_folder(self._folder)
        while True:
            self._path = self._folder / f"{uuid.uuid4().hex}{ENDING}"
            file = os.fdopen(open_private(self._path), "a", encoding="utf-8")
            # Between making and locking it, another process may have taken it for left behind, and deleted it.
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file.fileno()), self._path.stat()):
                    file.write(json.dumps({"spool": FORMAT}) + "\n")
                    return file
            file.close()

    def _line(self, record: Unsaved) -> str:
        call_id, base = record.row["id"], (record.known, record.last_seq, record.revision)
        spooled = self._spooled.get(call_id)
        change: dict[str, Any] = {"id": call_id, "row": record.row}
        begin = 0
        if spooled is None or spooled.base != base or spooled.events > len(record.events):
            before = {name: record.before[name] for name in record.row if name in record.before}
            change |= {"before": before, "base": base}
        else:
            begin = spooled.events
            if begin == len(record.events) and spooled.row == record.row:
                return ""
        change["from"] = begin
        change["events"] = [
            [event.at, event.kind, plain(event.data), event.version] for event in record.events[begin:]
        ]
        self._spooled[call_id] = _Spooled(record.row, len(record.events), base)
        return json.dumps(change, default=datetime.isoformat, separators=(",", ":")) + "\n"


class LeftSpool:
    """A file that a dead process has left behind, locked by this one.

    Parameters:
        path: Where it is.
        records: What is to be written, in the order in which the calls were first spooled.
    """

    def __init__(self, path: Path, records: Sequence[Unsaved], file: IO[str]):
        self.path = path
        self.records = records
        self._file = file

    def delete(self) -> None:
        """Delete it: the database has everything."""
        with suppress(OSError):
            self.path.unlink()
        self._file.close()

    def release(self) -> None:
        """Leave it to the next process."""
        self._file.close()

    def put_aside(self) -> None:
        """Leave it for a person to look at: the database does not take something in it."""
        with suppress(OSError):
            self.path.rename(self.path.with_suffix(REFUSED))
        self._file.close()


def left_behind(folder: Path) -> list[LeftSpool]:
    """The files of dead processes, oldest first. Nobody else gets them while this process lives."""
    found = []
    for path in sorted(folder.glob(f"*{ENDING}"), key=_age):
        try:
            file = open(path, encoding="utf-8", errors="replace")
        except OSError:
            continue  # another process was quicker
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            records = _read(file) if path.exists() else None
        except BlockingIOError:
            records = None  # its process lives
        except OSError as error:
            logger.error("{} cannot be read, and is left as it is: {}", path, error.strerror)
            records = None
        if records is None:
            file.close()
        else:
            found.append(LeftSpool(path, records, file))
    return found


def last_of_each(files: Sequence[LeftSpool]) -> list[Unsaved]:
    """What is to be written of files, oldest first.

    A call may be in several: a process took it over from a dead one, and was killed itself before the database was
    back. What it left then has all that the first one had.
    """
    last: dict[tuple[str, int, int, int], Unsaved] = {}
    for record in (record for file in files for record in file.records):
        base = record.row["id"], record.known, record.last_seq, record.revision
        before = last.pop(base, None)
        has_more = before is not None and len(before.events) > len(record.events)
        last[base] = before if before is not None and has_more else record
    return list(last.values())


def _age(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _read(file: IO[str]) -> list[Unsaved] | None:
    """What a file says; None when a newer program has written it."""
    records: dict[str, Unsaved] = {}
    for number, line in enumerate(file):
        try:
            change = json.loads(line)
            if number == 0 and change["spool"] > FORMAT:
                logger.error(
                    "{} was written by a newer version of this program: it is left as it is", file.name
                )
                return None
            if number > 0:
                _take_in(change, records)
        except (ValueError, TypeError, KeyError):
            logger.warning("{}: line {} was not written to its end, and is left out", file.name, number + 1)
    return list(records.values())


def _take_in(change: Mapping[str, Any], records: dict[str, Unsaved]) -> None:
    events: list[CallEvent] = [
        read_event(datetime.fromisoformat(at), kind, data, version)
        for at, kind, data, version in change["events"]
    ]
    row, begin = _with_times(change["row"]), change["from"]
    if "base" in change:
        known, last_seq, revision = change["base"]
        record = Unsaved(row, _with_times(change["before"]), events, known, last_seq, revision)
    else:
        before = records[change["id"]]
        record = replace(before, row=row, events=[*before.events[:begin], *events])
    records[change["id"]] = record


def _with_times(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name in TIMES and value else value
        for name, value in row.items()
    }
