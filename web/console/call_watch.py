"""A call whose page people look at: what changes of it, rendered once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from calls.call import Call
from calls.following import follow
from calls.store import CallStore
from web.console.feeds import event, partial
from web.console.lines import Line, lines
from web.console.templating import fragment
from web.console.watching import Watched
from web.descriptions import description
from web.shortened import shortened

TOGETHER_SECS = 0.2
"""Changes within this time are told together."""

LISTS = frozenset({"events", "turns", "turn_times"})
"""What of a call's description grows all the time, and is seen in its lines alone."""

Rendered = Mapping[int, tuple[Line, str]]
"""Lines and their HTML, by their numbers."""


def call_values(call: Call, now: datetime, *, shortly: bool) -> dict[str, Any]:
    """What the templates of a call need, whoever looks.

    Args:
        call: The call.
        now: The present time.
        shortly: Whether numbers are shown shortened.
    """
    seen: dict[str, Any] = description(call)
    if shortly:
        seen = shortened(seen)
    since = call.answered_at or call.created_at
    return {
        "call": seen,
        "number": seen["from_number"] if seen["direction"] == "inbound" else seen["to_number"],
        "lines": lines(seen),
        "secs": max(0, int(((call.ended_at or now) - since).total_seconds())),
        "is_over": call.is_over,
    }


class CallWatch(Watched):
    """Keeps the page of a call.

    Parameters:
        store: Has the call.
        call: The call.
        done: Called when nobody looks any more.
    """

    def __init__(self, store: CallStore, call: Call, done: Callable[[], object]):
        super().__init__()
        self._store = store
        self._call = call
        self._done = done
        self._news = asyncio.Event()
        self._is_written = False
        self._rendered: dict[bool, Rendered] = {}
        self._beside: dict[bool, Mapping[str, Any]] = {}

    def end(self) -> None:
        """Nobody looks any more."""
        super().end()
        self._rendered.clear()
        self._beside.clear()
        self._done()

    async def keep(self) -> None:
        """Follow the call until its end."""
        # In this process at once; in others, as it is written
        stop = self._call.watch(self._news.set)
        following = asyncio.create_task(self._follow(), name="console-call")
        try:
            while True:
                self._news.clear()
                self._call = await self._store.fetch(self._call.id) or self._call
                self.known.set()
                for shortly, viewers in self.viewers.items():
                    if viewers and (text := self._changes(shortly=shortly)):
                        viewers.tell(event(text))
                if self._is_written and self._call.is_over:
                    return
                await self._news.wait()
                await asyncio.sleep(TOGETHER_SECS)
        finally:
            following.cancel()
            stop()

    async def _follow(self) -> None:
        async for _ in follow(self._store, self._call, len(self._call.events)):
            self._news.set()
        self._is_written = True
        self._news.set()

    def whole(self, *, shortly: bool) -> str:
        """All lines, and what stands beside them."""
        values = self._values(shortly=shortly)
        if not self.viewers[shortly]:
            self._rendered[shortly] = self._render(values["lines"], {})
            self._beside[shortly] = _besides(values)
        # As whoever looks already has them: they are all told of the next changes
        lines_html = "".join(html for _, html in self._rendered[shortly].values())
        return _beside(values) + partial("lines", "innerMorph", lines_html)

    def _changes(self, *, shortly: bool) -> str:
        values = self._values(shortly=shortly)
        before = self._rendered.get(shortly, {})
        after = self._rendered[shortly] = self._render(values["lines"], before)
        text = _differences(before, after)
        if (now := _besides(values)) != self._beside.get(shortly):
            self._beside[shortly] = now
            text += _beside(values)
        return text

    def _values(self, *, shortly: bool) -> dict[str, Any]:
        return call_values(self._call, self._store.now(), shortly=shortly)

    def _render(self, now: Sequence[Line], before: Rendered) -> Rendered:
        made = {}
        for line in now:
            known = before.get(line.id)
            made[line.id] = known if known and known[0] == line else (line, fragment("_line.html", line=line))
        return made


def _besides(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What those pieces are made of, but for the seconds, which a page counts by itself."""
    return {name: value for name, value in values["call"].items() if name not in LISTS}


def _beside(values: Mapping[str, Any]) -> str:
    """What stands beside the lines."""
    text = partial("call-head", "innerMorph", fragment("_call_head.html", **values))
    text += partial("facts", "innerMorph", fragment("_call_facts.html", **values))
    return text + (partial("acts", "innerHTML") if values["is_over"] else "")


def _differences(before: Rendered, after: Rendered) -> str:
    text = "".join(
        partial(f"line-{number}", "outerMorph", html)
        for number, (_, html) in after.items()
        if number in before and before[number][1] != html
    )
    if added := "".join(html for number, (_, html) in after.items() if number not in before):
        text += partial("lines", "beforeend", added)
    return text + "".join(partial(f"line-{number}", "delete") for number in before if number not in after)
