"""What becomes of a call's recordings, told by answers and reports that overtake each other.

A recording goes forward only: it is recorded or paused, then stopped, then its file is there or there is none. What
comes too late to be true changes nothing, so that a call counts as paused for as long as it is (`is_paused`): what is
said meanwhile must not be written down anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from calls.call import Call
from calls.events.lifecycle import RecordingChanged, RecordingReported

IN_PROGRESS, PAUSED, STOPPED, UNKNOWN = "in_progress", "paused", "stopped", "unknown"
COMPLETED = "completed"

ORDER = {IN_PROGRESS: 0, PAUSED: 0, STOPPED: 1, COMPLETED: 3}
"""How far a recording has come; with every state that is not here it is over. A file that is there stays."""

OVER = 2


@dataclass
class Recording:
    """A recording of a call.

    Parameters:
        id: The carrier's id; None while it has not been told.
        state: The last one.
    """

    id: str | None
    state: str

    @property
    def order(self) -> int:
        """How far it has come."""
        return ORDER.get(self.state, OVER)


def recordings(call: Call) -> list[Recording]:
    """The recordings of a call, oldest first."""
    found: list[Recording] = []
    for event in call.events:
        if isinstance(event, RecordingChanged):
            one = _named(found, event.recording_id, event.state)
            if one is None:
                one = Recording(None, event.state)
                found.append(one)
            one.id, one.state = one.id or event.recording_id, event.state
    return found


def is_paused(call: Call) -> bool:
    """Whether a recording of the call is paused."""
    return any(one.state == PAUSED for one in recordings(call))


def was_changed(call: Call, state: str, recording_id: str | None) -> None:
    """Take in that the carrier did what it was asked for."""
    one = _named(recordings(call), recording_id, state)
    if one is None or (ORDER[state] >= one.order and (state, recording_id) != (one.state, one.id)):
        call.record(RecordingChanged(state=state, recording_id=recording_id))


def was_reported(call: Call, report: RecordingReported) -> bool:
    """Take in a carrier's report, which may be late, doubled or out of order.

    Returns:
        Whether it was news.
    """
    one = _named(recordings(call), report.recording_id, report.state)
    if one is not None and report.state in (IN_PROGRESS, UNKNOWN):
        # A report of the beginning, or of what nobody knows: only the id may be news.
        if report.recording_id in (one.id, None):
            return False
        report = replace(report, state=one.state)
    elif one is not None and ORDER.get(report.state, OVER) < one.order:
        return False
    return call.record_once(report)


def _named(found: list[Recording], recording_id: str | None, state: str) -> Recording | None:
    """The recording that is meant; None for a new one."""
    if recording_id is None:
        is_new = state == IN_PROGRESS and (not found or found[-1].order > 0)
        return None if is_new or not found else found[-1]
    for one in found:
        if one.id == recording_id:
            return one
    # One whose id was not told when it began
    return next((one for one in found if one.id is None and one.order < OVER), None)
