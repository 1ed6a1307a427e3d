"""Lists as CSV, which spreadsheets open and whose cells callers have a say in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

BEGINS_A_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""What a spreadsheet takes for the beginning of a formula, or hides one behind.

Source: OWASP, "CSV Injection": `=`, `+`, `-`, `@`, tab, carriage return, line feed, and their full-width forms.
"""


def cell(value: Any) -> str:
    """A value as a cell that no spreadsheet carries out: with an apostrophe before what would begin a formula.

    Args:
        value: Text, a number, a list of words, or None for an empty cell.
    """
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    text = " ".join(value) if isinstance(value, list | tuple) else str(value)
    text = "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
    return f"'{text}" if text.lstrip(" ").startswith(BEGINS_A_FORMULA) else text


def lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, heading: bool = True) -> str:
    """Rows as CSV. Source: RFC 4180.

    Args:
        columns: The names of the values, in order.
        rows: The values by name; what else they have is left out.
        heading: Whether the first line names the columns.
    """
    written = io.StringIO()
    writer = csv.writer(written)
    if heading:
        writer.writerow(columns)
    writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return written.getvalue()
