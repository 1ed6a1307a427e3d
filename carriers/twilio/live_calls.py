"""Which calls of a Twilio account are up, and this deployment's.

Sources: Twilio docs, voice/api/call-resource (filter `Status`; `direction` is `inbound`, `outbound-api` or
`outbound-dial`; a `<Dial>`'s leg has `parent_call_sid`), phone-numbers/api/incomingphonenumber-resource ("If a
`trunk_sid` is present, we ignore all of the voice urls"; `voice_application_sid` likewise).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol, TypeVar

from carriers.checks import Addresses, Configured, leads_here
from carriers.live_calls import LiveCall
from carriers.numbers import phone_number
from carriers.reports import Direction

T = TypeVar("T")

MOST_CALLS = 1000
"""The longest page. Source: Twilio docs, usage/twilios-response."""


class Ask(Protocol):
    """Asks Twilio once."""

    def __call__(self, request: Callable[[Any], Awaitable[T]], /) -> Awaitable[T]:
        """Send a request."""
        ...


async def live_calls(ask: Ask, ours: Addresses, caller_ids: Collection[str]) -> list[LiveCall]:
    """See `carriers.live_calls.ListsLiveCalls`.

    A number is ours if Twilio asks our voice address about its calls. A call that came in is ours if such a number was
    called. One that was placed by REST does not say by whom: it is ours if it is from such a number that we call from,
    too.
    """
    up = await _listed(ask, "in-progress")
    if not up:
        return []
    # The colleague's phone may be ringing yet.
    with_another_leg = {call.parent_call_sid for call in [*up, *await _listed(ask, "ringing")]}
    numbers = await _numbers_that_lead_here(ask, ours)
    found = []
    for call in up:
        from_number, to_number = phone_number(call._from), phone_number(call.to)
        placed = call.direction == "outbound-api"
        if call.parent_call_sid or not call.sid or call.sid in with_another_leg:
            continue
        if placed and from_number in numbers and from_number in caller_ids:
            found.append(LiveCall(call.sid, Direction.OUTBOUND, from_number, to_number))
        elif call.direction == "inbound" and to_number in numbers:
            found.append(LiveCall(call.sid, Direction.INBOUND, from_number, to_number))
    return found


async def _listed(ask: Ask, status: str) -> list[Any]:
    return await ask(
        lambda client: client.calls.list_async(status=status, limit=MOST_CALLS, page_size=MOST_CALLS)
    )


async def _numbers_that_lead_here(ask: Ask, ours: Addresses) -> set[str | None]:
    listed = await ask(
        lambda client: client.incoming_phone_numbers.list_async(limit=MOST_CALLS, page_size=MOST_CALLS)
    )
    applications: dict[str, str | None] = {}
    found = set()
    for number in listed:
        url, application = number.voice_url, number.voice_application_sid
        if number.trunk_sid:
            continue
        if application:
            if application not in applications:
                applications[application] = await _voice_url_of(ask, application)
            url = applications[application]
        if leads_here(Configured("", url, None, ours.voice)):
            found.add(phone_number(number.phone_number))
    return found


async def _voice_url_of(ask: Ask, application: str) -> str | None:
    fetched: Any = await ask(lambda client: client.applications(application).fetch_async())
    url: str | None = fetched.voice_url
    return url
