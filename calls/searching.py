"""What calls are looked for by, where a list goes on, and what a list has of a call: a record.

A record is a row of `calls.database.schema.CALLS`: all columns of a call by name, with those that are made of its
events. What the database finds (`calls.database.listing`) and what is in memory alone are picked by the same filters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from calls.states import ENDS

Record = Mapping[str, Any]

LONGEST_QUERY = 200
MOST_WORDS = 10

NUMBER_LIKE = re.compile(r"\+?[\d\s().\-]{3,}")
"""A query that looks like (a part of) a telephone number."""

MICROSECONDS = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class Filters:
    """Which calls are wanted: those to which all of it applies. None, or nothing, asks for nothing.

    Parameters:
        words: What was said; each of these words, or the beginning or a part of one.
        number: A part of the caller's or of the called number, in digits.
        outcome: What was achieved, one of these.
        state: Where the call stands, one of these.
        live: Whether it goes on.
        agent: The agent's name.
        direction: `inbound` or `outbound`.
        carrier: The carrier's name.
        since: Begun at this moment or later.
        until: Begun before this moment.
        slow_ms: With a response that took so long or longer.
        has: With all of these: see `calls.derived.HAS`.
        reviewed: Whether a person is done with it.
    """

    words: Sequence[str] = ()
    number: str | None = None
    outcome: Sequence[str] = ()
    state: Sequence[str] = ()
    live: bool | None = None
    agent: str | None = None
    direction: str | None = None
    carrier: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    slow_ms: int | None = None
    has: Sequence[str] = ()
    reviewed: bool | None = None

    def match(self, record: Record, words: str) -> bool:
        """Whether a call is wanted.

        Args:
            record: The call.
            words: What was said, as `calls.derived.Derived.words` has it.
        """
        numbers = f"{record['from_number'] or ''} {record['to_number'] or ''}"
        slowest = record["response_max_ms"]
        return all(
            (
                all(word in words for word in self.words),
                self.number is None or self.number in numbers,
                not self.outcome or record["outcome"] in self.outcome,
                not self.state or record["state"] in self.state,
                self.live is None or self.live is (record["state"] not in ENDS),
                self.agent is None or record["agent"] == self.agent,
                self.direction is None or record["direction"] == self.direction,
                self.carrier is None or record["carrier"] == self.carrier,
                self.since is None or record["created_at"] >= self.since,
                self.until is None or record["created_at"] < self.until,
                self.slow_ms is None or (slowest is not None and slowest >= self.slow_ms),
                all(one in record["has"].split() for one in self.has),
                self.reviewed is None or self.reviewed is (record["reviewed_at"] is not None),
            )
        )


def understood(query: str) -> dict[str, Any]:
    """What a person has typed into a search box, as `words` or `number` of `Filters`."""
    query = query[:LONGEST_QUERY].replace("\x00", "").strip()
    if NUMBER_LIKE.fullmatch(query) and (digits := re.sub(r"\D", "", query)):
        return {"number": digits}
    return {"words": tuple(query.casefold().split()[:MOST_WORDS])}


@dataclass(frozen=True)
class Place:
    """Where in a list one is: behind this call. Lists are in the order of their beginning, the newest first.

    Parameters:
        created_at: When it began.
        call_id: Our id of it, which decides among those that began at the same time.
    """

    created_at: datetime
    call_id: str

    @classmethod
    def behind(cls, record: Record) -> Place:
        """The place behind a call."""
        return cls(record["created_at"], record["id"])

    @classmethod
    def read(cls, text: str) -> Place:
        """From what `str` makes.

        Raises:
            ValueError: It is none.
        """
        moment, found, call_id = text.partition("~")
        if not found or not call_id:
            raise ValueError("a place in a list is what `next` of the answer before said")
        return cls(datetime.strptime(moment, MICROSECONDS).replace(tzinfo=UTC), call_id)

    def __str__(self) -> str:
        return f"{self.created_at.astimezone(UTC):{MICROSECONDS}}~{self.call_id}"

    def is_before(self, record: Record) -> bool:
        """Whether a call comes behind this place."""
        return (record["created_at"], record["id"]) < (self.created_at, self.call_id)


@dataclass(frozen=True)
class Page:
    """A part of a list.

    Parameters:
        records: The calls, newest first.
        next: Where the next part begins; None at the end.
        whole: Whether the database was asked. While it does not answer there is only what this process knows.
    """

    records: Sequence[Record]
    next: Place | None
    whole: bool = True
