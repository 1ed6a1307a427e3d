"""The calls of this deployment that are up at a carrier, by the carrier's own list."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from carriers.checks import Addresses
from carriers.reports import Direction


@dataclass(frozen=True)
class LiveCall:
    """A call that is up, and on which nobody but the bot could be talking.

    Parameters:
        id: The carrier's id of the call.
        direction: `outbound` when it was asked for by REST; `inbound` also where the list does not tell.
        from_number: The number (E.164) or SIP address of the caller; None where the list does not tell.
        to_number: The number or address that was dialled; None where the list does not tell.
        agent: The agent that was to talk, when the call itself says so.
    """

    id: str
    direction: Direction = Direction.INBOUND
    from_number: str | None = None
    to_number: str | None = None
    agent: str | None = None


@runtime_checkable
class ListsLiveCalls(Protocol):
    """A carrier that lists the calls that are up; not every one documents such a list."""

    async def live_calls(self, ours: Addresses, caller_ids: Collection[str]) -> list[LiveCall]:
        """The calls that are up and that are this deployment's.

        An account may have calls of other programs. Those of a number, or an application, whose address at the carrier
        is not ours are never listed; nor are calls that are connected with a further leg, on which people talk.

        Args:
            ours: The addresses that the carrier has for our numbers, or our application.
            caller_ids: The numbers (E.164) that this deployment calls from. Where the list does not tell who has placed
                a call, one from another number is not ours.

        Raises:
            CarrierError: The carrier did not say.
        """
        ...
