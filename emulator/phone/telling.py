"""What a page is told of a call: what goes over the wire, and what happens on the line, as rows in the order of time.

Media messages come a hundred times a second. A run of them in one direction is one row, which counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from emulator.legs.call import Call
from emulator.timeline import Entry
from emulator.wire import Answered, Sent

Row = dict[str, Any]

LONGEST = 4000
"""Of a body that is shown, in characters."""

PAUSE_SECS = 0.5
"""A run of media messages ends with a pause of this length."""

ON_THE_WIRE = frozenset({"webhook", "callback", "rest", "mark_sent", "mark_returned", "event", "event_told"})
"""Kinds of a timeline's entries that the wire shows better."""

PAYLOAD = re.compile(r'("payload"\s*:\s*"[^"]{16})([^"]+)')


class Telling:
    """Collects rows for a page until they are taken.

    A row has `n` (its number; a row that comes again with the same number replaces it), `t` (ms since the call was
    placed), `channel` (`socket`, `webhook`, `rest` or `line`), `to_server`, `what`, `text`, and for a run `count` and
    `bytes` (of sound).
    An answer has `of` (the number of its request), `status`, `took` (ms), `text` and `fault` instead.

    Args:
        now: Tells the network's time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Nothing yet; times count from now on."""
        self._now = now
        self._zero = now()
        self._rows: dict[int, Row] = {}
        self._answers: list[Row] = []
        self._runs: dict[tuple[str, bool], tuple[Row, float]] = {}
        self._sent_at: dict[int, float] = {}
        self._line_rows = 0
        self._call: Call | None = None
        self.frames = {True: 0, False: 0}
        """How many media messages went to the server, and came from it."""
        self.marks_sent = 0
        self.marks_returned = 0

    def follow(self, call: Call) -> None:
        """Tell of this call's line as well."""
        self._call = call
        call.timeline.listeners.append(lambda entry: self._happened(call, entry))

    def wire(self, one: Sent | Answered) -> None:
        """Something went over the wire."""
        if isinstance(one, Answered):
            self._answered(one)
        elif one.channel != "socket":
            self._sent_at[one.number] = one.at
            self._add(one, one.what, _short(one.text))
        else:
            self._message(one)

    def taken(self) -> list[Row]:
        """The rows and answers since the last time."""
        rows = [*sorted(self._rows.values(), key=lambda row: row["t"]), *self._answers]
        self._rows, self._answers = {}, []
        return rows

    def ms(self, at: float) -> int:
        """A time of the network's clock, in ms since the call was placed."""
        return round((at - self._zero) * 1000)

    def now_ms(self) -> int:
        """Ms since the call was placed."""
        return self.ms(self._now())

    def fault(self, text: str) -> None:
        """Something was made to go wrong."""
        self.line("fault", self.now_ms(), text)

    def _message(self, one: Sent) -> None:
        name, text = _read(one.text)
        key = one.call_id, one.to_server
        if name != "media":
            self._runs.pop(key, None)
            self._add(one, name, text)
            return
        self.frames[one.to_server] += 1
        row, last = self._runs.get(key, (None, 0.0))
        if row is None or one.at - last > PAUSE_SECS:
            row = self._add(one, name, text) | {"count": 0, "bytes": 0}
        row["count"] += 1
        row["bytes"] += _sound(one.text)
        self._runs[key] = row, one.at
        self._rows[row["n"]] = row

    def _add(self, one: Sent, what: str, text: str) -> Row:
        other = self._call is not None and one.call_id not in ("", self._call.leg.call_id)
        row = {
            "n": one.number,
            "t": self.ms(one.at),
            "channel": one.channel,
            "to_server": one.to_server,
            "what": what,
            "text": text,
            "leg": one.call_id[-6:] if other else "",
        }
        self._rows[one.number] = row
        return row

    def _answered(self, one: Answered) -> None:
        sent_at = self._sent_at.pop(one.number, one.at)
        self._answers.append(
            {
                "of": one.number,
                "status": one.status,
                "took": round((one.at - sent_at) * 1000),
                "text": _short(one.text),
                "fault": one.fault,
            }
        )

    def _happened(self, call: Call, entry: Entry) -> None:
        self.marks_sent += entry.kind == "mark_sent"
        self.marks_returned += entry.kind == "mark_returned"
        if entry.kind in ON_THE_WIRE:
            return
        self.line(entry.kind, self.ms(call.timeline.zero + entry.at_ms / 1000), entry.text)

    def line(self, kind: str, at_ms: int, text: str) -> None:
        """Something happened on the line, so many ms after the call was placed."""
        self._line_rows += 1
        number = -self._line_rows  # no number of the wire's
        self._rows[number] = {
            "n": number,
            "t": at_ms,
            "channel": "line",
            "to_server": False,
            "what": kind,
            "text": _short(text),
            "leg": "",
        }


def _read(raw: str) -> tuple[str, str]:
    """The name of a message on a media socket, and its text for people."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return "?", _short(raw)
    event = message.get("event") if isinstance(message, dict) else None
    return (event if isinstance(event, str) else "?")[:40], _short(PAYLOAD.sub(r"\1…", raw))


def _sound(raw: str) -> int:
    """How many bytes of sound a message has, whose payload is base64."""
    found = PAYLOAD.search(raw)
    return (16 + len(found[2])) * 3 // 4 if found else 0


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
