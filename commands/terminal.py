"""What is printed on a terminal: tables, JSON and a sign of life, none of which callers can take hold of.

What a caller has said, or a service has answered, may hold escape sequences that clear a screen, write into the
clipboard or hide what stands before them. No character that a terminal acts on is printed as it is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

Shown = Mapping[str, Any]

JOINERS = "\u200c\u200d"
"""Characters without a width that some scripts are not written right without."""

LONG = frozenset({"about", "end", "message", "name", "done"})
"""Columns whose cells may take several lines."""

LEAST = 20
"""The least width of such a column, when it has so much."""

WIDE = 10_000
"""The width of what is no terminal, in which nothing is cut off or folded."""

AGO = re.compile(r"(\d{1,5})\s*([mhd])")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}

WAY_TO_WRITE_A_TIME = "write it like 2026-11-26, 2026-11-26T09:30 or 3h (m, h, d: so long ago)"


def printable(text: object) -> str:
    """A text in which every character that a terminal might act on is shown as an escape instead.

    Ends of lines and tabs become spaces.
    """
    return "".join(map(_shown, str(text)))


def _shown(letter: str) -> str:
    if letter.isprintable() or letter in JOINERS:
        return letter
    if letter in "\n\r\t\xa0":
        return " "
    return (
        letter.encode("ascii", "backslashreplace").decode() if ord(letter) > 127 else f"\\x{ord(letter):02x}"
    )


def as_json(content: object, *, indent: int | None = 2) -> str:
    """JSON in which such a character is written as JSON escapes it."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    return "".join(
        letter if letter.isprintable() or letter in JOINERS + "\n" else json.dumps(letter)[1:-1]
        for letter in text
    )


def print_table(rows: Sequence[Shown], *, otherwise: str, loud: Mapping[str, str] | None = None) -> None:
    """Print a line for each row, under one that names the columns.

    On a terminal the columns share its width. Elsewhere each line is whole.

    Args:
        rows: The cells by the names of their columns, which all rows have.
        otherwise: What to print when there are no rows.
        loud: Styles of rich, by the values that are to be seen at once.
    """
    if not rows:
        print(otherwise)
        return
    on_terminal = sys.stdout.isatty()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in rows[0]:
        table.add_column(name, no_wrap=not on_terminal or name not in LONG, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(value), (loud or {}).get(str(value), "")) for value in row.values()))
    if on_terminal:
        shown = Console(file=sys.stdout)
        # Where it is too narrow, the terminal breaks lines: nothing is cut off, so that an id can be copied.
        shown.width = max(shown.width, sum(_least_width(name, rows) for name in rows[0]))
        shown.print(table, soft_wrap=False, crop=False)
        return
    wide = Console(file=sys.stdout, width=WIDE, color_system=None, force_terminal=False)
    with wide.capture() as captured:
        wide.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _least_width(name: str, rows: Sequence[Shown]) -> int:
    """Of a column, with what is between it and the next one."""
    natural = max(cell_len(name), *(cell_len(printable(row[name])) for row in rows))
    return 2 + (min(natural, LEAST) if name in LONG else natural)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on the terminal that something takes a while, until it is done; nothing where there is no terminal."""
    if not (sys.stderr.isatty() and sys.stdout.isatty()):
        yield
        return
    with Console(stderr=True).status(what):
        yield


def local(text: str | None) -> str:
    """A time of the API's in the time zone of this machine."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}" if text else ""


def moment(text: str) -> datetime:
    """A time that a person has written, in the time zone of this machine.

    Raises:
        ValueError: It is none; the message says how to write one.
    """
    now = datetime.now().astimezone()
    try:
        if ago := AGO.fullmatch(text.strip().lower()):
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        written = datetime.fromisoformat(text.strip())
        return written if written.tzinfo else written.astimezone()
    except (ValueError, OverflowError):
        raise ValueError(f"{printable(text)} is no time: {WAY_TO_WRITE_A_TIME}") from None
