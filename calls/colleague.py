"""The leg to a colleague whom the bot asks to take a caller: a call of its own, about the caller's call.

What it is about is in the call's parameters, so that it is kept in the database, and travels to a session on another
host, with the rest of them. Only we may set parameters of these names.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Self

from calls.call import Call
from calls.events.lifecycle import ColleagueCalled, TransferEnded, TransferStarted

ROLE = "role"
"""The name of the parameter that says what kind of leg a call is."""

COLLEAGUE = "colleague"


@dataclass(frozen=True)
class Colleague:
    """What the leg to a colleague is about.

    Parameters:
        for_call: Our id of the caller's call.
        peer: The carrier's id of the caller's call.
        destination: The colleague's name in the agent's file.
        about: What the bot tells the colleague.
    """

    for_call: str
    peer: str
    destination: str
    about: str

    @classmethod
    def of(cls, call: Call) -> Self | None:
        """What a call is about; None when it is no leg to a colleague."""
        known = call.parameters
        if known.get(ROLE) != COLLEAGUE:
            return None
        return cls(**{field.name: str(known.get(field.name) or "") for field in fields(cls)})

    def as_parameters(self) -> dict[str, str]:
        """The parameters of the leg, from which `of` reads them."""
        return {ROLE: COLLEAGUE, **asdict(self)}


def asked_for(call: Call) -> str | None:
    """Our id of the call to a colleague who is asked whether they take this caller; None when nobody is."""
    last = call.last(TransferStarted, ColleagueCalled, TransferEnded)
    return last.call_id if isinstance(last, ColleagueCalled) else None


PRIVATE_PARAMETERS = frozenset({"call_id", ROLE, *(field.name for field in fields(Colleague))})
"""Parameters that say which call this is, and that it is a leg to a colleague: only we may set them."""
