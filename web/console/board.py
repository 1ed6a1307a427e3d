"""The calls that go on, as rows: kept up to date while somebody looks, and rendered once for all who do.

Calls of this process are known as things happen on them (`calls.feed`); those of others by what is written of them
(`calls.tailing`). Changes of a quarter of a second are told together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from loguru import logger

from calls.call import Call
from calls.events.event import CallEvent
from calls.events.lifecycle import Connected, TransferEnded, TransferStarted
from calls.events.talk import BotHeard, BotSaid, CallerSaid, Responded, TurnMeasured
from calls.searching import Filters
from calls.states import CallState
from calls.tailing import TooSlow, tail
from carriers.carrier import Direction
from web.console.feeds import event, partial
from web.console.templating import fragment
from web.console.watching import Watched
from web.descriptions import time_text
from web.shortened import shortened
from web.web_service import WebService

TOGETHER_SECS = 0.25
"""Changes within this time are told together."""

STAYS_SECS = 10.0
"""How long a call that has ended stays on the page."""

AGAIN_SECS = 1.0
"""How often it is looked whether there are other processes by now."""

MOST_CALLS = 500
"""No page shows more rows."""

BETWEEN = 20
"""After so many calls the loop does something else: those that talk come first."""

WORDS_CHARACTERS = 120

Row = Mapping[str, Any]


def row_of(call: Call, now: datetime) -> Row:
    """A call as a row of the page, in values as the API has them.

    Args:
        call: The call.
        now: The present time.
    """
    since = call.answered_at or call.created_at
    until = call.ended_at or now
    who, words = _last_words(call)
    response = call.last(TurnMeasured, Responded)
    state = call.state.value
    return {
        "id": call.id,
        "state": state,
        "with": call.transfer_under_way or _with(call),
        "direction": call.direction.value,
        "other_number": call.other_number,
        "called": call.to_number if call.direction is Direction.INBOUND else None,
        "agent": call.agent,
        "created_at": time_text(call.created_at),
        "secs": max(0, int((until - since).total_seconds())),
        "over": call.is_over,
        "who": who,
        "words": words,
        "response_ms": _ms(response),
        "turns": sum(isinstance(one, Responded) for one in call.events),
    }


def _ms(response: CallEvent | None) -> int | None:
    if isinstance(response, TurnMeasured):
        return response.response_ms
    return response.ms if isinstance(response, Responded) else None


def _with(call: Call) -> str | None:
    """Whom the caller talks with, if that is no bot."""
    if call.state is not CallState.TRANSFERRED:
        return None
    ended = call.last(TransferEnded)
    return ended.destination if ended is not None else None


def _last_words(call: Call) -> tuple[str, str]:
    for one in reversed(call.events):
        if isinstance(one, CallerSaid) and one.text.strip():
            return "caller", _short(one.text)
        if isinstance(one, BotSaid | BotHeard) and one.text.strip():
            return "bot", _short(one.text)
        if isinstance(one, TransferStarted):
            return "", f"put through to {one.destination}"
        if isinstance(one, Connected):
            return "", "connected"
    return "", ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WORDS_CHARACTERS else f"{text[: WORDS_CHARACTERS - 1]}…"


class Board(Watched):
    """Keeps the rows.

    Parameters:
        service: Has the calls.
    """

    def __init__(self, service: WebService):
        super().__init__()
        self._service = service
        self._rows: dict[str, Row] = {}
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        self._going: dict[str, asyncio.TimerHandle] = {}

    async def rows(self) -> list[Row]:
        """The calls that go on, the latest first."""
        store = self._service.store
        found = await store.looking.find(Filters(live=True), MOST_CALLS)
        rows = []
        for number, record in enumerate(found.records, 1):
            call = await store.fetch(record["id"])
            if call is not None and not call.is_over:
                rows.append(row_of(call, store.now()))
            if number % BETWEEN == 0:
                await asyncio.sleep(0)
        return rows

    def end(self) -> None:
        """Forget the rows: nobody looks any more."""
        super().end()
        for timer in self._going.values():
            timer.cancel()
        self._rows, self._going = {}, {}
        self._changed.clear()

    async def keep(self) -> None:
        """Keep the rows up to date, and tell who looks."""
        following = asyncio.create_task(self._follow(), name="console-follow")
        stop = self._service.store.feed.listen(self._happened)
        try:
            self._rows = {row["id"]: row for row in reversed(await self.rows())}
            self.known.set()
            while True:
                await self._news.wait()
                self._news.clear()
                changed, self._changed = self._changed, set()
                for call_id in changed:
                    try:
                        await self._refresh(call_id)
                    except Exception as error:  # one call must not stop the others' rows
                        logger.opt(exception=error).error(
                            "A row of the console failed: {}", type(error).__name__
                        )
                await asyncio.sleep(TOGETHER_SECS)
        finally:
            following.cancel()
            stop()

    def _happened(self, call: Call, _: CallEvent) -> None:
        self._changed.add(call.id)
        self._news.set()

    async def _follow(self) -> None:
        """Note what happens on calls of other processes."""
        store = self._service.store
        while store.shared is not None:
            with suppress(TooSlow):
                if not store.shared.alone:
                    async for record, _, _ in tail(store, Filters()):
                        self._changed.add(record["id"])
                        self._news.set()
            await asyncio.sleep(AGAIN_SECS)

    async def _refresh(self, call_id: str) -> None:
        store = self._service.store
        call = await store.fetch(call_id)
        before = self._rows.get(call_id)
        if call is None or (call.is_over and before is None):
            return
        row = row_of(call, store.now())
        if before is not None and {**before, "secs": 0} == {**row, "secs": 0}:
            return
        self._rows[call_id] = row
        if row["over"] and call_id not in self._going:
            loop = asyncio.get_running_loop()
            self._going[call_id] = loop.call_later(STAYS_SECS, self._gone, call_id)
        for shortly, viewers in self.viewers.items():
            if viewers:
                viewers.tell(event(self._change(row, before, shortly=shortly)))

    def _gone(self, call_id: str) -> None:
        self._going.pop(call_id, None)
        self._rows.pop(call_id, None)
        for viewers in self.viewers.values():
            viewers.tell(event(partial(call_id, "delete")))

    def _change(self, row: Row, before: Row | None, *, shortly: bool) -> str:
        html = _html(row, shortly=shortly)
        text = partial(row["id"], "outerMorph", html) if before else partial("rows", "afterbegin", html)
        if before is None or before["over"] != row["over"]:
            text += self._count() + _status(row, shortly=shortly)
        return text

    def whole(self, *, shortly: bool) -> str:
        """All rows."""
        rows = "".join(_html(row, shortly=shortly) for row in reversed(list(self._rows.values())))
        return partial("rows", "innerMorph", rows) + self._count()

    def _count(self) -> str:
        live = sum(not row["over"] for row in self._rows.values())
        return partial("live-count", "innerHTML", fragment("_live_count.html", live_calls=live))


def _html(row: Row, *, shortly: bool) -> str:
    return fragment("_live_row.html", call=shortened(row) if shortly else row)


def _status(row: Row, *, shortly: bool) -> str:
    """What a screen reader says of a call that begins or ends."""
    seen = shortened(row) if shortly else row
    return partial("status", "innerHTML", fragment("_live_status.html", call=seen))
