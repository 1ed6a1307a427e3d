"""A call as plain values, for a database, and back again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from calls.call import Call, Ending
from calls.events.event import CallEvent
from calls.states import CallState, EndedBy
from calls.transfer import Resume
from carriers.carrier import Direction

DEEPEST = 20
"""How deep lists and mappings may lie in each other; what is deeper is saved as text."""


@dataclass(frozen=True)
class SavedCall:
    """A call as a database has it.

    Parameters:
        row: The columns of `calls.database.schema.CALLS` by name.
        events: All that happened, oldest first; empty where only the row was asked for.
        last_seq: The number of the last event.
    """

    row: Mapping[str, Any]
    events: Sequence[CallEvent] = ()
    last_seq: int = 0

    def as_call(self, clock: Callable[[], datetime]) -> Call:
        """The call, as it was when it was saved.

        Raises:
            ValueError: The values are none that `row_of` writes.
        """
        row = self.row
        ending = None
        if row["ending_by"]:
            state = CallState(row["ending_state"] or CallState.COMPLETED)
            ending = Ending(EndedBy(row["ending_by"]), row["ending_cause"] or "", state)
        return Call.restored(
            id=row["id"],
            carrier=row["carrier"],
            carrier_call_id=row["carrier_call_id"] or "",
            mode=row["mode"],
            direction=Direction(row["direction"]),
            from_number=row["from_number"],
            to_number=row["to_number"],
            agent=row["agent"],
            parameters=dict(row["parameters"]),
            clock=clock,
            state=CallState(row["state"]),
            events=list(self.events),
            ending=ending,
            resume=Resume.from_dict(row["resume"]) if row["resume"] else None,
            created_at=row["created_at"],
            answered_at=row["answered_at"],
            ended_at=row["ended_at"],
        )


def row_of(call: Call) -> dict[str, Any]:
    """The columns of `calls.database.schema.CALLS` for a call."""
    ending, resume = call.ending, call.resume
    return {
        "id": call.id,
        "carrier": _text(call.carrier),
        "carrier_call_id": _text(call.carrier_call_id) or None,
        "mode": call.mode,
        "direction": call.direction.value,
        "from_number": _text(call.from_number),
        "to_number": _text(call.to_number),
        "agent": _text(call.agent),
        "parameters": plain(dict(call.parameters)),
        "state": call.state.value,
        "ending_by": ending.by.value if ending else None,
        "ending_cause": _text(ending.cause) if ending else None,
        "ending_state": ending.state.value if ending else None,
        "resume": plain(resume.as_dict()) if resume else None,
        "created_at": call.created_at,
        "answered_at": call.answered_at,
        "ended_at": call.ended_at,
        "heard_at": call.events[-1].at if call.events else call.created_at,
    }


def plain(value: Any, depth: int = 0) -> Any:
    """The same value out of what JSON has; what JSON has not becomes text.

    What tools return and hosts hand over is not ours to choose, and one odd value must not keep a call from being
    saved.
    """
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= DEEPEST:
        return _text(str(value))
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    return _text(str(value))


def _text(value: Any) -> Any:
    """Text that every database takes: no half characters, and no NUL, which PostgreSQL cannot keep."""
    if not isinstance(value, str):
        return value
    return str(value).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
