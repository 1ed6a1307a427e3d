"""Changing a call's recordings, and their state by the carrier's answers and reports, which overtake each other.

A recording goes forward only: it is recorded or paused, then stopped, then its file is there or there is none. A report
that comes too late to be true changes nothing, so that a call counts as paused for as long as it is (`is_paused`): what
is said meanwhile must not be written down anywhere.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from calls.call import Call
from calls.control import CallControl
from calls.errors import NotPossible
from calls.events.lifecycle import RecordingChanged, RecordingReported
from carriers.carrier import CarrierUnavailable, RecordingFormat, RecordingUpdate

T = TypeVar("T")

IN_PROGRESS, PAUSED, STOPPED, UNKNOWN = "in_progress", "paused", "stopped", "unknown"
COMPLETED, DELETED = "completed", "deleted"

RECORD_BUDGET_SECS = 8.0
"""How long the start of a recording may be tried: a carrier may record only once audio flows, and no caller waits."""

RECORDING_ACTIONS = {"start": "in_progress", "pause": "paused", "resume": "in_progress", "stop": "stopped"}
"""What can be done to a recording, and the state that it is in afterwards."""

ORDER = {IN_PROGRESS: 0, PAUSED: 0, STOPPED: 1, COMPLETED: 3, DELETED: 4}
"""How far a recording has come; with every state that is not here it is over. A file that is there
stays until it is deleted."""

OVER = 2

CLOCKS_APART_SECS = 5.0
"""A carrier whose clock differs from ours by more is not believed when a recording began."""


@dataclass
class Recording:
    """A recording of a call.

    Parameters:
        id: The carrier's id; None until the carrier has given it.
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


async def change_recording(
    control: CallControl,
    action: str,
    file_format: str = RecordingFormat.WAV,
    *,
    by: str | None = None,
) -> None:
    """Start, pause, resume or stop the carrier's recording of the call.

    Args:
        control: Of the call.
        action: One of `RECORDING_ACTIONS`.
        file_format: What file to make when it starts, one of `RecordingFormat`.
        by: Which of the operator's people has asked for it.

    Raises:
        NotDone: The recording is as it was.
    """
    call, carrier = control.call, control.able("record")
    if action not in RECORDING_ACTIONS:
        raise NotPossible(f"there is no {action!r} of a recording: use {', '.join(RECORDING_ACTIONS)}")
    call_id, command_id = call.carrier_call_id, str(uuid.uuid4())
    wanted = RecordingFormat(file_format)
    budget_secs = RECORD_BUDGET_SECS if action == "start" else None
    status_url = control.way_back.recording_url(call) if control.way_back else None
    known = (
        next((one.id for one in reversed(recordings(call)) if one.id), None) if action != "start" else None
    )

    def start(command_id: str) -> Awaitable[str | None]:
        return carrier.start_recording(
            call_id, status_url=status_url, file_format=wanted, command_id=command_id
        )

    async def request() -> str | None:
        change = {
            "pause": carrier.pause_recording,
            "resume": carrier.resume_recording,
            "stop": carrier.stop_recording,
        }[action]
        await change(call_id, recording_id=known, command_id=command_id)
        return None

    recording_id = await control.act(
        with_fresh_ids(start, command_id) if action == "start" else request,
        f"{action} the recording",
        budget_secs,
    )
    was_changed(call, RECORDING_ACTIONS[action], recording_id or known, by)


def with_fresh_ids(request: Callable[[str], Awaitable[T]], command_id: str) -> Callable[[], Awaitable[T]]:
    """A request that is sent again under the same id only where an attempt may have been carried out.

    The id of one that was refused, as it came too early, may count as a repetition.

    Args:
        request: Asks once, under an id.
        command_id: The first one.
    """
    certain = True

    async def ask() -> T:
        nonlocal command_id, certain
        try:
            return await request(command_id)
        except CarrierUnavailable as error:
            certain = certain and error.nothing_done
            if certain:
                command_id = str(uuid.uuid4())
            raise

    return ask


def was_changed(call: Call, state: str, recording_id: str | None, by: str | None = None) -> None:
    """Take in that the carrier did what it was asked for."""
    one = _named(recordings(call), recording_id, state)
    if one is None or (ORDER[state] >= one.order and (state, recording_id) != (one.state, one.id)):
        call.record(RecordingChanged(state=state, recording_id=recording_id, by=by))


def was_reported(call: Call, update: RecordingUpdate) -> bool:
    """Take in a carrier's report, which may be late, doubled or out of order.

    Returns:
        Whether it was news.
    """
    state = str(update.state or UNKNOWN)
    one = _named(recordings(call), update.recording_id, state)
    if one is not None and state in (IN_PROGRESS, UNKNOWN):
        # A report of the beginning, or with a state that we do not know: only the id may be news.
        if update.recording_id in (one.id, None):
            return False
        state = one.state
    elif one is not None and ORDER.get(state, OVER) < one.order:
        return False
    report = RecordingReported(
        state=state,
        recording_id=update.recording_id,
        url=update.url,
        duration_secs=update.duration_secs,
        channels=update.channels,
        reason=update.reason,
        started_at=_iso(update.started_at),
    )
    return call.record_once(report)


def began(call: Call) -> dict[int, datetime]:
    """When each of `recordings` began, by its place there; those of which it is not known are left out.

    It is when we were told that the carrier records, or what the carrier says of it afterwards, unless its clock is far
    from ours: what it says is of the recording itself, without the way of the answer.
    """
    found: list[Recording] = []
    times: dict[int, datetime] = {}
    for event in call.events:
        if not isinstance(event, RecordingChanged):
            continue
        one = _named(found, event.recording_id, event.state)
        if one is None:
            one = Recording(None, event.state)
            found.append(one)
        one.id, one.state = one.id or event.recording_id, event.state
        place = found.index(one)
        if event.state == IN_PROGRESS:
            times.setdefault(place, event.at)
        if isinstance(event, RecordingReported) and event.started_at:
            with suppress(ValueError):
                says = datetime.fromisoformat(event.started_at)
                if abs((says - times.get(place, says)).total_seconds()) < CLOCKS_APART_SECS:
                    times[place] = says
    return times


def _iso(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _named(found: list[Recording], recording_id: str | None, state: str) -> Recording | None:
    """The recording that is meant; None for a new one."""
    if recording_id is None:
        is_new = state == IN_PROGRESS and (not found or found[-1].order > 0)
        return None if is_new or not found else found[-1]
    for one in found:
        if one.id == recording_id:
            return one
    # One without an id from its beginning
    return next((one for one in found if one.id is None and one.order < OVER), None)
