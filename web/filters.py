"""What requests ask of lists: which calls, from when on, how many, and where a list goes on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, HTTPException, Query
from pydantic import BeforeValidator

from calls.outcome import Outcome
from calls.searching import LONGEST_QUERY, Filters, understood
from calls.states import CallState
from carriers.carrier import Direction
from desk.api_keys import Scope
from web.access import ThePerson

NO_TIME = "since or until is no time that calls could have: write it like 2026-11-26"

WITHOUT_PLUS = re.compile(r" (\d\d:?\d\d)$")
"""The end of a time whose `+` was sent as it is: in an address it stands for a space."""


def _with_plus(value: Any) -> Any:
    return WITHOUT_PLUS.sub(r"+\1", value) if isinstance(value, str) else value


Moment = Annotated[datetime, BeforeValidator(_with_plus)]


def in_utc(moment: datetime | None) -> datetime | None:
    """A moment of a request; one without a zone is in UTC."""
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise HTTPException(422, NO_TIME) from None


async def the_filters(
    person: ThePerson,
    q: Annotated[
        str | None,
        Query(
            max_length=LONGEST_QUERY, description="Words that were said, all of them; or a part of a number."
        ),
    ] = None,
    number: Annotated[
        str | None, Query(max_length=40, description="A part of the caller's or of the called number.")
    ] = None,
    outcome: Annotated[
        list[Outcome] | None, Query(description="What was achieved; several for one of these.")
    ] = None,
    state: Annotated[
        list[CallState] | None, Query(description="Where the call stands; several for one of these.")
    ] = None,
    live: Annotated[bool | None, Query(description="Whether it goes on.")] = None,
    agent: Annotated[str | None, Query(max_length=100, description="The agent's name.")] = None,
    direction: Annotated[Direction | None, Query(description="Who dialled.")] = None,
    carrier: Annotated[str | None, Query(max_length=40, description="The carrier's name.")] = None,
    since: Annotated[
        Moment | None, Query(description="Begun at this time or later; in UTC unless it says otherwise.")
    ] = None,
    until: Annotated[Moment | None, Query(description="Begun before this time.")] = None,
    slow_ms: Annotated[
        int | None, Query(ge=0, le=600_000, description="With a response that took so long or longer.")
    ] = None,
    has: Annotated[
        list[Literal["error", "message", "recording", "transfer"]] | None,
        Query(description="With something of this kind; several for all of these."),
    ] = None,
    reviewed: Annotated[bool | None, Query(description="Whether a person is done with it.")] = None,
) -> Filters:
    """The calls that a request wants.

    Raises:
        HTTPException: They are looked for by what the person may not see in full.
    """
    if (q or number) and not person.may(Scope.READ):
        # Who may ask which calls have "0143" in them finds the rest of a number that is shortened, digit by digit.
        raise HTTPException(
            403,
            f"the key {person.name} has the scope {person.key.scope}, and looking for words or numbers needs "
            f"{Scope.READ}: use another key",
        )
    asked = understood(q or "")
    if number and (digits := re.sub(r"\D", "", number)):
        asked["number"] = digits
    return Filters(
        **asked,
        outcome=tuple(one.value for one in outcome or ()),
        state=tuple(one.value for one in state or ()),
        live=live,
        agent=agent,
        direction=direction.value if direction else None,
        carrier=carrier,
        since=in_utc(since),
        until=in_utc(until),
        slow_ms=slow_ms,
        has=tuple(has or ()),
        reviewed=reviewed,
    )


TheFilters = Annotated[Filters, Depends(the_filters)]

Limit = Annotated[int, Query(ge=1, le=1000, description="How many.")]
Before = Annotated[
    str | None, Query(max_length=200, description="Where the list goes on: the `next` of the answer before.")
]
