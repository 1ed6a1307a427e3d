"""A call's events as the lines of a page: who said what, what of it was heard, and what happened between.

It takes a call as the API describes it (`web.descriptions.description`), perhaps shortened, so it shows nothing else.
The lines are the same however many events follow, so a page can be told of the changed and the new ones alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from calls.figures import STAGES
from web.console.happenings import happening
from web.console.words import read_time

Event = Mapping[str, Any]

BOT, CALLER, TOOL, EVENT, PERSON = "bot", "caller", "tool", "event", "person"
"""What a line is: words of one of the two, a tool, something that happened, or something that a person has done."""


@dataclass
class Piece:
    """About a sentence of the bot's.

    Parameters:
        text: The words.
        heard: How many of its characters were heard; None while that is not known.
    """

    text: str
    heard: int | None = None


@dataclass
class Line:
    """A line of the page.

    Parameters:
        id: The number of its first event in the call, from 1.
        kind: `BOT`, `CALLER`, `TOOL`, `EVENT` or `PERSON`.
        at: When it began, as the API writes it.
        ms: The same on the call's clock: in milliseconds after the answer, or after the beginning if there was none.
        text: The words that were heard, or what happened.
        unheard: The bot's words that nobody heard.
        pending: The bot's words of which it is not known yet: the caller hears them now, or will.
        interrupted: Whether the bot was cut off in it.
        by: Who of the operator's people has done it; empty for nobody.
        more: What a tool was called with, and what it returned, by these names; JSON.
        turn: How long it was waited for, on the first line of a turn of the bot: `response_ms`, `stages` (by name, in
            milliseconds), `parts`, `interrupted`, `measured` (whether at the line), `to`. None elsewhere.
    """

    id: int
    kind: str
    at: str
    ms: int
    text: str = ""
    unheard: str = ""
    pending: str = ""
    interrupted: bool = False
    by: str = ""
    more: dict[str, str] = field(default_factory=dict)
    turn: dict[str, Any] | None = None


def lines(call: Mapping[str, Any]) -> list[Line]:
    """The lines of a call.

    Args:
        call: As the API describes it.
    """
    begin = read_time(call["answered_at"]) or read_time(call["created_at"])
    assert begin is not None
    maker = _Lines(begin)
    for number, event in enumerate(call["events"], 1):
        maker.take(number, event)
    return maker.finish(is_over=call["ended_at"] is not None)


class _Lines:
    def __init__(self, begin: datetime):
        self._begin = begin
        self._lines: list[Line] = []
        self._pieces: dict[int, list[Piece]] = {}  # by the ids of their lines
        self._waiting: list[Piece] = []
        self._open: Line | None = None
        self._responded: dict[str, Any] | None = None
        self._turn_line: Line | None = None
        self._tools: list[Line] = []

    def take(self, number: int, event: Event) -> None:
        """Take in the next event."""
        kind = event["kind"]
        if kind == "bot_said":
            self._said(number, event)
        elif kind == "bot_heard":
            self._heard(number, event)
        elif kind == "interrupted":
            self._cut(str(event.get("heard", "")))
        elif kind == "responded":
            self._open = self._turn_line = None
            stages = event.get("stages")
            self._responded = _turn(
                event.get("to"), event.get("ms"), stages if isinstance(stages, Mapping) else {}
            )
        elif kind == "turn":
            self._measured(event)
        elif kind == "caller_said":
            if text := str(event.get("text", "")).strip():
                self._open = None
                self._add(number, CALLER, event, text)
        elif kind == "tool_started":
            self._tools.append(self._tool(number, event))
        elif kind == "tool":
            self._returned(number, event)
        else:
            if kind in ("attached", "detached"):
                self._open = None
            if kind == "detached":
                self._cut("")
            if (what := happening(event)) is not None:
                by = str(event.get("by") or "")
                self._add(number, PERSON if by else EVENT, event, what).by = by

    def finish(self, *, is_over: bool) -> list[Line]:
        """All lines; when the call is over, what was not heard by now was heard by nobody."""
        if is_over:
            self._cut("")
        for line in self._lines:
            if line.kind == BOT:
                _put_together(line, self._pieces[line.id])
        return self._lines

    def _add(self, number: int, kind: str, event: Event, text: str) -> Line:
        at = read_time(event["at"]) or self._begin
        line = Line(number, kind, event["at"], round((at - self._begin).total_seconds() * 1000), text)
        self._lines.append(line)
        return line

    def _bot_line(self, number: int, event: Event) -> Line:
        # Behind whatever has happened since: lines are in the order of time
        if self._open is None or self._lines[-1] is not self._open:
            self._open = self._add(number, BOT, event, "")
            self._pieces[number] = []
            if self._responded is not None:
                self._open.turn, self._turn_line, self._responded = self._responded, self._open, None
        return self._open

    def _said(self, number: int, event: Event) -> None:
        piece = Piece(str(event.get("text", "")).strip())
        self._pieces[self._bot_line(number, event).id].append(piece)
        self._waiting.append(piece)

    def _heard(self, number: int, event: Event) -> None:
        """A sentence was played, and with it all before it, also those of which the carrier's report was lost."""
        text = str(event.get("text", "")).strip()
        place = next((place for place, one in enumerate(self._waiting) if one.text == text), None)
        if place is None:  # as of a history without `bot_said`
            self._pieces[self._bot_line(number, event).id].append(Piece(text, len(text)))
            return
        for one in self._waiting[: place + 1]:
            one.heard = len(one.text)
        del self._waiting[: place + 1]

    def _cut(self, heard: str) -> None:
        """Nothing more of what was said is heard, but for the beginning of the first sentence."""
        if not self._waiting:
            return
        first = self._waiting[0]
        for one in self._waiting:
            one.heard = 0
        first.heard = len(heard) if first.text.startswith(heard) else 0
        cut = next(line for line in self._lines if any(one is first for one in self._pieces.get(line.id, ())))
        cut.interrupted = True
        self._waiting.clear()
        self._open = None

    def _measured(self, event: Event) -> None:
        stages: dict[str, int] = {}
        parts = event.get("parts")
        for part in parts if isinstance(parts, Sequence) else ():
            if isinstance(part, Mapping) and isinstance(part.get("ms"), int):
                name = str(part.get("stage", "other"))
                stages[name] = stages.get(name, 0) + part["ms"]
        turn = _turn(event.get("to"), event.get("response_ms"), stages)
        turn |= {"parts": parts, "interrupted": event.get("interrupted") is True, "measured": True}
        self._open = None
        if self._turn_line is None:
            self._responded = None  # a turn without a word that was said, such as a sound
            return
        self._turn_line.turn = turn
        after = event.get("after_answer_ms")
        if isinstance(after, int):
            self._turn_line.ms = after
        self._turn_line = None

    def _tool(self, number: int, event: Event) -> Line:
        line = self._add(number, TOOL, event, str(event.get("name", "")))
        line.more["arguments"] = _json(event.get("arguments"))
        return line

    def _returned(self, number: int, event: Event) -> None:
        name, arguments = str(event.get("name", "")), _json(event.get("arguments"))
        begun = [one for one in self._tools if one.text == name]
        line = next((one for one in begun if one.more["arguments"] == arguments), begun[0] if begun else None)
        if line is None:
            line = self._tool(number, event)
        else:
            self._tools.remove(line)
        line.more["result"] = _json(event.get("result"))
        line.more["ok"] = {True: "yes", False: "no"}.get(event.get("ok"), "")  # type: ignore[arg-type]


def _turn(to: Any, response_ms: Any, stages: Mapping[str, Any]) -> dict[str, Any]:
    order = [*STAGES, *(name for name in stages if name not in STAGES)]
    return {
        "to": to,
        "response_ms": response_ms if isinstance(response_ms, int) else None,
        "stages": {
            name: stages[name] for name in order if isinstance(stages.get(name), int) and stages[name] > 0
        },
        "parts": [],
        "interrupted": False,
        "measured": False,
    }


def _put_together(line: Line, pieces: Sequence[Piece]) -> None:
    """A line's sentences: those that were heard, those that nobody heard, and those of which it is not known yet."""
    heard = [one.text[: one.heard] for one in pieces if one.heard]
    unheard = [one.text[one.heard :] for one in pieces if one.heard is not None and one.heard < len(one.text)]
    line.text = " ".join(text.strip() for text in heard)
    line.unheard = " ".join(text.strip() for text in unheard)
    line.pending = " ".join(one.text for one in pieces if one.heard is None)


def _json(value: Any) -> str:
    if value is None or value in ("", {}):
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
